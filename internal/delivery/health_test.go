package delivery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

// byTenant answers the events of the tenant "poison" one way and all others another.
func byTenant(poison, others destination.Result) func(context.Context, []destination.Item) []destination.Result {
	return func(_ context.Context, items []destination.Item) []destination.Result {
		if items[0].Tenant == "poison" {
			return []destination.Result{poison}
		}
		return []destination.Result{others}
	}
}

// delays are how long after the accepting of each event of a tenant it was first taken.
func (r *rig) delays(tenant string) (all []time.Duration) {
	for _, a := range r.spy.attempts {
		if a.Item.Tenant == tenant && a.State == store.Delivered {
			all = append(all, a.At.Sub(a.CreatedAt))
		}
	}
	return all
}

// Payloads that a healthy receiver answers 500 to do not stop the others: 30 of them, and then a good call a second.
func TestPoisonHoldsUpNobody(t *testing.T) {
	for _, concurrency := range []int{1, 4, 16} {
		for _, tenant := range []string{"good", "poison"} { // the same tenant may be both
			t.Run(fmt.Sprint(concurrency, " ", tenant), func(t *testing.T) {
				in(t, func(t *testing.T) {
					f := newFake(func(_ context.Context, items []destination.Item) []destination.Result {
						if strings.HasPrefix(items[0].Call.ID, "poison") {
							return []destination.Result{failing}
						}
						return []destination.Result{ok}
					})
					r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: concurrency}})
					defer r.close()
					for i := range 30 {
						r.accept("poison", fmt.Sprint("poison-", i), "crm")
					}
					for i := range 60 {
						after(time.Second)
						r.accept(tenant, fmt.Sprint("good-", i), "crm")
					}
					after(time.Second)
					late := 0
					for _, d := range r.delays(tenant) {
						if d > time.Second {
							late++
						}
						if d > 15*time.Second {
							t.Errorf("a good call waited %s", d)
						}
					}
					// Only what came before it was known that the receiver is well.
					if n := len(r.delays(tenant)); n != 60 || late > 15 {
						t.Errorf("%d of 60 good calls delivered in their minute, %d of them late", n, late)
					}
				})
			})
		}
	}
}

// One event that always fails opens no breaker, however often it is tried.
func TestRetriesOfOneEventCountOnce(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(failing))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Schedule: ExponentialSchedule(time.Second, time.Second, 30, 0)}})
		defer r.close()
		r.accept("", "", "crm")
		after(time.Minute)
		if n := len(f.calls()); n != 30 || r.status("crm").Breaker != "closed" || len(r.spy.changes) != 0 {
			t.Errorf("%d attempts, and the breaker is %s", n, r.status("crm").Breaker)
		}
	})
}

// A probe is made with an event that has not failed, of another tenant, and burns no attempt.
func TestProbesTryAnotherEvent(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(failing))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1, Breaker: breaker.Settings{OpenFor: 30 * time.Second}}})
		defer r.close()
		for range 10 {
			r.accept("first", "", "crm")
		}
		after(time.Second)
		if r.status("crm").Breaker != "open" {
			t.Fatal("five events failed and the breaker is", r.status("crm").Breaker)
		}
		r.accept("second", "", "crm")
		r.accept("third", "", "crm")
		failed := map[string]bool{}
		for _, s := range f.calls() {
			failed[s.items[0].DeliveryID] = true
		}
		opened := len(f.calls())
		after(130 * time.Second)
		probes := f.calls()[opened:]
		if len(probes) != 4 {
			t.Fatalf("%d probes in 130 s, want 4", len(probes))
		}
		var tenants []string
		for _, p := range probes {
			tenants = append(tenants, p.items[0].Tenant)
			if failed[p.items[0].DeliveryID] {
				t.Error("a probe was made with an event that had failed")
			}
			failed[p.items[0].DeliveryID] = true
		}
		if tenants[0] == "first" || tenants[1] == "first" || tenants[0] == tenants[1] {
			t.Errorf("probed with tenants %v, want the other two first", tenants)
		}
		for _, a := range r.spy.attempts[opened:] {
			if !a.Uncounted || a.Item.Attempt != 1 {
				t.Errorf("a probe counts: %+v", a)
			}
		}
	})
}

// An outage of hours burns no attempts but those that found it out, and ends with a receiver that is met slowly.
func TestOutageBurnsNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		var up atomic.Bool
		down := destination.Result{Reason: "connection refused", Unhealthy: true, Unsent: true}
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			if up.Load() {
				return []destination.Result{ok}
			}
			return []destination.Result{down}
		})
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1, Schedule: ListSchedule(0, 10*time.Second)}})
		defer r.close()
		const calls = 400
		for range calls {
			r.accept("", "", "crm")
		}
		after(20 * time.Hour)
		if dead := r.states("crm")[store.Dead]; dead > 8 {
			t.Errorf("%d calls are dead, want no more than found it out twice", dead)
		}
		up.Store(true)
		began := time.Since(f.start)
		after(time.Minute)
		if s := r.states("crm"); s[store.Pending] != 0 || s[store.Delivered] < calls-8 {
			t.Fatalf("%v a minute after the receiver is back", s)
		}
		var first time.Duration
		within := [4]int{}
		taken := []string{}
		for _, s := range f.calls() {
			if s.at < began {
				continue
			}
			if first == 0 {
				first = s.at
			}
			if at := int((s.at - first) / time.Second); at < len(within) {
				within[at]++
			}
			taken = append(taken, s.items[0].DeliveryID)
		}
		for i, most := range []int{4, 5, 10, 20} {
			if within[i] > most || within[i] == 0 {
				t.Errorf("%v attempts in the first seconds after the outage, want %d at most in second %d", within, most, i+1)
			}
		}
		fresh := slices.DeleteFunc(taken, func(id string) bool {
			return slices.ContainsFunc(f.calls()[:20], func(s sent) bool { return s.items[0].DeliveryID == id })
		})
		if !slices.IsSorted(fresh) {
			t.Error("what waited was not delivered in its order")
		}
	})
}

// A configured rate takes the place of the slow start.
func TestRateInPlaceOfSlowStart(t *testing.T) {
	in(t, func(t *testing.T) {
		var up atomic.Bool
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			if up.Load() {
				return []destination.Result{ok}
			}
			return []destination.Result{failing}
		})
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Rate: 50, Burst: 50}})
		defer r.close()
		for range 100 {
			r.accept("", "", "crm")
		}
		after(time.Minute)
		up.Store(true)
		after(15 * time.Second)
		r.want("crm", 0, 100, 0)
	})
}

// A receiver that answers 404 for a while does not turn the backlog into dead letters.
func TestRoadThatIsWrongHoldsTheDestination(t *testing.T) {
	in(t, func(t *testing.T) {
		var up atomic.Bool
		lost := destination.Result{Status: 404, Reason: "404: there is nothing at the URL", Astray: true}
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			if up.Load() {
				return []destination.Result{ok}
			}
			return []destination.Result{lost}
		})
		// The schedule has no second attempt: what is not spared is dead.
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Schedule: ListSchedule(0)}})
		defer r.close()
		for range 500 {
			r.accept("", "", "crm")
		}
		after(20 * time.Minute)
		s := r.status("crm")
		if s.Held != lost.Reason || s.HeldUntil.IsZero() || s.Breaker != "closed" || s.Dead > 3 {
			t.Errorf("%+v, want it held and all but the first ones kept", s)
		}
		if n := len(f.calls()); n < 8 || n > 16 {
			t.Errorf("%d attempts in 20 min, want the first few and probes with growing waits", n)
		}
		if want := []string{"crm: " + lost.Reason}; !slices.Equal(r.spy.paused, want) {
			t.Errorf("told %q, want %q", r.spy.paused, want)
		}
		up.Store(true)
		after(lastProbe + 20*time.Second)
		if s := r.status("crm"); s.Held != "" || s.Pending != 0 || s.Delivered < 497 {
			t.Errorf("%+v after the road is right again", s)
		}
		if want := []string{"crm"}; !slices.Equal(r.spy.resumed, want) {
			t.Errorf("told of the end: %q", r.spy.resumed)
		}
	})
}

// A 404 that one call alone meets with is that call's: it goes on by the schedule, and holds up nobody.
func TestOneCallAstrayHoldsNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(byTenant(destination.Result{Status: 404, Reason: "404", Astray: true}, ok))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Schedule: ListSchedule(durations(0, 1, 1, 1)...)}})
		defer r.close()
		r.accept("poison", "", "crm")
		after(10 * time.Second)
		r.accept("good", "", "crm")
		after(time.Second)
		r.want("crm", 0, 1, 1)
		if r.status("crm").Held != "" || len(r.spy.paused) != 0 {
			t.Errorf("held: %+v", r.status("crm"))
		}
	})
}

// The same refusal of ten calls in a row, with no success between, is hardly the calls' fault.
func TestSameRefusalOfManyHolds(t *testing.T) {
	in(t, func(t *testing.T) {
		var mended atomic.Bool
		n := 0
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			if mended.Load() {
				return []destination.Result{ok}
			}
			n++
			// The receiver's support finds each request by an id.
			return []destination.Result{{Outcome: destination.Dead, Status: 400, Reason: fmt.Sprintf("property x is unknown (id 01hzy3k4m5n6p7q8-%d)", n)}}
		})
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1}})
		defer r.close()
		for range 100 {
			r.accept("", "", "crm")
		}
		after(10 * time.Minute)
		s := r.status("crm")
		if s.Dead != 9 || !strings.Contains(s.Held, "property x") {
			t.Fatalf("%+v, want nine dead and the others held", s)
		}
		mended.Store(true)
		if err := r.engine.Resume(t.Context(), "crm"); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		r.want("crm", 0, 91, 9)
	})
}

// Refusals that differ, or with successes between, are the calls' own.
func TestRefusalsOfTheirOwnHoldNothing(t *testing.T) {
	in(t, func(t *testing.T) {
		n := 0
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			n++
			switch {
			case n > 50 && n%10 == 0:
				return []destination.Result{ok}
			case n > 50:
				return []destination.Result{refusing}
			}
			return []destination.Result{{Outcome: destination.Dead, Status: 422, Reason: fmt.Sprint("field ", n%3)}}
		})
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1}})
		defer r.close()
		for range 100 {
			r.accept("", "", "crm")
		}
		after(time.Minute)
		r.want("crm", 0, 5, 95)
		if len(r.spy.paused) != 0 {
			t.Errorf("held: %q", r.spy.paused)
		}
	})
}

// Trouble of the gateway's own burns no attempt, opens no breaker, and is told once a minute.
func TestOwnTroubleIsNobodysFailure(t *testing.T) {
	in(t, func(t *testing.T) {
		var well atomic.Bool
		own := destination.Result{Reason: "no file descriptors", Own: true, Unsent: true}
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			if well.Load() {
				return []destination.Result{ok}
			}
			return []destination.Result{own}
		})
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Schedule: ListSchedule(0)}})
		defer r.close()
		for range 20 {
			r.accept("", "call", "crm")
		}
		after(10*time.Minute - time.Second)
		r.want("crm", 20, 0, 0)
		if r.status("crm").Breaker != "closed" {
			t.Error("the breaker opened")
		}
		if n := len(r.spy.own); n != 10 {
			t.Errorf("told %d times in ten minutes", n)
		}
		if s := r.status("crm"); s.Trouble != "no file descriptors" {
			t.Errorf("its status tells of the trouble %q", s.Trouble)
		}
		if n := len(f.calls()); n > 10*60/5*4 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		well.Store(true)
		after(ownPause)
		r.want("crm", 0, 20, 0)
		if s := r.status("crm"); s.Trouble != "" {
			t.Errorf("the trouble is over, and its status tells of %q", s.Trouble)
		}
		for _, a := range r.spy.attempts {
			if a.Item.Attempt != 1 || a.State == store.Pending && !a.Returned {
				t.Fatalf("an attempt was burnt: %+v", a)
			}
		}
	})
}

// What waits for a tenant that the configuration does not know any more is kept, and not delivered without its variables.
func TestUnknownTenantWaits(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		r := newRig(t, Options{}, nil)
		defer r.close()
		config := func(tenants ...string) *Snapshot {
			return &Snapshot{Destinations: map[string]Config{"crm": {Destination: f}}, Vars: func(tenant string) (map[string]string, bool) {
				return map[string]string{"owner_name": tenant}, slices.Contains(tenants, tenant)
			}}
		}
		r.engine.Attach(config("new"))
		for range 5 {
			r.accept("old", "", "crm")
			r.accept("old", "", "gone")
			r.accept("new", "", "crm")
			r.accept("", "", "crm")
		}
		after(time.Hour)
		r.want("crm", 5, 10, 0)
		list, err := r.engine.Stranded(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := []Stranded{
			{Destination: "crm", Tenant: "old", Pending: 5, Reason: `tenant "old" is not configured`},
			{Destination: "gone", Tenant: "old", Pending: 5, Reason: `destination "gone" is not configured`},
		}
		if !slices.Equal(list, want) {
			t.Errorf("%+v, want %+v", list, want)
		}
		r.engine.Attach(config("new", "old"))
		synctest.Wait()
		r.want("crm", 0, 15, 0)
		for _, s := range f.calls() {
			if item := s.items[0]; item.Vars["owner_name"] != item.Tenant {
				t.Errorf("tenant %q was delivered with %v", item.Tenant, item.Vars)
			}
		}
		if list, err := r.engine.Stranded(t.Context()); err != nil || len(list) != 1 || list[0].Destination != "gone" {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// A breaker that is open tries no delivery of a tenant that is unknown.
func TestUnknownTenantIsNoProbe(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(failing))
		r := newRig(t, Options{}, nil)
		defer r.close()
		r.engine.Attach(&Snapshot{
			Destinations: map[string]Config{"crm": {Destination: f, Breaker: breaker.Settings{ConsecutiveFailures: 1}}},
			Vars:         func(tenant string) (map[string]string, bool) { return nil, tenant == "known" },
		})
		r.accept("known", "", "crm")
		after(time.Second)
		for range 5 {
			r.accept("unknown", "", "crm")
		}
		after(5 * time.Minute)
		for _, s := range f.calls() {
			if s.items[0].Tenant != "known" {
				t.Fatal("a delivery of an unknown tenant was made")
			}
		}
		r.want("crm", 6, 0, 0)
	})
}
