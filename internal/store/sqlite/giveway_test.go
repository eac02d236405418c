package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
)

func TestSearchesGiveWay(t *testing.T) {
	s, err := Open(Options{Path: filepath.Join(t.TempDir(), "store.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, end := s.search(t.Context())
	other, endOther := s.search(t.Context())
	endOther()
	s.endSearches(time.Hour)
	if ctx.Err() != nil {
		t.Error("ended though it has not taken long")
	}
	s.endSearches(0)
	var n int
	err = s.reader.QueryRowContext(ctx, "SELECT count(*) FROM events").Scan(&n)
	if err = searched(ctx, err); !errors.Is(err, errSearchGaveWay) {
		t.Errorf("a search that was ended says %v", err)
	}
	if err := searched(other, other.Err()); !errors.Is(err, context.Canceled) {
		t.Errorf("one that had ended before says %v", err)
	}
	if end(); len(s.searches.ends) != 0 {
		t.Errorf("%d are still known of", len(s.searches.ends))
	}
	if _, err := s.Events(t.Context(), store.Filter{}, store.Page{}); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

func TestWhenABackupGivesWay(t *testing.T) {
	const mib, disk = int64(1 << 20), int64(100 << 30)
	for name, c := range map[string]struct {
		max, minFree, used, start, log, free int64
		tight                                bool
	}{
		"no bound but the disk":            {0, 64 * mib, 500 * mib, 0, 10_000 * mib, 50 << 30, false},
		"half of what is left":             {1000 * mib, 64 * mib, 800 * mib, 0, 164 * mib, 50 << 30, false},
		"more than half":                   {1000 * mib, 64 * mib, 800 * mib, 0, 165 * mib, 50 << 30, true},
		"full before, and a short log":     {1000 * mib, 64 * mib, 1000 * mib, 0, 64 * mib, 50 << 30, false},
		"full before, and the log too":     {1000 * mib, 64 * mib, 1000 * mib, 0, 65 * mib, 50 << 30, true},
		"nothing has come in since":        {1000 * mib, 64 * mib, 800 * mib, 300 * mib, 300 * mib, 0, false},
		"the disk has as much as it needs": {0, 64 * mib, 1, 0, mib, 97 * mib, false},
		"the disk has less":                {0, 64 * mib, 1, 0, mib, 97*mib - 1, true},
		"nothing is to be left on it":      {0, -1, 1, 0, mib, 1, false},
	} {
		path := filepath.Join(t.TempDir(), "store.db")
		if err := os.WriteFile(path+"-wal", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path+"-wal", c.log); err != nil {
			t.Fatal(err)
		}
		b := bounds{path, c.max, c.minFree, c.used, c.start, func(string) (int64, int64, error) { return c.free, disk, nil }}
		if got := b.tight(64 * mib); got != c.tight {
			t.Errorf("%s: tight: %v", name, got)
		}
	}
}

// A backup that gives way leaves nothing behind, and says why.
func TestABackupThatGivesWay(t *testing.T) {
	dir := t.TempDir()
	// A disk that is full as soon as anything has come in.
	full := func(string) (free, size int64, err error) { return 1, 100 << 30, nil }
	s, err := Open(Options{Path: filepath.Join(dir, "store.db"), MinFree: -1, FreeSpace: full})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	file := filepath.Join(dir, "backup")
	b, err := boundsOf(t.Context(), s.o.Path, Tuning{}, full)
	if err != nil {
		t.Fatal(err)
	}
	if b.minFree != defaultMinFree || b.used == 0 {
		t.Errorf("%+v", b)
	}
	b.start = -1
	reading, stop := b.giveWay(t.Context(), defaultWALBytes)
	defer stop()
	<-reading.Done()
	_, err = backup(reading, s.o.Path, file, func(string, Backed) error { return nil })
	if err = gaveWay(reading, err); !errors.Is(err, ErrBackupGaveWay) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("it says %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("there is a backup: %v", err)
	}
	// What is in nobody's way is whole.
	if _, err := s.Backup(t.Context(), file); err != nil {
		t.Error(err)
	}
}
