package delivery

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/store"
	"go.uber.org/zap"
)

// maxFinish bounds the attempts of one Finish.
const maxFinish = 500

// recorder makes the outcomes of attempts durable, those of all lanes together, so that they share the store's
// commits. A lane's slot is free again after that. While the store cannot write, outcomes wait here, as many as
// there are slots.
type recorder struct {
	e     *Engine
	waker chan struct{}
	done  chan struct{}

	mu       sync.Mutex
	attempts []*attempt
}

func newRecorder(e *Engine) *recorder {
	return &recorder{e: e, waker: make(chan struct{}, 1), done: make(chan struct{})}
}

func (r *recorder) add(a *attempt) {
	r.mu.Lock()
	r.attempts = append(r.attempts, a)
	r.mu.Unlock()
	select {
	case r.waker <- struct{}{}:
	default:
	}
}

// take removes about maxFinish attempts' worth.
func (r *recorder) take() []*attempt {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, size := 0, 0
	for n < len(r.attempts) && size < maxFinish {
		size += len(r.attempts[n].batch)
		n++
	}
	taken := r.attempts[:n:n]
	if r.attempts = r.attempts[n:]; len(r.attempts) == 0 {
		r.attempts = nil
	}
	return taken
}

func (r *recorder) run() {
	defer close(r.done)
	for {
		for taken := r.take(); len(taken) > 0; taken = r.take() {
			r.record(taken)
		}
		select {
		case <-r.waker:
		case <-r.e.recorderStop:
			for taken := r.take(); len(taken) > 0; taken = r.take() {
				r.record(taken)
			}
			return
		}
	}
}

// record makes outcomes durable and frees their slots.
func (r *recorder) record(taken []*attempt) {
	var records []store.Attempt
	var returned []string
	for _, a := range taken {
		records = append(records, a.records...)
		returned = append(returned, a.returned...)
	}
	if len(records) > 0 && !r.persist("record attempts", func(ctx context.Context) error { return r.e.store.Finish(ctx, records) }) {
		// One record that the store does not take must not cost the others.
		for i := range records {
			if !r.persist("record an attempt", func(ctx context.Context) error { return r.e.store.Finish(ctx, records[i:i+1]) }) {
				r.lost(&records[i])
			}
		}
	}
	if len(returned) > 0 {
		r.persist("give deliveries back", func(ctx context.Context) error { return r.e.store.Return(ctx, returned) })
	}
	for _, a := range taken {
		if a.pause != "" {
			r.persist("pause a destination", func(ctx context.Context) error { return r.e.savePause(ctx, a.lane.name, a.pause) })
			r.e.pauseSaved(a.lane.name)
		}
		for _, d := range a.failing {
			r.e.o.Observer.Failing(d)
		}
		for _, d := range a.dead {
			r.e.o.Observer.DeadLetter(d)
		}
		a.lane.ended(a)
	}
}

// lost has the audit log know at least of an attempt whose outcome the store does not take, if something was sent in it.
func (r *recorder) lost(a *store.Attempt) {
	if a.Sent == nil {
		return
	}
	a.Audit.Lost = true
	if err := r.e.store.Finish(context.WithoutCancel(r.e.ctx), []store.Attempt{*a}); err != nil {
		r.e.log.Error("an attempt was made of which no record is kept", zap.String("delivery", a.DeliveryID),
			zap.String("destination", a.Audit.Destination), zap.Error(err))
	}
}

// persist repeats a write while the store is unavailable, and until the engine stops. It returns false when the
// store refuses it for another reason.
func (r *recorder) persist(what string, write func(context.Context) error) bool {
	for wait := firstBackoff; ; wait = min(wait*2, lastBackoff) {
		err := write(context.WithoutCancel(r.e.ctx))
		if err == nil {
			return true
		}
		temporary := errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrFull)
		r.e.log.Error("the store could not "+what, zap.Bool("trying_again", temporary), zap.Error(err))
		if !temporary {
			return false
		}
		select {
		case <-time.After(wait):
		case <-r.e.recorderStop:
			return false
		}
	}
}
