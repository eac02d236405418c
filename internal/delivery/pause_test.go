package delivery

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

func TestPauseByResult(t *testing.T) {
	in(t, func(t *testing.T) {
		refused := destination.Result{Status: 401, Reason: "the token is refused: renew it", Pause: true}
		var renewed atomic.Bool
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			if renewed.Load() {
				return []destination.Result{ok}
			}
			return []destination.Result{refused}
		})
		// The schedule has no second attempt, and yet the delivery must not die of a wrong token.
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Schedule: ListSchedule(0)}})
		defer r.close()
		r.accept("", "", "crm")
		after(time.Second)
		for range 3 {
			r.accept("", "", "crm")
		}
		after(time.Hour)
		r.want("crm", 4, 0, 0)
		if s := r.status("crm"); !s.Paused || !strings.Contains(s.PauseReason, "renew") || len(f.calls()) != 1 {
			t.Errorf("%+v after %d calls", s, len(f.calls()))
		}
		if len(r.spy.paused) != 1 {
			t.Errorf("told of %q", r.spy.paused)
		}
		renewed.Store(true)
		if err := r.engine.Resume(t.Context(), "crm"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.want("crm", 0, 4, 0)
	})
}

func TestGoneIsDeadAndPauses(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(destination.Result{Outcome: destination.Dead, Status: 410, Reason: "gone", Pause: true}))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1}})
		defer r.close()
		r.accept("", "", "crm")
		r.accept("", "", "crm")
		after(time.Hour)
		r.want("crm", 1, 0, 1)
	})
}

// A destination that paused itself stays so while the store cannot be told, however often the store is asked meanwhile.
func TestUnsavedPauseHolds(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &flaky{Store: storetest.NewMemory(storetest.Options{})}
		full := store.ErrFull
		s.pause.Store(&full)
		f := newFake(always(destination.Result{Outcome: destination.Dead, Status: 410, Reason: "gone", Pause: true}))
		r := newRig(t, Options{Store: s}, map[string]Config{"crm": {Destination: f, Concurrency: 4}})
		defer r.close()
		r.accept("", "", "crm")
		after(time.Second)
		for range 5 {
			r.accept("", "", "crm")
		}
		after(10 * idleCheck)
		if n := len(f.calls()); n != 1 || !r.status("crm").Paused {
			t.Errorf("%d attempts at a receiver that is gone", n)
		}
		s.pause.Store(nil)
		after(10 * idleCheck)
		r.want("crm", 5, 0, 1)
		// The store knows now, and so does another process that resumes it there.
		if p, _ := s.Paused(t.Context()); p["crm"] != "gone" {
			t.Errorf("%v", p)
		}
		_ = s.Resume(t.Context(), "crm")
		after(idleCheck + time.Second)
		if n := len(f.calls()); n < 2 {
			t.Error("not resumed")
		}
	})
}

// An operator resumes a destination before its own pause is stored: that must not come after and undo it.
func TestResumeOvertakesThePause(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &flaky{Store: storetest.NewMemory(storetest.Options{})}
		down := store.ErrUnavailable
		s.pause.Store(&down)
		var mended atomic.Bool
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			if mended.Load() {
				return []destination.Result{ok}
			}
			return []destination.Result{{Status: 401, Reason: "refused", Pause: true}}
		})
		r := newRig(t, Options{Store: s}, map[string]Config{"crm": {Destination: f}})
		defer r.close()
		r.accept("", "", "crm")
		after(time.Second)
		mended.Store(true)
		if err := r.engine.Resume(t.Context(), "crm"); err != nil {
			t.Fatal(err)
		}
		s.pause.Store(nil)
		after(2 * time.Minute)
		r.want("crm", 0, 1, 0)
		if p, _ := s.Paused(t.Context()); len(p) != 0 || r.status("crm").Paused {
			t.Errorf("paused again: %v", p)
		}
	})
}

func TestPauseAndResume(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f}, "ehr": {Destination: newFake(always(ok))}})
		defer r.close()
		if err := r.engine.Pause(t.Context(), "crm", "maintenance"); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			r.accept("", "", "crm", "ehr")
		}
		after(time.Hour)
		r.want("crm", 10, 0, 0)
		r.want("ehr", 0, 10, 0)
		if err := r.engine.Resume(t.Context(), "crm"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.want("crm", 0, 10, 0)
		for _, a := range r.spy.attempts {
			if a.Item.Attempt != 1 {
				t.Error("waiting burnt an attempt")
			}
		}
		// Another process on the same store pauses and resumes.
		_ = r.store.Pause(t.Context(), "crm", "elsewhere")
		after(idleCheck + time.Second)
		if s := r.status("crm"); !s.Paused || s.PauseReason != "elsewhere" {
			t.Errorf("%+v", s)
		}
		r.accept("", "", "crm")
		_ = r.store.Resume(t.Context(), "crm")
		after(idleCheck + time.Second)
		r.want("crm", 0, 11, 0)
	})
}

func TestReplay(t *testing.T) {
	in(t, func(t *testing.T) {
		var mended atomic.Bool
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			if mended.Load() {
				return []destination.Result{ok}
			}
			return []destination.Result{refusing}
		})
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f}})
		defer r.close()
		r.accept("", "", "crm")
		r.accept("", "", "crm")
		after(time.Minute)
		r.want("crm", 0, 0, 2)
		mended.Store(true)
		dead := store.Filter{Destination: "crm", State: store.Dead}
		if n, err := r.engine.Replay(t.Context(), dead, true); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		after(time.Minute)
		r.want("crm", 0, 0, 2)
		if n, err := r.engine.Replay(t.Context(), dead, false); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		synctest.Wait()
		r.want("crm", 0, 2, 0)
	})
}

// A destination that no configuration knows keeps its deliveries until one does.
func TestUnknownDestinationWaits(t *testing.T) {
	in(t, func(t *testing.T) {
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: newFake(always(ok))}})
		defer r.close()
		r.accept("", "", "crm", "later")
		after(24 * time.Hour)
		r.want("crm", 0, 1, 0)
		r.want("later", 1, 0, 0)
		if s := r.status("later"); s.Known || s.Pending != 1 {
			t.Errorf("%+v", s)
		}
		r.engine.Attach(&Snapshot{Destinations: map[string]Config{"later": {Destination: newFake(always(ok))}}})
		synctest.Wait()
		r.want("later", 0, 1, 0)
	})
}
