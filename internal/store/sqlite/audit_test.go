package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
	"github.com/callgate/callgate/internal/store/storetest"
)

func TestAuditContract(t *testing.T) { storetest.RunAudited(t, harness(sqlite.Options{})) }

func TestAuditContractWithSeal(t *testing.T) {
	storetest.RunAudited(t, harness(sqlite.Options{Keys: ring(t, keyA), RecentKeys: 1, MaxBatch: 3, AuditSegment: 1}))
}

// TestContractWithAudit: keeping an audit log changes nothing else.
func TestContractWithAudit(t *testing.T) {
	h := harness(sqlite.Options{Keys: ring(t, keyA)})
	h.Seals = true
	open, reopen := h.Open, h.Reopen
	begin := func(t testing.TB, s store.Store) store.Store {
		if _, err := s.(store.Audited).OpenAudit("boot"); err != nil {
			t.Fatal(err)
		}
		return s
	}
	h.Open = func(t testing.TB, o storetest.Options) store.Store { return begin(t, open(t, o)) }
	h.Reopen = func(t testing.TB, s store.Store) store.Store { return begin(t, reopen(t, s)) }
	storetest.Run(t, h)
}

func openAudited(t testing.TB, o sqlite.Options) *sqlite.Store {
	t.Helper()
	s := openStore(t, o)
	if _, err := s.OpenAudit("boot"); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSubjectsAreErased: a caller's events are found by their pseudonym also when they have expired, and what opens their
// leaves is gone from the disk when they are erased.
func TestSubjectsAreErased(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "store.db")
	keys := ring(t, keyA)
	s := openAudited(t, sqlite.Options{Path: path, Keys: keys})
	pseudonym := keys.CallerHash("+15551234567")
	var salts [][]byte
	accept := func(tenant string, expires bool) string {
		t.Helper()
		e := randomEvent(nil)
		e.Tenant, e.CallerHash = tenant, pseudonym
		a, err := s.Accept(ctx, e, []string{"crm"})
		if err != nil {
			t.Fatal(err)
		}
		if expires {
			if err := s.Finish(ctx, []store.Attempt{{DeliveryID: a.Deliveries[0], State: store.Delivered}}); err != nil {
				t.Fatal(err)
			}
			if n, err := s.Expire(ctx, store.Retention{Done: time.Hour}, time.Now().Add(2*time.Hour), 10); err != nil || n.Done != 1 {
				t.Fatal(n, err)
			}
		}
		beside, err := s.AuditBeside(ctx, e.ID)
		if err != nil || beside.Pseudonym != pseudonym {
			t.Fatalf("%q, %v", beside.Pseudonym, err)
		}
		if tenant == "acme" {
			salts = append(salts, beside.Salt[:])
		}
		return e.ID
	}
	expired, stays, other := accept("acme", true), accept("acme", false), accept("beta", true)
	if n, err := s.Erase(ctx, store.Filter{CallerHash: pseudonym, Tenant: "acme"}, false); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	for _, id := range []string{expired, stays} {
		if _, err := s.AuditBeside(ctx, id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := s.AuditBeside(ctx, other); err != nil {
		t.Errorf("another tenant's: %v", err)
	}
	erased := map[string]bool{}
	if err := s.AuditLines(ctx, 0, func(_ int64, line []byte) error {
		l, err := audit.ParseLine(line)
		if err == nil && l.Kind == audit.Erase {
			erased[l.Event] = true
		}
		return err
	}); err != nil || !erased[expired] || !erased[stays] || len(erased) != 2 {
		t.Errorf("%v, %v", erased, err)
	}
	for _, salt := range salts {
		for _, file := range []string{path, path + "-wal"} {
			b, err := os.ReadFile(file)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			if bytes.Contains(b, salt) {
				t.Errorf("a salt is in %s", filepath.Base(file))
			}
		}
	}
}

// TestWithoutAKeyNoNumberStaysBeside: what finds a caller is the number itself where there is no key, and must not outlive
// the event.
func TestWithoutAKeyNoNumberStaysBeside(t *testing.T) {
	s := openAudited(t, sqlite.Options{})
	e := randomEvent(nil)
	e.CallerHash = "+15551234567"
	if _, err := s.Accept(context.Background(), e, nil); err != nil {
		t.Fatal(err)
	}
	if beside, err := s.AuditBeside(context.Background(), e.ID); err != nil || beside.Pseudonym != "" {
		t.Errorf("%+v, %v", beside, err)
	}
}

// TestCutLogsAreNotGoneOnWith: a log that somebody has cut is refused when it is opened.
func TestCutLogsAreNotGoneOnWith(t *testing.T) {
	for name, change := range map[string]string{
		"the last bundle is gone": "DELETE FROM audit_bundles WHERE first = (SELECT max(first) FROM audit_bundles)",
		"the state is gone":       "DELETE FROM audit_state",
		"the state is no state":   "UPDATE audit_state SET state = x'00'",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			s := openAudited(t, sqlite.Options{Path: path})
			for range 3 {
				if _, err := s.Accept(context.Background(), randomEvent(nil), []string{"crm"}); err != nil {
					t.Fatal(err)
				}
			}
			s.Close()
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(change); err != nil {
				t.Fatal(err)
			}
			db.Close()
			again := openStore(t, sqlite.Options{Path: path})
			if _, err := again.OpenAudit("boot"); !errors.Is(err, store.ErrAuditDamaged) {
				t.Errorf("it is opened: %v", err)
			}
			if err := again.Record(context.Background(), audit.Leaf{Kind: audit.Show}); !errors.Is(err, store.ErrNoAudit) {
				t.Error(err)
			}
		})
	}
}
