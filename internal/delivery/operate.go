package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/store"
	"go.uber.org/zap"
)

// Pause keeps a destination's deliveries waiting until Resume, also over restarts. Attempts under way run on.
func (e *Engine) Pause(ctx context.Context, destination, reason string) error {
	e.flags.Lock()
	defer e.flags.Unlock()
	if err := e.store.Pause(ctx, destination, reason); err != nil {
		return err
	}
	e.notePaused(destination, reason)
	return nil
}

// notePaused stops a lane at once; a lane that pauses itself does so before the store knows.
func (e *Engine) notePaused(destination, reason string) {
	e.mu.Lock()
	e.paused[destination] = reason
	e.pausedVersion++
	for _, l := range e.lanes[destination] {
		l.setPaused(true, reason)
	}
	e.mu.Unlock()
	e.log.Warn("a destination is paused; its deliveries wait until it is resumed",
		zap.String("destination", destination), zap.String("reason", reason))
	e.o.Observer.Paused(destination, reason)
}

// pauseItself stops a lane for what an attempt was answered. The recorder stores it by savePause.
func (e *Engine) pauseItself(destination, reason string) {
	e.mu.Lock()
	e.unsaved[destination]++
	e.mu.Unlock()
	e.notePaused(destination, reason)
}

// savePause makes the pause of pauseItself durable, unless the destination was resumed since.
func (e *Engine) savePause(ctx context.Context, destination, reason string) error {
	e.flags.Lock()
	defer e.flags.Unlock()
	e.mu.Lock()
	_, paused := e.paused[destination]
	e.mu.Unlock()
	if !paused {
		return nil
	}
	return e.store.Pause(ctx, destination, reason)
}

// pauseSaved ends what pauseItself began.
func (e *Engine) pauseSaved(destination string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.unsaved[destination]--; e.unsaved[destination] == 0 {
		delete(e.unsaved, destination)
	}
}

// Resume ends a pause, or a hold. What waited goes out at the destination's pace.
func (e *Engine) Resume(ctx context.Context, destination string) error {
	e.flags.Lock()
	defer e.flags.Unlock()
	// The hold goes first: with the pause other gateways are told to look.
	for _, note := range e.holdNotes(destination) {
		if err := e.store.Forget(ctx, destination, note); err != nil {
			return err
		}
	}
	if err := e.store.Resume(ctx, destination); err != nil {
		return err
	}
	e.mu.Lock()
	delete(e.paused, destination)
	e.pausedVersion++
	for _, l := range e.lanes[destination] {
		l.setPaused(false, "")
		l.mu.Lock()
		l.lift()
		l.noted = false
		l.mu.Unlock()
	}
	e.mu.Unlock()
	e.o.Observer.Resumed(destination)
	return nil
}

// Replay makes dead or delivered deliveries pending again and wakes their lanes; see store.Store. With dryRun it
// only counts.
func (e *Engine) Replay(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
	return e.ReplayAt(ctx, f, 0, dryRun)
}

// ReplayAt is Replay at a rate: the deliveries fall due one after the other, so many a second, for a receiver that has to
// serve what is new as well. That also holds after a restart. A rate of 0 means all at once; the destination's own pace
// holds besides.
func (e *Engine) ReplayAt(ctx context.Context, f store.Filter, perSecond float64, dryRun bool) (int, error) {
	if perSecond < 0 || perSecond > 0 && perSecond < 1.0/(24*60*60) {
		return 0, fmt.Errorf("a rate of %v a second is not one to replay at: give 0 for all at once, or one a day at least", perSecond)
	}
	var every time.Duration
	if perSecond > 0 {
		every = time.Duration(float64(time.Second) / perSecond)
	}
	n, err := e.store.Replay(ctx, f, e.o.Now(), every, dryRun)
	e.wakeFor(f, n, dryRun)
	return n, err
}

// SendNow makes waiting deliveries due at once that would be tried again later, as after a receiver was mended, and wakes
// their lanes; see store.Store. It does not end a pause, nor an open breaker. With dryRun it only counts.
func (e *Engine) SendNow(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
	n, err := e.store.SendNow(ctx, f, e.o.Now(), dryRun)
	e.wakeFor(f, n, dryRun)
	return n, err
}

// wakeFor wakes the lanes whose deliveries were made due.
func (e *Engine) wakeFor(f store.Filter, n int, dryRun bool) {
	switch {
	case n == 0 || dryRun:
	case f.Destination != "":
		e.wake([]string{f.Destination})
	default:
		e.wake(nil)
	}
}

// Cancel gives waiting deliveries up: they are dead, with a reason that says so, and can be replayed; see store.Store.
// Nobody is told of them as of dead letters. Deliveries that were claimed and not begun are dropped too. An attempt under
// way cannot be called back: if it delivers, the delivery is delivered. With dryRun it only counts.
func (e *Engine) Cancel(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
	n, err := e.store.Cancel(ctx, f, dryRun)
	if !dryRun {
		e.flush()
	}
	return n, err
}

// Erase deletes events with all that belongs to them; see store.Store. Deliveries that were claimed and not begun
// are dropped too. An attempt under way cannot be called back.
func (e *Engine) Erase(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
	n, err := e.store.Erase(ctx, f, dryRun)
	if !dryRun {
		e.flush()
	}
	return n, err
}

// flush makes every lane give back what it has claimed and not begun.
func (e *Engine) flush() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for l := range e.all {
		l.mu.Lock()
		l.flush = true
		l.wakeUp()
		l.mu.Unlock()
	}
}

// pausedLoop follows what other processes on the same store pause and resume.
func (e *Engine) pausedLoop() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-e.lookPaused:
			e.liftResumed()
		case <-e.stop:
			return
		}
		e.refreshPaused()
		timer.Reset(e.checkEvery())
	}
}

// lookAtPaused has the loop look now.
func (e *Engine) lookAtPaused() {
	select {
	case e.lookPaused <- struct{}{}:
	default:
	}
}

// holdNotes are the names under which holds of a destination's lanes may be noted.
func (e *Engine) holdNotes(destination string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	notes := []string{holdNote}
	for _, l := range e.lanes[destination] {
		if note := l.holdNote(); note != holdNote {
			notes = append(notes, note)
		}
	}
	return notes
}

// liftResumed ends the holds that were ended by hand at another gateway, which took their notes away.
func (e *Engine) liftResumed() {
	e.flags.Lock()
	defer e.flags.Unlock()
	for _, l := range e.listLanes() {
		l.mu.Lock()
		held := l.tenure != nil && l.health.hold != nil && l.noted
		l.mu.Unlock()
		if !held {
			continue
		}
		if text, err := e.store.Noted(e.ctx, l.name, l.holdNote()); err != nil || text != nil {
			continue
		}
		l.mu.Lock()
		l.lift()
		l.noted = false
		l.mu.Unlock()
		e.o.Observer.Resumed(l.name)
	}
}

func (e *Engine) refreshPaused() {
	e.mu.Lock()
	version := e.pausedVersion
	e.mu.Unlock()
	paused, err := e.store.Paused(e.ctx)
	if err != nil {
		if e.ctx.Err() == nil {
			e.log.Error("the store could not tell which destinations are paused; trying again", zap.Error(err))
		}
		return
	}
	for _, name := range e.takePaused(version, paused) {
		e.o.Observer.Resumed(name)
	}
}

// takePaused puts into force what the store says of pauses, unless something newer than a version is known. It returns those
// that another gateway has resumed: who paused a destination has told of it, and is to tell that it is over.
func (e *Engine) takePaused(version int, paused map[string]string) (resumed []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pausedVersion != version {
		return nil
	}
	before := e.paused
	e.paused = map[string]string{}
	for name := range e.unsaved {
		if reason, isPaused := before[name]; isPaused {
			e.paused[name] = reason // the store is going to know
		}
	}
	for name, reason := range paused {
		e.paused[name] = reason
	}
	for l := range e.all {
		reason, isPaused := e.paused[l.name]
		l.setPaused(isPaused, reason)
	}
	for name := range before {
		if _, still := e.paused[name]; !still && e.keeper != nil {
			resumed = append(resumed, name)
		}
	}
	return resumed
}

// expireLoop deletes events past their retention, in batches with pauses between them, so that accepting goes on.
func (e *Engine) expireLoop() {
	const between = 50 * time.Millisecond
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-e.stop:
			return
		}
		next := e.o.ExpireEvery
		s := e.current()
		if s == nil || e.keeper != nil && !e.keeper.maintains() {
			timer.Reset(next)
			continue
		}
		expired, err := e.store.Expire(e.ctx, store.Retention{Done: s.Retention, Dead: s.RetentionDead}, e.wall(), e.o.ExpireBatch)
		if expired.Total() > 0 {
			e.log.Info("events past their retention were deleted", zap.Int64("delivered", expired.Done), zap.Int64("dead", expired.Dead))
		}
		switch {
		case err != nil && e.ctx.Err() == nil:
			e.log.Error("the store could not delete expired events; trying again", zap.Error(err))
		case expired.Total() >= int64(e.o.ExpireBatch):
			next = between
		}
		timer.Reset(next)
	}
}
