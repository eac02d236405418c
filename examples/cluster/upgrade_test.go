//go:build unix

package cluster_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/pgtest"
)

// before is the program of another version, to see whether one can be brought to this one under load:
// CALLGATE_HEAVY=1 go test ./examples/cluster -run TestRollingUpgrade -before /usr/bin/callgate
var before = flag.String("before", "", "callgate of the version before, for TestRollingUpgrade; by default this one, and the version after has one migration more")

// nextVersion is a migration as the next version might have: it adds to the tables on which everything depends.
const nextVersion = `-- compatible_from: 1
ALTER TABLE {schema}.events ADD COLUMN note text NOT NULL DEFAULT '';
ALTER TABLE {schema}.live ADD COLUMN note text;
CREATE INDEX live_note ON {schema}.live (note);
ALTER TABLE {schema}.gateways ADD COLUMN note text;
CREATE TABLE {schema}.next (n bigint);
`

// buildNext builds the program with a migration more, which is nowhere in the source.
func buildNext(t *testing.T) string {
	t.Helper()
	out, file, overlay := filepath.Join(scratch, "callgate-next"), filepath.Join(scratch, "next.sql"), filepath.Join(scratch, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "internal/store/postgres/migrations/00099_next.sql"): file}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{file: []byte(nextVersion), overlay: text} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", out, "./cmd/callgate")
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

// shardedConfig has lanes enough that each of two gateways holds some.
const shardedConfig = `{
	admin {$CADDY_ADMIN}
	callgate {
		store postgres {env.DATABASE_URL} {
			gateway {env.CALLGATE_GATEWAY}
		}
		encryption_key {env.CALLGATE_KEY}
		drain_timeout {$CALLGATE_DRAIN:10s}
		destination contacts http {
			url {env.CRM_URL}/contacts
			pass_through
			shards 64
		}
	}
}
http://:{$CALLGATE_PORT} {
	callgate /webhooks/calls nextphone {
		secret {env.NEXTPHONE_SECRET}
		name calls
		rate_limit off
		deliver contacts
	}
	handle /ready {
		callgate_ready
	}
	handle {
		respond 404
	}
}
`

// TestRollingUpgrade brings one gateway to a version with other tables, under load, and back, and then both. In between each version accepts and delivers beside the other. Nothing is refused, nothing is lost, and nothing arrives twice.
func TestRollingUpgrade(t *testing.T) {
	heavy(t)
	t.Parallel()
	old, next := *before, ""
	if old == "" {
		next = buildNext(t)
	}
	pg := pgtest.Start(t)
	file := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte(shardedConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSiteOf(t, pg.DSN(), file, old)
	tables := func() string { return pg.SQL("SELECT max(version_id) FROM callgate.goose_db_version") }
	first := tables()

	var stop atomic.Bool
	var wg sync.WaitGroup
	defer func() { // also when the test gives up
		stop.Store(true)
		wg.Wait()
	}()
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				if status := s.send(); status != http.StatusOK {
					t.Errorf("a call is answered with %d", status)
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	both := func(when string) {
		t.Helper()
		from := len(s.ledger.received())
		for _, m := range s.gateways {
			n := s.sent.Add(1)
			status, text, err := s.sender.send(fmt.Sprintf("http://127.0.0.1:%d/webhooks/calls", m.port), call(fmt.Sprintf("call-%d", n), 0))
			if status != http.StatusOK {
				t.Errorf("%s: gateway %s answers %d %s, %v", when, m.g.label, status, text, err)
			}
		}
		await(t, when+": both gateways deliver", time.Minute, func() bool {
			by := map[string]bool{}
			for _, a := range s.ledger.received()[from:] {
				by[a.gateway] = true
			}
			return by[s.gateways[0].g.label] && by[s.gateways[1].g.label]
		})
	}
	become := func(m *machine, binary string) {
		t.Helper()
		m.g.terminate(t)
		m.binary = binary
		m.start()
	}
	a, b := s.gateways[0], s.gateways[1]
	both("before")
	become(a, next)
	if now := tables(); now == first {
		t.Fatalf("the tables are of version %s as before", now)
	}
	both("with one of each version")
	become(a, old)
	both("with one that went back")
	become(a, next)
	become(b, next)
	both("after")

	stop.Store(true)
	wg.Wait()
	n := int(s.sent.Load())
	await(t, fmt.Sprintf("%d calls have arrived", n), time.Minute, func() bool { return s.ledger.arrived("contacts") >= n })
	if all := s.ledger.received(); len(all) != n {
		t.Errorf("%d requests for %d calls", len(all), n)
	}
	t.Logf("%d calls, tables of version %s and then %s", n, first, tables())
	for _, m := range s.gateways {
		if text := m.g.tail(1 << 20); strings.Contains(text, "cached plan must not change") {
			t.Errorf("gateway %s kept a plan from before: %s", m.g.label, text)
		}
	}
}
