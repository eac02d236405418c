package sqlite_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// What is kept of a delivery is sealed in its place, is sealed anew with the rest, and leaves the disk with its event.
func TestProgressIsSealed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
	e := randomEvent([]byte("x"))
	a, err := s.Accept(t.Context(), e, []string{"crm", "erp"})
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"Mike Johnson", "Mike Miller"} {
		if err := s.Keep(t.Context(), a.Deliveries[i], []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if onDisk(t, path, "Mike") {
		t.Error("a name stands in the store's files")
	}
	s.Close()
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB, keyA)})
	if v, err := s.Kept(t.Context(), a.Deliveries[0]); string(v) != "Mike Johnson" || err != nil {
		t.Fatalf("with a new first key: %q, %v", v, err)
	}
	if err := s.Rekey(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB)})
	if v, err := s.Kept(t.Context(), a.Deliveries[1]); string(v) != "Mike Miller" || err != nil {
		t.Fatalf("with the new key alone: %q, %v", v, err)
	}
	s.Close()
	alter(t, path, "UPDATE notes SET value = (SELECT value FROM notes ORDER BY length(value) DESC LIMIT 1)")
	s = openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyB)})
	if v, err := s.Kept(t.Context(), a.Deliveries[1]); !errors.Is(err, seal.ErrTampered) {
		t.Errorf("one that was moved: %q, %v", v, err)
	}
}

func TestProgressLeavesTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path})
	e := randomEvent([]byte("x"))
	a, err := s.Accept(t.Context(), e, []string{"crm"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Keep(t.Context(), a.Deliveries[0], []byte("Mike Johnson")); err != nil {
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
