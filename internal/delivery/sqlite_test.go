package delivery

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// clocked notes how long each item was under way.
type clocked struct {
	instant
	mu   sync.Mutex
	took []time.Duration
	seen map[string]int
}

func (c *clocked) Deliver(_ context.Context, items []destination.Item) []destination.Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, item := range items {
		c.took = append(c.took, time.Since(item.ReceivedAt))
		c.seen[item.DeliveryID]++
	}
	return same(len(items), ok)
}

// TestOnSQLite runs the engine on the store that it runs on, in real time: steadily, and with a crowd of senders.
func TestOnSQLite(t *testing.T) {
	s, err := sqlite.Open(sqlite.Options{Path: filepath.Join(t.TempDir(), "events.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c := &clocked{seen: map[string]int{}}
	e := New(Options{Store: s})
	defer e.Close(context.Background())
	e.Attach(&Snapshot{Destinations: map[string]Config{"crm": {Destination: c, Concurrency: 8}, "ehr": {Destination: c, Concurrency: 1}}})
	accept := func(n int) {
		ev := newEvent(n, "t"+strconv.Itoa(n%5), "call-"+strconv.Itoa(n/2))
		if _, err := e.Accept(context.Background(), ev, []string{"crm", "ehr"}); err != nil {
			t.Errorf("accept: %v", err)
		}
	}
	delivered := func(n int) time.Duration {
		start := time.Now()
		for time.Since(start) < 5*time.Minute {
			stats, err := s.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			done := 0
			for _, d := range stats.Destinations {
				done += int(d.Delivered)
			}
			if done == n {
				return time.Since(start)
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("not all of %d deliveries were made within five minutes", n)
		return 0
	}

	const steady = 250
	for n := range steady {
		accept(n)
		time.Sleep(2 * time.Millisecond)
	}
	delivered(2 * steady)
	c.mu.Lock()
	slices.Sort(c.took)
	t.Logf("steadily: half were sent within %v, 99 of 100 within %v", c.took[len(c.took)/2], c.took[len(c.took)*99/100])
	c.mu.Unlock()

	const senders, each = 32, 60
	start := time.Now()
	var crowd sync.WaitGroup
	for i := range senders {
		crowd.Go(func() {
			for n := range each {
				accept(steady + i*each + n)
			}
		})
	}
	crowd.Wait()
	t.Logf("a crowd: %d accepted in %v, all delivered %v later", senders*each, time.Since(start), delivered(2*(steady+senders*each)))

	c.mu.Lock()
	defer c.mu.Unlock()
	for id, n := range c.seen {
		if n != 1 {
			t.Errorf("%s was sent %d times", id, n)
		}
	}
	left, err := s.Deliveries(t.Context(), store.Filter{State: store.Pending}, store.Page{})
	if err != nil || len(left) != 0 {
		t.Errorf("%d deliveries are left, %v", len(left), err)
	}
}
