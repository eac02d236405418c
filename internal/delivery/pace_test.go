package delivery

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/destination"
)

func TestConcurrencyIsBounded(t *testing.T) {
	for _, limit := range []int{1, 3, 16} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			in(t, func(t *testing.T) {
				f := newFake(takes(time.Second, ok))
				r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: limit}})
				defer r.close()
				for range 48 {
					r.accept("", "", "crm")
				}
				synctest.Wait()
				if s := r.status("crm"); s.InFlight != limit || s.Concurrency != limit {
					t.Errorf("%+v", s)
				}
				after(time.Duration(48/limit) * time.Second)
				r.want("crm", 0, 48, 0)
				if f.most != limit {
					t.Errorf("%d at once, want %d", f.most, limit)
				}
			})
		})
	}
}

func TestOneSlowDestinationHoldsUpNobody(t *testing.T) {
	in(t, func(t *testing.T) {
		slow, quick := newFake(takes(time.Hour, ok)), newFake(always(ok))
		r := newRig(t, Options{DrainTimeout: -1}, map[string]Config{"slow": {Destination: slow}, "quick": {Destination: quick}})
		defer r.close()
		for range 50 {
			r.accept("", "", "slow", "quick")
		}
		synctest.Wait()
		r.want("quick", 0, 50, 0)
		r.want("slow", 50, 0, 0)
	})
}

// Waiting for an open breaker costs no attempt, and one probe finds out whether the receiver is back.
func TestBreakerHolds(t *testing.T) {
	in(t, func(t *testing.T) {
		var up atomic.Bool
		f := newFake(func(_ context.Context, items []destination.Item) []destination.Result {
			if !up.Load() {
				return same(len(items), failing)
			}
			return same(len(items), ok)
		})
		r := newRig(t, Options{}, map[string]Config{"crm": {
			Destination: f, Concurrency: 1, Breaker: breaker.Settings{ConsecutiveFailures: 3, OpenFor: time.Minute},
		}})
		defer r.close()
		for range 20 {
			r.accept("", "", "crm")
		}
		after(30 * time.Second)
		if n := len(f.calls()); n != 3 || r.status("crm").Breaker != "open" {
			t.Fatalf("%d attempts with the breaker %s, want 3 and open", n, r.status("crm").Breaker)
		}
		after(10 * time.Minute)
		probes := len(f.calls()) - 3
		if probes < 9 || probes > 10 {
			t.Errorf("%d probes in 10 min", probes)
		}
		up.Store(true)
		after(2 * time.Minute)
		r.want("crm", 0, 20, 0)
		burnt := 0
		for _, a := range r.spy.attempts {
			if a.Outcome == destination.Retry {
				burnt++
			}
		}
		if burnt != 3+probes && burnt != 4+probes {
			t.Errorf("%d attempts failed, with %d probes", burnt, probes)
		}
		if s := r.spy.changes; len(s) < 3 || s[0] != breaker.Open || s[len(s)-1] != breaker.Closed {
			t.Errorf("changes %v", s)
		}
	})
}

// An idle lane with an open breaker spends no probe on nothing.
func TestNoProbeWithoutWork(t *testing.T) {
	in(t, func(t *testing.T) {
		var up atomic.Bool
		f := newFake(func(context.Context, []destination.Item) []destination.Result {
			if !up.Load() {
				return []destination.Result{{Outcome: destination.Dead, Unhealthy: true, Reason: "down"}}
			}
			return []destination.Result{ok}
		})
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Breaker: breaker.Settings{ConsecutiveFailures: 1}}})
		defer r.close()
		r.accept("", "", "crm")
		after(time.Hour)
		up.Store(true)
		r.accept("", "", "crm")
		synctest.Wait()
		r.want("crm", 0, 1, 1)
	})
}

func TestPaceCostsNoAttempt(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Rate: 2, Burst: 3, Concurrency: 10}})
		defer r.close()
		for range 9 {
			r.accept("", "", "crm")
		}
		after(time.Minute)
		got := f.times()
		for i := range got {
			got[i] = got[i].Round(time.Millisecond)
		}
		if want := durations(0, 0, 0, 0.5, 1, 1.5, 2, 2.5, 3); !slices.Equal(got, want) {
			t.Errorf("attempts at %v, want %v", got, want)
		}
		for _, a := range r.spy.attempts {
			if a.Item.Attempt != 1 {
				t.Error("waiting burnt an attempt")
			}
		}
	})
}

func sizes(f *fake) (n []int) {
	for _, s := range f.calls() {
		n = append(n, len(s.items))
	}
	return n
}

func TestBatches(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(func(_ context.Context, items []destination.Item) []destination.Result {
			time.Sleep(time.Second)
			return same(len(items), ok)
		})
		f.batch = 10
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1}})
		defer r.close()
		r.accept("", "", "crm") // goes at once, alone
		synctest.Wait()
		for range 25 {
			r.accept("", "", "crm")
		}
		after(time.Minute)
		if got := sizes(f); !slices.Equal(got, []int{1, 10, 10, 5}) {
			t.Errorf("batches of %v", got)
		}
		r.want("crm", 0, 26, 0)
	})
}

func TestBatchWaits(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		f.batch = 3
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, BatchWait: 10 * time.Second}})
		defer r.close()
		r.accept("", "", "crm")
		after(4 * time.Second)
		r.accept("", "", "crm")
		after(26 * time.Second) // the two went at 10 s
		for range 4 {
			r.accept("", "", "crm") // three go at once, the last waits
		}
		after(time.Minute)
		if got := sizes(f); !slices.Equal(got, []int{2, 3, 1}) {
			t.Errorf("batches of %v", got)
		}
		if got, want := f.times(), durations(10, 30, 40); !slices.Equal(got, want) {
			t.Errorf("batches at %v, want %v", got, want)
		}
	})
}

// The results of a batch are taken one by one.
func TestBatchResultsAreSeparate(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(func(_ context.Context, items []destination.Item) []destination.Result {
			return []destination.Result{ok, refusing, failing, ok}[:len(items)]
		})
		f.batch = 4
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, BatchWait: time.Second, Schedule: ListSchedule(0, 10*time.Second)}})
		defer r.close()
		for range 4 {
			r.accept("", "", "crm")
		}
		after(5 * time.Second)
		r.want("crm", 1, 2, 1)
		after(time.Minute)
		r.want("crm", 0, 3, 1)
	})
}

// A tenant whose deliveries are slow leaves room for the others.
func TestTenantsShare(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(func(ctx context.Context, items []destination.Item) []destination.Result {
			if items[0].Tenant == "slow" {
				return takes(20*time.Second, ok)(ctx, items)
			}
			return same(len(items), ok)
		})
		r := newRig(t, Options{DrainTimeout: -1}, map[string]Config{"crm": {Destination: f, Concurrency: 4}})
		defer r.close()
		for range 40 {
			r.accept("slow", "", "crm")
		}
		after(time.Second)
		if n := r.status("crm").InFlight; n != 3 {
			t.Errorf("the slow tenant holds %d of 4", n)
		}
		began := time.Since(f.start)
		for range 10 {
			r.accept("quick", "", "crm")
		}
		synctest.Wait()
		quick := 0
		for _, s := range f.calls() {
			if s.items[0].Tenant == "quick" && s.at == began {
				quick++
			}
		}
		if quick != 10 {
			t.Errorf("%d of 10 deliveries of the quick tenant went at once", quick)
		}
		after(5 * time.Minute)
		r.want("crm", 0, 50, 0)
	})
}

// With everything equally fast, a tenant with few deliveries does not queue behind one with many.
func TestTenantsTakeTurns(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(takes(time.Second, ok))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1}})
		defer r.close()
		for range 100 {
			r.accept("big", "", "crm")
		}
		for range 3 {
			r.accept("small", "", "crm")
		}
		after(10 * time.Second)
		small := 0
		for _, s := range f.calls() {
			if s.items[0].Tenant == "small" {
				small++
			}
		}
		if small != 3 {
			t.Errorf("%d of 3 after 10 of 103 attempts", small)
		}
		after(10 * time.Minute)
	})
}

// A batch that has waited long enough and yet may not go, because of a Retry-After, does not keep the lane spinning.
func TestBatchWaitsForTheReceiver(t *testing.T) {
	in(t, func(t *testing.T) {
		var busy atomic.Bool
		busy.Store(true)
		f := newFake(func(_ context.Context, items []destination.Item) []destination.Result {
			time.Sleep(2 * time.Second)
			if busy.Swap(false) {
				return same(len(items), destination.Result{Status: 429, Reason: "busy", RetryAfter: 20 * time.Second})
			}
			return same(len(items), ok)
		})
		f.batch = 2
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: f, BatchWait: 5 * time.Second, Concurrency: 2}})
		defer r.close()
		r.accept("", "", "crm")
		r.accept("", "", "crm")
		after(time.Second)
		r.accept("", "", "crm") // waits for company, and then for the receiver
		after(time.Minute)
		if got := f.times(); len(got) != 3 || got[1] != 22*time.Second {
			t.Errorf("batches at %v, want the second at 22 s", got)
		}
		r.want("crm", 0, 3, 0)
	})
}
