package sqlite

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
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
//   - A copy of the log into the database whose fsync failed. SQLite copies in parts, notes after each how far it got,
//     and syncs the database with the last part only. If that fails, the next copy begins after the parts that were noted,
//     which the failed fsync may have dropped, and then the log, the only place where they still are, is overwritten. See
//     copyAgain.

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

// copiedAt is where SQLite notes in the index of the log, the file -shm, how many frames of the log are in the database:
// behind two copies of the header of 48 bytes, as a number of four bytes (https://sqlite.org/walformat.html).
const copiedAt = 2 * 48

// copyLog copies the log through a connection, as SQLite's mode says, and tells how many pages are left in it. All copies
// go through it. The caller holds s.copying.
func (s *Store) copyLog(c *session, mode string) (left int64, err error) {
	if err := s.copyAgain(); err != nil {
		return 0, err
	}
	left, err = c.copyLog(mode)
	s.copyFailed = err != nil
	return left, err
}

// copyAgain has the next copy begin at the beginning of the log if the one before has failed. Until then the log is not
// overwritten, since SQLite does that only when a copy has brought all of it into the database.
func (s *Store) copyAgain() error {
	if !s.copyFailed {
		return nil
	}
	if _, err := s.index.WriteAt(make([]byte, 4), copiedAt); err != nil {
		return err
	}
	s.copyFailed = false
	return nil
}

// pin keeps the index of the log for as long as the store is open: by a connection that does nothing, and by a file.
// The file must not be closed before all connections are, since closing any file gives back the locks that the process
// has on it, SQLite's too.
func (s *Store) pin() (err error) {
	if s.holder, err = openSession(s.readerSource()); err != nil {
		return err
	}
	if _, err := s.holder.number("SELECT count(*) FROM counters"); err != nil { // it opens the log with the first query
		return err
	}
	s.index, err = os.OpenFile(s.o.Path+"-shm", os.O_RDWR, 0)
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
	if s.index != nil {
		errs = append(errs, s.index.Close())
		s.index = nil
	}
	return errors.Join(errs...)
}
