package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/group"
)

// change is what a request does to a transaction: the outcomes of deliveries, which are read and written together, or
// anything else.
type change struct {
	apply    func(*tx) error
	finished []*finished
}

type changeRequest = group.Request[change]

// errRolledBack stands for a transaction that turned out not to have taken place.
var errRolledBack = fmt.Errorf("%w: its database was lost before a commit", store.ErrUnavailable)

// now is the machine's clock, for how long something is tried.
func now() time.Time { return time.Now() }

// write has the writer apply a change and returns when it is committed. If the context ends before the writer takes the
// request, nothing is changed.
func (s *Store) write(ctx context.Context, apply func(*tx) error) error {
	return s.changes.Do(ctx, change{apply: apply})
}

// runChanges is the writer of all but new events.
func (s *Store) runChanges() {
	defer s.changes.End()
	var taken []*changeRequest
	carry := func() {
		if taken = group.Take(taken); len(taken) > 0 {
			group.Fail(taken, nil)
			s.changeSome(taken, now().Add(s.o.Patience))
			for _, r := range taken {
				r.Answer()
			}
			s.recorder.renew()
		}
		clear(taken[:cap(taken)])
	}
	for {
		taken = taken[:0]
		select {
		case r := <-s.changes.Requests:
			taken = s.changes.Gather(append(taken, r))
			carry()
		case <-s.changes.Closing:
			for {
				if taken = s.changes.Gather(taken[:0]); len(taken) == 0 {
					return
				}
				carry()
			}
		}
	}
}

// changeSome carries requests out, until all are answered or the time is over. If one of them is at fault the others get
// another try without it.
func (s *Store) changeSome(rs []*changeRequest, until time.Time) {
	if len(rs) == 0 {
		return
	}
	w := s.recorder
	wait := 10 * time.Millisecond
	for {
		err := w.ensure(until)
		if err == nil {
			err = s.transact(w, func(t *tx) error { return t.apply(rs) })
		}
		why := judge(err)
		if errors.Is(err, errRolledBack) {
			why = again
		}
		switch {
		case why == committed:
			return
		case placeTaken(err):
			s.audit.forget()
		case why == atFault:
			if len(rs) > 1 {
				half := len(rs) / 2
				s.changeSome(rs[:half], until)
				s.changeSome(rs[half:], until)
			} else {
				group.Fail(rs, public(err))
			}
			return
		case why == unknown:
			s.audit.forget()
			group.Fail(rs, unconfirmed(err))
			return
		case why == refused && !spent(err):
			group.Fail(rs, public(err))
			return
		}
		if now().Add(wait).After(until) || s.ctx.Err() != nil {
			group.Fail(rs, public(err))
			return
		}
		time.Sleep(wait)
		wait = min(2*wait, 500*time.Millisecond)
	}
}

// apply carries requests out in the transaction under way.
func (t *tx) apply(rs []*changeRequest) error {
	var all []*finished
	for _, r := range rs {
		all = append(all, r.Do.finished...)
	}
	if err := t.readFinished(all); err != nil {
		return err
	}
	for _, r := range rs {
		r.Err = nil
		for _, f := range r.Do.finished {
			if err := t.record(f); err != nil {
				return err
			}
		}
		if r.Do.apply == nil {
			continue
		}
		// What it reads has to be as the requests before it left it.
		if err := t.writeRows(); err != nil {
			return err
		}
		if err := t.flush(); err != nil {
			return err
		}
		if r.Err = r.Do.apply(t); r.Err != nil && !group.Refused(r.Err) {
			return r.Err
		}
	}
	return nil
}
