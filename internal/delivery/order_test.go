package delivery

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

// In a lane that keeps order the later event of a call waits until the earlier one is through, and other calls do not.
func TestEventsOfACallInOrder(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(nil)
		f.answer = func(_ context.Context, items []destination.Item) []destination.Result {
			if items[0].Call.FirstName == "caller 1" && items[0].Attempt < 3 {
				return []destination.Result{{Reason: "not now"}}
			}
			return []destination.Result{ok}
		}
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1}})
		defer r.close()
		first := r.accept("acme", "call-1", "crm")
		second := r.accept("acme", "call-1", "crm")
		third := r.accept("acme", "call-1", "crm")
		other := r.accept("acme", "call-2", "crm")
		namesake := r.accept("other", "call-1", "crm")
		after(time.Hour)
		r.want("crm", 0, 5, 0)
		var order []string
		for _, s := range f.calls() {
			order = append(order, s.items[0].EventID)
		}
		at := func(id string) int { return slices.Index(order, id) }
		if order[0] != first || at(second) != len(order)-2 || at(third) != len(order)-1 || at(other) > 3 || at(namesake) > 3 {
			t.Errorf("%v, with the call's %v", order, []string{first, second, third})
		}
		for _, a := range r.spy.attempts {
			if a.Item.EventID != first && a.Item.Attempt != 1 {
				t.Error("waiting for its turn burnt an attempt")
			}
		}
	})
}

// Where order is not asked for, a retry blocks nothing; but two attempts of one call never run at once.
func TestEventsOfACallNeverAtOnce(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(takes(time.Second, destination.Result{Reason: "not now"}))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 8, Schedule: ListSchedule(0, time.Hour)}})
		defer r.close()
		for range 4 {
			r.accept("", "call-1", "crm")
		}
		after(10 * time.Second)
		if got, want := f.times(), durations(0, 1, 2, 3); !slices.Equal(got, want) {
			t.Errorf("attempts at %v, want %v", got, want)
		}
	})
}

// What is held for its turn outlives its lease.
func TestHeldBeyondTheLease(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(nil)
		f.answer = func(_ context.Context, items []destination.Item) []destination.Result {
			if items[0].Call.FirstName == "caller 1" && items[0].Attempt == 1 {
				return []destination.Result{{Reason: "not now"}}
			}
			return []destination.Result{ok}
		}
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1, Schedule: ListSchedule(0, time.Hour)}})
		defer r.close()
		r.accept("", "call-1", "crm")
		r.accept("", "call-1", "crm")
		after(59 * time.Minute)
		if n := len(f.calls()); n != 1 {
			t.Fatalf("%d attempts, want 1", n)
		}
		after(2 * time.Minute)
		r.want("crm", 0, 2, 0)
		if n := len(f.calls()); n != 3 {
			t.Errorf("%d attempts, want 3", n)
		}
	})
}

// More deliveries than a lane holds wait for one call; the lane goes on all the same.
func TestHeldIsBounded(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(nil)
		f.answer = func(_ context.Context, items []destination.Item) []destination.Result {
			if items[0].Attempt == 1 && items[0].Call.FirstName == "caller 1" {
				return []destination.Result{{Reason: "not now"}}
			}
			return []destination.Result{ok}
		}
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1, Schedule: ListSchedule(0, time.Hour)}})
		defer r.close()
		for range maxHeld + 20 {
			r.accept("", "call-1", "crm")
		}
		r.accept("", "call-2", "crm")
		after(time.Minute)
		if got := r.states("crm"); got[store.Delivered] < 20 {
			t.Errorf("%v: the lane stands still", got)
		}
		after(2 * time.Hour)
		r.want("crm", 0, maxHeld+21, 0)
	})
}
