package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/callgate/callgate/internal/store"
)

// A backup is a database file of its own, of one moment, with a line behind it that holds its checksum. It is made by
// VACUUM INTO, which reads one state while others write. Copying the file takes the database without its log; SQLite's
// way of copying page by page begins anew with every commit and does not end while there are some.

// Errors of Backup and Restore, wrapped with the file's name.
var (
	// ErrExists means that there is something already where a file was to be made.
	ErrExists = errors.New("the file exists, and nothing is overwritten: name another one, or move it away")
	// ErrNotABackup means that a file has no checksum: it is something else, or its making was cut short.
	ErrNotABackup = errors.New("the file is not a whole backup: it does not end in a backup's checksum, as when it was cut short; take another backup")
	// ErrBackupDamaged means that a backup is not what was written.
	ErrBackupDamaged = errors.New("the backup is damaged: its checksum is another one; take another backup")
)

// Backed tells what a backup holds.
type Backed struct {
	// Events and Pending count events, and deliveries that wait.
	Events, Pending int64
	// Bytes is the length of the file.
	Bytes int64
}

// Backup writes what is stored now to a new file, which only its owner can read, while the store goes on. What is
// sealed stays sealed: the keys have to be kept too, and elsewhere. When it returns the file is on the disk; after an
// error, or the end of the context, there is none. The log is not begun anew meanwhile, and grows by what is written; before
// there is no room left for calls on its account the backup is ended with ErrBackupGaveWay.
func (s *Store) Backup(ctx context.Context, file string) (Backed, error) {
	s.backups.RLock()
	defer s.backups.RUnlock()
	if err := s.enter(ctx); err != nil {
		return Backed{}, err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-s.closing:
			cancel()
		case <-ctx.Done():
		}
	}()
	defer func() { cancel(); <-ended }()
	t := Tuning{MaxBytes: s.tuning.maxBytes.Load(), MinFree: s.tuning.minFree.Load()}
	b, err := backupBeside(ctx, s.o.Path, file, t, s.o.WALBytes, s.o.FreeSpace, func(_ string, b Backed) error {
		return s.recordBackup(ctx, file, b)
	})
	if errors.Is(err, context.Canceled) && s.closed.Load() {
		err = store.ErrClosed
	}
	return b, err
}

// Backup does what Store.Backup does for a store that is not open, or open in another process. It does not keep a
// process from opening the store. If that keeps an audit log, a note of the backup, and of who makes it as the context tells,
// is left beside it, which is recorded by whoever has it open, then or later. t tells what bounds the store where it is open, by MaxBytes and MinFree, so that calls
// there are not refused on the backup's account.
func Backup(ctx context.Context, path, file string, t Tuning) (Backed, error) {
	c, path, inUse, err := openAside(path)
	if err != nil {
		return Backed{}, err
	}
	defer c.discard()
	note := func(made string, b Backed) error { return leaveNote(ctx, path, file, made, b) }
	if !inUse {
		return backup(ctx, path, file, note)
	}
	return backupBeside(ctx, path, file, t, defaultWALBytes, freeSpace, note)
}

// backupBeside backs up a store that goes on meanwhile, and gives way to it.
func backupBeside(ctx context.Context, path, file string, t Tuning, walBytes int64, free func(string) (int64, int64, error),
	note func(made string, b Backed) error) (Backed, error) {
	b, err := boundsOf(ctx, path, t, free)
	if err != nil {
		return Backed{}, backupError(err)
	}
	reading, stop := b.giveWay(ctx, walBytes)
	defer stop()
	backed, err := backup(reading, path, file, note)
	return backed, gaveWay(reading, err)
}

// Waiting tells how many deliveries wait in a store that is not open here, by destination, and whether another process has
// it open. It needs no key and changes nothing. The error is fs.ErrNotExist if there is no store.
func Waiting(path string) (waiting map[string]int64, inUse bool, err error) {
	c, path, inUse, err := openAside(path)
	if err != nil {
		return nil, inUse, err
	}
	if c == nil {
		if c, err = openSession(backupSource(path)); err != nil {
			return nil, inUse, err
		}
	}
	waiting = map[string]int64{}
	err = c.query("SELECT n.name, sum(q.pending) FROM queues q JOIN names n ON n.id = q.destination WHERE q.pending > 0 GROUP BY n.name", func(v []driver.Value) error {
		name, _ := v[0].(string)
		waiting[name], _ = v[1].(int64)
		return nil
	})
	return waiting, inUse, errors.Join(err, c.close())
}

// openAside opens a store for reading, and gives its real path. If another process has it open that is all: SQLite's own
// locks do.
func openAside(path string) (c *session, real string, inUse bool, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return nil, path, false, err
	}
	if path, err = followLinks(path); err != nil {
		return nil, path, false, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, path, false, err
	}
	lock, err := acquireLock(path + ".lock")
	if errors.Is(err, ErrLocked) {
		return nil, path, true, nil
	}
	if err != nil {
		return nil, path, false, err
	}
	// Nobody has the store open, so that the log may be one that the process before has left: it is looked at as Open
	// does. From when on it is open here the lock is not needed.
	c, err = func() (*session, error) {
		fresh, err := checkFile(path)
		if err != nil {
			return nil, err
		}
		if err := settleLog(path); err != nil {
			return nil, err
		}
		if err := checkLog(path); err != nil {
			return nil, err
		}
		if fresh {
			return nil, ErrNotAStore
		}
		c, err := openSession(backupSource(path))
		if err != nil {
			return nil, err
		}
		if _, err := c.number("SELECT count(*) FROM counters"); err != nil { // it opens the log with the first query
			return nil, errors.Join(err, c.close())
		}
		return c, nil
	}()
	if err = errors.Join(err, lock.release()); err != nil {
		c.discard()
		return nil, path, false, fmt.Errorf("the store %s: %w", path, openError(err))
	}
	return c, path, false, nil
}

// backupSource is a connection that reads. Its database may not be written, but the one that VACUUM INTO makes.
func backupSource(path string) string {
	return dataSource(path, "ro", "", "busy_timeout(5000)", "temp_store(MEMORY)", "trusted_schema(OFF)", "cell_size_check(ON)")
}

// backup makes a backup. note is called when it is whole, before it has its name; after an error of it there is none.
func backup(ctx context.Context, path, file string, note func(made string, b Backed) error) (b Backed, err error) {
	file, err = filepath.Abs(file)
	if err != nil {
		return b, err
	}
	return b, newFile(file, func(part string) error {
		db, err := sql.Open("sqlite", backupSource(path))
		if err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, "VACUUM INTO ?", part)
		if err = errors.Join(err, db.Close()); err != nil {
			return backupError(err)
		}
		if err := b.count(ctx, part); err != nil {
			return err
		}
		if b.Bytes, err = appendTrailer(part); err != nil {
			return err
		}
		return note(part, b)
	})
}

func backupError(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("writing the backup: %w: is there room for it on its disk, and can the store be read?", err)
}

func (b *Backed) count(ctx context.Context, file string) error {
	db, err := sql.Open("sqlite", dataSource(file, "ro", "", "trusted_schema(OFF)"))
	if err != nil {
		return err
	}
	err = db.QueryRowContext(ctx, "SELECT (SELECT count(*) FROM events), (SELECT coalesce(sum(pending), 0) FROM queues)").Scan(&b.Events, &b.Pending)
	return errors.Join(err, db.Close())
}
