package sqlite

import (
	"math"
	"os"
	"path/filepath"
	"time"
)

// New events may not take all of the disk: what became of the stored ones has to be written too, or their delivery stops,
// and the log has to be copied into the database, which grows by it. So events are refused while the file system has less
// free than a reserve, and what is stored has the reserve for itself.

const (
	// defaultMinFree is the reserve unless MinFree says another one. It is never more than the tenth part of the file
	// system, so that a small one takes events too.
	defaultMinFree = 64 << 20
	minFreeShare   = 10
	// sharedRoom is what is left on the disk beyond the reserve when tenants begin to be held to their shares, or the
	// tenth part of the file system if that is less.
	sharedRoom = 1 << 30
	// outcomeBytes is kept free for every delivery that has no outcome yet. Measured, with indexes, an attempt takes 75
	// bytes with a short reason and 230 with one of 80 characters. Further attempts live on the reserve.
	outcomeBytes = 256
	// Below plenty of room for events, it is looked at before every commit; above, once in lookEvery, in which no disk
	// writes as much.
	plenty    = 32 << 20
	lookEvery = 10 * time.Millisecond
)

// room is what the disk has for new events, in bytes. It belongs to the writer.
type room struct {
	reserve int64 // 0 if there is none, or nobody knows what is free
	shared  int64 // with less than this left, no tenant may hold more than its share; see quota.go
	left    int64 // beyond the reserve, less what was accepted since it was looked at
	looked  time.Time
}

// look finds out how much room there is, if that is not known well enough. It has to be called in a transaction.
func (b *batch) look() (err error) {
	r := &b.s.room
	if now := time.Now(); r.scarce() || now.Sub(r.looked) >= lookEvery {
		if *r, err = b.measure(); err != nil {
			return err
		}
		r.looked = now
	}
	b.room = r.left
	return nil
}

func (b *batch) measure() (room, error) {
	reserve, free, size := b.s.reserve()
	if reserve == 0 {
		return room{left: math.MaxInt64}, nil
	}
	pages, err := b.c.number("PRAGMA page_count")
	if err != nil {
		return room{}, err
	}
	file, err := os.Stat(b.s.o.Path)
	if err != nil {
		return room{}, err
	}
	unused, err := b.c.number("PRAGMA freelist_count")
	if err != nil {
		return room{}, err
	}
	// When the log is copied; below 0 after events were deleted. What the database has unused is taken first.
	grows := (pages-unused)*b.s.pageSize - file.Size()
	return room{reserve: reserve, shared: min(sharedRoom, size/minFreeShare), left: free - reserve - grows - b.s.queues.Unsettled()*b.s.outcomeBytes()}, nil
}

// reserve tells what is to be kept free, what is, and how large the file system is. The reserve is 0 if there is none, or
// nobody knows what is free.
func (s *Store) reserve() (reserve, free, size int64) {
	minFree := s.tuning.minFree.Load()
	if minFree < 0 {
		return 0, 0, 0
	}
	free, size, err := s.o.FreeSpace(filepath.Dir(s.o.Path))
	if err != nil || size <= 0 {
		return 0, 0, 0
	}
	return min(minFree, size/minFreeShare), free, size
}

// take takes room for an event.
func (b *batch) take(size, deliveries int64) {
	b.room -= 2*size + deliveries*b.s.outcomeBytes() // in the log, and in the database
}

// outcomeBytes is what is kept free for every delivery: with an audit log also what the leaf of an attempt takes.
func (s *Store) outcomeBytes() int64 {
	if s.audit.on.Load() {
		return outcomeBytes + leafBytes
	}
	return outcomeBytes
}

// scarce tells whether the room for new events ends soon.
func (r *room) scarce() bool { return r.reserve > 0 && r.left < plenty }

// logBytes is what the log may grow to: WALBytes, or half of the reserve while room is scarce. The other half is for what
// the database grows by when the log is copied.
func (s *Store) logBytes() int64 {
	if s.room.scarce() {
		return min(s.o.WALBytes, s.room.reserve/2)
	}
	return s.o.WALBytes
}
