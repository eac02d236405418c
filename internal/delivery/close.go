package delivery

import (
	"context"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
)

// cancelGrace is how long attempts that were cancelled, and then the last recording, may take.
const cancelGrace = 5 * time.Second

// Close ends the engine: nothing new is claimed or accepted, attempts under way run on up to DrainTimeout and not
// longer than ctx, the rest is cancelled and given back without burning an attempt, and outcomes are recorded. It
// does not close the store. It returns ctx's error if ctx ended before the attempts; what was lost then is attempted
// again by whoever opens the store next.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	if e.closed != nil {
		closed := e.closed
		e.mu.Unlock()
		<-closed
		return nil
	}
	e.closed = make(chan struct{})
	defer close(e.closed)
	e.closing.Store(true)
	for l := range e.all {
		l.mu.Lock() // a lane that is launching an attempt has done so when this returns
		l.wakeUp()
		l.mu.Unlock()
	}
	e.mu.Unlock()
	if e.keeper != nil {
		e.keeper.wakeUp() // lanes are given up one by one, as their attempts end
	}

	var err error
	if !waitFor(ctx, &e.attempts, e.o.DrainTimeout) {
		err = ctx.Err()
		e.log.Warn("attempts under way are cancelled and given back")
	}
	e.cancel()
	if !waitFor(context.WithoutCancel(ctx), &e.attempts, cancelGrace) {
		e.log.Error("a destination does not stop; its deliveries are attempted again after the next start")
	}
	close(e.stop)
	waitFor(context.WithoutCancel(ctx), &e.background, cancelGrace)
	close(e.recorderStop)
	select {
	case <-e.recorder.done:
	case <-time.After(cancelGrace):
		e.log.Error("the store does not take the last outcomes; they are attempted again after the next start",
			zap.Duration("waited", cancelGrace))
	}
	if e.keeper != nil {
		e.keeper.leaveStore(context.WithoutCancel(ctx))
	}
	return err
}

// waitFor reports whether a group ended in time.
func waitFor(ctx context.Context, group *sync.WaitGroup, limit time.Duration) bool {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	timer := time.NewTimer(max(limit, 0))
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// drop forgets a lane that nobody wants any longer, and reports whether it did.
func (e *Engine) drop(l *lane) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wanted || l.running > 0 || e.closing.Load() || e.keeper != nil && l.tenure != nil {
		return false
	}
	left := slices.DeleteFunc(e.lanes[l.name], func(x *lane) bool { return x == l })
	if e.lanes[l.name] = left; len(left) == 0 {
		delete(e.lanes, l.name)
	}
	e.laneCount.Add(-1)
	return true
}
