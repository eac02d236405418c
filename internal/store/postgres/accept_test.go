package postgres_test

import (
	"context"
	"crypto/rand"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/jackc/pgx/v5"
)

// clock is one that a test sets, and that what the store does by itself reads meanwhile.
type clock struct{ at atomic.Int64 }

func newClock(at time.Time) *clock {
	c := new(clock)
	c.set(at)
	return c
}

func (c *clock) set(at time.Time) { c.at.Store(at.UnixNano()) }

func (c *clock) read() time.Time { return time.Unix(0, c.at.Load()).UTC() }

// TestAnEventThatComesAgain sends events again with the ids that they had, as after a commit of which nobody knew how it ended:
// they are accepted, and there once. The id of another event is refused, and takes nothing with it of those beside it.
func TestAnEventThatComesAgain(t *testing.T) {
	server := start(t)
	now := newClock(time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC))
	s := openStore(t, postgres.Options{Address: server.DSN(), Schema: "again", Window: time.Minute, Now: now.read})
	accept := func(to int, events ...*store.Event) []store.Accepted {
		t.Helper()
		destinations := make([][]string, len(events))
		for i := range destinations {
			destinations[i] = []string{"crm", "log"}[:to]
		}
		all, err := s.AcceptAll(context.Background(), events, destinations)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	event := func() *store.Event { return randomEvent([]byte(`{"a":1}`)) }
	first, second := event(), event()
	accept(2, first, second)

	// Its own id under its key, a copy with an id of its own, and one that is new, in one batch.
	same, another, fresh := *second, *first, event()
	another.ID = event().ID
	all := accept(2, fresh, &another, &same)
	for i, want := range []store.Accepted{{EventID: fresh.ID}, {EventID: first.ID, Duplicate: true}, {EventID: second.ID}} {
		if all[i].EventID != want.EventID || all[i].Duplicate != want.Duplicate || len(all[i].Deliveries) == 2 == want.Duplicate {
			t.Errorf("event %d: %+v, and it is %+v", i, all[i], want)
		}
	}

	// Long after its key has expired it is the same event all the same.
	now.set(now.read().Add(time.Hour))
	if again := accept(2, &same)[0]; again.EventID != second.ID || again.Duplicate {
		t.Errorf("again after its key has expired: %+v", again)
	}
	// A copy after that is an event of its own, and what comes next a copy of it.
	if later := accept(2, &another)[0]; later.EventID != another.ID || later.Duplicate {
		t.Errorf("a copy after the key has expired: %+v", later)
	}
	if later := accept(2, first)[0]; later.EventID != another.ID || !later.Duplicate {
		t.Errorf("the first one after a copy took its key: %+v", later)
	}

	stolen, beside := event(), event()
	stolen.ID = first.ID
	if all, err := s.AcceptAll(context.Background(), []*store.Event{beside, stolen}, [][]string{{"crm"}, {"crm"}}); err == nil || !strings.Contains(err.Error(), "an event with this ID exists") {
		t.Errorf("an id of another event: %+v, %v", all, err)
	}
	for what, want := range map[string]string{
		"again.events": "4", "again.payloads": "4", "again.live": "8",
		"(SELECT 1 FROM again.held WHERE events = 4 AND total = 4) h": "1", "(SELECT 1 FROM again.counts WHERE pending = 4) c": "2",
	} {
		if n := server.SQL("SELECT count(*) FROM " + what); n != want {
			t.Errorf("%s of %s, where it is %s", n, what, want)
		}
	}
	if all := accept(1, beside); all[0].Duplicate {
		t.Errorf("what was refused is known: %+v", all)
	}
}

// TestCopiesAroundMidnight sends copies to two gateways whose clocks stand on both sides of a midnight, of which none may pass.
func TestCopiesAroundMidnight(t *testing.T) {
	server := start(t)
	midnight := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	now := newClock(midnight)
	s := openStore(t, postgres.Options{Address: server.DSN(), Schema: "midnight", Window: 72 * time.Hour, Now: now.read})
	for _, c := range []struct{ first, copy time.Duration }{
		{-time.Second, time.Second}, {-time.Second, time.Hour}, {time.Second, time.Minute}, {time.Second, time.Hour}, {time.Second, 25 * time.Hour},
		{time.Second, -time.Second}, {time.Hour, -time.Second}, {3 * time.Minute, time.Minute}, {-time.Hour, -time.Second}, {-25 * time.Hour, time.Second}, {-25 * time.Hour, time.Hour},
		{time.Hour, 2 * time.Hour},
	} {
		accept := func(e *store.Event, at time.Duration) store.Accepted {
			t.Helper()
			now.set(midnight.Add(at))
			got, err := s.Accept(context.Background(), e, []string{"crm"})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		first := randomEvent([]byte("{}"))
		again := *first
		again.ID = randomEvent(nil).ID
		if got := accept(first, c.first); got.Duplicate {
			t.Errorf("new at %s: %+v", c.first, got)
		}
		if got := accept(&again, c.copy); !got.Duplicate || got.EventID != first.ID {
			t.Errorf("a copy at %s of what came at %s: %+v", c.copy, c.first, got)
		}
	}
}

// TestEveryBatchHasItsStatement has the server prepare the statement of each kind of batch, and counts its arguments.
func TestEveryBatchHasItsStatement(t *testing.T) {
	server := start(t)
	s := openStore(t, postgres.Options{Address: server.DSN()})
	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	statements := s.AcceptStatements()
	if len(statements) != 8 {
		t.Errorf("%d statements", len(statements))
	}
	for query, args := range statements {
		prepared, err := conn.Prepare(t.Context(), rand.Text(), query)
		if err != nil {
			t.Errorf("%v, of\n%s", err, query)
		} else if len(prepared.ParamOIDs) != args {
			t.Errorf("%d arguments, where a batch has %d, of\n%s", len(prepared.ParamOIDs), args, query)
		}
	}
}
