package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/group"
	"github.com/callgate/callgate/internal/store/lanes"
	lib "modernc.org/sqlite/lib"
)

// change is what a request does to a transaction.
type change struct {
	apply func(*batch) error
	// accepts tells that the request stores a new event, which is the first to be refused when the disk is full.
	accepts bool
}

type request = group.Request[change]

// batch is a transaction under way and what will have to be changed in memory once it is committed. Nothing in memory
// changes before, so that a transaction can be rolled back and its requests applied again.
type batch struct {
	s   *Store
	c   *session
	now int64
	// nowArg is now as a statement's argument, of which each event has one.
	nowArg any

	seq       int64 // of the next event
	events    int64 // added less deleted
	limit     int64 // of the file, in bytes; 0 for none
	used      int64 // bytes of the file in use, if there is a limit, and what the log has too much
	overlong  int64 // of these, the log's
	room      int64 // bytes that the disk has for new events
	changes   []lanes.Change
	keys      map[[16]byte]recentKey
	days      []int64
	flushed   []int
	held      map[int64]held  // what tenants have more now
	cursors   map[int64]int64 // up to where it was looked for content that can be dropped
	settled   map[int64]int64 // the first event of each tenant with a delivery that ended well
	scanned   int
	dropped   int64
	keysAfter int64
	names     map[string]int64
	notes     int64 // see boundNotes
	after     []func()
	leaves    []audit.Leaf        // for the audit log
	keysGone  map[seal.KeyID]bool // data keys that are destroyed in it
	accepted  []justAccepted
	gone      []int64    // events that it takes away, or their content
	ended     []numbered // deliveries that it ends
}

// write has the writer apply a change and returns when it is committed. If the context ends before the writer takes the
// request, nothing is changed.
func (s *Store) write(ctx context.Context, accepts bool, apply func(*batch) error) error {
	return public(s.requests.Do(ctx, change{apply, accepts}))
}

// run is the writer.
func (s *Store) run() {
	defer s.requests.End()
	defer s.logTimer.Stop()
	var taken []*request
	for {
		taken = taken[:0]
		select {
		case r := <-s.requests.Requests:
			taken = s.requests.Gather(append(taken, r))
			s.commit(taken)
			s.forget(taken)
			s.countLog()
		case <-s.copied:
			s.checkpoint("PASSIVE")
		case <-s.logTimer.C:
			s.logTimed = false
			s.shortenLog()
		case <-s.requests.Closing:
			for {
				if taken = s.requests.Gather(taken[:0]); len(taken) == 0 {
					return
				}
				s.commit(taken)
				s.forget(taken)
			}
		}
	}
}

// forget lets go of what a batch held. The list of its requests is used again, and so is the list of a statement's
// arguments: without this the bodies of the largest batch there ever was would stay in memory until one of that size came.
func (s *Store) forget(rs []*request) {
	clear(rs)
	clear(s.audit.leaves[:cap(s.audit.leaves)])
	if s.writer != nil {
		clear(s.writer.args[:cap(s.writer.args)])
	}
}

// commit carries requests out and answers them. If one of them is at fault, or the disk is full, the others get another
// try without it.
func (s *Store) commit(rs []*request) {
	started := time.Now()
	rs = group.Take(rs)
	n := len(rs)
	err := s.transact(rs)
	switch {
	case err == nil || n == 0:
	case code(err) == lib.SQLITE_FULL:
		var small []*request
		for _, r := range rs {
			if r.Err = err; !r.Do.accepts {
				small = append(small, r)
			}
		}
		s.checkpoint("PASSIVE") // it makes room in the log
		if len(small) > 0 {
			if err := s.transact(small); err != nil {
				group.Fail(small, err)
			}
		}
	case failed(err) || n == 1:
		group.Fail(rs, err)
	default:
		for i := range rs {
			if err := s.transact(rs[i : i+1]); err != nil {
				rs[i].Err = err
			}
		}
	}
	for _, r := range rs {
		r.Answer()
	}
	if s.o.Committed != nil && n > 0 {
		s.o.Committed(n, time.Since(started))
	}
}

// transact applies requests in one transaction. An error means that nothing was changed.
func (s *Store) transact(rs []*request) (err error) {
	if len(rs) == 0 {
		return nil
	}
	group.Fail(rs, nil)
	if err := s.ready(); err != nil {
		return err
	}
	now := s.o.Now().UnixNano()
	b := &batch{s: s, c: s.writer, now: now, nowArg: now, seq: s.nextSeq, keys: map[[16]byte]recentKey{}, names: map[string]int64{}, notes: s.notes, leaves: s.audit.leaves[:0]}
	if _, err := b.c.exec("BEGIN IMMEDIATE"); err != nil {
		s.recover(err)
		return err
	}
	defer func() {
		if err != nil {
			// After some errors SQLite has rolled back by itself; that this one fails then is no news.
			b.c.exec("ROLLBACK")
			s.recover(err)
		}
	}()
	if b.limit = s.tuning.maxBytes.Load(); b.limit > 0 {
		if b.used, err = b.bytesUsed(); err != nil {
			return err
		}
	}
	if err := b.look(); err != nil {
		return err
	}
	for _, r := range rs {
		if r.Err = r.Do.apply(b); r.Err != nil && !group.Refused(r.Err) {
			return r.Err
		}
	}
	if err := b.finish(); err != nil {
		return err
	}
	// A file that was deleted while it is open takes writes that nobody will ever read.
	if err := s.inPlace(); err != nil {
		return err
	}
	if _, err := b.c.exec("COMMIT"); err != nil {
		return err
	}
	b.committed()
	return nil
}

// finish writes what is gathered over a transaction: queue lengths, the number of events, recent keys.
func (b *batch) finish() error {
	if err := b.markLog(); err != nil {
		return err
	}
	if err := b.writeQueues(); err != nil {
		return err
	}
	if err := b.writeHeld(); err != nil {
		return err
	}
	if b.dropped > 0 {
		b.note(audit.Leaf{Kind: audit.Expire, Count: b.dropped, Reason: "delivered everywhere, and dropped to make room"})
		if _, err := b.c.exec("INSERT INTO counters (name, value) VALUES ('dropped', ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value", b.dropped); err != nil {
			return err
		}
	}
	if b.events != 0 {
		if _, err := b.c.exec("UPDATE counters SET value = value + ? WHERE name = 'events'", b.events); err != nil {
			return err
		}
	}
	if err := b.flushKeys(); err != nil {
		return err
	}
	return b.writeAudit()
}

func (b *batch) committed() {
	s := b.s
	s.audit.leaves = b.leaves
	s.nextSeq = b.seq
	s.room.left = b.room
	s.events += b.events
	s.eventCount.Store(s.events)
	for name, id := range b.names {
		s.names.Add(name, id)
	}
	s.keys.committed(b)
	b.commitHeld()
	b.commitHandOver()
	s.queues.Apply(b.changes)
	for _, f := range b.after {
		f()
	}
}

// bytesUsed is the size of the database less its free pages, and what the log has more than it should.
func (b *batch) bytesUsed() (int64, error) {
	pages, err := b.c.number("PRAGMA page_count")
	if err != nil {
		return 0, err
	}
	free, err := b.c.number("PRAGMA freelist_count")
	b.overlong = max(0, b.s.logSize*b.s.pageSize-b.s.o.WALBytes)
	return (pages-free)*b.s.pageSize + b.overlong, err
}

// ready sees to it that there is a connection, made anew after an error.
func (s *Store) ready() error {
	if s.writer != nil {
		return nil
	}
	if err := s.inPlace(); err != nil {
		return err
	}
	c, err := openSession(s.writerSource())
	if err != nil {
		return err
	}
	s.writer = c
	return nil
}

// inPlace tells whether the path still leads to the file that was opened.
func (s *Store) inPlace() error {
	info, err := os.Stat(s.o.Path)
	if err != nil || !os.SameFile(info, s.identity) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, errGone)
	}
	return nil
}

// recover drops the connection after an error of the disk, so that the next batch begins with what is on the disk and
// not with what SQLite holds in memory about it.
func (s *Store) recover(err error) {
	if !failed(err) || code(err) == lib.SQLITE_FULL || errors.Is(err, errGone) || s.writer == nil {
		return
	}
	s.o.Log("the store's connection is made anew after an error", err)
	if err := s.writer.close(); err != nil {
		s.o.Log("closing the store's connection", err)
	}
	s.writer = nil
}

// checkpoint copies the write-ahead log into the database. What it cannot do now, since somebody is reading, a later one
// does: it waits for readers no longer than requests can wait for it. Of an error it tells the log, and that there was one.
func (s *Store) checkpoint(mode string) (ok bool) {
	s.copying.Lock()
	defer s.copying.Unlock()
	return s.copyByWriter(mode)
}

// copyByWriter is checkpoint for a caller that holds s.copying.
func (s *Store) copyByWriter(mode string) (ok bool) {
	if s.writer == nil {
		return false
	}
	ok = true
	for _, step := range []func() error{
		func() error { _, err := s.writer.exec("PRAGMA busy_timeout = 200"); return err },
		func() error { _, err := s.copyLog(s.writer, mode); return err },
		func() error { _, err := s.writer.exec("PRAGMA busy_timeout = 5000"); return err },
	} {
		if err := step(); err != nil {
			s.o.Log("copying the store's log into its database", public(err))
			ok = false
		}
	}
	return ok
}
