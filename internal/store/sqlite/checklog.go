package sqlite

import (
	"cmp"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"

	lib "modernc.org/sqlite/lib"
)

// ErrForeignLog means that a database and the log beside it are not of one store.
var ErrForeignLog = errors.New("the database and the -wal file beside it do not belong together, as when a backup was copied over a store: " +
	"nothing was changed; move the database with its -wal and -shm files to another directory, which keeps both, then restore the backup with `callgate restore`")

// checkLog finds out whether the log that an earlier process has left belongs to the database. SQLite trusts whatever log
// it finds: with one of another state of the store it would mix the pages of both, and whatever it read then would look
// like a store in which waiting deliveries do not exist. It has to be called before anything is written, with the lock
// held, and changes nothing.
func checkLog(path string) (err error) {
	if wal, err := os.Stat(path + "-wal"); err != nil || wal.Size() <= walHeader {
		return nil // there is nothing in it
	}
	header, err := readHeader(path)
	if err != nil {
		return err
	}
	if header[modesAt] != logMode || header[modesAt+1] != logMode {
		// A store is put into the mode with a log before it gets one. VACUUM INTO, and so a backup, has the other mode.
		return ErrForeignLog
	}
	c, err := openSession(backupSource(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.compareMarks(int64(int32(binary.BigEndian.Uint32(header[userVersionAt:])))); err != nil {
		return err
	}
	return c.compareCounts()
}

// Every time a store is opened it gets another mark, a random number, in the header of its database, and then in every log
// that is begun: SQLite's user_version, which is for such use. A log whose mark the database does not have is foreign. While
// the database gets its mark by way of the log, the log names the one before in a counter.
const markBefore = "mark_before"

// mark gives the store its mark. If that fails, as on a full disk, it keeps the one it has.
func (s *Store) giveMark() {
	set := func(mark, before int64) error {
		for _, step := range []func() error{
			func() error { _, err := s.writer.exec("BEGIN IMMEDIATE"); return err },
			func() error { _, err := s.writer.exec(fmt.Sprintf("PRAGMA user_version = %d", mark)); return err },
			func() error {
				_, err := s.writer.exec("INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", markBefore, before)
				return err
			},
			func() error { _, err := s.writer.exec("COMMIT"); return err },
		} {
			if err := step(); err != nil {
				s.writer.exec("ROLLBACK") // fails if SQLite has rolled back by itself
				return err
			}
		}
		return nil
	}
	before, err := s.writer.number("PRAGMA user_version")
	if err == nil {
		s.mark = int64(rand.Int32N(math.MaxInt32-1)) + 1
		if err = set(s.mark, before); err != nil {
			s.mark = before
		} else if s.checkpoint("TRUNCATE") && s.logIsEmpty() {
			err = set(s.mark, s.mark)
		}
	}
	if err != nil && code(err) != lib.SQLITE_FULL {
		s.o.Log("marking the store", public(err))
		s.recover(err)
	}
}

// markLog puts the mark into the log in the transaction under way if the log may be about to begin anew, or has.
func (b *batch) markLog() error {
	if !b.s.markDue.Load() {
		return nil
	}
	b.after = append(b.after, func() { b.s.markDue.Store(false) })
	_, err := b.c.exec(fmt.Sprintf("PRAGMA user_version = %d", b.s.mark))
	return err
}

// compareMarks compares the mark of a database with that of the log beside it, which a connection reads.
func (c *session) compareMarks(mark int64) error {
	inLog, err := c.number("PRAGMA user_version")
	if err != nil || inLog == mark {
		return mixed(err)
	}
	tables, err := c.number("SELECT count(*) FROM sqlite_schema WHERE name = 'counters'")
	if err != nil || tables == 0 {
		return cmp.Or(mixed(err), ErrForeignLog)
	}
	if before, err := c.number("SELECT value FROM counters WHERE name = ?", markBefore); err != nil || before != mark {
		return cmp.Or(mixed(err), ErrForeignLog)
	}
	return nil
}

// logIsEmpty tells whether the log was cut off.
func (s *Store) logIsEmpty() bool {
	log, err := os.Stat(s.o.Path + "-wal")
	return err != nil || log.Size() == 0
}

// soundBytes is up to which size a database is read as a whole when it is opened beside a log.
const soundBytes = 256 << 20

// mixed gives damage that is found beside a log its likely cause.
func mixed(err error) error {
	if err == nil {
		return nil
	}
	if c := code(err); c == lib.SQLITE_CORRUPT || c == lib.SQLITE_NOTADB || c == lib.SQLITE_ERROR {
		return fmt.Errorf("%w (%w)", ErrForeignLog, err)
	}
	return err
}

// walHeader is how long a log without anything in it can be.
const walHeader = 32

// In the header of a database (https://sqlite.org/fileformat.html): which mode it is written and read in, and the number
// user_version.
const (
	modesAt       = 18
	logMode       = 2
	userVersionAt = 60
)

// readHeader reads the header of a database; zeros where it has none.
func readHeader(path string) (header [100]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return header, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.ReadAt(header[:], 0); err != nil && err != io.EOF {
		return header, err
	}
	return header, nil
}

// compareCounts compares what is counted in every transaction with what is there. It reads indexes of what waits, of what
// is dead and of all events: a third of a second for a million.
func (c *session) compareCounts() error {
	tables, err := c.number("SELECT count(*) FROM sqlite_schema WHERE name IN ('counters', 'queues', 'deliveries_due', 'deliveries_dead', 'goose_db_version')")
	if err != nil {
		return mixed(err)
	}
	if tables < 5 {
		return nil // a store whose making was interrupted, or something else than a store, which the caller sees
	}
	version, err := c.number("SELECT max(version_id) FROM goose_db_version")
	if err != nil {
		return mixed(err)
	}
	if known, err := fs.ReadDir(migrations, "migrations"); err != nil || version > int64(len(known)) {
		return err // a newer version may count otherwise; the caller sees that too
	}
	counts := map[[2]int64][2]int64{}
	add := func(index int, sign int64) func([]driver.Value) error {
		return func(v []driver.Value) error {
			destination, _ := v[0].(int64) // what is mixed may hold anything
			tenant, _ := v[1].(int64)
			count, _ := v[2].(int64)
			key := [2]int64{destination, tenant}
			n := counts[key]
			n[index] += sign * count
			counts[key] = n
			return nil
		}
	}
	for _, q := range []struct {
		query string
		row   func([]driver.Value) error
	}{
		{"SELECT destination, tenant, pending FROM queues", add(0, 1)},
		{"SELECT destination, tenant, dead FROM queues", add(1, 1)},
		{"SELECT destination, tenant, count(*) FROM deliveries INDEXED BY deliveries_due WHERE state = 0 GROUP BY destination, tenant", add(0, -1)},
		{"SELECT destination, tenant, count(*) FROM deliveries WHERE state = 2 GROUP BY destination, tenant", add(1, -1)},
		{"SELECT 0, 0, value FROM counters WHERE name = 'events'", add(0, 1)},
		{"SELECT 0, 0, count(*) FROM events INDEXED BY events_received", add(0, -1)},
	} {
		if err := c.query(q.query, q.row); err != nil {
			return mixed(err)
		}
	}
	for _, n := range counts {
		if n != [2]int64{} {
			return ErrForeignLog
		}
	}
	if size, err := c.number("SELECT c.page_count * s.page_size FROM pragma_page_count c, pragma_page_size s"); err != nil || size > soundBytes {
		return mixed(err)
	}
	sound := false
	err = c.query("PRAGMA quick_check(1)", func(v []driver.Value) error {
		sound = v[0] == "ok"
		return nil
	})
	if err == nil && !sound {
		return ErrForeignLog
	}
	return mixed(err)
}
