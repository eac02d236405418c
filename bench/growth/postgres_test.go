package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callgate/callgate/bench/commandtest"
	"github.com/callgate/callgate/internal/pgtest"
	"github.com/callgate/callgate/internal/store"
)

// database starts a server for the program.
func database(t *testing.T) *pgtest.Server {
	t.Helper()
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("starts a PostgreSQL server; set CALLGATE_HEAVY=1")
	}
	server := pgtest.Start(t)
	t.Setenv(databaseVariable, fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", pgtest.User, server.Addr(), pgtest.Database))
	return server
}

// TestPostgres measures everything on PostgreSQL, for a moment each.
func TestPostgres(t *testing.T) {
	dir := onDisk(t)
	server := database(t)
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	var r result
	commandtest.Run(t, run, &r, "-store", "postgres", "-dir", dir, "-rows", "0,600", "-waiting", "200", "-producers", "8", "-rounds", "1", "-seconds", "100ms",
		"-warmup", "50ms", "-singles", "5", "-before-kill", "20")
	if len(r.Steps) != 3 {
		t.Fatalf("%d steps", len(r.Steps))
	}
	for i, s := range r.Steps {
		m := s.Measured[0]
		if m.OpenMillis <= 0 || m.OpenAfterKillMillis <= 0 || m.DeliveriesPerSecond <= 0 || m.FileBytes == 0 || m.Fresh.P50 <= 0 || (m.Duplicate != nil) != (i > 0) {
			t.Errorf("%d events: %+v", s.Rows, m)
		}
	}
	if left := server.SQL("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'callgate%'"); left != "0" {
		t.Errorf("it leaves %s schemas behind", left)
	}
}

// TestSeeded has a store be filled by the server, and looks whether it is as if the events had been accepted and delivered.
func TestSeeded(t *testing.T) {
	database(t)
	for _, settled := range []bool{true, false} {
		s, err := newSubject(&options{postgres: true, fillSize: 100, size: 512, progress: new(bytes.Buffer), scratch: filepath.Join(t.TempDir(), "s")}, fmt.Sprint("seeded_", settled))
		if err != nil {
			t.Fatal(err)
		}
		defer s.remove()
		const rows = 120
		if _, err := s.seed(t.Context(), rows, settled); err != nil {
			t.Fatal(err)
		}
		stats, err := s.store.Stats(t.Context())
		want := store.DestinationStats{Destination: destination, Delivered: rows}
		if !settled {
			want = store.DestinationStats{Destination: destination, Pending: rows}
		}
		if err != nil || stats.Events != rows || len(stats.Destinations) != 1 {
			t.Fatalf("%+v, %v", stats, err)
		}
		if d := stats.Destinations[0]; d.Pending != want.Pending || d.Delivered != want.Delivered || d.Dead != 0 {
			t.Errorf("settled %v: %+v, want %+v", settled, d, want)
		}
		body, record := payload(512)
		for _, n := range []int64{0, 1, rows - 1} {
			if err := s.oldDuplicate(t.Context(), n, body, record); err != nil {
				t.Errorf("event %d: %v", n, err)
			}
		}
		if _, err := s.accept(t.Context(), s.events.Load(), body, record); err != nil {
			t.Errorf("a new one: %v", err)
		}
		claimed, err := s.store.Claim(t.Context(), destination, time.Now(), time.Minute, 1000, nil)
		due := 1
		if !settled {
			due = rows + 1
		}
		if err != nil || len(claimed) != due {
			t.Errorf("settled %v: claimed %d of %d, %v", settled, len(claimed), due, err)
		}
	}
}
