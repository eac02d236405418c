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

// Whatever happens to the receivers, the configuration, the store and the process: every delivery ends once, as the
// receiver's answers demand, no attempt number is used twice but for those that do not count, and only an attempt that was cut short is made again.
func TestRandomLife(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			in(t, func(t *testing.T) { randomLife(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

type attemptKey struct {
	delivery string
	at       int64
}

func randomLife(t *testing.T, rnd *rand.Rand) {
	var mu sync.Mutex
	roll := func(n int) int { mu.Lock(); defer mu.Unlock(); return rnd.IntN(n) }

	s := &flaky{Store: storetest.NewMemory(storetest.Options{})}
	delivered, cut := map[string]int{}, map[string]int{} // by delivery
	refused := map[string]bool{}
	receiver := newFake(func(ctx context.Context, items []destination.Item) []destination.Result {
		select {
		case <-time.After(time.Duration(roll(4000)) * time.Millisecond):
		case <-ctx.Done():
			mu.Lock()
			for _, item := range items {
				cut[item.DeliveryID]++
			}
			mu.Unlock()
			return same(len(items), destination.Result{Reason: "cut short", Unhealthy: true})
		}
		if roll(60) == 0 {
			panic("a bug")
		}
		results := make([]destination.Result, len(items))
		for i, item := range items {
			switch n := roll(10); {
			case n < 6:
				results[i] = ok
				mu.Lock()
				delivered[item.DeliveryID]++
				mu.Unlock()
			case n == 6:
				results[i] = failing
			case n == 7:
				results[i] = destination.Result{Status: 429, Reason: "busy", RetryAfter: time.Duration(roll(20)) * time.Second}
			case n == 8 && roll(4) == 0:
				results[i] = refusing
				mu.Lock()
				refused[item.DeliveryID] = true
				mu.Unlock()
			default:
				results[i] = destination.Result{Reason: "not now"}
			}
		}
		return results
	})
	receiver.batch = 1 + 4*roll(2)
	config := func() *Snapshot {
		endless := ExponentialSchedule(time.Second, 20*time.Second, 500, 0)
		c := Config{Destination: receiver, Schedule: endless, Concurrency: 1 + roll(5), Timeout: 10 * time.Second,
			Breaker: breaker.Settings{ConsecutiveFailures: 3}, BatchWait: time.Duration(roll(2)) * time.Second}
		if roll(3) == 0 {
			c.Rate = 5
		}
		all := map[string]Config{"a": c, "b": c, "c": c}
		if roll(3) == 0 {
			delete(all, "c")
		}
		return &Snapshot{Destinations: all}
	}

	r := newRig(t, Options{Store: s, DrainTimeout: time.Second}, nil)
	detach := r.engine.Attach(config())
	accepted, unrecorded := 0, 0
	for range 400 {
		switch n := roll(40); {
		case n == 0:
			next := r.engine.Attach(config())
			detach()
			detach = next
		case n == 1: // the process ends and comes back
			if s.finish.Load() != nil {
				unrecorded++ // what could not be recorded is made again
			}
			r.close()
			r.engine = New(Options{Store: s, Observer: r.spy, DrainTimeout: time.Second, Rand: middle})
			detach = r.engine.Attach(config())
		case n == 2:
			_ = r.engine.Pause(t.Context(), "b", "a test")
		case n == 3:
			_ = r.engine.Resume(t.Context(), "b")
		case n == 4:
			down := store.ErrUnavailable
			s.claim.Store(&down)
			s.finish.Store(&down)
		case n < 8:
			s.claim.Store(nil)
			s.finish.Store(nil)
		default:
			r.accept(fmt.Sprint("t", roll(3)), fmt.Sprint("call", roll(60)), "a", "b", "c")
			accepted++
		}
		time.Sleep(time.Duration(roll(1500)) * time.Millisecond)
	}
	s.claim.Store(nil)
	s.finish.Store(nil)
	_ = r.engine.Resume(t.Context(), "b")
	endless := ExponentialSchedule(time.Second, 20*time.Second, 500, 0)
	last := Config{Destination: receiver, Schedule: endless, Concurrency: 10}
	r.engine.Attach(&Snapshot{Destinations: map[string]Config{"a": last, "b": last, "c": last}})
	after(3 * time.Hour)
	r.close()

	uncounted := map[attemptKey]bool{}
	for _, a := range r.spy.attempts {
		if a.Uncounted {
			uncounted[attemptKey{a.Item.DeliveryID, a.At.UnixNano()}] = true
		}
	}
	seen := 0
	for before := ""; ; {
		page, err := s.Deliveries(t.Context(), store.Filter{}, store.Page{Before: before, Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		before = page[len(page)-1].ID
		for _, d := range page {
			seen++
			switch d.State {
			case store.Delivered:
				if n := delivered[d.ID]; n < 1 {
					t.Errorf("%s is recorded as delivered and was not", d.ID)
				}
			case store.Dead:
				if !refused[d.ID] {
					t.Errorf("%s is dead and was not refused: %s", d.ID, d.Reason)
				}
			default:
				t.Errorf("%s is %s after all: %+v", d.ID, d.State, d)
			}
			attempts, _ := s.Attempts(t.Context(), d.ID)
			number := 1
			for i, a := range attempts {
				if a.Number != number {
					t.Errorf("%s: attempt %d has the number %d, want %d", d.ID, i+1, a.Number, number)
				}
				if !uncounted[attemptKey{d.ID, a.At.UnixNano()}] {
					number++
				}
			}
			if d.Attempts != number-1 {
				t.Errorf("%s counts %d attempts, want %d of %d", d.ID, d.Attempts, number-1, len(attempts))
			}
		}
	}
	if seen != 3*accepted {
		t.Errorf("%d deliveries of %d events", seen, accepted)
	}
	twice := 0
	for _, n := range delivered {
		twice += n - 1
	}
	if twice > 0 && unrecorded == 0 {
		t.Errorf("%d deliveries were made again, and the store was always there when the process ended", twice)
	}
	t.Logf("%d events, %d attempts cut short, %d delivered again", accepted, len(cut), twice)
}
