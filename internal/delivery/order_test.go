package delivery

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// refusesCaller1 answers the first attempts at the first call's delivery with a failure, and takes everything else.
func refusesCaller1(attempts int) func(context.Context, []destination.Item) []destination.Result {
	return func(_ context.Context, items []destination.Item) []destination.Result {
		if items[0].Call.FirstName == "caller 1" && items[0].Attempt <= attempts {
			return same(len(items), destination.Result{Reason: "not now"})
		}
		return same(len(items), ok)
	}
}

// firstEvents are the events that the attempts began with.
func firstEvents(f *fake) (order []string) {
	for _, s := range f.calls() {
		order = append(order, s.items[0].EventID)
	}
	return order
}

// In a lane that keeps order the later event of a call waits until the earlier one is through, and other calls do not.
func TestEventsOfACallInOrder(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(refusesCaller1(2))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1}})
		defer r.close()
		first := r.accept("acme", "call-1", "crm")
		second := r.accept("acme", "call-1", "crm")
		third := r.accept("acme", "call-1", "crm")
		other := r.accept("acme", "call-2", "crm")
		namesake := r.accept("other", "call-1", "crm")
		after(time.Hour)
		r.want("crm", 0, 5, 0)
		order := firstEvents(f)
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
		f := newFake(refusesCaller1(1))
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

// Events that wait for longer than their leases are claimed again one by one, and keep their order all the same.
func TestHeldInOrderBeyondTheLease(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(refusesCaller1(1))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1, Schedule: ListSchedule(0, 280*time.Second)}})
		defer r.close()
		want := []string{r.accept("", "call-1", "crm")}
		want = append(want, want[0])
		for range 4 {
			after(7 * time.Second)
			want = append(want, r.accept("", "call-1", "crm"))
		}
		after(time.Hour)
		order := firstEvents(f)
		if !slices.Equal(order, want) {
			t.Errorf("%v, want %v", order, want)
		}
	})
}

// More deliveries than a lane holds wait for one call. They keep their order, and other calls go on all the same.
func TestOrderBeyondWhatIsHeld(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(refusesCaller1(1))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1, Schedule: ListSchedule(0, time.Hour)}})
		defer r.close()
		want := []string{r.accept("", "call-1", "crm")}
		want = append(want, want[0])
		for range maxHeld + 150 {
			want = append(want, r.accept("", "call-1", "crm"))
		}
		other := r.accept("", "call-2", "crm")
		after(time.Minute)
		r.want("crm", len(want)-1, 1, 0)
		after(2 * time.Hour)
		r.want("crm", 0, len(want), 0)
		order := firstEvents(f)
		order = slices.DeleteFunc(order, func(id string) bool { return id == other })
		if !slices.Equal(order, want) {
			t.Errorf("%d attempts, want the call's %d in their order", len(order), len(want))
		}
		for _, s := range f.calls() {
			if len(s.items[0].Body) == 0 || s.items[0].Call.ID == "" {
				t.Fatal("a delivery was made without its payload")
			}
		}
	})
}

// Beyond even that order gives way, so that broken calls do not stop the others; but only for what comes then.
func TestOrderGivesWayBeyondAllBounds(t *testing.T) {
	l := newLane(New(Options{Store: storetest.NewMemory(storetest.Options{}), DrainTimeout: -1}), store.Lane{Destination: "crm", Shards: 1})
	defer l.e.Close(t.Context())
	terms := &terms{Config: Config{Concurrency: 1, TenantConcurrency: 1}, snapshot: &attached{Snapshot: &Snapshot{}}}
	delivery := func(id string) waiting {
		return waiting{Claimed: store.Claimed{Delivery: store.Delivery{ID: id}, Event: &store.Event{CallID: "call-1", Body: []byte("x")}}}
	}
	l.calls.enter(delivery("first").Claimed)
	for i := range maxHeld + maxBare {
		if l.admit(terms, delivery(fmt.Sprint(i))); len(l.queue.ready) > 0 || l.queue.len() != i+1 {
			t.Fatalf("%d are held and %d go after %d", len(l.queue.held), len(l.queue.ready), i+1)
		}
	}
	if w := l.queue.held[maxHeld]; !w.bare || w.Event.Body != nil || l.queue.held[maxHeld-1].bare {
		t.Errorf("held with its payload: %+v", w)
	}
	if !l.admit(terms, delivery("last")) || len(l.queue.ready) != 1 {
		t.Error("the lane stands still")
	}
	if turn := l.calls[callKey{"", "call-1"}]; turn.delivery != "first" {
		t.Errorf("the turn went to %s", turn.delivery)
	}
}

// A delivery that waits for its batch to be tried again keeps its place when it is given back: later events of its call
// fell due before it.
func TestOrderOutlastsGivingBack(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(refusesCaller1(1))
		f.batch = 10
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1, BatchWait: 20 * time.Second}})
		defer r.close()
		first := r.accept("acme", "call-1", "crm")
		second := r.accept("acme", "call-1", "crm")
		after(35 * time.Second) // the first was sent at 20 s, is due again at 30 s, and waits for company
		if n := len(f.calls()); n != 1 {
			t.Fatalf("%d attempts", n)
		}
		if _, err := r.engine.Erase(t.Context(), store.Filter{CallID: "another"}, false); err != nil {
			t.Fatal(err)
		}
		after(time.Hour)
		r.want("crm", 0, 2, 0)
		var order []string
		for _, s := range f.calls() {
			for _, i := range s.items {
				order = append(order, i.EventID)
			}
		}
		if want := []string{first, first, second}; !slices.Equal(order, want) {
			t.Errorf("%v, want %v", order, want)
		}
	})
}

// The order of a call outlasts a pause that is longer than the wait for the retry, and an outage in which many others
// are due before it; and an erased delivery does not stop its call for ever.
func TestOrderOutlastsPause(t *testing.T) {
	for _, erased := range []bool{false, true} {
		in(t, func(t *testing.T) {
			f := newFake(refusesCaller1(1))
			r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1}})
			defer r.close()
			first := r.accept("acme", "call-1", "crm")
			second := r.accept("acme", "call-1", "crm")
			after(5 * time.Second)
			if err := r.engine.Pause(t.Context(), "crm", "maintenance"); err != nil {
				t.Fatal(err)
			}
			want := []string{first, first, second}
			if erased {
				want = []string{first, second}
				if n, err := r.engine.Erase(t.Context(), store.Filter{EventID: first}, false); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			}
			after(time.Hour)
			if err := r.engine.Resume(t.Context(), "crm"); err != nil {
				t.Fatal(err)
			}
			after(time.Minute)
			order := firstEvents(f)
			if !slices.Equal(order, want) {
				t.Errorf("%v, want %v", order, want)
			}
		})
	}
}
