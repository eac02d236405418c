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
