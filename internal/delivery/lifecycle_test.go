package delivery

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// A reload in the middle of attempts: they end as they began, everything else goes the new way, and each goes once.
func TestReload(t *testing.T) {
	in(t, func(t *testing.T) {
		old, young := newFake(takes(10*time.Second, ok)), newFake(takes(10*time.Second, ok))
		r := newRig(t, Options{}, nil)
		defer r.close()
		var released atomic.Int32
		detachOld := r.engine.Attach(&Snapshot{
			Destinations: map[string]Config{"crm": {Destination: old, Concurrency: 2}, "gone": {Destination: old}},
			Released:     func() { released.Add(1) },
		})
		for range 6 {
			r.accept("", "", "crm")
		}
		after(5 * time.Second)
		r.engine.Attach(&Snapshot{Destinations: map[string]Config{"crm": {Destination: young, Concurrency: 2}}})
		detachOld()
		detachOld() // a second time changes nothing
		r.accept("", "", "gone")
		after(time.Second)
		if released.Load() != 0 {
			t.Error("released with attempts under way")
		}
		after(time.Hour)
		r.want("crm", 0, 6, 0)
		r.want("gone", 1, 0, 0)
		if len(old.calls()) != 2 || len(young.calls()) != 4 || released.Load() != 1 {
			t.Errorf("%d by the old configuration, %d by the new, released %d times", len(old.calls()), len(young.calls()), released.Load())
		}
		if len(r.spy.attempts) != 6 {
			t.Errorf("%d attempts for 6 deliveries", len(r.spy.attempts))
		}
		if young.times()[0] != 10*time.Second {
			t.Errorf("the limit of attempts does not hold over the reload: %v", young.times())
		}
		if len(r.engine.lanes) != 1 {
			t.Errorf("%d lanes are left", len(r.engine.lanes))
		}
	})
}

// A configuration that fails after it was attached is detached again, and the one before is back in force.
func TestFailedReload(t *testing.T) {
	in(t, func(t *testing.T) {
		old, young := newFake(always(ok)), newFake(always(ok))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: old}})
		defer r.close()
		detach := r.engine.Attach(&Snapshot{Destinations: map[string]Config{"crm": {Destination: young}}})
		r.accept("", "", "crm")
		synctest.Wait()
		detach()
		r.accept("", "", "crm")
		synctest.Wait()
		if len(young.calls()) != 1 || len(old.calls()) != 1 {
			t.Errorf("%d and %d", len(old.calls()), len(young.calls()))
		}
		// Without any configuration events are still accepted, and wait.
		r.detach()
		r.accept("", "", "crm")
		after(time.Hour)
		r.want("crm", 1, 2, 0)
		r.engine.Attach(&Snapshot{Destinations: map[string]Config{"crm": {Destination: young}}})
		synctest.Wait()
		r.want("crm", 0, 3, 0)
	})
}

// The state of breaker and pace belongs to the name and survives a reload.
func TestReloadKeepsBreakerAndPace(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(failing))
		c := Config{Destination: f, Concurrency: 1}
		r := newRig(t, Options{}, map[string]Config{"crm": c})
		defer r.close()
		for range 10 {
			r.accept("", "", "crm")
		}
		after(time.Second)
		detach := r.engine.Attach(&Snapshot{Destinations: map[string]Config{"crm": c}})
		r.detach()
		after(time.Second)
		if s := r.status("crm"); s.Breaker != "open" || len(f.calls()) != 5 {
			t.Errorf("%s after %d attempts", s.Breaker, len(f.calls()))
		}
		detach()
	})
}

func TestReloadsUnderLoad(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(takes(30*time.Millisecond, ok))
		c := map[string]Config{"crm": {Destination: f, Concurrency: 4}, "ehr": {Destination: f}}
		r := newRig(t, Options{}, c)
		defer r.close()
		detach := r.detach
		for i := range 200 {
			r.accept(fmt.Sprint("t", i%3), fmt.Sprint("call", i%50), "crm", "ehr")
			time.Sleep(7 * time.Millisecond)
			next := r.engine.Attach(&Snapshot{Destinations: c})
			detach()
			detach = next
		}
		after(time.Minute)
		r.want("crm", 0, 200, 0)
		r.want("ehr", 0, 200, 0)
		if n := len(f.calls()); n != 400 {
			t.Errorf("%d attempts for 400 deliveries", n)
		}
	})
}

func TestCloseDrains(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(takes(5*time.Second, ok))
		r := newRig(t, Options{DrainTimeout: 8 * time.Second}, map[string]Config{"crm": {Destination: f, Concurrency: 2}})
		for range 5 {
			r.accept("", "", "crm")
		}
		synctest.Wait()
		start := time.Now()
		r.close()
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("closing took %v", took)
		}
		r.want("crm", 3, 2, 0)
		if _, err := r.engine.Accept(t.Context(), newEvent(99, "", ""), nil); !errors.Is(err, ErrClosed) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("accepting after the end: %v", err)
		}
		r.close() // a second time changes nothing
		after(time.Hour)
		if len(f.calls()) != 2 {
			t.Errorf("%d attempts", len(f.calls()))
		}
	})
}

// What does not end in time is cancelled and given back, and no attempt is burnt.
func TestCloseGivesBack(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(takes(25*time.Second, ok))
		r := newRig(t, Options{DrainTimeout: 8 * time.Second}, map[string]Config{"crm": {Destination: f, Concurrency: 2}})
		for range 3 {
			r.accept("", "", "crm")
		}
		synctest.Wait()
		start := time.Now()
		r.close()
		if took := time.Since(start); took != 8*time.Second {
			t.Errorf("closing took %v", took)
		}
		d, _ := r.store.Deliveries(t.Context(), store.Filter{}, store.Page{})
		for _, d := range d {
			if d.State != store.Pending || d.Leased || d.Attempts != 0 {
				t.Errorf("%+v", d)
			}
		}
		if len(r.spy.attempts) != 2 || !r.spy.attempts[0].Returned {
			t.Errorf("%+v", r.spy.attempts)
		}
		// The next process takes them up at once.
		next := newRig(t, Options{Store: r.store}, map[string]Config{"crm": {Destination: newFake(always(ok))}})
		defer next.close()
		synctest.Wait()
		next.want("crm", 0, 3, 0)
	})
}

func TestCloseWithADestinationThatHangs(t *testing.T) {
	in(t, func(t *testing.T) {
		release := make(chan struct{})
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			<-release
			return []destination.Result{ok}
		})
		r := newRig(t, Options{DrainTimeout: time.Second}, map[string]Config{"crm": {Destination: f}})
		r.accept("", "", "crm")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := r.engine.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		r.want("crm", 1, 0, 0)
		close(release)
		synctest.Wait()
	})
}

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
	claim, finish, pause     atomic.Pointer[error]
	claims, nexts, finishes  atomic.Int64
	expired                  atomic.Int64
	finishSizes              []int
	finishDelay, acceptDelay time.Duration
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

func (f *flaky) Expire(ctx context.Context, before, now time.Time, batch int) (int, error) {
	n, err := f.Store.Expire(ctx, before, now, batch)
	f.expired.Add(int64(n))
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
