package sqlite_test

import (
	"compress/gzip"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
	"github.com/callgate/callgate/internal/store/storetest"
)

var byRing = seal.Wrapping{Tenants: true}

func TestContractWithDataKeys(t *testing.T) {
	h := harness(sqlite.Options{Keys: ring(t, keyA), Wrapping: byRing})
	h.Seals = true
	storetest.Run(t, h)
}

func TestDataKeysContract(t *testing.T) {
	storetest.RunDataKeys(t, harness(sqlite.Options{Keys: ring(t, keyA)}))
}

// unpack unpacks a store that is kept as a fixture.
func unpack(t *testing.T, name string) (path string) {
	t.Helper()
	in, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	database, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, database, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// acceptFor accepts an event of a tenant with something secret in it, for crm, with an answer kept and a step done.
func acceptFor(t *testing.T, s *sqlite.Store, tenant string) *store.Event {
	t.Helper()
	e := secretEvent()
	e.Tenant = tenant
	a, err := s.Accept(ctx, e, []string{"crm"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(ctx, []store.Attempt{{DeliveryID: a.Deliveries[0], State: store.Pending, Excerpt: []byte(secret)}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(ctx, a.Deliveries[0], []byte(secret)); err != nil {
		t.Fatal(err)
	}
	return e
}

// readsAll tells whether all of an event can be read, or none.
func readsAll(t *testing.T, s *sqlite.Store, e *store.Event, want bool) {
	t.Helper()
	got, err := s.Event(ctx, e.ID)
	if err != nil {
		t.Fatal(err)
	}
	attempts, err := s.Attempts(ctx, e.ID+".0")
	if err != nil || len(attempts) != 1 {
		t.Fatal(len(attempts), err)
	}
	kept, err := s.Kept(ctx, e.ID+".0")
	if err != nil {
		t.Fatal(err)
	}
	if whole := string(got.Body) == "body: "+secret && string(attempts[0].Excerpt) == secret && string(kept) == secret && !got.Dropped; whole != want {
		t.Errorf("event of %s: body %q, dropped %v, excerpt %q, kept %q", e.Tenant, got.Body, got.Dropped, attempts[0].Excerpt, kept)
	}
	if !want && (got.Body != nil || got.Record != nil || got.Header != nil || attempts[0].Excerpt != nil || kept != nil || !got.Dropped) {
		t.Errorf("something is left: %+v, %q, %q", got, attempts[0].Excerpt, kept)
	}
}

func keysOf(t *testing.T, s *sqlite.Store, tenants ...string) (text []string) {
	t.Helper()
	list, err := s.DataKeys(ctx, tenants)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range list {
		state := "seals"
		switch {
		case !k.Destroyed.IsZero():
			state = "destroyed"
		case !k.Retired.IsZero():
			state = "opens"
		}
		by, _, _ := strings.Cut(k.WrappedBy, " ")
		text = append(text, k.Tenant+" "+state+" "+by)
	}
	slices.Sort(text)
	return text
}

func wantKeys(t *testing.T, s *sqlite.Store, want ...string) {
	t.Helper()
	if got := keysOf(t, s); !slices.Equal(got, want) {
		t.Errorf("data keys %q, want %q", got, want)
	}
}

// TestStoreBeforeDataKeys opens a store as it was written before there were data keys: all of it can be read and goes on, with
// data keys and without, and Rekey makes it what it would be now.
func TestStoreBeforeDataKeys(t *testing.T) {
	check := func(s *sqlite.Store) {
		t.Helper()
		infos, err := s.Events(ctx, store.Filter{}, store.Page{})
		if err != nil || len(infos) != 4 {
			t.Fatal(len(infos), err)
		}
		for i, info := range infos {
			n := 4 - i
			e, err := s.Event(ctx, info.ID)
			if err != nil || string(e.Body) != fmt.Sprintf(`{"n":%d}`, n) || string(e.Record) != fmt.Sprintf(`{"record":%d}`, n) || e.URI != "/hook?n=1" {
				t.Errorf("event %d: %+v, %v", n, e, err)
			}
			if a, err := s.Attempts(ctx, info.ID+".0"); err != nil || len(a) != 1 || string(a[0].Excerpt) != "no such field" {
				t.Errorf("event %d: %+v, %v", n, a, err)
			}
			if kept, err := s.Kept(ctx, info.ID+".1"); err != nil || string(kept) != fmt.Sprint("step ", n) {
				t.Errorf("event %d: kept %q, %v", n, kept, err)
			}
		}
		if d, err := s.Document(ctx, "tenant", "acme", 1); err != nil || string(d.Body) != `{"vars":{"a":"b"}}` || string(d.Secrets) != "s3cret" {
			t.Errorf("document: %+v, %v", d, err)
		}
		if found, err := s.Events(ctx, store.Filter{CallerHash: ring(t, keyA).CallerHash("+15551234567")}, store.Page{}); err != nil || len(found) != 4 {
			t.Errorf("found by the caller: %d, %v", len(found), err)
		}
		claimed, err := s.Claim(ctx, "ehr", time.Now(), time.Minute, 10, nil)
		if err != nil || len(claimed) != 4 {
			t.Errorf("claimed %d, %v", len(claimed), err)
		}
	}
	for name, w := range map[string]seal.Wrapping{"without": {}, "with data keys": byRing} {
		t.Run(name, func(t *testing.T) {
			path := unpack(t, "schema6.db.gz")
			s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA), Wrapping: w})
			check(s)
			s.Close()
			s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB, keyA), Wrapping: w})
			if err := s.Rekey(ctx, nil); err != nil {
				t.Fatal(err)
			}
			s.Close()
			s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB), Wrapping: w})
			check(s)
			if w.Tenants {
				wantKeys(t, s, "acme seals encryption_key", "globex seals encryption_key")
			} else {
				wantKeys(t, s)
			}
		})
	}
}

// TestDestroyedContentIsGone destroys a tenant's key: nothing of its content can be read or stands on the disk, and nothing
// of another's has changed.
func TestDestroyedContentIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	// The first of acme's is from before there were data keys.
	s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
	acme := []*store.Event{acceptFor(t, s, "acme")}
	s.Close()
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA), Wrapping: byRing})
	if _, err := s.OpenAudit("boot"); err != nil {
		t.Fatal(err)
	}
	acme = append(acme, acceptFor(t, s, "acme"))
	if _, err := s.RotateDataKey(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	acme = append(acme, acceptFor(t, s, "acme"))
	globex := acceptFor(t, s, "globex")
	wantKeys(t, s, "acme opens encryption_key", "acme seals encryption_key", "globex seals encryption_key")
	for _, e := range acme {
		readsAll(t, s, e, true)
	}
	wrapped := []string{}
	for _, row := range rowsOf(t, path, "SELECT hex(wrapped) FROM data_keys WHERE tenant = 'acme'") {
		wrapped = append(wrapped, unhex(t, row))
	}
	if d, err := s.DestroyDataKeys(ctx, "acme", true); err != nil || d != (store.Destroyed{Keys: 2, Events: 3, Deliveries: 3}) {
		t.Errorf("dry: %+v, %v", d, err)
	}
	if d, err := s.DestroyDataKeys(ctx, "acme", false); err != nil || d != (store.Destroyed{Keys: 2, Events: 3, Deliveries: 3}) {
		t.Errorf("%+v, %v", d, err)
	}
	if d, err := s.DestroyDataKeys(ctx, "acme", false); err != nil || d != (store.Destroyed{}) {
		t.Errorf("again: %+v, %v", d, err)
	}
	if _, err := s.DestroyDataKeys(ctx, "initech", false); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of a tenant that has none: %v", err)
	}
	for _, e := range acme {
		readsAll(t, s, e, false)
		if d, err := s.Deliveries(ctx, store.Filter{DeliveryID: e.ID + ".0"}, store.Page{}); err != nil || len(d) != 1 || d[0].State != store.Dead || d[0].Reason != store.ContentGone {
			t.Errorf("%+v, %v", d, err)
		}
	}
	readsAll(t, s, globex, true)
	if n, err := s.Replay(ctx, store.Filter{Tenant: "acme"}, time.Now(), 0, false); err != nil || n != 0 {
		t.Errorf("%d without content are replayed, %v", n, err)
	}
	later := acceptFor(t, s, "acme")
	readsAll(t, s, later, true)
	wantKeys(t, s, "acme destroyed ", "acme destroyed ", "acme seals encryption_key", "globex seals encryption_key")
	if claimed, err := s.Claim(ctx, "crm", time.Now(), time.Minute, 10, nil); err != nil || len(claimed) != 2 {
		t.Errorf("claimed %d, %v", len(claimed), err)
	}
	for _, key := range wrapped {
		if onDisk(t, path, key) {
			t.Error("a wrapped key stands on the disk")
		}
	}
	counted := map[audit.Kind]int{}
	if err := s.AuditLines(ctx, 0, func(_ int64, line []byte) error {
		l, err := audit.ParseLine(line)
		if l.Kind == audit.KeyMade || l.Kind == audit.KeyRotated || l.Kind == audit.KeyDestroyed || l.Kind == audit.Cancel {
			counted[l.Kind]++
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(counted) != "map[cancel:3 key.destroyed:2 key.made:3 key.rotated:1]" {
		t.Errorf("recorded %v", counted)
	}
	s.Close()
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA), Wrapping: byRing})
	readsAll(t, s, acme[1], false)
	readsAll(t, s, later, true)
	if err := s.Rekey(ctx, nil); err != nil {
		t.Error(err)
	}
}

// A process that ended when the keys were destroyed and nothing else was done yet holds no others up.
func TestDestroyWasCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA), Wrapping: byRing})
	gone, stays := acceptFor(t, s, "acme"), acceptFor(t, s, "globex")
	s.Close()
	alter(t, path, `UPDATE data_keys SET wrapped = NULL, destroyed_at = 1 WHERE tenant = 'acme'`)
	var told []string
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA), Wrapping: byRing, Log: func(msg string, err error) { told = append(told, fmt.Sprint(msg, ": ", err)) }})
	readsAll(t, s, gone, false)
	claimed, err := s.Claim(ctx, "crm", time.Now(), time.Minute, 10, nil)
	if err != nil || len(claimed) != 1 || claimed[0].EventID != stays.ID {
		t.Errorf("claimed %+v, %v", claimed, err)
	}
	if text := strings.Join(told, "\n"); !strings.Contains(text, "callgate keys destroy") {
		t.Errorf("told %q", text)
	}
	if err := s.Rekey(ctx, nil); err != nil {
		t.Error(err)
	}
	if err := s.RekeyTenants(ctx, []string{"acme", "globex", "nobody"}, nil); err != nil {
		t.Error(err)
	}
	readsAll(t, s, stays, true)
	if d, err := s.DestroyDataKeys(ctx, "acme", false); err != nil || d.Events != 1 || d.Deliveries != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}

// No event is accepted that was sealed with a key that was destroyed meanwhile.
func TestNoCallIsLostToADestroyedKey(t *testing.T) {
	s := openStore(t, sqlite.Options{Keys: ring(t, keyA), Wrapping: byRing})
	acceptFor(t, s, "acme")
	var mu sync.Mutex
	var accepted []*store.Event
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 60 {
				e := secretEvent()
				if _, err := s.Accept(ctx, e, nil); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				accepted = append(accepted, e)
				mu.Unlock()
			}
		})
	}
	for range 20 {
		if _, err := s.DestroyDataKeys(ctx, "acme", false); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	// What can still be read had a key; what cannot was taken away with it, and says so.
	for _, e := range accepted {
		got, err := s.Event(ctx, e.ID)
		if err != nil {
			t.Fatal(err)
		}
		infos, err := s.Events(ctx, store.Filter{EventID: e.ID}, store.Page{})
		if err != nil || len(infos) != 1 || infos[0].Dropped != got.Dropped {
			t.Fatalf("read as dropped: %v, listed: %+v, %v", got.Dropped, infos, err)
		}
	}
}

func TestRekeyWithDataKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
	events := []*store.Event{acceptFor(t, s, "acme")}
	s.Close()
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA), Wrapping: byRing})
	events = append(events, acceptFor(t, s, "acme"), acceptFor(t, s, "globex"))
	s.Close()
	reopen := func(w seal.Wrapping, keys ...string) {
		t.Helper()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keys...), Wrapping: w})
		for _, e := range events {
			readsAll(t, s, e, true)
		}
	}
	rekeyed := func(want string) {
		t.Helper()
		var seen []string
		if err := s.Rekey(ctx, func(done, total int) { seen = append(seen, fmt.Sprint(done, "/", total)) }); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(seen, " "); got != want {
			t.Errorf("progress %s, want %s", got, want)
		}
	}
	// What is sealed with data keys stays; they are wrapped again, and what the ring has sealed is sealed with them.
	content := func() string {
		return strings.Join(rowsOf(t, path, "SELECT hex(request) FROM payloads WHERE seq > 1 ORDER BY seq"), " ")
	}
	reopen(byRing, keyB, keyA)
	before := content()
	rekeyed("0/2 1/2 2/2 4/4")
	rekeyed("0/0")
	if content() != before {
		t.Error("what is sealed with data keys was sealed again")
	}
	reopen(byRing, keyB)
	if _, err := sqlite.Open(sqlite.Options{Path: path, Keys: ring(t, keyB), Wrapping: byRing}); !errors.Is(err, sqlite.ErrLocked) {
		t.Error(err)
	}
	// With another ring it does not open, whatever was sealed with data keys.
	s.Close()
	if other, err := sqlite.Open(sqlite.Options{Path: path, Keys: ring(t, keyA), Wrapping: byRing}); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("with a key that is in the ring no more: %v", err)
		if err == nil {
			other.Close()
		}
	}
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB), Wrapping: byRing})

	// Only what is asked is sealed again, with a key that is new.
	if err := s.RekeyTenants(ctx, []string{"acme"}, nil); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, s, "acme destroyed ", "acme seals encryption_key", "globex seals encryption_key")
	reopen(byRing, keyB)
	if content() == before {
		t.Error("it was not sealed again")
	}
	if n := rowsOf(t, path, "SELECT count(*) FROM events e WHERE key_id IN (SELECT x'03' || id FROM data_keys WHERE destroyed_at <> 0)"); n[0] != "0" {
		t.Errorf("%s events are sealed with a key that is destroyed", n)
	}

	// And all the way back.
	reopen(seal.Wrapping{}, keyB)
	rekeyed("0/6 3/6 6/6")
	reopen(seal.Wrapping{}, keyB)
	if n := rowsOf(t, path, "SELECT count(*) FROM events WHERE substr(key_id, 1, 1) = x'03'"); n[0] != "0" {
		t.Errorf("%s events are sealed with data keys", n)
	}
	if err := s.RekeyTenants(ctx, []string{"acme"}, nil); !errors.Is(err, store.ErrNoDataKeys) {
		t.Error(err)
	}
	if _, err := s.RotateDataKey(ctx, "acme"); !errors.Is(err, store.ErrNoDataKeys) {
		t.Error(err)
	}
}

// vault is a Wrapper that can be away. It keeps what it wraps to itself, as text.
type vault struct {
	mu   sync.Mutex
	keys map[string]string
	err  error
}

func (v *vault) set(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err = err
}

func (v *vault) Wrap(_ context.Context, _ string, key []byte) (string, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		return "", v.err
	}
	name := fmt.Sprint("vault:v1:", len(v.keys))
	v.keys[name] = string(key)
	return name, nil
}

func (v *vault) Unwrap(_ context.Context, _, wrapped string) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return []byte(v.keys[wrapped]), v.err
}

func (v *vault) Rewrap(_ context.Context, _, wrapped string) (string, error) { return wrapped, v.err }

func (v *vault) Lifetime() time.Duration { return time.Hour }

// TestVaultIsAway has the one who wraps data keys go away: what has its key goes on, what has none is refused and waits, and
// nothing is stored that is not sealed.
func TestVaultIsAway(t *testing.T) { synctest.Test(t, vaultIsAway) }

func vaultIsAway(t *testing.T) {
	v := &vault{keys: map[string]string{}}
	w := seal.Wrapping{Tenants: true, Remote: v}
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA), Wrapping: w})
	acceptFor(t, s, "acme")
	acceptFor(t, s, "globex")
	s.Close()
	if s, err := sqlite.Open(sqlite.Options{Path: path, Keys: ring(t, keyA), Wrapping: byRing}); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("opened without who unwraps the keys: %v", err)
		if err == nil {
			s.Close()
		}
	}

	var told sync.Mutex
	var lines []string
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA), Wrapping: w, Log: func(msg string, err error) {
		told.Lock()
		defer told.Unlock()
		lines = append(lines, fmt.Sprint(msg, ": ", err))
	}})
	claim := func() (tenants []string) {
		t.Helper()
		claimed, err := s.Claim(ctx, "crm", time.Now(), time.Minute, 10, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range claimed {
			tenants = append(tenants, c.Tenant)
		}
		return tenants
	}
	if err := s.VerifyDataKeys(ctx, func(k store.DataKey, err error) {
		if k.Tenant == "acme" && err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Events(ctx, store.Filter{}, store.Page{}); err != nil {
		t.Error(err)
	}
	acme := acceptFor(t, s, "acme") // whose key is in memory from now on
	v.set(fmt.Errorf("%w: connection refused", seal.ErrAway))
	for _, tenant := range []string{"globex", "initech"} {
		e := secretEvent()
		e.Tenant = tenant
		if _, err := s.Accept(ctx, e, []string{"crm"}); !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, seal.ErrUnavailable) {
			t.Errorf("%s is accepted: %v", tenant, err)
		}
	}
	readsAll(t, s, acme, true)
	acceptFor(t, s, "acme")
	if got := claim(); !slices.Equal(got, []string{"acme", "acme", "acme"}) {
		t.Errorf("claimed %v", got)
	}
	if next, err := s.Next(ctx, "crm"); err != nil || time.Until(next) < time.Second || time.Until(next) > time.Minute {
		t.Errorf("the next one is due in %v, %v", time.Until(next), err)
	}
	if onDisk(t, path, secret) {
		t.Error("content stands on the disk")
	}
	told.Lock()
	if len(lines) == 0 || len(lines) > 3 || !strings.Contains(lines[0], "503") {
		t.Errorf("told %q", lines)
	}
	told.Unlock()
	v.set(nil)
	time.Sleep(6 * time.Second)
	if got := claim(); slices.Contains(got, "globex") {
		t.Errorf("claimed %v before it is asked again", got)
	}
	time.Sleep(6 * time.Second) // it was asked beside
	if got := claim(); !slices.Equal(got, []string{"globex"}) {
		t.Errorf("claimed %v when it is back", got)
	}
	acceptFor(t, s, "initech")
}

// rowsOf reads one column of a store's file, also while it is open.
func rowsOf(t *testing.T, path, query string) (list []string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	if err := rows.Err(); err != nil || len(list) == 0 {
		t.Fatal(len(list), err)
	}
	return list
}

func unhex(t *testing.T, text string) string {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A backup has the data keys in it, wrapped: it opens with what has wrapped them, and with nothing else. One from before a
// destruction has what was destroyed since, until that is done again or what has wrapped it is gone.
func TestBackupHasWrappedKeys(t *testing.T) {
	dir := t.TempDir()
	path, backup, restored := filepath.Join(dir, "store.db"), filepath.Join(dir, "backup"), filepath.Join(dir, "restored.db")
	s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA), Wrapping: byRing})
	acme, globex := acceptFor(t, s, "acme"), acceptFor(t, s, "globex")
	if _, err := sqlite.Backup(ctx, path, backup, sqlite.Tuning{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.DestroyDataKeys(ctx, "acme", false); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := sqlite.Restore(ctx, backup, restored); err != nil {
		t.Fatal(err)
	}
	if other, err := sqlite.Open(sqlite.Options{Path: restored, Keys: ring(t, keyB), Wrapping: byRing}); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("with another encryption key: %v", err)
		if err == nil {
			other.Close()
		}
	}
	s = openStore(t, sqlite.Options{Path: restored, Keys: ring(t, keyA), Wrapping: byRing})
	readsAll(t, s, acme, true)
	if err := s.VerifyDataKeys(ctx, func(k store.DataKey, err error) {
		if err != nil {
			t.Errorf("%s: %v", k.Tenant, err)
		}
	}); err != nil {
		t.Error(err)
	}
	if _, err := s.DestroyDataKeys(ctx, "acme", false); err != nil {
		t.Fatal(err)
	}
	readsAll(t, s, acme, false)
	readsAll(t, s, globex, true)
}
