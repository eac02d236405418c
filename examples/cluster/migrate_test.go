//go:build unix

package cluster_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/callgate/callgate/internal/pgtest"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/callgate/callgate/internal/store/sqlite"
)

const migratedKey = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// moved is how many events the store has that is carried over.
const moved = 8000

// fillStore makes a store with events in SQLite, from one number to another, multiples of 200: one of four was delivered, one of
// four is dead, the rest waits. With data keys, those of tenant-1 are destroyed in the end.
func fillStore(t *testing.T, path string, keys *seal.Ring, from, to int, dataKeys bool) (ids []string) {
	t.Helper()
	ctx := context.Background()
	s, err := sqlite.Open(sqlite.Options{Path: path, Keys: keys, Wrapping: seal.Wrapping{Tenants: dataKeys}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	for n := from; n < to; {
		var events []*store.Event
		var destinations [][]string
		for ; len(events) < 200; n++ {
			e := &store.Event{ID: ulid.MustNew(ulid.Now(), rand.Reader).String(), Tenant: fmt.Sprint("tenant-", n%3), Source: "nextphone", Route: "calls", EventType: "lead",
				EventID: fmt.Sprint("evt-", n), CallID: fmt.Sprint("call-", n/4), ReceivedAt: time.Now(), Method: "POST", URI: "/", Body: bytes.Repeat([]byte{byte(n)}, 600)}
			_, _ = rand.Read(e.Key[:])
			events, destinations, ids = append(events, e), append(destinations, []string{"contacts"}), append(ids, e.ID)
		}
		accepted, err := s.AcceptAll(ctx, events, destinations)
		if err != nil {
			t.Fatal(err)
		}
		var ended []store.Attempt
		for i, a := range accepted {
			switch i % 4 {
			case 0:
				ended = append(ended, store.Attempt{DeliveryID: a.Deliveries[0], Number: 1, At: time.Now(), Status: 200, State: store.Delivered, Excerpt: []byte("thanks")})
			case 1:
				ended = append(ended, store.Attempt{DeliveryID: a.Deliveries[0], Number: 1, At: time.Now(), Status: 404, Reason: "HTTP 404", State: store.Dead})
			}
		}
		if err := s.Finish(ctx, ended); err != nil {
			t.Fatal(err)
		}
	}
	if dataKeys {
		if _, err := s.DestroyDataKeys(ctx, "tenant-1", false); err != nil {
			t.Fatal(err)
		}
	}
	return ids
}

// TestMigrateIsKilled kills callgate migrate with kill -9, again and again in the midst of it, until one comes to its end. Then
// everything is there, once: what encryption_key has sealed, what tenants' data keys have, and nothing of a tenant whose key was
// destroyed.
func TestMigrateIsKilled(t *testing.T) {
	heavy(t)
	t.Parallel()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := seal.ParseRing(migratedKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	old := filepath.Join(dir, "callgate.db")
	ids := append(fillStore(t, old, keys, 0, moved/2, false), fillStore(t, old, keys, moved/2, moved, true)...)
	gone := 0 // deliveries that waited for content that was destroyed
	for n := range moved {
		if n%3 == 1 && n%4 > 1 {
			gone++
		}
	}
	config := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(config, fmt.Appendf(nil, "{\n\tcallgate {\n\t\tstore sqlite %s\n\t\tencryption_key {env.CALLGATE_KEY}\n\t\tdata_keys\n\t}\n}\n", old), 0o600); err != nil {
		t.Fatal(err)
	}
	pg := pgtest.Start(t)
	migrate := func() (*exec.Cmd, *bytes.Buffer) {
		cmd := exec.Command(binary, "migrate", "--config", config, "--to", fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", pgtest.User, pg.Addr(), pgtest.Database), "--gateway", "gateway-a")
		cmd.Env = append(os.Environ(), "CALLGATE_KEY="+migratedKey, "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
		out := new(bytes.Buffer)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd, out
	}
	place := func() string {
		if pg.SQL("SELECT to_regclass('callgate.moved') IS NOT NULL") != "t" {
			return ""
		}
		return pg.SQL("SELECT place FROM callgate.moved")
	}
	kills, events := 0, []string{}
	for kills < 4 {
		cmd, out := migrate()
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		at, ended := place(), false
		await(t, "a portion is carried over", 2*time.Minute, func() bool {
			select {
			case err := <-done:
				if ended = true; err != nil {
					t.Fatalf("callgate migrate: %v\n%s", err, out)
				}
			default:
			}
			return ended || place() != at
		})
		if ended {
			break
		}
		_ = cmd.Process.Kill()
		<-done
		kills++
		events = append(events, pg.SQL("SELECT count(*) FROM callgate.events"))
		if s, err := postgres.Open(postgres.Options{Address: pg.DSN(), Keys: keys}); err == nil {
			s.Close()
			t.Fatal("a gateway works with what is half carried over")
		}
	}
	if kills < 2 {
		t.Errorf("it was killed %d times before its end", kills)
	}
	cmd, out := migrate()
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "counted on both sides") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("killed %d times, with %s of %d events carried over", kills, strings.Join(events, ", "), moved)
	for kind, want := range map[string]int{"events": moved, "deliveries delivered": moved / 4, "deliveries dead": moved/4 + gone, "deliveries pending": moved/2 - gone, "attempts": moved / 2,
		"data keys": 3, "data keys destroyed": 1} {
		m := regexp.MustCompile(`(?m)^` + kind + `\s+(\d+)$`).FindStringSubmatch(out.String())
		if m == nil || m[1] != strconv.Itoa(want) {
			t.Errorf("it says %q of %s, want %d\n%s", m, kind, want, out)
		}
	}
	if got, want := pg.SQL("SELECT (SELECT count(*) FROM callgate.events), (SELECT count(DISTINCT id) FROM callgate.events), (SELECT count(*) FROM callgate.live), (SELECT count(*) FROM callgate.settled), (SELECT count(*) FROM callgate.attempts)"),
		fmt.Sprintf("%d|%[1]d|%d|%d|%d", moved, moved/2-gone, moved/2+gone, moved/2); got != want {
		t.Errorf("there are %s, want %s", got, want)
	}
	s, err := postgres.Open(postgres.Options{Address: pg.DSN(), Keys: keys, Gateway: "gateway-a"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := 0; n < moved; n += 97 {
		if n%3 == 1 {
			if e, err := s.Event(t.Context(), ids[n]); err != nil || !e.Dropped || e.Body != nil {
				t.Errorf("event %d, whose key was destroyed: %+v, %v", n, e, err)
			}
			continue
		}
		if e, err := s.Event(t.Context(), ids[n]); err != nil || !bytes.Equal(e.Body, bytes.Repeat([]byte{byte(n)}, 600)) {
			t.Errorf("event %d: %v", n, err)
		}
	}
}
