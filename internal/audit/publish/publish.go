// Package publish takes the signed checkpoints of an audit log away from the machine that writes it: to a URL, a syslog
// server, a file, the gateway's own log, or a witness. Whoever has the machine can write the log anew and sign it; what has
// left the machine by then shows that he did.
//
// A place that is slow or gone holds nothing up: each has a goroutine of its own, which keeps the newest checkpoint and
// none of those before, for it binds all that they bound. But somebody is told.
package publish

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/audit"
)

// Signed is a checkpoint with its signature.
type Signed struct {
	audit.Checkpoint
	// Note is what was signed, with the signatures.
	Note []byte
}

// Sink is a place that takes checkpoints. One is sent to it at a time.
type Sink interface {
	// Name says which it is, for logs and metrics: its kind and its host or file, and no more of a URL.
	Name() string
	// Send returns when the place has the checkpoint. Errors are sentences for the operator, and hold no secret.
	Send(ctx context.Context, c Signed) error
}

// Status is how a sink stands.
type Status struct {
	Sink string
	// Size is how many records the last checkpoint has that it took, and At when it took it; zero if none.
	Size int64
	At   time.Time
	// Waiting is whether there is one that it has not taken.
	Waiting bool
	// Failing is since when it takes none, the zero time if it does; Error is why.
	Failing time.Time
	Error   error
}

// Options configures a Publisher.
type Options struct {
	// Changed is told when a sink begins to fail and when it takes checkpoints again: Failing of the status tells which. It
	// is called from the sink's own goroutine. nil: nobody is told.
	Changed func(Status)
	// Timeout bounds one try; a sink that is then still busy is failing. Default 10 s.
	Timeout time.Duration
}

// DefaultTimeout bounds one try.
const DefaultTimeout = 10 * time.Second

// errHung is a sink that does not come back, such as a file on a network that is gone.
var errHung = errors.New("it does not answer, and cannot be given up either")

// backoff are the waits after failed tries; the last one is repeated until the sink takes the checkpoint.
var backoff = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}

// Publisher takes checkpoints to its sinks.
type Publisher struct {
	workers []*worker
	cancel  context.CancelFunc
}

// New starts a publisher. It ends with Close.
func New(sinks []Sink, o Options) *Publisher {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Changed == nil {
		o.Changed = func(Status) {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &Publisher{cancel: cancel}
	for _, s := range sinks {
		w := &worker{sink: s, o: o, ctx: ctx, wake: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{}), status: Status{Sink: s.Name()}}
		p.workers = append(p.workers, w)
		go w.run()
	}
	return p
}

// Publish hands a checkpoint to all sinks and returns at once. One that waits for a sink gives way to it, unless it is
// larger.
func (p *Publisher) Publish(c Signed) {
	for _, w := range p.workers {
		w.add(c)
	}
}

// Status is how each sink stands, in the order in which they were given.
func (p *Publisher) Status() []Status {
	out := make([]Status, len(p.workers))
	for i, w := range p.workers {
		w.mu.Lock()
		out[i] = w.status
		w.mu.Unlock()
	}
	return out
}

// Close gives each sink one more try for what waits, until the context ends, and stops. A sink that hangs is left behind.
func (p *Publisher) Close(ctx context.Context) error {
	for _, w := range p.workers {
		close(w.closing)
	}
	var err error
	for _, w := range p.workers {
		select {
		case <-w.done:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	p.cancel()
	return err
}

// worker takes checkpoints to one sink.
type worker struct {
	sink    Sink
	o       Options
	ctx     context.Context
	wake    chan struct{} // holds one when there is something to do
	closing chan struct{}
	done    chan struct{}

	mu      sync.Mutex
	waiting *Signed
	status  Status
}

func (w *worker) add(c Signed) {
	w.mu.Lock()
	if w.waiting == nil || w.waiting.Size <= c.Size {
		w.waiting, w.status.Waiting = &c, true
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *worker) next() *Signed {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waiting
}

func (w *worker) run() {
	defer close(w.done)
	failed, last := 0, false
	for {
		if c := w.next(); c != nil {
			if w.try(*c) {
				failed = 0
				continue
			}
			failed++
		}
		if last || w.ctx.Err() != nil {
			return
		}
		// Behind a failure a new checkpoint waits as the old one did, so that a sink that fails is not asked more often.
		var pause <-chan time.Time
		wake := w.wake
		if failed > 0 {
			pause, wake = time.After(backoff[min(failed, len(backoff))-1]), nil
		}
		select {
		case <-wake:
		case <-pause:
		case <-w.ctx.Done():
			return
		case <-w.closing:
			last = true
		}
	}
}

// try sends one checkpoint and says whether the sink took it. A sink that does not return when its time is over is said to
// fail, and waited for: a second try beside it would hang too.
func (w *worker) try(c Signed) bool {
	ctx, cancel := context.WithTimeout(w.ctx, w.o.Timeout)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- w.sink.Send(ctx, c) }()
	hung := time.NewTimer(w.o.Timeout + w.o.Timeout/4)
	defer hung.Stop()
	for {
		select {
		case err := <-result:
			w.note(c, err)
			return err == nil
		case <-hung.C:
			w.note(c, errHung)
		}
	}
}

// note keeps how a try ended, and tells if it is news.
func (w *worker) note(c Signed, err error) {
	w.mu.Lock()
	was := w.status.Error
	now := time.Now()
	switch {
	case err == nil:
		w.status.Size, w.status.At, w.status.Failing, w.status.Error = c.Size, now, time.Time{}, nil
		if w.waiting != nil && w.waiting.Size <= c.Size {
			w.waiting = nil
		}
		w.status.Waiting = w.waiting != nil
	case was == nil:
		w.status.Failing, w.status.Error = now, err
	default:
		w.status.Error = err
	}
	status := w.status
	w.mu.Unlock()
	if (was == nil) != (err == nil) {
		w.o.Changed(status)
	}
}
