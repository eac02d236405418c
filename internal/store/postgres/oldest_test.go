package postgres_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/jackc/pgx/v5"
)

// statements counts what is read for somebody who asks for it, and not what the store looks at by itself each second.
type statements struct{ n atomic.Int64 }

// counted marks the context of who asks.
type counted struct{}

func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	if ctx.Value(counted{}) != nil {
		s.n.Add(1)
	}
	return ctx
}

func (*statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TestOldestOfManyDestinations has fifty destinations, for one of which more wait than are read through. How many statements
// a summary takes does not depend on how many destinations there are, and each says what a look at all of them says.
func TestOldestOfManyDestinations(t *testing.T) {
	asked := new(statements)
	s := openStore(t, postgres.Traced(postgres.Options{Address: start(t).DSN()}, asked))
	began := time.Now().UTC().Truncate(time.Second)
	const destinations, most = 50, postgres.FewWait + 3
	var events []*store.Event
	var to [][]string
	for n := range 2*destinations + most {
		e := randomEvent([]byte("body"))
		e.ReceivedAt = began.Add(time.Duration(n-3000) * time.Second / 100)
		name := "busy"
		if n < destinations || n >= destinations+most {
			name = fmt.Sprint("quiet ", n%(destinations-1))
		}
		events, to = append(events, e), append(to, []string{name})
	}
	// One by one, so that they are accepted in the order of their ids.
	var accepted []store.Accepted
	for from := 0; from < len(events); from += 100 {
		some, err := s.AcceptAll(t.Context(), events[from:min(from+100, len(events))], to[from:min(from+100, len(events))])
		if err != nil {
			t.Fatal(err)
		}
		accepted = append(accepted, some...)
	}
	settled := map[int]bool{}
	check := func(when string, most int64) {
		t.Helper()
		oldest := map[string]int{} // the event whose id is the lowest
		for i, e := range events {
			if name := to[i][0]; !settled[i] {
				if first, ok := oldest[name]; !ok || e.ID < events[first].ID {
					oldest[name] = i
				}
			}
		}
		asked.n.Store(0)
		stats, err := s.Stats(context.WithValue(t.Context(), counted{}, true))
		if err != nil || len(stats.Destinations) != destinations {
			t.Fatalf("%s: %d destinations, %v", when, len(stats.Destinations), err)
		}
		for _, d := range stats.Destinations {
			if want := events[oldest[d.Destination]].ReceivedAt; !d.OldestPending.Equal(want) {
				t.Errorf("%s the oldest for %s is of %v, want %v", when, d.Destination, d.OldestPending, want)
			}
		}
		if n := asked.n.Load(); n > most || n == 0 {
			t.Errorf("%s a summary of %d destinations takes %d statements, want up to %d", when, destinations, n, most)
		}
	}
	settle := func(from, before int) {
		t.Helper()
		var attempts []store.Attempt
		for i := from; i < before; i++ {
			settled[i] = true
			attempts = append(attempts, store.Attempt{DeliveryID: accepted[i].Deliveries[0], At: began, State: store.Delivered})
		}
		if err := s.Finish(t.Context(), attempts); err != nil {
			t.Fatal(err)
		}
	}
	check("at first", 5) // what it holds, counters, counts, the many quiet ones, the busy one; names are known
	settle(0, 5)
	check("with the oldest of some settled", 5)
	settle(destinations, destinations+10)
	check("with few left", 4)
}
