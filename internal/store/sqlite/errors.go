package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/callgate/callgate/internal/store"
	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// Errors of Open, wrapped with what can be done.
var (
	// ErrLocked means that another process has the store open.
	ErrLocked = errors.New("the store is in use by another process: stop that one, or give this one a path of its own")
	// ErrNotAStore means that the file is something else than a store.
	ErrNotAStore = errors.New("the file is not a Callgate store: give the store another path, or move the file away to start with an empty store")
	// ErrCorrupt means that the file is damaged.
	ErrCorrupt = errors.New("the store is damaged: restore it from a backup, save what can be read with `sqlite3 FILE .recover`, or move it away to start with an empty store")
	// ErrNewer means that a newer version wrote the file.
	ErrNewer = errors.New("the store was written by a newer version: run that version, or restore a backup from before the upgrade")
	// ErrReadOnly means that the file or its directory cannot be written.
	ErrReadOnly = errors.New("the store cannot be written: check the owner and the permissions of the file and its directory, and that the disk is not mounted read-only")
)

// code is SQLite's result code in an error, without its extension; 0 if the error is not SQLite's.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// failed tells whether an error means that the store as a whole cannot write or read now, rather than that one request
// was wrong, and so also that the connection should be made anew.
func failed(err error) bool {
	switch code(err) {
	case lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN, lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_READONLY,
		lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_NOMEM, lib.SQLITE_PERM, lib.SQLITE_PROTOCOL:
		return true
	}
	return errors.Is(err, errGone)
}

// errNotSynced is said of a failed fsync: what was written may be in memory only.
var errNotSynced = errors.New("its disk does not confirm what is written to it (fsync): look for errors of the disk in the system's log (dmesg), and replace it if they stay")

// notSynced tells whether SQLite's error is a failed fsync.
func notSynced(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code() == lib.SQLITE_IOERR_FSYNC || e.Code() == lib.SQLITE_IOERR_DIR_FSYNC)
}

var errGone = errors.New("the database file is not where it was opened: put the directory back, or restart")

// public turns an error into one of store's with what can be done about it.
func public(err error) error {
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrClosed):
		return err
	case err.Error() == "sql: database is closed": // a reader that Close has overtaken; database/sql does not export it
		return store.ErrClosed
	case code(err) == lib.SQLITE_FULL, errors.Is(err, syscall.ENOSPC):
		return fmt.Errorf("%w: make room on its disk, or shorten the retention: %w", store.ErrFull, err)
	case code(err) == lib.SQLITE_CORRUPT, code(err) == lib.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w: %w", store.ErrUnavailable, ErrCorrupt, err)
	case notSynced(err):
		return fmt.Errorf("%w: %w: %w", store.ErrUnavailable, errNotSynced, err)
	case failed(err):
		return fmt.Errorf("%w: check its disk and directory: %w", store.ErrUnavailable, err)
	}
	return err
}

// openError gives an error of opening the meaning it has for an operator.
func openError(err error) error {
	if errors.Is(err, ErrForeignLog) {
		return err
	}
	switch code(err) {
	case lib.SQLITE_NOTADB, lib.SQLITE_CORRUPT:
		return fmt.Errorf("%w (%w)", ErrCorrupt, err)
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_CANTOPEN:
		return fmt.Errorf("%w (%w)", ErrReadOnly, err)
	case lib.SQLITE_FULL:
		return fmt.Errorf("%w: make room on its disk (%w)", store.ErrFull, err)
	case lib.SQLITE_BUSY:
		return fmt.Errorf("%w (%w)", ErrLocked, err)
	}
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("%w (%w)", ErrReadOnly, err)
	}
	return err
}
