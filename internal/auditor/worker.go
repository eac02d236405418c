package auditor

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// publishTimeout bounds one try; the waits between tries double up to retryMost.
	publishTimeout = 30 * time.Second
	retryFirst     = time.Second
	retryMost      = 5 * time.Minute
)

// worker hands checkpoints to one sink, the newest only.
type worker struct {
	a      *Auditor
	name   string
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{}
	ended  chan struct{}

	mu      sync.Mutex
	sink    Scheduled
	next    *given
	closing bool // when there is nothing left, end
	given   int64
	givenAt time.Time
	state   SinkStatus
}

// given is a checkpoint that a sink has to get.
type given struct {
	signed []byte
	size   int64
}

func newWorker(a *Auditor, name string, now time.Time) *worker {
	w := &worker{a: a, name: name, wake: make(chan struct{}, 1), ended: make(chan struct{}), given: a.base, givenAt: now, state: SinkStatus{Name: name}}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	go w.run()
	return w
}

func (w *worker) set(s Scheduled) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sink = s
}

// due reports whether the sink should get a checkpoint of a log of this size.
func (w *worker) due(size int64, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return size-w.given >= mostLeaves || size != w.given && now.Sub(w.givenAt) >= w.sink.Every
}

// give puts a checkpoint in place of one that the sink did not take yet.
func (w *worker) give(signed []byte, size int64, now time.Time) {
	w.mu.Lock()
	w.next, w.given, w.givenAt = &given{signed, size}, size, now
	w.mu.Unlock()
	w.wakeUp()
}

func (w *worker) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// end gives up what the sink did not take. It does not wait for a sink that does not hear.
func (w *worker) end() { w.cancel() }

// finish lets the sink take the last checkpoint, up to the end of a context.
func (w *worker) finish(ctx context.Context) {
	w.mu.Lock()
	w.closing = true
	w.mu.Unlock()
	w.wakeUp()
	select {
	case <-w.ended:
	case <-ctx.Done():
		w.a.o.Log.Error("the last checkpoint of the audit log was not taken before the gateway stopped; the next start hands one out", zap.String("sink", w.name))
		w.end()
	}
}

func (w *worker) run() {
	defer close(w.ended)
	wait := retryFirst
	for {
		w.mu.Lock()
		g, sink, closing := w.next, w.sink.Sink, w.closing
		w.mu.Unlock()
		if g == nil {
			if closing {
				return
			}
			select {
			case <-w.wake:
				continue
			case <-w.ctx.Done():
				return
			}
		}
		ctx, cancel := context.WithTimeout(w.ctx, publishTimeout)
		err := sink.Publish(ctx, g.signed)
		cancel()
		if w.ctx.Err() != nil {
			return
		}
		w.tell(g, err)
		if err == nil {
			wait = retryFirst
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-w.wake: // a newer one, or the end
		case <-w.ctx.Done():
			timer.Stop()
			return
		}
		timer.Stop()
		wait = min(2*wait, retryMost)
	}
}

// tell notes what came of a try, and says so where that is news.
func (w *worker) tell(g *given, err error) {
	now := w.a.o.Now()
	w.mu.Lock()
	before := w.state
	if err == nil {
		w.state = SinkStatus{Name: w.name, Checkpoint: g.size, At: now}
		if w.next == g {
			w.next = nil
		}
	} else {
		w.state.Error = err.Error()
		if before.FailingSince.IsZero() {
			w.state.FailingSince = now
		}
	}
	w.mu.Unlock()
	switch {
	case err != nil:
		w.a.o.Failed(w.name)
		if before.FailingSince.IsZero() {
			w.a.o.Log.Error("a checkpoint of the audit log is not taken; it is tried again, and nothing else waits for it",
				zap.String("sink", w.name), zap.Error(err))
		}
	case !before.FailingSince.IsZero():
		w.a.o.Log.Info("checkpoints of the audit log are taken again", zap.String("sink", w.name))
	}
}

func (w *worker) status() SinkStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}
