package postgres_test

import (
	"compress/gzip"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// TestRowsBeforePacking reads and delivers what was written before content was packed, and seals it again. It is the SQLite
// store's file from then, whose content is carried over byte for byte: three events without a seal, and three with one. Three
// more are sealed with data keys, which are not carried over.
func TestRowsBeforePacking(t *testing.T) {
	server := start(t)
	in, err := os.Open("../sqlite/testdata/schema8.db.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	z, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	file, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	from, err := sqlite.Open(sqlite.Options{Path: path, Keys: ring(t, keyA), Wrapping: byRing})
	if err != nil {
		t.Fatal(err)
	}
	for n := 7; n <= 9; n++ {
		if erased, err := from.Erase(t.Context(), store.Filter{CallID: fmt.Sprint("call-", n)}, false); err != nil || erased != 1 {
			t.Fatal(erased, err)
		}
	}
	from.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("DELETE FROM data_keys"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if from, err = sqlite.Open(sqlite.Options{Path: path, Keys: ring(t, keyA)}); err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	o := postgres.Options{Address: server.DSN(), Schema: schema(), Gateway: "first", Keys: ring(t, keyA), DaysAhead: 1}
	origin, err := from.Origin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i, err := postgres.OpenImport(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Move(t.Context(), from, i, origin, func(*store.Portion) {}); err != nil {
		t.Fatal(err)
	}
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	columns := func() string {
		return server.SQL(fmt.Sprintf("SELECT count(*) FROM %s.payloads WHERE body IS NOT NULL OR record IS NOT NULL", o.Schema))
	}
	if n := columns(); n != "6" {
		t.Errorf("%s of 6 came as they were", n)
	}
	check := func(s *postgres.Store) {
		t.Helper()
		infos, err := s.Events(t.Context(), store.Filter{}, store.Page{})
		if err != nil || len(infos) != 6 {
			t.Fatal(len(infos), err)
		}
		for i, info := range infos {
			n := 6 - i
			body, record := fmt.Sprintf(`{"n":%d}`, n), fmt.Sprintf(`{"record":%d}`, n)
			switch n % 3 {
			case 1:
				record = ""
			case 2:
				body = ""
			}
			e, err := s.Event(t.Context(), info.ID)
			if err != nil || string(e.Body) != body || string(e.Record) != record || e.URI != fmt.Sprintf("/hook?x=\xfc&n=%d", n) ||
				fmt.Sprintf("%q", e.Header) != `map["Content-Type":["application/json"] "X-Name":["1" "J\xfcrgen"]]` {
				t.Errorf("event %d: %+v, %v", n, e, err)
			}
		}
		claimed, err := s.Claim(t.Context(), "ehr", time.Now(), time.Minute, 10, nil)
		if err != nil || len(claimed) != 6 {
			t.Errorf("claimed %d, %v", len(claimed), err)
		}
	}
	s := openStore(t, o)
	check(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.Keys = ring(t, keyB, keyA)
	s = openStore(t, o)
	if err := s.Rekey(context.WithoutCancel(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n := columns(); n != "0" {
		t.Errorf("%s are as they were after Rekey", n)
	}
	o.Keys = ring(t, keyB)
	check(openStore(t, o))
}
