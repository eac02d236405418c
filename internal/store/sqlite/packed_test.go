package sqlite_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// checkColumns looks for what stands in testdata/schema8.db.gz, which was written before content was packed: nine events of two
// tenants, of which three have no seal, three one of the encryption key, and three one of their tenants' data keys. Every third
// has no record, and every third no body.
func checkColumns(t *testing.T, s *sqlite.Store) {
	t.Helper()
	infos, err := s.Events(ctx, store.Filter{}, store.Page{})
	if err != nil || len(infos) != 9 {
		t.Fatal(len(infos), err)
	}
	for i, info := range infos {
		n := 9 - i
		body, record := fmt.Sprintf(`{"n":%d}`, n), fmt.Sprintf(`{"record":%d}`, n)
		switch n % 3 {
		case 1:
			record = ""
		case 2:
			body = ""
		}
		e, err := s.Event(ctx, info.ID)
		if err != nil || string(e.Body) != body || string(e.Record) != record || e.Method != "POST" || e.URI != fmt.Sprintf("/hook?x=\xfc&n=%d", n) ||
			fmt.Sprintf("%q", e.Header) != `map["Content-Type":["application/json"] "X-Name":["1" "J\xfcrgen"]]` || e.Tenant != []string{"acme", "globex"}[n%2] {
			t.Errorf("event %d: %+v, %v", n, e, err)
		}
		if a, err := s.Attempts(ctx, info.ID+".0"); err != nil || len(a) != 1 || string(a[0].Excerpt) != "no such field" {
			t.Errorf("event %d: %+v, %v", n, a, err)
		}
	}
	claimed, err := s.Claim(ctx, "ehr", time.Now(), time.Minute, 10, nil)
	if err != nil || len(claimed) != 9 {
		t.Errorf("claimed %d, %v", len(claimed), err)
	}
}

// TestStoreBeforePacking opens a store as it was written before content was packed: all of it is read and delivered, beside
// what is stored now, and Rekey makes it what it would be now.
func TestStoreBeforePacking(t *testing.T) {
	path := unpack(t, "schema8.db.gz")
	o := sqlite.Options{Path: path, Keys: ring(t, keyA), Wrapping: byRing}
	s := openStore(t, o)
	checkColumns(t, s)
	s.Close()
	o.Keys = ring(t, keyB, keyA)
	s = openStore(t, o)
	if err := s.Rekey(ctx, nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	// What is sealed with data keys is not sealed again when these are only wrapped again.
	if old := rowsOf(t, path, "SELECT count(*) FROM payloads WHERE body IS NOT NULL OR record IS NOT NULL"); old[0] != "3" {
		t.Errorf("%s are as they were after Rekey, want 3", old[0])
	}
	o.Keys = ring(t, keyB)
	s = openStore(t, o)
	checkColumns(t, s)
	e := acceptFor(t, s, "acme")
	readsAll(t, s, e, true)
}
