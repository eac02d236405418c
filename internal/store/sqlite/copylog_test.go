package sqlite_test

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// TestLogIsCopiedBesideCommits writes many times what the log may hold, while many others write, and while somebody
// reads. The log keeps its bound, give or take what is written during one copy, and all of it ends in the database.
func TestLogIsCopiedBesideCommits(t *testing.T) {
	const bound, writers, each = 4 << 20, 16, 100
	path := filepath.Join(t.TempDir(), "store.db")
	var mu sync.Mutex
	var logged []error
	s := openStore(t, sqlite.Options{Path: path, WALBytes: bound, Log: func(msg string, err error) {
		mu.Lock()
		defer mu.Unlock()
		logged = append(logged, fmt.Errorf("%s: %w", msg, err))
	}})
	body := noise(8 << 10)
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				e := randomEvent(body)
				a, err := s.Accept(t.Context(), e, []string{"crm"})
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Finish(t.Context(), []store.Attempt{{DeliveryID: a.Deliveries[0], At: time.Now(), State: store.Delivered}}); err != nil {
					t.Error(err)
				}
				if _, err := s.Event(t.Context(), e.ID); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	wal, err := os.Stat(path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if wal.Size() > 2*bound {
		t.Errorf("the log has grown to %d bytes, bounded by %d", wal.Size(), bound)
	}
	db, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if written := int64(writers * each * len(body)); db.Size() < written-bound {
		t.Errorf("of %d bytes only %d were copied into the database", written, db.Size())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := errors.Join(logged...); err != nil {
		t.Errorf("it complained: %v", err)
	}
	checkIntegrity(t, path)
}

func checkIntegrity(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var text string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&text); err != nil || text != "ok" {
		t.Errorf("the database is damaged: %v\n%s", err, text)
	}
}

// TestLogIsCopiedBeforeItIsFull holds that a copy does not wait for the bound, at which it would be a commit's to do.
func TestLogIsCopiedBeforeItIsFull(t *testing.T) {
	const bound = 64 << 20
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path, WALBytes: bound})
	size := func(name string) int64 {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	for size(path) < bound/8 {
		if _, err := s.Accept(t.Context(), randomEvent(noise(64<<10)), nil); err != nil {
			t.Fatal(err)
		}
		if size(path+"-wal") >= bound {
			t.Fatal("the log has reached its bound, and nothing was copied before")
		}
	}
}

// size is that of a file.
func size(t *testing.T, name string) int64 {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestLogIsNotCopiedBeforeItIsDue holds that looking how long the log is copies nothing, which in versions of SQLite that
// do not know how to look it would.
func TestLogIsNotCopiedBeforeItIsDue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path})
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	for range 10 {
		if _, err := s.Accept(t.Context(), randomEvent(noise(64<<10)), nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := size(); n != before {
		t.Errorf("the database grew from %d to %d bytes", before, n)
	}
}

// TestLogThatSomebodyKeeps reads an older state for long. The log grows meanwhile, which the operator is told and max_size
// counts, and is cut off when the reader has gone, although nothing is committed then.
func TestLogThatSomebodyKeeps(t *testing.T) {
	t.Run("who reads the log", func(t *testing.T) { keepLog(t, "SELECT 1") })
	// They keep the database as it is, so that nothing can be copied at all.
	t.Run("who reads the database, to which all is copied", func(t *testing.T) { keepLog(t, "PRAGMA wal_checkpoint(PASSIVE)") })
}

// keepLog has somebody read after a statement.
func keepLog(t *testing.T, before string) {
	const bound, most = 1 << 20, 20 << 20
	path := filepath.Join(t.TempDir(), "store.db")
	told := make(chan error, 100)
	s := openStore(t, sqlite.Options{Path: path, WALBytes: bound, MaxBytes: most, Log: func(_ string, err error) { told <- err }})
	first, err := s.Accept(t.Context(), randomEvent([]byte("delivered")), []string{"crm"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Finish(t.Context(), []store.Attempt{{DeliveryID: first.Deliveries[0], At: time.Now(), State: store.Delivered}}); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(before); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query("SELECT seq FROM events UNION ALL SELECT 1")
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	defer rows.Close()
	body, accepted := noise(256<<10), int64(0)
	for {
		_, err := s.Accept(t.Context(), randomEvent(body), nil)
		if errors.Is(err, store.ErrFull) {
			if !strings.Contains(err.Error(), "with its log (the -wal file)") {
				t.Errorf("refused with: %v", err)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		accepted += int64(len(body))
	}
	if accepted < most/4 || accepted > most*3/4 {
		t.Errorf("%d bytes were accepted in a store of %d, of whose content there are two copies", accepted, most)
	}
	stats, err := s.Stats(t.Context())
	if err != nil || stats.LogBytes != size(t, path+"-wal") || stats.LogBytes > most || stats.DiskFree <= 0 || stats.DiskBytes < stats.DiskFree || stats.Dropped > 0 {
		t.Errorf("stats: %+v, %v", stats, err)
	}
	if n := len(told); n < 2 || n > 4 {
		t.Errorf("told %d times, want one for each time that it doubled", n)
	}
	if err := <-told; !strings.Contains(err.Error(), "somebody reads an older state") || !strings.Contains(err.Error(), "should have 1048576") {
		t.Errorf("told %v", err)
	}
	rows.Close()
	for late := time.Now().Add(time.Minute); size(t, path+"-wal") > bound; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("the log is still there")
		}
	}
	if _, err := s.Accept(t.Context(), randomEvent(body), nil); err != nil {
		t.Errorf("there is room again: %v", err)
	}
}

// TestLogIsShortenedWhileCallsAreRefused has senders that do not let up: what they send, and is refused, must not put off
// what makes room for it.
func TestLogIsShortenedWhileCallsAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openStore(t, sqlite.Options{Path: path, WALBytes: 4 << 20, MaxBytes: 12 << 20})
	if _, err := s.Accept(t.Context(), randomEvent(nil), nil); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query("SELECT seq FROM events UNION ALL SELECT 1")
	if err != nil || !rows.Next() {
		t.Fatal(err)
	}
	defer rows.Close()
	body := noise(60 << 10)
	for err == nil {
		_, err = s.Accept(t.Context(), randomEvent(body), nil)
	}
	rows.Close()
	for late := time.Now().Add(15 * time.Second); errors.Is(err, store.ErrFull); {
		if time.Now().After(late) {
			t.Fatal("refused for as long as somebody sends")
		}
		_, err = s.Accept(t.Context(), randomEvent(body), nil)
	}
	if err != nil {
		t.Error(err)
	}
}
