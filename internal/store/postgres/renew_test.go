package postgres_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/jackc/pgx/v5"
)

// TestCountsHoldWhileDeadRowsStay has somebody else hold a snapshot open, so that no dead version of the rows that writers count in
// can be cleared away: they go over to other rows, and nothing is counted twice or lost, for the bounds of tenants neither.
func TestCountsHoldWhileDeadRowsStay(t *testing.T) {
	server := start(t)
	const each, more = 1200, 5 // each is several times as many as after which writers look at their rows
	o := postgres.Options{Address: server.DSN(), Schema: schema(), Tenant: store.Quota{Events: 2*each + more}}
	a := openStore(t, o)
	conn, err := pgx.Connect(t.Context(), server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, query := range []string{"BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT txid_current()"} {
		if _, err := conn.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	work := func(s store.Store) {
		t.Helper()
		for range each {
			accepted, err := accept(t, s, randomEvent([]byte("body")))
			if err == nil {
				err = s.Finish(t.Context(), []store.Attempt{{DeliveryID: accepted.Deliveries[0], State: store.Pending, At: time.Now(), NextAt: time.Now().Add(time.Hour)}})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	work(a)
	b := openStore(t, o)
	work(b)
	if n, err := strconv.Atoi(server.SQL("SELECT last_value FROM " + o.Schema + ".writer_ids")); err != nil || n < 8 {
		t.Errorf("the writers have counted under %d numbers, %v: this tests nothing", n, err)
	}
	for name, s := range map[string]store.Store{"a": a, "b": b} {
		stats, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := stats.Destinations; stats.Events != 2*each || len(d) != 1 || d[0].Pending != 2*each || d[0].Delivered+d[0].Dead != 0 {
			t.Errorf("%s counts %+v, want %d events that wait", name, stats, 2*each)
		}
	}
	for range more {
		if _, err := accept(t, b, randomEvent([]byte("body"))); err != nil {
			t.Fatalf("there is room for %d more: %v", more, err)
		}
	}
	if _, err := accept(t, b, randomEvent([]byte("body"))); !errors.Is(err, store.ErrFull) {
		t.Errorf("beyond the bound: %v", err)
	}
}
