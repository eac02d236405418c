package delivery

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

// After the receiver was mended nobody has to wait for the schedule.
func TestSendNow(t *testing.T) {
	in(t, func(t *testing.T) {
		answer := failing
		f := newFake(func(context.Context, []destination.Item) []destination.Result { return []destination.Result{answer} })
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1, Schedule: ListSchedule(0, time.Hour, time.Hour)}})
		defer r.close()
		r.accept("acme", "call-1", "crm")
		r.accept("acme", "call-1", "crm") // its turn comes after the first
		r.accept("other", "call-2", "crm")
		after(time.Minute)
		answer = ok
		if n, err := r.engine.SendNow(t.Context(), store.Filter{Tenant: "acme"}, true); n != 1 || err != nil {
			t.Fatalf("%d, %v: want the one that was tried", n, err)
		}
		after(time.Second)
		r.want("crm", 3, 0, 0)
		if n, err := r.engine.SendNow(t.Context(), store.Filter{Tenant: "acme"}, false); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		synctest.Wait()
		r.want("crm", 1, 2, 0)
		last := f.calls()
		if a, b := last[len(last)-2].items[0], last[len(last)-1].items[0]; a.Attempt != 2 || b.Attempt != 1 {
			t.Errorf("attempts %d and %d, want the second of the first and then the other", a.Attempt, b.Attempt)
		}
	})
}

// What is cancelled is not sent, whether it waits in the store or in the lane's hands.
func TestCancel(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(takes(time.Second, failing))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1, Breaker: noBreaker}})
		defer r.close()
		r.accept("acme", "call-1", "crm")
		r.accept("acme", "call-1", "crm")
		r.accept("other", "call-2", "crm")
		after(100 * time.Millisecond)
		if n, err := r.engine.Cancel(t.Context(), store.Filter{Tenant: "acme"}, true); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		r.want("crm", 3, 0, 0)
		if n, err := r.engine.Cancel(t.Context(), store.Filter{Tenant: "acme"}, false); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		after(time.Minute)
		r.want("crm", 1, 0, 2)
		acme := 0
		for _, s := range f.calls() {
			if s.items[0].Tenant == "acme" {
				acme++
			}
		}
		if acme != 1 {
			t.Errorf("%d attempts at what was cancelled, want the one that was under way", acme)
		}
		if len(r.spy.dead) != 0 {
			t.Errorf("%d dead letters told", len(r.spy.dead))
		}
	})
}

func TestReplayAtARate(t *testing.T) {
	in(t, func(t *testing.T) {
		answer := refusing
		f := newFake(func(context.Context, []destination.Item) []destination.Result { return []destination.Result{answer} })
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f}})
		defer r.close()
		for range 4 {
			r.accept("", "", "crm")
		}
		after(time.Minute)
		answer = ok
		if _, err := r.engine.ReplayAt(t.Context(), store.Filter{}, -1, false); err == nil {
			t.Error("a negative rate is taken")
		}
		if n, err := r.engine.ReplayAt(t.Context(), store.Filter{State: store.Dead}, 0.5, false); n != 4 || err != nil {
			t.Fatal(n, err)
		}
		after(time.Minute)
		if got, want := f.times()[4:], durations(60, 62, 64, 66); !slices.Equal(got, want) {
			t.Errorf("replayed at %v, want %v", got, want)
		}
		r.want("crm", 0, 4, 0)
	})
}
