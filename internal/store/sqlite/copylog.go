package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"time"
)

// The write-ahead log is copied into the database beside the commits, by a connection of its own: a copy takes tens of
// milliseconds, for which no request should wait. SQLite lets one connection copy while another one writes, but begins
// the log anew only when all of it was copied, and under load there is always something new in it. So when little is
// left the writer copies that, between two commits. If the copies cannot keep up, the log reaches WALBytes and the
// writer copies it.

const (
	defaultWALBytes = 64 << 20
	// copyShare is the part of WALBytes that is written to the log before it is copied: a quarter.
	copyShare = 4
	// littleLeft is how many bytes may be left for the writer: what it copies in the time of two or three commits.
	littleLeft = 1 << 20
	// maxCopies is how often a copy follows another one: each leaves what came in while it ran.
	maxCopies = 4
)

// countLog looks at how long the log is after a commit, and has it copied when it is long enough.
func (s *Store) countLog() {
	if s.writer == nil {
		return
	}
	pages, copied, err := s.writer.logPages()
	if err != nil {
		return // what is wrong the next commit will say
	}
	s.logSize = pages
	s.watchLog(pages * s.pageSize)
	if pages < s.logPages {
		s.logPages = 0 // it was begun anew
		s.markDue.Store(true)
	}
	limit := s.logBytes()
	if (pages-s.logPages)*s.pageSize < limit/copyShare {
		return
	}
	s.logPages = pages
	if s.room.scarce() {
		s.checkpoint("PASSIVE") // the log must not grow while a copy beside takes its time
		return
	}
	// What a reader has kept in the log for long is too much for one pause between two commits.
	if pages*s.pageSize >= limit && (pages-copied)*s.pageSize <= limit+limit/copyShare && s.copying.TryLock() {
		defer s.copying.Unlock()
		s.copyByWriter("PASSIVE")
		return
	}
	select {
	case s.copyDue <- struct{}{}:
	default: // a copy is under way
	}
}

// shortenEvery is how often a log that is too long is looked at, also when nothing is committed.
const shortenEvery = time.Second

// watchLog sees to it that a log which is too long, and not because of the load, is told of, and is shortened again.
func (s *Store) watchLog(bytes int64) {
	if bytes <= s.o.WALBytes {
		s.logTold = 0
		return
	}
	if bytes >= 2*max(s.logTold, s.o.WALBytes) && s.logKept.Load() {
		s.logTold = bytes
		s.o.Log("the store's log (the -wal file) grows", fmt.Errorf("%w: it has %d bytes, and should have %d", errLogGrows, bytes, s.o.WALBytes))
	}
	if s.logKept.Load() {
		s.endSearches(longSearch)
	}
	s.shortenLater()
}

// shortenLater has the log looked at in a while. What is committed, or refused, until then does not put it off: under load
// it would never come.
func (s *Store) shortenLater() {
	if !s.logTimed {
		s.logTimed = true
		s.logTimer.Reset(shortenEvery)
	}
}

var errLogGrows = errors.New("somebody reads an older state of the store, such as a copy of its file that is made by another program, and keeps the log from beginning anew: end that, and make copies with `callgate backup`")

// shortenLog copies and cuts off a log that is longer than it should be, if nobody reads an older state any more.
func (s *Store) shortenLog() {
	log, err := os.Stat(s.o.Path + "-wal")
	if err != nil || log.Size() <= s.o.WALBytes || s.writer == nil {
		s.logTold = 0
		return
	}
	defer s.shortenLater()
	pages, copied, err := s.writer.logPages()
	if err != nil {
		return
	}
	if copied < pages {
		select {
		case s.copyDue <- struct{}{}:
		default: // a copy is under way
		}
		return
	}
	if s.checkpoint("TRUNCATE") && s.logIsEmpty() {
		s.logPages, s.logSize = 0, 0
	}
}

// runCopies copies the log whenever it is due, until the store is closed.
func (s *Store) runCopies() {
	defer close(s.copyEnded)
	var c *session
	defer func() { c.discard() }()
	for {
		select {
		case <-s.copyDue:
		case <-s.closing:
			return
		}
		if err := s.copyBeside(&c); err != nil {
			s.o.Log("copying the store's log into its database", public(err))
			c.discard() // what SQLite holds in memory about the disk may be wrong
			c = nil
		}
		select {
		case s.copied <- struct{}{}:
		case <-s.closing:
			return
		}
	}
}

// copyBeside copies until little is left, or somebody who reads an older state keeps the rest where it is.
func (s *Store) copyBeside(c **session) (err error) {
	s.copying.Lock()
	defer s.copying.Unlock()
	if err := s.inPlace(); err != nil {
		return err
	}
	if *c == nil {
		if *c, err = openSession(s.writerSource()); err != nil {
			return err
		}
	}
	for range maxCopies {
		left, err := s.copyLog(*c, "PASSIVE")
		if err != nil || left*s.pageSize <= littleLeft {
			return err
		}
	}
	return nil
}

// emptyLog makes a last change and empties the log, which still holds what was there before. Whoever reads an older state
// keeps the log as it is, for as long as a search through all events takes; so it is tried again, with more and more time
// in between, since requests wait while it is tried.
func (s *Store) emptyLog(ctx context.Context, change func(*batch) error) error {
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		done := false
		err := s.write(ctx, false, func(b *batch) error {
			b.after = append(b.after, func() {
				// An error is told already, and no reader is its cause.
				done = !s.checkpoint("TRUNCATE") || s.logIsEmpty()
			})
			return change(b)
		})
		if err != nil || done {
			return err
		}
		if wait > 10*time.Second {
			s.o.Log("what was deleted may stand in the store's log until there is more in it, or the store is closed", errLogRead)
			return nil
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		case <-s.closing: // which empties it too
			return nil
		}
	}
}

var errLogRead = errors.New("somebody has been reading the store's file for seconds and keeps the log from being emptied")

// discard closes a connection that has nothing to lose, if there is one.
func (c *session) discard() {
	if c != nil {
		_ = c.close()
	}
}

// logPages tells how many pages the log has, and how many of them are copied, and copies none.
func (c *session) logPages() (pages, copied int64, err error) { return c.checkpoint("NOOP") }

// checkpoint copies as far as the mode allows, and tells how many pages the log had when it began and how many of them are
// copied now.
func (c *session) checkpoint(mode string) (pages, copied int64, err error) {
	err = c.query(fmt.Sprintf("PRAGMA wal_checkpoint(%s)", mode), func(v []driver.Value) error {
		pages, _ = v[1].(int64)
		copied, _ = v[2].(int64)
		return nil
	})
	return pages, copied, err
}
