package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
)

// contents lists what a store holds, but for times of its own.
func contents(t *testing.T, s *sqlite.Store) (all []string) {
	t.Helper()
	events, err := s.Events(ctx, store.Filter{}, store.Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range events {
		e, err := s.Event(ctx, info.ID)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%+v", *e))
	}
	deliveries, err := s.Deliveries(ctx, store.Filter{}, store.Page{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range deliveries {
		attempts, err := s.Attempts(ctx, d.ID)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fmt.Sprintf("%+v %+v", d, attempts))
	}
	stats, err := s.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return append(all, fmt.Sprintf("%+v", stats.Destinations))
}

func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	keys := ring(t, keyA)
	s := openStore(t, sqlite.Options{Path: filepath.Join(dir, "store.db"), Keys: keys})
	var first *store.Event
	for i := range 30 {
		e := randomEvent(noise(5000))
		if first == nil {
			first = e
		}
		a, err := s.Accept(ctx, e, []string{"crm", "ehr"})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Finish(ctx, []store.Attempt{{DeliveryID: a.Deliveries[0], At: time.Now(), State: []store.State{store.Delivered, store.Dead}[i%2], Excerpt: []byte("no")}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Pause(ctx, "ehr", "maintenance"); err != nil {
		t.Fatal(err)
	}
	want := contents(t, s)
	file := filepath.Join(dir, "backup", "calls.backup")
	if _, err := s.Backup(ctx, file); err == nil {
		t.Error("a backup into a directory that does not exist")
	}
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	b, err := s.Backup(ctx, file)
	if err != nil || b.Events != 30 || b.Pending != 30 || b.Bytes != size(t, file) {
		t.Fatalf("%+v of %d bytes, %v", b, size(t, file), err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has the mode %v, %v", info.Mode(), err)
	}
	if _, err := s.Accept(ctx, randomEvent(nil), []string{"later"}); err != nil {
		t.Fatal(err)
	}
	whole := readFile(t, file)
	if _, err := s.Backup(ctx, file); !errors.Is(err, sqlite.ErrExists) {
		t.Errorf("over an older backup: %v", err)
	}
	if _, err := s.Backup(ctx, filepath.Join(dir, "store.db")); !errors.Is(err, sqlite.ErrExists) {
		t.Errorf("over the store: %v", err)
	}
	ended, end := context.WithCancel(ctx)
	end()
	if _, err := s.Backup(ended, file+"2"); !errors.Is(err, context.Canceled) {
		t.Errorf("when the context has ended: %v", err)
	}
	if !bytes.Equal(readFile(t, file), whole) {
		t.Error("the older backup was changed")
	}
	if list, err := os.ReadDir(filepath.Dir(file)); err != nil || len(list) != 1 {
		t.Errorf("beside the backup: %v, %v", list, err)
	}

	to := filepath.Join(dir, "new", "store.db")
	if got, err := sqlite.Restore(ctx, file, to); err != nil || got != b {
		t.Fatalf("restored %+v, want %+v, %v", got, b, err)
	}
	if info, err := os.Stat(to); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the store has the mode %v, %v", info.Mode(), err)
	}
	restored := openStore(t, sqlite.Options{Path: to, Keys: keys})
	if got := contents(t, restored); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("restored:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	again := *first
	again.ID = randomEvent(nil).ID
	if a, err := restored.Accept(ctx, &again, nil); err != nil || !a.Duplicate {
		t.Errorf("what was accepted before the backup: %+v, %v", a, err)
	}
	if err := restored.Close(); err != nil {
		t.Fatal(err)
	}
	checkIntegrity(t, to)
}

func TestBackupOfAStoreThatIsNotOpen(t *testing.T) {
	path := used(t, sqlite.Options{})
	file := path + ".backup"
	if b, err := sqlite.Backup(ctx, path, file, sqlite.Tuning{}); err != nil || b.Events != 20 || b.Pending != 20 {
		t.Fatalf("%+v, %v", b, err)
	}
	s := openStore(t, sqlite.Options{Path: path}) // it was left as it was
	if stats, err := s.Stats(ctx); err != nil || stats.Events != 20 {
		t.Errorf("%+v, %v", stats, err)
	}
	none := filepath.Join(t.TempDir(), "none")
	if _, err := sqlite.Backup(ctx, none, file+"2", sqlite.Tuning{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("of a store that does not exist: %v", err)
	}
	if list, _ := os.ReadDir(filepath.Dir(none)); len(list) > 0 {
		t.Errorf("it left %v", list)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, bytes.Repeat([]byte("text\n"), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Backup(ctx, other, file+"2", sqlite.Tuning{}); !errors.Is(err, sqlite.ErrNotAStore) {
		t.Errorf("of something else: %v", err)
	}
}

// TestWaiting counts what waits in a store that was left behind, also by a process that was killed, and in one that is open.
func TestWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if _, _, err := sqlite.Waiting(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no store: %v", err)
	}
	s := openStore(t, sqlite.Options{Path: path, Keys: ring(t, keyA)})
	for i := range 5 {
		a, err := s.Accept(ctx, randomEvent(nil), []string{"crm", "ehr"})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Finish(ctx, []store.Attempt{{DeliveryID: a.Deliveries[0], State: []store.State{store.Delivered, store.Pending}[i%2]}, {DeliveryID: a.Deliveries[1], State: store.Dead}}); err != nil {
			t.Fatal(err)
		}
	}
	crashed := filepath.Join(t.TempDir(), "store.db")
	for _, suffix := range []string{"", "-wal"} {
		if err := os.WriteFile(crashed+suffix, readFile(t, path+suffix), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(path string, open bool) {
		t.Helper()
		if waiting, inUse, err := sqlite.Waiting(path); err != nil || inUse != open || len(waiting) != 1 || waiting["crm"] != 2 {
			t.Errorf("%v, in use %v, %v", waiting, inUse, err)
		}
	}
	check(path, true)
	check(crashed, false)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := readFile(t, path)
	check(path, false)
	if !bytes.Equal(before, readFile(t, path)) {
		t.Error("looking has changed the store")
	}
}

// TestBackupAndClose closes a store while backups are made of it. Each is whole, or says that the store was closed.
func TestBackupAndClose(t *testing.T) {
	path := used(t, sqlite.Options{})
	s := openStore(t, sqlite.Options{Path: path})
	began, ended := make(chan struct{}), make(chan error)
	var made atomic.Int64
	go func() {
		for {
			_, err := s.Backup(ctx, fmt.Sprint(path, made.Load()))
			if err != nil {
				ended <- err
				return
			}
			if made.Add(1) == 1 {
				close(began)
			}
		}
	}()
	<-began
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, store.ErrClosed) {
		t.Errorf("a backup of a closed store: %v", err)
	}
	for n := range made.Load() {
		if _, err := sqlite.Restore(ctx, fmt.Sprint(path, n), filepath.Join(t.TempDir(), "store.db")); err != nil {
			t.Error(err)
		}
	}
}

func TestRestoreRefuses(t *testing.T) {
	path := used(t, sqlite.Options{})
	file := path + ".backup"
	if _, err := sqlite.Backup(ctx, path, file, sqlite.Tuning{}); err != nil {
		t.Fatal(err)
	}
	whole := readFile(t, file)
	changed := func(change func([]byte) []byte) string {
		name := filepath.Join(t.TempDir(), "changed")
		if err := os.WriteFile(name, change(bytes.Clone(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	flipped := func(at int) string {
		return changed(func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 1; return b })
	}
	nowhere := func() string { return filepath.Join(t.TempDir(), "store.db") }
	beside := func(suffix string) string {
		to := nowhere()
		if err := os.WriteFile(to+suffix, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		return to
	}
	open := filepath.Join(t.TempDir(), "store.db")
	openStore(t, sqlite.Options{Path: open})
	for _, c := range []struct {
		name, file, to string
		want           error
	}{
		{"the first byte", flipped(0), nowhere(), sqlite.ErrBackupDamaged},
		{"one in the middle", flipped(len(whole) / 2), nowhere(), sqlite.ErrBackupDamaged},
		{"one of the checksum", changed(func(b []byte) []byte {
			digit := &b[len(b)-60]
			*digit = map[bool]byte{true: '1', false: '0'}[*digit == '0']
			return b
		}), nowhere(), sqlite.ErrBackupDamaged},
		{"the last byte", flipped(-1), nowhere(), sqlite.ErrNotABackup},
		{"cut short", changed(func(b []byte) []byte { return b[:len(b)-20000] }), nowhere(), sqlite.ErrNotABackup},
		{"a hole in it", changed(func(b []byte) []byte { return append(b[:10000], b[20000:]...) }), nowhere(), sqlite.ErrBackupDamaged},
		{"nothing", changed(func([]byte) []byte { return nil }), nowhere(), sqlite.ErrNotABackup},
		{"a store", path, nowhere(), sqlite.ErrNotABackup},
		{"over a store", file, path, sqlite.ErrExists},
		{"over an open store", file, open, sqlite.ErrExists},
		{"beside a log", file, beside("-wal"), sqlite.ErrExists},
		{"beside an index", file, beside("-shm"), sqlite.ErrExists},
		{"no such file", file + "x", nowhere(), os.ErrNotExist},
	} {
		before, _ := os.ReadFile(c.to)
		if _, err := sqlite.Restore(ctx, c.file, c.to); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if after, _ := os.ReadFile(c.to); !bytes.Equal(before, after) {
			t.Errorf("%s: the store was changed", c.name)
		}
	}
	// An open store whose file was moved away is still open.
	if err := os.Rename(open, open+".moved"); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Restore(ctx, file, open); !errors.Is(err, sqlite.ErrLocked) {
		t.Errorf("in the place of an open store: %v", err)
	}
	ended, end := context.WithCancel(ctx)
	end()
	to := nowhere()
	if _, err := sqlite.Restore(ended, file, to); !errors.Is(err, context.Canceled) {
		t.Errorf("when the context has ended: %v", err)
	}
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it left a store: %v", err)
	}
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestForeignLog puts other states of a store beside the log that a crash has left. SQLite would mix them and, as was
// seen, find none of 3000 deliveries that wait.
func TestForeignLog(t *testing.T) {
	accept := func(s *sqlite.Store, n int) {
		t.Helper()
		for range n {
			a, err := s.Accept(ctx, randomEvent(noise(2000)), []string{"crm"})
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Finish(ctx, []store.Attempt{{DeliveryID: a.Deliveries[0], At: time.Now(), State: store.Delivered}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "store.db")
	s := openStore(t, sqlite.Options{Path: path, WALBytes: 1 << 20})
	accept(s, 50)
	own, vacuumed, copied := filepath.Join(dir, "own"), filepath.Join(dir, "vacuumed"), filepath.Join(dir, "copied")
	if _, err := s.Backup(ctx, own); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("VACUUM INTO ?", vacuumed); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, readFile(t, path), 0o600); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, sqlite.Options{Path: path, WALBytes: 1 << 20})
	accept(s, 300)
	crashed := filepath.Join(dir, "crashed") // what a crash leaves now
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.WriteFile(crashed+suffix, readFile(t, path+suffix), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, database := range map[string]string{
		"a backup": own, "a backup of VACUUM INTO": vacuumed, "a copy of the closed store": copied, "no database": os.DevNull,
		"another store": used(t, sqlite.Options{}),
	} {
		to := filepath.Join(t.TempDir(), "store.db")
		for suffix, from := range map[string]string{"": database, "-wal": crashed + "-wal", "-shm": crashed + "-shm"} {
			if err := os.WriteFile(to+suffix, readFile(t, from), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if s, err := sqlite.Open(sqlite.Options{Path: to}); !errors.Is(err, sqlite.ErrForeignLog) || !strings.Contains(err.Error(), "callgate restore") {
			t.Errorf("%s: %v", name, err)
			if err == nil {
				s.Close()
			}
		}
		if _, err := sqlite.Backup(ctx, to, to+".backup", sqlite.Tuning{}); !errors.Is(err, sqlite.ErrForeignLog) {
			t.Errorf("a backup of %s: %v", name, err)
		}
		if !bytes.Equal(readFile(t, to), readFile(t, database)) || !bytes.Equal(readFile(t, to+"-wal"), readFile(t, crashed+"-wal")) {
			t.Errorf("%s: files were changed", name)
		}
	}
	// The index is made anew from the log, whatever is in it.
	if err := os.WriteFile(crashed+"-shm", bytes.Repeat([]byte{0xa5}, 32<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	again := openStore(t, sqlite.Options{Path: crashed})
	if stats, err := again.Stats(ctx); err != nil || stats.Events != 350 {
		t.Errorf("after the crash: %+v, %v", stats, err)
	}
}
