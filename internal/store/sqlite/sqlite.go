// Package sqlite is the embedded store: one SQLite database file in pure Go, written by one goroutine that gathers
// the requests which arrive during a commit into the next one, so that many requests share one fsync.
//
// A transaction is durable when its commit returns (WAL, synchronous=FULL). Leases live in memory only: a process that
// ends gives its deliveries back. Unique keys are random, and an index of random keys costs a page write for each key
// once it has grown; so the newest keys are kept in memory as well as in their events, and go to their table in runs of
// neighbours (see keys.go).
package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/group"
	"github.com/callgate/callgate/internal/store/lanes"
)

// Options set up a store. Only Path is required.
type Options struct {
	// Path is the database file. Its directory is made if it does not exist; beside it stand SQLite's -wal and
	// -shm files and a .lock file that keeps other processes out.
	Path string
	// Window is how long a key may exist only once; 0 means 72 h.
	Window time.Duration
	// MaxBytes is the size at which Accept answers store.ErrFull; 0 means no bound but the disk's. What is stored
	// goes on being delivered then, and the records of its attempts may go beyond the bound. The write-ahead log is
	// counted as far as it is longer than WALBytes, which it is while somebody reads an older state.
	MaxBytes int64
	// Tenant bounds what each tenant may hold, and Tenants what those may that are named. Zero fields of the latter take
	// Tenant's. Besides, a tenant never holds more than four times what MaxBytes leaves free or, of a disk with less than
	// 1 GiB (or a tenth) left beyond MinFree, of what is left there, so that it cannot fill the store for the others; a
	// store that only knows the tenant "" is its.
	Tenant  store.Quota
	Tenants map[string]store.Quota
	// MinFree is how many bytes of its file system the store leaves free, but no more than the tenth part of it: with less
	// Accept answers store.ErrFull, and what is left is for the outcomes of what is stored, for replays and for the
	// write-ahead log. 0 means 64 MiB, a negative number that nothing is left free.
	MinFree int64
	// FreeSpace tells how many bytes are free for the process on the file system that a directory is on, and how many it
	// has. Where it does not know nothing is left free. nil means that the system is asked, which Linux, macOS, FreeBSD
	// and Windows answer.
	FreeSpace func(dir string) (free, size int64, err error)
	// Keys seal bodies, records, requests and excerpts; nil stores them as they are.
	Keys *seal.Ring
	// Wrapping says whether tenants have data keys, with which these are sealed in place of Keys, and who wraps them. Keys
	// are needed besides: for documents and notes, and for what is hashed.
	Wrapping seal.Wrapping
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log hears of what a caller cannot be told: the message holds no payload, number or secret. nil means nobody.
	Log func(msg string, err error)

	// MaxBatch is how many requests may share a commit; 0 means 512.
	MaxBatch int
	// WaitForEach is how long a commit waits, once it has company or the one before it had, for each of those who are expected
	// to share it, and for no longer than a few milliseconds; 0, the default, commits at once: what arrives meanwhile shares the
	// next commit.
	WaitForEach time.Duration
	// Committed, if set, hears of every commit: how many requests shared it and how long it took, fsync included.
	// It is called by the writer and must be quick.
	Committed func(requests int, took time.Duration)
	// WALBytes bounds the write-ahead log; 0 means 64 MiB. It is copied into the database when a quarter of that was
	// written, beside the commits, and between two of them if it reaches WALBytes all the same. While somebody reads an
	// older state, as another process that backs up the file may for long, it cannot begin anew and grows; at twice
	// WALBytes Log hears of it, and again whenever it has doubled. It is cut off when they have gone.
	WALBytes int64
	// CacheBytes bounds the writer's page cache; 0 means 64 MiB. Each of Readers has a quarter of it, and another quarter is
	// for events that were accepted within the last seconds and not claimed yet. As many connections as Readers besides, which
	// read for deliveries, have 1 MiB each.
	CacheBytes int64
	// Readers is the number of connections for reading; 0 means 4.
	Readers int
	// RecentKeys is how many unique keys are held in memory before they go to their table; 0 means 131072, which
	// are some 16 MB.
	RecentKeys int
	// AuditSegment is how many bytes of the audit log are compressed together when they are an hour old, unless a day ends
	// before; 0 means 256 KiB.
	AuditSegment int
}

// Store is a store.Store in a SQLite file.
type Store struct {
	o        Options // but for what Tune can change
	tuning   tuning
	lock     *fileLock
	identity os.FileInfo // of the database file when it was opened
	pageSize int64       // in bytes
	reader   *sql.DB
	sessions *sessions

	requests  *group.Group[change]
	closing   chan struct{}
	closeOnce sync.Once
	closed    atomic.Bool

	copyDue   chan struct{} // to runCopies: there is something to copy
	copied    chan struct{} // from runCopies: the writer's turn
	copyEnded chan struct{}
	copying   sync.Mutex // held by who copies the log

	// copyFailed tells that a copy of the log has failed, so that the next one has to begin at its beginning; it belongs
	// to who holds copying. Holder keeps SQLite's index of the log, index is that as a file, and file is the database;
	// see failedsync.go.
	copyFailed   bool
	copiedBefore copiedTo
	logKept      atomic.Bool // a copy got no further than the one before: somebody reads an older state
	holder       *session
	index, file  *os.File

	// These belong to the writer.
	writer   *session
	logPages int64 // in the log when a copy was last asked for
	logSize  int64 // pages in the log after the last commit
	logTold  int64 // bytes at which Log was told of it, 0 if it is as long as it should be
	logTimer *time.Timer
	logTimed bool // it runs
	nextSeq  int64
	events   int64
	keys     *recentKeys
	room     room
	audit    auditLog

	sealing  sealing
	seals    *seal.Keys // what seals and opens; nil without keys
	dataKeys dataKeys

	held        map[int64]held
	cursors     map[int64]int64 // by tenant: up to this event nothing can lose its content; see quota.go
	droppedTold time.Time

	dropped    atomic.Int64
	eventCount atomic.Int64
	// keeps tells that something may be kept of some delivery, so that the others need not be looked for.
	keeps      atomic.Bool
	handOver   handOver
	names      *lanes.Names
	queues     *lanes.Lanes
	searches   searches
	notes      int64        // at least as many as there are; the writer's
	notesMu    sync.Mutex   // see recordNotes
	packedTo   int64        // up to where the audit log is packed, as far as is known; expireMu guards it
	backups    sync.RWMutex // a Backup that runs holds it, which Close waits for
	expireMu   sync.Mutex
	expireFrom int64
	expireLeft bool        // the log may hold what has expired
	mark       int64       // see giveMark
	markDue    atomic.Bool // the next commit puts it into the log
	expired    struct{ done, dead atomic.Int64 }
}

var (
	_ store.Store     = (*Store)(nil)
	_ store.DataKeyed = (*Store)(nil)
)

// Open opens or makes a store. Its errors say what an operator can do: the file is in use by another process, is not a
// store, is damaged, was written by a newer version, or cannot be read or written. Nothing is overwritten then.
func Open(o Options) (*Store, error) {
	if o.Path == "" {
		return nil, errors.New("the store needs the path of its database file")
	}
	if o.Window < 0 || o.MaxBytes < 0 || o.MaxBatch < 0 || o.WaitForEach < 0 || o.WALBytes < 0 || o.CacheBytes < 0 || o.Readers < 0 || o.RecentKeys < 0 || o.AuditSegment < 0 {
		return nil, errors.New("the store's sizes and durations must not be negative")
	}
	o.MaxBatch = cmp.Or(o.MaxBatch, 512)
	o.AuditSegment = cmp.Or(o.AuditSegment, auditSegment)
	o.WALBytes = cmp.Or(o.WALBytes, defaultWALBytes)
	o.CacheBytes = cmp.Or(o.CacheBytes, 64<<20)
	o.Readers = cmp.Or(o.Readers, 4)
	o.RecentKeys = cmp.Or(o.RecentKeys, 128<<10)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.FreeSpace == nil {
		o.FreeSpace = freeSpace
	}
	if o.Log == nil {
		o.Log = func(string, error) {}
	}
	s := &Store{
		o:        o,
		requests: group.New[change](o.MaxBatch, o.WaitForEach, 0),
		closing:  make(chan struct{}),
		notes:    store.MaxNotes, // until they are counted

		copyDue: make(chan struct{}, 1), copied: make(chan struct{}), copyEnded: make(chan struct{}),
	}
	s.handOver.most = o.CacheBytes / handShare
	s.Tune(Tuning{Window: o.Window, MaxBytes: o.MaxBytes, MinFree: o.MinFree, Tenant: o.Tenant, Tenants: o.Tenants, Wrapping: o.Wrapping})
	if err := s.open(); err != nil {
		s.release()
		return nil, fmt.Errorf("opening the store %s: %w", o.Path, err)
	}
	s.logTimer = time.NewTimer(shortenEvery)
	s.logTimer.Stop()
	go s.run()
	go s.runCopies()
	return s, nil
}

// release gives back what open took.
func (s *Store) release() error {
	var errs []error
	s.handOver.close()
	s.seals.Close()
	if s.reader != nil {
		errs = append(errs, s.reader.Close(), s.sessions.close())
	}
	errs = append(errs, s.unpin())
	if s.lock != nil {
		errs = append(errs, s.lock.release())
	}
	return errors.Join(errs...)
}

// Close waits for the requests it has, and closes the store. Later calls of its methods return store.ErrClosed.
func (s *Store) Close() error {
	err := store.ErrClosed
	s.closeOnce.Do(func() {
		s.closed.Store(true)
		close(s.closing)
		s.requests.Close()
		s.requests.Wait()
		<-s.copyEnded
		s.backups.Lock() // closing the files would give back the locks with which a Backup reads
		defer s.backups.Unlock()
		err = s.release()
	})
	if errors.Is(err, store.ErrClosed) {
		return nil
	}
	return err
}

// enter checks what every method checks first.
func (s *Store) enter(ctx context.Context) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	return ctx.Err()
}

// nanos is how times are stored.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
