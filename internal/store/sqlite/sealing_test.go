package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// alter changes a closed store's file as somebody does who can write it and has no key.
func alter(t *testing.T, path string, queries ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range queries {
		if result, err := db.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		} else if n, err := result.RowsAffected(); err != nil || n == 0 {
			t.Fatalf("%s changes nothing, %v", q, err)
		}
	}
}

// TestSealedStoreRefusesWhatWasPutIntoIt changes the file of a sealed store in every way that would have a call forged,
// delivered elsewhere or taken for another tenant's. The delivery is held back, and the event next to it goes out.
func TestSealedStoreRefusesWhatWasPutIntoIt(t *testing.T) {
	for name, queries := range map[string][]string{
		"a forged call without a seal": {`UPDATE events SET key_id = NULL WHERE seq = 1`, `UPDATE payloads SET request = NULL, body = 'forged in the file' WHERE seq = 1`},
		"a part without a seal":        {`UPDATE payloads SET body = 'forged in the file' WHERE seq = 1`},
		"a record beside it":           {`UPDATE payloads SET record = request WHERE seq = 1`},
		"in another column":            {`UPDATE payloads SET body = request, request = NULL WHERE seq = 1`},
		"the end taken away":           {`UPDATE payloads SET request = substr(request, 1, length(request) - 1) WHERE seq = 1`},
		"all taken away":               {`UPDATE payloads SET request = NULL, body = NULL, record = NULL WHERE seq = 1`},
		"the row taken away":           {`DELETE FROM payloads WHERE seq = 1`},
		"another event's":              {`UPDATE payloads SET (request, body, record) = (SELECT request, body, record FROM payloads WHERE seq = 2) WHERE seq = 1`},
		"another tenant's":             {`INSERT INTO names (id, name) VALUES (99, 'globex')`, `UPDATE events SET tenant = 99 WHERE seq = 1`},
		"another source's":             {`UPDATE events SET source = 'stripe' WHERE seq = 1`},
		"another route's":              {`UPDATE events SET route = 'admin' WHERE seq = 1`},
		"an older seal's id":           {`UPDATE events SET key_id = substr(key_id, 2) WHERE seq = 1`, `UPDATE payloads SET body = request WHERE seq = 1`},
		"to another destination": {`UPDATE deliveries SET destination = (SELECT id FROM names WHERE name = 'crm') WHERE event = 1 AND n = 1`,
			`UPDATE deliveries SET destination = (SELECT id FROM names WHERE name = 'ehr') WHERE event = 1 AND n = 0`},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
			var ids []string
			for range 2 {
				e := secretEvent()
				ids = append(ids, e.ID)
				if _, err := s.Accept(ctx, e, []string{"crm", "ehr"}); err != nil {
					t.Fatal(err)
				}
			}
			s.Close()
			alter(t, path, queries...)
			var logged []string
			s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA), Log: func(msg string, err error) { logged = append(logged, fmt.Sprint(msg, ": ", err)) }})
			if c, err := s.ClaimOne(ctx, ids[0]+".0", time.Now(), time.Minute); err != nil || c != nil {
				t.Errorf("claimed by its id: %+v, %v", c, err)
			}
			claimed, err := s.Claim(ctx, "crm", time.Now(), time.Minute, 5, nil)
			if err != nil || len(claimed) != 1 || claimed[0].EventID != ids[1] || string(claimed[0].Event.Body) != "body: "+secret {
				t.Errorf("claimed %+v, %v", claimed, err)
			}
			if text := strings.Join(logged, "\n"); !strings.Contains(text, ids[0]) || strings.Contains(text, secret) {
				t.Errorf("logged %s", text)
			}
			if e, err := s.Event(ctx, ids[0]); err == nil && !e.Dropped && name != "to another destination" {
				t.Errorf("it can be read: %q", e.Body)
			}
		})
	}
}

func TestSealedExcerptsAreBound(t *testing.T) {
	for name, query := range map[string]string{
		"without a seal":      `UPDATE attempts SET excerpt = 'forged', key_id = NULL WHERE id = 1`,
		"of another attempt":  `UPDATE attempts SET excerpt = (SELECT excerpt FROM attempts WHERE id = 2) WHERE id = 1`,
		"of another number":   `UPDATE attempts SET number = 7 WHERE id = 1`,
		"of another delivery": `UPDATE attempts SET n = 1 WHERE id = 1`,
	} {
		path := filepath.Join(t.TempDir(), "store.db")
		s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
		a, err := s.Accept(ctx, secretEvent(), []string{"crm", "ehr"})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Finish(ctx, []store.Attempt{{DeliveryID: a.Deliveries[0], State: store.Pending, Excerpt: []byte(secret)}}); err != nil {
				t.Fatal(err)
			}
		}
		if list, err := s.Attempts(ctx, a.Deliveries[0]); err != nil || len(list) != 2 || string(list[1].Excerpt) != secret {
			t.Fatalf("%+v, %v", list, err)
		}
		s.Close()
		alter(t, path, query)
		s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
		_, first := s.Attempts(ctx, a.Deliveries[0])
		_, second := s.Attempts(ctx, a.Deliveries[1])
		if err := errors.Join(first, second); !errors.Is(err, seal.ErrTampered) {
			t.Errorf("an excerpt %s: %v", name, err)
		}
	}
}

// TestFromWhenOnEverythingIsSealed holds what becomes of the note that says it.
func TestFromWhenOnEverythingIsSealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	accept := func(s *sqlite.Store) string {
		t.Helper()
		e := secretEvent()
		if _, err := s.Accept(ctx, e, []string{"crm"}); err != nil {
			t.Fatal(err)
		}
		return e.ID
	}
	reads := func(s *sqlite.Store, id string, want error) {
		t.Helper()
		if _, err := s.Event(ctx, id); !errors.Is(err, want) {
			t.Errorf("reading an event: %v, want %v", err, want)
		}
	}
	s := openStore(t, sqlite.Options{Path: path})
	plain := accept(s)
	s.Close()
	var told []string
	log := func(msg string, err error) { told = append(told, fmt.Sprint(msg, ": ", err)) }
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA), Log: log})
	sealed := accept(s)
	reads(s, plain, nil)
	reads(s, sealed, nil)
	s.Close()
	if text := strings.Join(told, ""); !strings.Contains(text, "1 events that are stored are not sealed") || !strings.Contains(text, "callgate rekey") {
		t.Errorf("told %q", text)
	}

	// It moves on with the keys.
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB, keyA)})
	if err := s.Rekey(ctx, nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB)})
	reads(s, plain, nil)
	reads(s, sealed, nil)
	s.Close()

	// After a Rekey everything is sealed, the oldest event too.
	alter(t, path, `UPDATE events SET key_id = NULL WHERE seq = 1`, `UPDATE payloads SET request = NULL, body = 'forged', record = NULL WHERE seq = 1`)
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB)})
	reads(s, plain, seal.ErrTampered)
	s.Close()

	for _, query := range []string{`UPDATE sealing SET event = 100`, `UPDATE sealing SET attempt = 100`, `UPDATE sealing SET mac = zeroblob(32)`, `DELETE FROM sealing`} {
		to := filepath.Join(t.TempDir(), "store.db")
		if err := os.WriteFile(to, readFile(t, path), 0o600); err != nil {
			t.Fatal(err)
		}
		alter(t, to, query)
		if s, err := sqlite.Open(sqlite.Options{Path: to, Keys: ring(t, keyB)}); !errors.Is(err, seal.ErrTampered) {
			t.Errorf("after %s: %v", query, err)
			if err == nil {
				s.Close()
			}
		}
	}

	// Who gives up sealing can, when nothing is sealed any more; and begin again.
	if s, err := sqlite.Open(sqlite.Options{Path: path}); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("without a key: %v", err)
		if err == nil {
			s.Close()
		}
	}
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB)})
	if n, err := s.Erase(ctx, store.Filter{}, false); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	s.Close()
	s = openStore(t, sqlite.Options{Path: path})
	plain = accept(s)
	s.Close()
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
	reads(s, plain, nil)
	reads(s, accept(s), nil)
}

// TestStoreOfTheFirstVersion opens a store as it was written before seals were bound to more than event and column: three
// events without a seal, then three with one. All of it can be read and delivered, and Rekey makes it what it would be now.
func TestStoreOfTheFirstVersion(t *testing.T) {
	path := unpack(t, "schema1.db.gz")
	if s, err := sqlite.Open(sqlite.Options{Path: path}); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("without its key: %v", err)
		if err == nil {
			s.Close()
		}
	}
	check := func(s *sqlite.Store) {
		t.Helper()
		infos, err := s.Events(ctx, store.Filter{}, store.Page{})
		if err != nil || len(infos) != 6 {
			t.Fatal(len(infos), err)
		}
		excerpts := map[string]int{}
		for i, info := range infos {
			n := 6 - i
			e, err := s.Event(ctx, info.ID)
			if err != nil || string(e.Body) != fmt.Sprintf(`{"n":%d}`, n) || string(e.Record) != fmt.Sprintf(`{"record":%d}`, n) ||
				e.URI != "/hook?n=1" || e.Header["Content-Type"][0] != "application/json" || e.Tenant != []string{"acme", "globex"}[n%2] {
				t.Errorf("event %d: %+v, %v", n, e, err)
			}
			for _, d := range []string{".0", ".1"} {
				attempts, err := s.Attempts(ctx, info.ID+d)
				if err != nil {
					t.Error(err)
				}
				for _, a := range attempts {
					excerpts[string(a.Excerpt)]++
				}
			}
		}
		equal := excerpts["thanks"] == 2 && excerpts["no such field"] == 2 && excerpts[""] == 4
		claimed, err := s.Claim(ctx, "ehr", time.Now(), time.Minute, 10, nil)
		if err != nil || len(claimed) != 2 || !equal {
			t.Errorf("claimed %d, %v; excerpts %v", len(claimed), err, excerpts)
		}
	}
	first := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
	check(first)
	if err := first.Rekey(ctx, nil); err != nil {
		t.Fatal(err)
	}
	first.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	var old int
	if err := db.QueryRow(`SELECT (SELECT count(*) FROM events WHERE key_id IS NULL OR length(key_id) <> 9) +
		(SELECT count(*) FROM payloads WHERE body IS NOT NULL OR record IS NOT NULL OR hex(substr(request, 1, 1)) <> '02') +
		(SELECT count(*) FROM attempts WHERE excerpt IS NOT NULL AND hex(substr(excerpt, 1, 1)) <> '02')`).Scan(&old); err != nil || old > 0 {
		t.Errorf("%d are as they were after Rekey, %v", old, err)
	}
	db.Close()
	again := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB, keyA)})
	check(again)
	if err := again.Rekey(ctx, nil); err != nil {
		t.Fatal(err)
	}
	again.Close()
	check(openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB)}))
}
