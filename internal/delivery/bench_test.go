package delivery

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

// queueStore is a store as fast as a store can be, to measure the engine itself.
type queueStore struct {
	store.Store
	mu       sync.Mutex
	waiting  map[string][]store.Claimed
	finished sync.WaitGroup
	// room bounds what waits, so that a benchmark measures the whole way and not the growth of a backlog.
	room chan struct{}
	n    int
}

func (q *queueStore) AcceptAll(_ context.Context, events []*store.Event, destinations [][]string) (all []store.Accepted, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, e := range events {
		for _, d := range destinations[i] {
			q.n++
			q.waiting[d] = append(q.waiting[d], store.Claimed{Event: e, Delivery: store.Delivery{
				ID: strconv.Itoa(q.n), EventID: e.ID, Tenant: e.Tenant, Destination: d, State: store.Pending,
			}})
		}
		all = append(all, store.Accepted{EventID: e.ID})
	}
	return all, nil
}

func (q *queueStore) Claim(_ context.Context, d string, _ time.Time, _ time.Duration, limit int, _ []string) ([]store.Claimed, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(limit, len(q.waiting[d]))
	claimed := q.waiting[d][:n:n]
	q.waiting[d] = q.waiting[d][n:]
	return claimed, nil
}

func (q *queueStore) Noted(context.Context, string, string) ([]byte, error) { return nil, nil }

func (q *queueStore) Next(_ context.Context, d string) (time.Time, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting[d]) > 0 {
		return time.Unix(1, 0), nil
	}
	return time.Time{}, nil
}

func (q *queueStore) Finish(_ context.Context, a []store.Attempt) error {
	for range a {
		q.finished.Done()
		if q.room != nil {
			<-q.room
		}
	}
	return nil
}

func (q *queueStore) Paused(context.Context) (map[string]string, error) { return nil, nil }

func (q *queueStore) Expire(context.Context, store.Retention, time.Time, int) (store.Expired, error) {
	return store.Expired{}, nil
}

// BenchmarkEngine measures one event from Accept to its recorded delivery, with a receiver that answers at once.
func BenchmarkEngine(b *testing.B) {
	for _, concurrency := range []int{1, 4, 32} {
		b.Run(fmt.Sprint("concurrency=", concurrency), func(b *testing.B) {
			q := &queueStore{waiting: map[string][]store.Claimed{}, room: make(chan struct{}, 1000)}
			e := New(Options{Store: q})
			defer e.Close(context.Background())
			e.Attach(&Snapshot{Destinations: map[string]Config{"crm": {Destination: instant{}, Concurrency: concurrency}}})
			ev := newEvent(1, "", "")
			b.ReportAllocs()
			for b.Loop() {
				q.room <- struct{}{}
				q.finished.Add(1)
				if _, err := e.Accept(b.Context(), ev, []string{"crm"}); err != nil {
					b.Fatal(err)
				}
			}
			q.finished.Wait()
		})
	}
}

// TestThroughput drains a backlog of ten thousand events in real time.
func TestThroughput(t *testing.T) {
	const n = 10_000
	q := &queueStore{waiting: map[string][]store.Claimed{}}
	e := New(Options{Store: q})
	defer e.Close(context.Background())
	q.finished.Add(n)
	for i := range n {
		if _, err := e.Accept(t.Context(), newEvent(i, fmt.Sprint("t", i%7), fmt.Sprint("call", i)), []string{"crm"}); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	e.Attach(&Snapshot{Destinations: map[string]Config{"crm": {Destination: instant{}, Concurrency: 16}}})
	q.finished.Wait()
	took := time.Since(start)
	t.Logf("%d deliveries in %v: %.0f/s", n, took, n/took.Seconds())
	if took > 20*time.Second { // a hundred times what it takes on two cores
		t.Errorf("%d deliveries took %v", n, took)
	}
}

type instant struct{}

func (instant) Deliver(_ context.Context, items []destination.Item) []destination.Result {
	return same(len(items), ok)
}

func (instant) Preview([]destination.Item) ([]destination.Request, error) { return nil, nil }

func (instant) MaxBatch() int { return 1 }
