package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// A process that dies leaves leases; they run out, and the deliveries are made.
func TestCrashedLeaseRunsOut(t *testing.T) {
	in(t, func(t *testing.T) {
		m := storetest.NewMemory(storetest.Options{})
		e := newEvent(1, "", "")
		if _, err := m.Accept(t.Context(), e, []string{"crm"}); err != nil {
			t.Fatal(err)
		}
		if c, err := m.Claim(t.Context(), "crm", time.Now(), 90*time.Second, 1, nil); len(c) != 1 || err != nil {
			t.Fatal(c, err)
		}
		f := newFake(always(ok))
		r := newRig(t, Options{Store: m}, map[string]Config{"crm": {Destination: f}})
		defer r.close()
		after(89 * time.Second)
		r.want("crm", 1, 0, 0)
		after(idleCheck + 2*time.Second)
		r.want("crm", 0, 1, 0)
	})
}

// flaky is a store that fails when it is told to, and counts.
type flaky struct {
	store.Store
	claim, finish, pause    atomic.Pointer[error]
	claims, nexts, finishes atomic.Int64
	expired                 atomic.Int64
	finishSizes             []int
	finishDelay             time.Duration
}

func (f *flaky) Claim(ctx context.Context, d string, now time.Time, lease time.Duration, n int, skip []string) ([]store.Claimed, error) {
	f.claims.Add(1)
	if err := f.claim.Load(); err != nil {
		return nil, *err
	}
	return f.Store.Claim(ctx, d, now, lease, n, skip)
}

func (f *flaky) Next(ctx context.Context, d string) (time.Time, error) {
	f.nexts.Add(1)
	return f.Store.Next(ctx, d)
}

func (f *flaky) Finish(ctx context.Context, a []store.Attempt) error {
	f.finishes.Add(1)
	f.finishSizes = append(f.finishSizes, len(a))
	time.Sleep(f.finishDelay)
	if err := f.finish.Load(); err != nil {
		return *err
	}
	for _, a := range a {
		if a.Reason == "poison" {
			return errors.New("the store does not take this one")
		}
	}
	return f.Store.Finish(ctx, a)
}

func (f *flaky) Pause(ctx context.Context, d, reason string) error {
	if err := f.pause.Load(); err != nil {
		return *err
	}
	return f.Store.Pause(ctx, d, reason)
}

func (f *flaky) Expire(ctx context.Context, r store.Retention, now time.Time, batch int) (store.Expired, error) {
	n, err := f.Store.Expire(ctx, r, now, batch)
	f.expired.Add(n.Total())
	return n, err
}

func TestStoreThatCannotBeRead(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &flaky{Store: storetest.NewMemory(storetest.Options{})}
		down := store.ErrUnavailable
		s.claim.Store(&down)
		f := newFake(always(ok))
		r := newRig(t, Options{Store: s}, map[string]Config{"crm": {Destination: f}})
		defer r.close()
		r.accept("", "", "crm")
		after(10 * time.Minute)
		if n := s.claims.Load(); n > 200 {
			t.Errorf("%d claims in 10 min: the loop spins", n)
		}
		s.claim.Store(nil)
		after(lastBackoff)
		r.want("crm", 0, 1, 0)
	})
}

// Outcomes wait while the store cannot write; nothing is sent twice, and nothing more is sent meanwhile.
func TestStoreThatCannotBeWritten(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &flaky{Store: storetest.NewMemory(storetest.Options{})}
		down := fmt.Errorf("disk: %w", store.ErrUnavailable)
		s.finish.Store(&down)
		f := newFake(always(ok))
		r := newRig(t, Options{Store: s}, map[string]Config{"crm": {Destination: f, Concurrency: 2}})
		defer r.close()
		for range 6 {
			r.accept("", "", "crm")
		}
		after(30 * time.Minute) // much longer than the leases
		if n := len(f.calls()); n != 2 {
			t.Errorf("%d attempts without a record of them", n)
		}
		if n := s.finishes.Load(); n > 500 {
			t.Errorf("%d writes in 30 min: the recorder spins", n)
		}
		s.finish.Store(nil)
		after(time.Minute)
		r.want("crm", 0, 6, 0)
		if n := len(f.calls()); n != 6 {
			t.Errorf("%d attempts for 6 deliveries", n)
		}
	})
}

// One record that the store does not take costs no other delivery, nor the lane.
func TestStoreRefusesOneRecord(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &flaky{Store: storetest.NewMemory(storetest.Options{})}
		f := newFake(func(_ context.Context, items []destination.Item) []destination.Result {
			time.Sleep(time.Second) // so that they are recorded together
			if items[0].Call.FirstName == "caller 2" && items[0].Attempt == 1 && len(items) == 1 {
				return []destination.Result{{Outcome: destination.Dead, Reason: "poison"}}
			}
			return []destination.Result{ok}
		})
		r := newRig(t, Options{Store: s}, map[string]Config{"crm": {Destination: f, Concurrency: 4}})
		defer r.close()
		for range 4 {
			r.accept("", "", "crm")
		}
		after(10 * time.Second)
		r.want("crm", 1, 3, 0)
	})
}

func TestOutcomesAreRecordedTogether(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &flaky{Store: storetest.NewMemory(storetest.Options{}), finishDelay: 10 * time.Millisecond}
		r := newRig(t, Options{Store: s}, map[string]Config{"crm": {Destination: newFake(takes(time.Millisecond, ok)), Concurrency: 50}})
		defer r.close()
		for range 500 {
			r.accept("", "", "crm")
		}
		after(time.Minute)
		r.want("crm", 0, 500, 0)
		if n := s.finishes.Load(); n > 30 {
			t.Errorf("%d writes for 500 outcomes", n)
		}
	})
}

// An idle engine looks at the store only a few times a minute.
func TestIdleEngineDoesNotPoll(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &flaky{Store: storetest.NewMemory(storetest.Options{})}
		r := newRig(t, Options{Store: s}, map[string]Config{"crm": {Destination: newFake(always(ok))}})
		defer r.close()
		after(time.Hour)
		if n := s.claims.Load() + s.nexts.Load(); n > 2*60*5 {
			t.Errorf("%d queries in an idle hour", n)
		}
	})
}

// The pause that a result asked for holds even while it cannot be stored.
func TestPauseThatCannotBeStored(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &flaky{Store: storetest.NewMemory(storetest.Options{})}
		down := store.ErrUnavailable
		s.pause.Store(&down)
		f := newFake(always(destination.Result{Status: 401, Reason: "refused", Pause: true}))
		r := newRig(t, Options{Store: s}, map[string]Config{"crm": {Destination: f, Concurrency: 1}})
		defer r.close()
		for range 3 {
			r.accept("", "", "crm")
		}
		after(5 * time.Minute)
		s.pause.Store(nil)
		after(5 * time.Minute)
		if n := len(f.calls()); n != 1 {
			t.Errorf("%d attempts", n)
		}
		if p, _ := s.Paused(t.Context()); p["crm"] != "refused" {
			t.Errorf("%v", p)
		}
	})
}

func TestExpiry(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &flaky{Store: storetest.NewMemory(storetest.Options{})}
		r := newRig(t, Options{Store: s, ExpireBatch: 10}, nil)
		defer r.close()
		r.engine.Attach(&Snapshot{Retention: 24 * time.Hour, Destinations: map[string]Config{"crm": {Destination: newFake(always(ok))}}})
		for range 95 {
			r.accept("", "", "crm")
		}
		live := r.accept("", "", "crm", "unknown")
		after(23 * time.Hour)
		if n := s.expired.Load(); n != 0 {
			t.Errorf("%d events expired too early", n)
		}
		after(2 * time.Hour)
		if n := s.expired.Load(); n != 95 {
			t.Errorf("%d of 95 events expired", n)
		}
		if _, err := s.Event(t.Context(), live); err != nil {
			t.Errorf("an event with a live delivery: %v", err)
		}
	})
}

// Erasing reaches what a lane holds in its hands.
func TestErase(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(destination.Result{Reason: "not now"}))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1}})
		defer r.close()
		r.accept("", "call-1", "crm")
		r.accept("", "call-1", "crm") // held behind the first
		r.accept("", "call-2", "crm")
		after(time.Second)
		if n, err := r.engine.Erase(t.Context(), store.Filter{CallID: "call-1"}, true); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := r.engine.Erase(t.Context(), store.Filter{CallID: "call-1"}, false); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		after(time.Hour)
		for _, s := range f.calls()[2:] {
			if s.items[0].Call.ID == "call-1" {
				t.Error("an erased delivery was attempted")
			}
		}
	})
}
