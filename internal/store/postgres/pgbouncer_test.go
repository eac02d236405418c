package postgres_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
)

// TestThroughPgBouncer has a PgBouncer in transaction mode in front of the database. Before its version 1.21 it loses prepared
// statements, so that the address says to use none, but to ask for the types of arguments once for each
// statement.
func TestThroughPgBouncer(t *testing.T) {
	a := start(t)
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		t.Skip("needs pgbouncer, which Debian has in a package of this name")
	}
	port := a.Beside(t, path, func(dir string, port int) string {
		return fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%d user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %d\nunix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 8\nmax_client_conn = 200\n", a.Port, port)
	})
	dsn := strings.Replace(a.DSN(), fmt.Sprint("port=", a.Port), fmt.Sprint("port=", port), 1) + " default_query_exec_mode=cache_describe"
	s := openStore(t, postgres.Options{Address: dsn, Schema: "pooled", Patience: 2 * time.Second, Keys: ring(t, keyA)})
	other := openStore(t, postgres.Options{Address: dsn, Schema: "pooled", Gateway: "other", Patience: 2 * time.Second, Keys: ring(t, keyA)})
	if _, err := s.OpenAudit("boot"); err != nil {
		t.Fatal(err)
	}
	e := randomEvent([]byte("a body"))
	e.EventID, e.Subjects = "a\x00b", []store.Subject{{1}}
	first, err := accept(t, s, e)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := accept(t, other, e); err != nil || !again.Duplicate || again.EventID != first.EventID {
		t.Errorf("a copy: %+v, %v", again, err)
	}
	stored, err := other.Event(t.Context(), first.EventID)
	if err != nil || string(stored.Body) != "a body" || stored.EventID != "a\x00b" {
		t.Errorf("as the other reads it: %+v, %v", stored, err)
	}
	m, err := other.Heartbeat(t.Context(), store.Presence{Name: "gw", TTL: store.TTL, Serves: []store.Served{{Destination: "crm", Shards: 1}}})
	if err != nil || len(m.Gateways) != 1 {
		t.Fatalf("%+v, %v", m, err)
	}
	holds, err := other.Take(t.Context(), []store.Lane{{Destination: "crm", Shards: 1}})
	if err != nil || len(holds) != 1 {
		t.Fatalf("%+v, %v", holds, err)
	}
	claimed, err := other.Queue(holds[0]).Claim(t.Context(), time.Now(), time.Minute, 5, nil)
	if err != nil || len(claimed) != 1 {
		t.Fatalf("claimed %d, %v", len(claimed), err)
	}
	if err := other.Finish(t.Context(), []store.Attempt{{DeliveryID: claimed[0].ID, State: store.Delivered, At: time.Now(), Status: 200, Excerpt: []byte("thanks"), Held: holds[0]}}); err != nil {
		t.Fatal(err)
	}
	list, err := s.Attempts(t.Context(), claimed[0].ID)
	if err != nil || len(list) != 1 || string(list[0].Excerpt) != "thanks" {
		t.Errorf("attempts: %+v, %v", list, err)
	}
	// What nobody can be told of through a pooler is looked for each second.
	told := make(chan store.Hint, 100)
	defer s.Wake(func(h store.Hint) { told <- h })()
	if err := other.Pause(t.Context(), "crm", "by hand"); err != nil {
		t.Fatal(err)
	}
	late := time.After(10 * time.Second)
	for paused := false; !paused; {
		select {
		case h := <-told:
			paused = h.Paused
		case <-late:
			t.Fatal("no hint of a pause")
		}
	}
	if n, err := s.Erase(t.Context(), store.Filter{Subject: store.Subject{1}}, false); n != 1 || err != nil {
		t.Errorf("erased %d, %v", n, err)
	}
	keyed := openStore(t, postgres.Options{Address: dsn, Schema: "pooled", Gateway: "keyed", Patience: 2 * time.Second, Keys: ring(t, keyA), Wrapping: byRing})
	for range 2 {
		if got := reads(t, s, full(t, keyed)); got != whole {
			t.Errorf("what is sealed with a data key: %s", got)
		}
		if _, err := keyed.OpenAudit("boot"); err != nil { // the second one is audited
			t.Fatal(err)
		}
	}
}
