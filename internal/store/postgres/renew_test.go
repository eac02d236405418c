package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	// Writers look at their rows after every 500 changes, and leave three dead ones with each event.
	const before, after, more = 800, 600, 5
	o := postgres.Options{Address: server.DSN(), Schema: schema(), Tenant: store.Quota{Events: before + 2*after + more}}
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
	work := func(s store.Store, n int) {
		t.Helper()
		for range n {
			accepted, err := accept(t, s, randomEvent([]byte("body")))
			if err == nil {
				err = s.Finish(t.Context(), []store.Attempt{{DeliveryID: accepted.Deliveries[0], State: store.Pending, At: time.Now(), NextAt: time.Now().Add(time.Hour)}})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	work(a, before)
	// Its processes tell the server of dead rows about once a second while they work, and after ten when they rest.
	until(t, "the server knows of the dead rows", func() error {
		dead, err := strconv.Atoi(server.SQL("SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE schemaname = '" + o.Schema + "' AND relname IN ('counts', 'held', 'writers')"))
		if err == nil && dead < 2000 {
			err = fmt.Errorf("%d, of which nobody takes notice", dead)
		}
		return err
	})
	work(a, after)
	b := openStore(t, o)
	work(b, after)
	if n, err := strconv.Atoi(server.SQL("SELECT last_value FROM " + o.Schema + ".writer_ids")); err != nil || n < 8 {
		t.Errorf("the writers have counted under %d numbers, %v: this tests nothing", n, err)
	}
	for name, s := range map[string]store.Store{"a": a, "b": b} {
		stats, err := s.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if d := stats.Destinations; stats.Events != before+2*after || len(d) != 1 || d[0].Pending != before+2*after || d[0].Delivered+d[0].Dead != 0 {
			t.Errorf("%s counts %+v, want %d events that wait", name, stats, before+2*after)
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

// TestWhatWaitsIsFoundByItsKeyWhateverTheServerKnows has dead rows stay in the table of what waits, and the server note that there
// are no others: then all its plans look alike to it, and those that read a whole index or table take seconds in the end.
func TestWhatWaitsIsFoundByItsKeyWhateverTheServerKnows(t *testing.T) {
	server := start(t)
	in := schema()
	s := openStore(t, postgres.Options{Address: server.DSN(), Schema: in})
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
	// deliver has events accepted and delivered, all together.
	deliver := func(n int, state store.State) {
		t.Helper()
		var events []*store.Event
		for range n {
			events = append(events, randomEvent([]byte("body")))
		}
		all, err := s.AcceptAll(t.Context(), events, slices.Repeat([][]string{{"crm"}}, n))
		if err != nil {
			t.Fatal(err)
		}
		var done []store.Attempt
		for _, a := range all {
			done = append(done, store.Attempt{DeliveryID: a.Deliveries[0], State: state, At: time.Now(), NextAt: time.Now()})
		}
		if err := s.Finish(t.Context(), done); err != nil {
			t.Fatal(err)
		}
		if state == store.Pending {
			for i := range done {
				done[i].State = store.Delivered
			}
			if err := s.Finish(t.Context(), done); err != nil {
				t.Fatal(err)
			}
		}
	}
	const dead, after = 3000, 30
	for range dead / 100 {
		deliver(100, store.Delivered)
	}
	server.SQL("VACUUM " + in + ".live")
	read := func() (scans, rows int) {
		text := server.SQL(`SELECT (SELECT idx_scan FROM pg_stat_user_indexes WHERE schemaname = '` + in + `' AND indexrelname = 'live_pkey'),
			(SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = '` + in + `' AND relname = 'live')
			+ (SELECT seq_tup_read FROM pg_stat_user_tables WHERE schemaname = '` + in + `' AND relname = 'live')`)
		if _, err := fmt.Sscanf(text, "%d|%d", &scans, &rows); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		return scans, rows
	}
	// counted waits until the server has counted so many searches by the key, and tells how many rows were read up to then.
	counted := func(want int) (rows int) {
		until(t, "the server has counted", func() error {
			scans, now := read()
			if rows = now; scans < want {
				return fmt.Errorf("%d searches by the key, of %d", scans, want)
			}
			return nil
		})
		return rows
	}
	// Each is looked for and deleted.
	before := counted(2 * dead)
	for i := range after {
		deliver(1, []store.State{store.Delivered, store.Pending}[i%2])
	}
	if rows := counted(2*(dead+after)) - before; rows > after*dead/10 {
		t.Errorf("%d rows were read for %d deliveries, with %d dead ones beside them", rows, after, dead)
	}
}
