package delivery

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// Whatever happens to the receiver, the configuration and the store while a process lives: where order is kept, no event
// of a call is attempted before the ones that came before it are delivered or given up.
func TestRandomOrder(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			in(t, func(t *testing.T) { randomOrder(t, rand.New(rand.NewPCG(seed, 2))) })
		})
	}
}

func randomOrder(t *testing.T, rnd *rand.Rand) {
	var mu sync.Mutex
	roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return rnd.IntN(n) }
	settled := map[string]bool{}     // by event
	earlier := map[string][]string{} // events of the same call, by event
	byCall := map[string][]string{}  // events
	receiver := newFake(func(_ context.Context, items []destination.Item) []destination.Result {
		time.Sleep(time.Duration(roll(300)) * time.Millisecond)
		results := make([]destination.Result, len(items))
		for i, item := range items {
			n := roll(12)
			mu.Lock()
			for _, e := range earlier[item.EventID] {
				if !settled[e] {
					t.Errorf("%s was attempted before %s, which came in before", item.EventID, e)
				}
			}
			switch {
			case n < 5:
				results[i], settled[item.EventID] = ok, true
			case n == 5:
				results[i], settled[item.EventID] = refusing, true
			case n == 6:
				results[i] = destination.Result{Status: 429, Reason: "busy", RetryAfter: 15 * time.Second}
			default:
				results[i] = failing
			}
			mu.Unlock()
		}
		return results
	})
	receiver.batch = 1 + 4*roll(2)
	wait := time.Duration(roll(3)) * 10 * time.Second
	config := func() *Snapshot {
		c := Config{Destination: receiver, Schedule: ExponentialSchedule(time.Second, 20*time.Minute, 500, 0), Concurrency: 1,
			Timeout: 10 * time.Second, Breaker: breaker.Settings{ConsecutiveFailures: 3, OpenFor: time.Minute}, BatchWait: wait}
		if roll(3) == 0 {
			c.Rate = 5
		}
		return &Snapshot{Destinations: map[string]Config{"a": c}}
	}
	s := &flaky{Store: storetest.NewMemory(storetest.Options{})}
	r := newRig(t, Options{Store: s}, nil)
	detach := r.engine.Attach(config())
	for range 300 {
		switch n := roll(30); n {
		case 0:
			next := r.engine.Attach(config())
			detach()
			detach = next
		case 1:
			_ = r.engine.Pause(t.Context(), "a", "a test")
		case 2, 3:
			_ = r.engine.Resume(t.Context(), "a")
		case 4:
			down := store.ErrUnavailable
			s.claim.Store(&down)
			s.finish.Store(&down)
		case 5, 6:
			s.claim.Store(nil)
			s.finish.Store(nil)
		case 7, 8:
			_, _ = r.engine.Erase(t.Context(), store.Filter{CallID: "another"}, false)
		default:
			call := fmt.Sprint("call", roll(20))
			e := newEvent(10_000+r.events, fmt.Sprint("t", roll(2)), call)
			r.events++
			call = e.Tenant + call
			mu.Lock()
			earlier[e.ID] = byCall[call]
			byCall[call] = append(byCall[call], e.ID)
			mu.Unlock()
			if _, err := r.engine.Accept(t.Context(), e, []string{"a"}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Duration(roll(60)) * time.Second)
	}
	s.claim.Store(nil)
	s.finish.Store(nil)
	_ = r.engine.Resume(t.Context(), "a")
	r.engine.Attach(&Snapshot{Destinations: map[string]Config{"a": {
		Destination: receiver, Schedule: ExponentialSchedule(time.Second, time.Minute, 500, 0), Concurrency: 1, Breaker: noBreaker,
	}}})
	after(24 * time.Hour)
	r.close()
	if got := r.states("a"); got[store.Pending] != 0 {
		t.Errorf("after a day: %v", got)
	}
}
