package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// While anybody reads one state of the store its log cannot begin anew, and what is in the log counts as taken. So that no
// call is refused for the sake of somebody who looks something up, our own readers give way: searches when they have taken
// long and the log is too long, backups before there is no room left for calls. Other programs can only be told of.

const (
	// longSearch is how long a search may read while the log is longer than it should be.
	longSearch = 10 * time.Second
	// giveWayEvery is how often a backup looks whether it has to give way. In that time no disk takes what is left then.
	giveWayEvery = 50 * time.Millisecond
)

var (
	errSearchGaveWay = errors.New("the search took so long that the store's log (the -wal file) grew on its account, and gave way to the calls that come in: narrow it, by time (--from, --to), tenant or destination")
	// ErrBackupGaveWay means that a backup was ended for the sake of the calls that come in.
	ErrBackupGaveWay = errors.New("the backup was ended, since while it was read the store's log (the -wal file) took the room for new calls, which would have been refused: make it when fewer calls come in or to a faster disk, raise max_size or make room on the store's disk, or stop the gateway meanwhile")
)

// searches are the readings under way that may take long.
type searches struct {
	mu   sync.Mutex
	last int
	ends map[int]search
}

type search struct {
	began time.Time
	end   context.CancelCauseFunc
}

// search is the context of a reading that may take long, and has to be ended.
func (s *Store) search(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	q := &s.searches
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ends == nil {
		q.ends = map[int]search{}
	}
	q.last++
	id := q.last
	q.ends[id] = search{time.Now(), end}
	return ctx, func() {
		q.mu.Lock()
		delete(q.ends, id)
		q.mu.Unlock()
		end(nil)
	}
}

// endSearches ends those that began longer ago than a time.
func (s *Store) endSearches(longer time.Duration) {
	s.searches.mu.Lock()
	defer s.searches.mu.Unlock()
	for _, q := range s.searches.ends {
		if time.Since(q.began) >= longer {
			q.end(errSearchGaveWay)
		}
	}
}

// searched is public for the error of a reading with a context of search.
func searched(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errSearchGaveWay) {
		return errSearchGaveWay
	}
	return public(err)
}

// bounds are what leaves room for calls in a store: of its size, of the room on its disk, and what its log may have.
type bounds struct {
	path                           string
	maxBytes, minFree, used, start int64
	free                           func(dir string) (free, size int64, err error)
}

// boundsOf reads how full the store is through a connection that reads.
func boundsOf(ctx context.Context, path string, t Tuning, free func(string) (int64, int64, error)) (b bounds, err error) {
	c, err := openSession(backupSource(path))
	if err != nil {
		return b, err
	}
	defer c.discard()
	pages, err := c.number("PRAGMA page_count")
	if err != nil {
		return b, err
	}
	unused, err := c.number("PRAGMA freelist_count")
	if err != nil {
		return b, err
	}
	size, err := c.number("PRAGMA page_size")
	if err != nil {
		return b, err
	}
	minFree := t.MinFree
	if minFree == 0 {
		minFree = defaultMinFree
	}
	b = bounds{path: path, maxBytes: t.MaxBytes, minFree: minFree, used: (pages - unused) * size, free: free}
	b.start, _ = logLength(path)
	return b, ctx.Err()
}

// logLength is that of a store's log; 0 if it has none.
func logLength(path string) (int64, error) {
	info, err := os.Stat(path + "-wal")
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// tight tells that calls would soon be refused. A log that has not grown since takes nothing.
func (b bounds) tight(walBytes int64) bool {
	log, err := logLength(b.path)
	if err != nil || log <= b.start {
		return false
	}
	if left := b.maxBytes - b.used; b.maxBytes > 0 && log-walBytes > max(left, 0)/2 {
		return true
	}
	if b.minFree < 0 {
		return false
	}
	free, size, err := b.free(filepath.Dir(b.path))
	// The database may yet grow by what is in the log.
	return err == nil && size > 0 && free < min(b.minFree, size/minFreeShare)+plenty+log-b.start
}

// giveWay ends what is read with the context when room for calls becomes tight. stop ends the looking.
func (b bounds) giveWay(ctx context.Context, walBytes int64) (reading context.Context, stop func()) {
	ctx, end := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(giveWayEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if b.tight(walBytes) {
				end(ErrBackupGaveWay)
				return
			}
		}
	}()
	return ctx, func() { end(nil); <-ended }
}

// gaveWay is the error of a backup that was made with a context of giveWay.
func gaveWay(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), ErrBackupGaveWay) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, ErrBackupGaveWay)
	}
	return err
}
