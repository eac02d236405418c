package sqlite

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
)

// counting is a driver that counts the statements that are run through it.
type counting struct {
	of         driver.Driver
	source     string
	statements *int
}

func (c counting) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.of.Open(c.source)
	return countingConn{conn, c.statements}, err
}

type countingConn struct {
	driver.Conn
	statements *int
}

func (c countingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	*c.statements++
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c counting) Driver() driver.Driver { return c.of }

// TestOldestOfManyDestinations has a hundred destinations, for one of which more wait than are read through. How many
// statements a summary takes does not depend on how many destinations there are, and each says what a look at all rows says.
func TestOldestOfManyDestinations(t *testing.T) {
	s, err := Open(Options{Path: filepath.Join(t.TempDir(), "store.db"), FreeSpace: func(string) (int64, int64, error) { return 1 << 40, 1 << 41, nil }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	statements := 0
	counted := sql.OpenDB(counting{s.reader.Driver(), s.readerSource(), &statements})
	counted.SetMaxOpenConns(1)
	plain := s.reader
	s.reader = counted
	defer func() {
		s.reader = plain
		counted.Close()
	}()

	start := time.Now().UTC().Truncate(time.Second)
	const destinations, most = 100, fewWait + 5
	var events []*store.Event
	var to [][]string
	for n := range destinations + most {
		e := &store.Event{ID: ulid.Make().String(), ReceivedAt: start.Add(time.Duration(n) * time.Second), Body: []byte("body")}
		_, _ = rand.Read(e.Key[:])
		events = append(events, e)
		name := "busy"
		if n < destinations-1 || n >= destinations-1+most {
			name = fmt.Sprintf("quiet %02d", n%(destinations-1))
		}
		to = append(to, []string{name})
	}
	accepted, err := s.AcceptAll(t.Context(), events, to)
	if err != nil {
		t.Fatal(err)
	}
	settled := map[int]bool{}
	settle := func(which ...int) {
		t.Helper()
		var attempts []store.Attempt
		for _, i := range which {
			settled[i] = true
			attempts = append(attempts, store.Attempt{DeliveryID: accepted[i].Deliveries[0], At: start, State: store.Delivered})
		}
		if err := s.Finish(t.Context(), attempts); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when string, most int) {
		t.Helper()
		want := map[string]time.Time{}
		for i := range events {
			if name := to[i][0]; !settled[i] && (want[name].IsZero() || events[i].ReceivedAt.Before(want[name])) {
				want[name] = events[i].ReceivedAt
			}
		}
		statements = 0
		stats, err := s.Stats(t.Context())
		if err != nil || len(stats.Destinations) != destinations {
			t.Fatalf("%s: %d destinations, %v", when, len(stats.Destinations), err)
		}
		for _, d := range stats.Destinations {
			if !d.OldestPending.Equal(want[d.Destination]) {
				t.Errorf("%s the oldest for %s is of %v, want %v", when, d.Destination, d.OldestPending, want[d.Destination])
			}
		}
		if statements > most || statements == 0 {
			t.Errorf("%s a summary of %d destinations takes %d statements, want up to %d", when, destinations, statements, most)
		}
	}
	const size, all, busy = 1, 1, 2 // statements: how large it is, all destinations, and two at most for the one
	check("at first", size+all+busy)
	check("when all are known", size+all)
	settle(0, 1, 2)
	check("with the oldest of some settled", size+all)
	settle(destinations-1, destinations)
	check("with the oldest of many settled", size+all+busy)
	check("when that is known again", size+all)
	settle(destinations+1, destinations+2, destinations+3, destinations+4) // so that few of them wait
	check("with few left", size+all)
	if n, err := s.Replay(t.Context(), store.Filter{DeliveryID: accepted[1].Deliveries[0]}, start, 0, false); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	delete(settled, 1)
	check("after a replay", size+all)

	var plan []string
	rows, err := plain.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+oldestQuery, "[[1,2,3]]", fewWait)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, other int
		var detail string
		if err := rows.Scan(&id, &parent, &other, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
		if strings.HasPrefix(detail, "SCAN") && detail != "SCAN f" && !strings.HasPrefix(detail, "SCAN w ") {
			t.Errorf("a summary looks through a table: %s", detail)
		}
	}
	for _, want := range []string{"d USING PRIMARY KEY (event=?)", "d USING COVERING INDEX deliveries_due (destination=?)", "e USING INTEGER PRIMARY KEY (rowid=?)"} {
		if !strings.Contains(strings.Join(plan, "\n"), "SEARCH "+want) {
			t.Errorf("the plan has no search of %s:\n%s", want, strings.Join(plan, "\n"))
		}
	}
}
