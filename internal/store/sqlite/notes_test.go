package sqlite_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// Notes name callers, and are sealed as everything of theirs.
func TestNotesAreSealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
	until := time.Now().Add(time.Hour)
	if err := s.Note(t.Context(), "crm", "p:+15551234567", []byte(`{"name":"Mike Johnson"}`), until); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"5551234567", "Mike"} {
		if onDisk(t, path, text) {
			t.Errorf("%s stands in the store's files", text)
		}
	}
	if err := s.Note(t.Context(), "crm", "p:2", []byte("other"), until); err != nil {
		t.Fatal(err)
	}
	s.Close()
	alter(t, path, "UPDATE notes SET value = (SELECT value FROM notes ORDER BY length(value) DESC LIMIT 1)")
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
	if v, err := s.Noted(t.Context(), "crm", "p:2"); !errors.Is(err, seal.ErrTampered) {
		t.Errorf("one that was moved: %q, %v", v, err)
	}
	s.Close()
	// With another first key it is as if nothing had been noted.
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB, keyA)})
	if v, err := s.Noted(t.Context(), "crm", "p:2"); v != nil || err != nil {
		t.Errorf("with another key: %q, %v", v, err)
	}
}

// What is erased, or past its time, is gone from the disk too, also where nothing is sealed.
func TestNotesLeaveTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path})
	e := randomEvent([]byte("x"))
	if _, err := s.Accept(t.Context(), e, []string{"crm"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Note(t.Context(), "crm", "p:1", []byte("Mike Johnson"), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if !onDisk(t, path, "Mike Johnson") {
		t.Fatal("it is not there to begin with")
	}
	if n, err := s.Erase(t.Context(), store.Filter{EventID: e.ID}, false); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if onDisk(t, path, "Mike Johnson") {
		t.Error("it is erased, and stands in the store's files")
	}
}
