package sqlite_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

func TestProbeWritesToTheDisk(t *testing.T) {
	d := new(disk)
	d.size.Store(100 << 30)
	d.free.Store(80 << 30)
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path, FreeSpace: d.space})
	logSize := func() int64 {
		f, err := os.Stat(path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		return f.Size()
	}
	before := logSize()
	if err := s.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := logSize(); after <= before {
		t.Errorf("the log has %d bytes, and had %d: nothing was written", after, before)
	}
	d.free.Store(64<<20 - 1) // the reserve, less a byte
	if err := s.Probe(t.Context()); !errors.Is(err, store.ErrFull) || !strings.Contains(err.Error(), "min_free") {
		t.Errorf("without room: %v", err)
	}
	d.broken.Store(true) // nobody knows what is free, and so nothing is refused
	if err := s.Probe(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Probe(t.Context()); !errors.Is(err, store.ErrClosed) {
		t.Error(err)
	}
}
