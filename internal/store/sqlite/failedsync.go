package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/callgate/callgate/internal/store"
)

// What a failed fsync leaves behind. Linux and others count the pages that they could not write as written: reads find
// the new bytes for as long as they stay in memory, a later fsync succeeds without writing them, and the disk has the old
// ones. So what was to be written has to be written again before an fsync that succeeds means anything. SQLite sees to
// that in one case of three.
//
//   - A commit whose fsync failed, in the same process. The index of the log, which lives in shared memory, tells where
//     the last good commit ended, and the next one writes its frames from there, over those of the failed one. Before that
//     place everything has been synced by the commits that wrote it. Nothing is to be done but to keep the index: SQLite
//     makes it anew from the log when the last connection has gone, and takes whole transactions for committed, failed or
//     not, whose events the store knows nothing of. So there is always a connection; see pin.
//   - The same commit after a restart. Now SQLite reads the log from its beginning, finds the failed transaction whole in
//     memory, and puts acknowledged ones behind it. A power cut would end the log in front of all of them, since the bytes
//     in between are not on the disk. See settleLog.
//   - A copy of the log into the database. SQLite copies in parts, notes after each how far it got, from when on it reads
//     these pages in the database, and syncs the database with the last part only. If that fails, the next copy begins
//     after the parts that were noted, which the failed fsync may have dropped, and then the log, the only place where
//     they still are, is overwritten. See copyLog and syncPart.

// settleLog writes the log that an earlier process has left once more, byte by byte where it is, and syncs it. Then what
// SQLite is about to read from it is on the disk. It has to be called before SQLite opens the database.
func settleLog(path string) (err error) {
	f, err := os.OpenFile(path+"-wal", os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the process before closed its store
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffer := make([]byte, 1<<20)
	for at := int64(0); ; {
		n, err := f.ReadAt(buffer, at)
		if _, err := f.WriteAt(buffer[:n], at); err != nil {
			return err
		}
		if at += int64(n); err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("%w: %w", errNotSynced, err)
	}
	return nil
}

// Where SQLite keeps something in the index of the log, the file -shm (https://sqlite.org/walformat.html), in numbers of
// four bytes in the order of the machine: in the first of two headers of 48 bytes how many pages the log has, and two
// numbers that are drawn anew for every log; and behind both how many pages of the log are in the database.
const (
	pagesAt  = 16
	saltAt   = 32
	copiedAt = 2 * 48
)

// copyLog copies the log through a connection, as SQLite's mode says, and tells how many pages are left in it. All copies
// go through it. The caller holds s.copying. After an error the copy counts for nothing.
func (s *Store) copyLog(c *session, mode string) (left int64, err error) {
	if err := s.copyAgain(); err != nil {
		return 0, err
	}
	_, salt, err := s.log()
	if err != nil {
		return 0, err
	}
	_, copied, err := c.checkpoint(mode)
	if err == nil {
		left, err = s.syncPart(salt, copied)
		// Load leaves pages too, but other ones every time.
		s.logKept.Store(left > 0 && s.copiedBefore == copiedTo{salt, copied})
		s.copiedBefore = copiedTo{salt, copied}
	}
	if left == 0 {
		s.markDue.Store(true)
	}
	if err != nil {
		s.copyFailed = true
		return 0, errors.Join(err, s.copyAgain())
	}
	return left, nil
}

// copiedTo is how far a log was copied.
type copiedTo struct {
	salt  [8]byte
	pages int64
}

// syncPart syncs the database if only a part of the log was copied, and tells how many pages are left. Meanwhile the part
// does not count as copied, so that its pages are read in the log, where they are for certain: the kernel drops those of
// the database if it cannot write them, and whoever read an older one then would build upon it. Only in the moment between
// SQLite's note and this one that could still happen.
//
// If SQLite has copied all of the log it has synced the database itself, and somebody who writes may be about to begin the
// log anew, so that nothing may be changed any more. While there are pages left he cannot.
func (s *Store) syncPart(salt [8]byte, copied int64) (left int64, err error) {
	pages, now, err := s.log()
	switch left = pages - copied; {
	case err != nil || now != salt || left <= 0:
		return 0, err
	case copied <= 0: // by somebody who began to read when all was copied, and keeps the database as it is
		return left, nil
	}
	if err := s.setCopied(0); err != nil {
		return 0, err
	}
	if err := s.file.Sync(); err != nil {
		return 0, fmt.Errorf("%w: %w: %w", store.ErrUnavailable, errNotSynced, err)
	}
	return left, s.setCopied(copied)
}

// log tells how many pages the log has, and by which numbers it is known from the next one.
func (s *Store) log() (pages int64, salt [8]byte, err error) {
	var header [copiedAt / 2]byte
	_, err = s.index.ReadAt(header[:], 0)
	return int64(binary.NativeEndian.Uint32(header[pagesAt:])), [8]byte(header[saltAt:]), err
}

func (s *Store) setCopied(pages int64) error {
	_, err := s.index.WriteAt(binary.NativeEndian.AppendUint32(nil, uint32(pages)), copiedAt)
	return err
}

// copyAgain has the next copy begin at the beginning of the log if one has failed. That is right at any time, since SQLite
// overwrites the log only when a copy has brought all of it into the database.
func (s *Store) copyAgain() error {
	if !s.copyFailed {
		return nil
	}
	if err := s.setCopied(0); err != nil {
		return err
	}
	s.copyFailed = false
	return nil
}

// pin keeps the index of the log for as long as the store is open, by a connection that does nothing, and opens the index
// and the database as files. These must not be closed before all connections are, since closing any file gives back the
// locks that the process has on it, SQLite's too.
func (s *Store) pin() (err error) {
	if s.holder, err = openSession(s.readerSource()); err != nil {
		return err
	}
	if _, err := s.holder.number("SELECT count(*) FROM counters"); err != nil { // it opens the log with the first query
		return err
	}
	if s.index, err = os.OpenFile(s.o.Path+"-shm", os.O_RDWR, 0); err != nil {
		return err
	}
	s.file, err = os.OpenFile(s.o.Path, os.O_RDWR, 0)
	return err
}

// unpin gives back what pin took, and the writer's connection last: it copies the log when there is no other one. If a
// copy has failed that copy has to be of the whole log; if that cannot be had, the log stays for the next process.
func (s *Store) unpin() error {
	var errs []error
	if s.holder != nil {
		errs = append(errs, s.holder.close())
		s.holder = nil
	}
	if err := s.copyAgain(); err != nil {
		return errors.Join(append(errs, err)...)
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
		s.writer = nil
	}
	for _, f := range []*os.File{s.index, s.file} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
