package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
	"go.uber.org/goleak"
)

// used makes a store with an event in it and gives its path.
func used(t *testing.T, o sqlite.Options) string {
	t.Helper()
	o.Path = filepath.Join(t.TempDir(), "deep", "store.db")
	s := openStore(t, o)
	for range 20 {
		if _, err := s.Accept(context.Background(), randomEvent(noise(9000)), []string{"crm"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return o.Path
}

func TestOpenRefuses(t *testing.T) {
	overwrite := func(at int64, data []byte) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(data, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	execute := func(query string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(query); err != nil {
				t.Fatal(err)
			}
		}
	}
	fresh := func(prepare func(*testing.T, string)) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			prepare(t, path)
		}
	}
	for name, c := range map[string]struct {
		spoil func(t *testing.T, path string)
		want  error
	}{
		"a text file": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("not a database\n"), 50), 0o600); err != nil {
				t.Fatal(err)
			}
		}, sqlite.ErrNotAStore},
		"a few bytes": {func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte("SQLite format 3\x00\x40"), 0o600); err != nil {
				t.Fatal(err)
			}
		}, sqlite.ErrCorrupt},
		"somebody else's database": {fresh(execute("CREATE TABLE people (name TEXT); INSERT INTO people VALUES ('x')")), sqlite.ErrNotAStore},
		"half of it": {func(t *testing.T, path string) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(path, info.Size()/2); err != nil {
				t.Fatal(err)
			}
		}, sqlite.ErrCorrupt},
		"a header of zeros":   {overwrite(0, make([]byte, 100)), sqlite.ErrNotAStore},
		"a schema of garbage": {overwrite(100, bytes.Repeat([]byte{0xa5}, 4000)), sqlite.ErrCorrupt},
		"a newer version's":   {execute("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)"), sqlite.ErrNewer},
		"a directory":         {fresh(func(t *testing.T, path string) { os.Mkdir(path, 0o700) }), nil},
		"a file as a directory": {func(t *testing.T, path string) {
			os.Rename(filepath.Dir(path), filepath.Dir(path)+"x")
			os.WriteFile(filepath.Dir(path), nil, 0o600)
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := used(t, sqlite.Options{})
			c.spoil(t, path)
			before, _ := os.ReadFile(path)
			s, err := sqlite.Open(sqlite.Options{Path: path})
			if err == nil {
				s.Close()
				t.Fatal("it opens")
			}
			if c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestOpenIsExclusive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path})
	if _, err := sqlite.Open(sqlite.Options{Path: path}); !errors.Is(err, sqlite.ErrLocked) {
		t.Errorf("a second one: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openStore(t, sqlite.Options{Path: path})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others can read the store: %v, %v", info.Mode(), err)
	}
}

// SQLite puts the log beside the file that a link leads to, and there it has to be looked for.
func TestOpenThroughALink(t *testing.T) {
	real, links := t.TempDir(), filepath.Join(t.TempDir(), "links")
	if err := os.Symlink(t.TempDir(), links); err != nil {
		t.Skip(err)
	}
	target := filepath.Join(real, "store.db")
	relative, err := filepath.Rel(must(t, filepath.EvalSymlinks, links), must(t, filepath.EvalSymlinks, real))
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"absolute.db": target, "relative.db": filepath.Join(relative, "store.db"), "second.db": "absolute.db"} {
		if err := os.Symlink(to, filepath.Join(links, name)); err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"absolute.db", "relative.db", "second.db"} { // the first leads to a file that is not there yet
		s := openStore(t, sqlite.Options{Path: filepath.Join(links, name)})
		if _, err := s.Accept(t.Context(), randomEvent(nil), nil); err != nil {
			t.Error(err)
		}
		if stats, err := s.Stats(t.Context()); err != nil || stats.Events != int64(i+1) {
			t.Errorf("%s: %d events, %v", name, stats.Events, err)
		}
		if other, err := sqlite.Open(sqlite.Options{Path: target}); err == nil {
			other.Close()
			t.Errorf("%s: the store was opened a second time under its own name", name)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := os.Symlink("circle.db", filepath.Join(links, "circle.db")); err != nil {
		t.Fatal(err)
	}
	if s, err := sqlite.Open(sqlite.Options{Path: filepath.Join(links, "circle.db")}); err == nil {
		s.Close()
		t.Error("a link to itself was opened")
	}
}

func must(t *testing.T, f func(string) (string, error), path string) string {
	t.Helper()
	v, err := f(path)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOpenNeedsTheKey(t *testing.T) {
	path := used(t, sqlite.Options{Keys: ring(t, keyA)})
	for _, keys := range []*seal.Ring{nil, ring(t, keyB)} {
		if s, err := sqlite.Open(sqlite.Options{Path: path, Keys: keys}); !errors.Is(err, seal.ErrNoKey) {
			t.Errorf("opened without the key: %v", err)
			s.Close()
		}
	}
}

// A store whose making was cut short is made again, also one of the page size that stores had before.
func TestOpenAfterInterruptedMaking(t *testing.T) {
	for _, size := range []int{4096, 16384} {
		path := filepath.Join(t.TempDir(), "store.db")
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		if _, err := db.Exec(fmt.Sprintf("PRAGMA page_size = %d; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL", size)); err != nil {
			t.Fatal(err)
		}
		db.Close()
		s := openStore(t, sqlite.Options{Path: path})
		if _, err := s.Accept(context.Background(), randomEvent(nil), nil); err != nil {
			t.Error(err)
		}
	}
}

func TestDirectoryDisappears(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := openStore(t, sqlite.Options{Path: filepath.Join(dir, "store.db")})
	first := randomEvent([]byte("x"))
	if _, err := s.Accept(context.Background(), first, []string{"crm"}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, dir+"-moved"); err != nil {
		t.Fatal(err)
	}
	lost := randomEvent([]byte("x"))
	if _, err := s.Accept(context.Background(), lost, nil); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("accepted into a directory that is gone: %v", err)
	}
	if err := os.Rename(dir+"-moved", dir); err != nil {
		t.Fatal(err)
	}
	if a, err := s.Accept(context.Background(), lost, nil); err != nil || a.Duplicate {
		t.Errorf("the directory is back: %+v, %v", a, err)
	}
	if a, err := s.Accept(context.Background(), first, nil); err != nil || !a.Duplicate {
		t.Errorf("what was accepted before: %+v, %v", a, err)
	}
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	before := goleak.IgnoreCurrent()
	s := openStore(t, sqlite.Options{})
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			_, err := s.Accept(context.Background(), randomEvent(nil), []string{"crm"})
			if err != nil && !errors.Is(err, store.ErrClosed) {
				t.Error(err)
			}
			_, err = s.Claim(context.Background(), "crm", time.Now(), time.Minute, 1, nil)
			if err != nil && !errors.Is(err, store.ErrClosed) {
				t.Error(err)
			}
		})
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	goleak.VerifyNone(t, before)
}

func TestFileSettings(t *testing.T) {
	db, err := sql.Open("sqlite", used(t, sqlite.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for name, want := range map[string]string{"page_size": "4096", "auto_vacuum": "2", "journal_mode": "wal", "integrity_check": "ok"} {
		var got string
		if err := db.QueryRow("PRAGMA " + name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, want %s (%v)", name, got, want, err)
		}
	}
}
