package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID stands in the header of every store ("CALL"), so that no other database is taken for one.
const applicationID = 0x43414c4c

// open takes the lock, looks at the file before anything could write to it, brings the schema up to date and loads what
// is held in memory.
func (s *Store) open() (err error) {
	defer func() { err = openError(err) }()
	if s.o.Path, err = filepath.Abs(s.o.Path); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.o.Path), 0o700); err != nil {
		return err
	}
	if s.o.Path, err = followLinks(s.o.Path); err != nil {
		return err
	}
	if s.lock, err = acquireLock(s.o.Path + ".lock"); err != nil {
		return err
	}
	fresh, err := checkFile(s.o.Path)
	if err != nil {
		return err
	}
	if err := settleLog(s.o.Path); err != nil {
		return err
	}
	if err := checkLog(s.o.Path); err != nil {
		return err
	}
	if fresh {
		if err := s.format(); err != nil {
			return err
		}
	}
	// fdatasync writes what fsync writes but for the timestamps, in half the time. Where there is none, SQLite uses
	// what the system has.
	if _, err := sqlite.Fdatasync(true); err != nil && !errors.Is(err, sqlite.ErrFdatasyncUnavailable) {
		return err
	}
	if err := s.migrate(context.Background()); err != nil {
		return err
	}
	if s.writer, err = openSession(s.writerSource()); err != nil {
		return err
	}
	mode := ""
	if err := s.writer.query("PRAGMA journal_mode", func(v []driver.Value) error {
		mode, _ = v[0].(string)
		return nil
	}); err != nil {
		return err
	}
	if s.pageSize, err = s.writer.number("PRAGMA page_size"); err != nil {
		return err
	}
	if mode != "wal" {
		return errors.New("the file system does not support a write-ahead log (shared memory): put the store on a local disk")
	}
	if s.reader, err = sql.Open("sqlite", s.readerSource()); err != nil {
		return err
	}
	s.sessions = newSessions(s.readingSource(sessionBytes), s.o.Readers)
	s.reader.SetMaxOpenConns(s.o.Readers)
	s.reader.SetMaxIdleConns(s.o.Readers)
	if err := s.reader.Ping(); err != nil {
		return err
	}
	if err := s.pin(); err != nil {
		return err
	}
	if s.identity, err = os.Stat(s.o.Path); err != nil {
		return err
	}
	if err := s.load(); err != nil {
		return err
	}
	s.giveMark()
	return nil
}

// followLinks gives the name of the file that a symbolic link leads to, whether there is one yet or not. SQLite puts the
// -wal and -shm files beside that one, and two links to one file must not have two locks.
func followLinks(path string) (string, error) {
	for range 40 {
		info, err := os.Lstat(path)
		if err != nil || info.Mode()&fs.ModeSymlink == 0 {
			return path, nil // what is wrong with it shows when it is opened
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(path)) // .. in a link means the directory's real parent
		if err != nil {
			return "", err
		}
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		path = target
	}
	return "", fmt.Errorf("%s: too many symbolic links", path)
}

// checkFile looks at a database file without opening it as one. A file that is missing or empty is fine, and made
// with permissions for its owner only; fresh tells that it has nothing in it yet.
func checkFile(path string) (fresh bool, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, ErrNotAStore
	}
	if info.Size() == 0 {
		return true, nil
	}
	var header [100]byte
	if n, err := io.ReadFull(f, header[:]); err != nil {
		if n >= 16 && !bytes.HasPrefix(header[:], []byte("SQLite format 3\x00")) || !errors.Is(err, io.ErrUnexpectedEOF) {
			return false, ErrNotAStore
		}
		return false, fmt.Errorf("%w (the file is %d bytes long)", ErrCorrupt, n)
	}
	if !bytes.HasPrefix(header[:], []byte("SQLite format 3\x00")) {
		return false, ErrNotAStore
	}
	if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 {
		return false, nil // the newest header is in the log; migrate looks at it
	}
	word := func(offset int) uint32 { return binary.BigEndian.Uint32(header[offset:]) }
	pages := int64(word(28))
	size := int64(binary.BigEndian.Uint16(header[16:]))
	if size == 1 {
		size = 64 << 10
	}
	// A store whose making was interrupted has such a page size and incremental vacuum, and no tables.
	unfinished := (size == pageSize || size == earlierPageSize) && word(64) == 1 && pages <= 2
	if word(68) != applicationID && !unfinished {
		return false, ErrNotAStore
	}
	if word(24) == word(92) && pages*size > info.Size() {
		return false, fmt.Errorf("%w (it should be %d bytes long and is %d)", ErrCorrupt, pages*size, info.Size())
	}
	return unfinished, nil
}

// migrate brings the schema up to date.
func (s *Store) migrate(ctx context.Context) (err error) {
	db, err := sql.Open("sqlite", s.writerSource())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	var id, tables int
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if err := db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name <> 'goose_db_version' AND name NOT LIKE 'sqlite_%'").Scan(&tables); err != nil {
		return err
	}
	if id != applicationID && tables > 0 {
		return ErrNotAStore
	}
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, dir, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	have, want, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if have > want {
		return fmt.Errorf("%w (its schema has version %d, this program knows %d)", ErrNewer, have, want)
	}
	_, err = provider.Up(ctx)
	return err
}

// load reads what is held in memory: names, queue lengths, paused destinations, the newest unique keys.
func (s *Store) load() error {
	c := s.writer
	s.names = lanes.NewNames()
	if err := c.query("SELECT id, name FROM names", func(v []driver.Value) error {
		s.names.Add(v[1].(string), v[0].(int64))
		return nil
	}); err != nil {
		return err
	}
	s.queues = lanes.New(s.names, false)
	if err := c.query("SELECT destination, tenant, pending, delivered, dead FROM queues", func(v []driver.Value) error {
		s.queues.Load(v[0].(int64), v[1].(int64), [3]int64{v[2].(int64), v[3].(int64), v[4].(int64)})
		return nil
	}); err != nil {
		return err
	}
	if err := c.query("SELECT destination, reason FROM paused", func(v []driver.Value) error {
		s.queues.SetPaused(v[0].(string), v[1].(string), true)
		return nil
	}); err != nil {
		return err
	}
	var err error
	if s.events, err = c.number("SELECT value FROM counters WHERE name = 'events'"); err != nil {
		return err
	}
	s.eventCount.Store(s.events)
	for name, total := range map[string]*atomic.Int64{expiredDone: &s.expired.done, expiredDead: &s.expired.dead, "dropped": &s.dropped} {
		n, err := c.number("SELECT value FROM counters WHERE name = ?", name)
		if err != nil {
			return err
		}
		total.Store(n)
	}
	if err := s.loadHeld(); err != nil {
		return err
	}
	if err := s.loadProgress(); err != nil {
		return err
	}
	if err := s.loadKeys(); err != nil {
		return err
	}
	if err := s.loadDataKeys(); err != nil {
		return err
	}
	return s.checkRing()
}

// checkRing finds out at start whether the ring opens what is stored, by the oldest and the newest event, and by the next
// one for a Rekey that was stopped.
func (s *Store) checkRing() error {
	rekeyed, err := s.writer.number("SELECT value FROM counters WHERE name = ?", rekeyedUpTo)
	if err != nil {
		return err
	}
	// What has lost its content needs no key.
	for _, which := range []string{"p.seq > 0 ORDER BY p.seq", "p.seq > 0 ORDER BY p.seq DESC", fmt.Sprintf("p.seq > %d ORDER BY p.seq", rekeyed)} {
		err := s.writer.query("SELECT e.key_id FROM payloads p CROSS JOIN events e ON e.seq = p.seq WHERE "+which+" LIMIT 1", func(v []driver.Value) error {
			stored, _ := v[0].([]byte)
			id, dataKey, ok := seal.ParseStoredID(stored)
			known := s.o.Keys != nil && s.o.Keys.Has(id)
			if dataKey {
				_, known = s.dataKeys.get(id)
			}
			if ok && !known {
				return fmt.Errorf("%w (key id %s)", seal.ErrNoKey, id)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return s.loadSealing()
}
