package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
)

// Stats is store.Store's. Bytes is what the database file has in use, free pages left out.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	if err := s.enter(ctx); err != nil {
		return store.Stats{}, err
	}
	stats := store.Stats{Events: s.eventCount.Load(), MaxBytes: s.tuning.maxBytes.Load(),
		Dropped: s.dropped.Load(), Expired: store.Expired{Done: s.expired.done.Load(), Dead: s.expired.dead.Load()}}
	err := s.reader.QueryRowContext(ctx, "SELECT (c.page_count - f.freelist_count) * s.page_size FROM pragma_page_count c, pragma_freelist_count f, pragma_page_size s").Scan(&stats.Bytes)
	if err != nil {
		return store.Stats{}, public(err)
	}
	if log, err := os.Stat(s.o.Path + "-wal"); err == nil {
		stats.LogBytes = log.Size()
	}
	if free, size, err := s.o.FreeSpace(filepath.Dir(s.o.Path)); err == nil && size > 0 {
		stats.DiskBytes, stats.DiskFree = size, free
	}
	type entry struct {
		store.DestinationStats
		lane   *lanes.Lane
		oldest int64
	}
	var list []entry
	paused := s.queues.Paused()
	at := make(map[*lanes.Lane]int)
	s.queues.Each(func(l *lanes.Lane, q *lanes.Queue) {
		i, ok := at[l]
		if !ok {
			i = len(list)
			at[l] = i
			list = append(list, entry{lane: l, oldest: l.Oldest, DestinationStats: store.DestinationStats{Destination: l.Name, OldestPending: l.OldestAt}})
		}
		list[i].Pending += q.Count[pending]
		list[i].Delivered += q.Count[delivered]
		list[i].Dead += q.Count[dead]
	})
	list = slices.DeleteFunc(list, func(e entry) bool {
		_, held := paused[e.Destination]
		return !held && e.Pending+e.Delivered+e.Dead == 0
	})
	for i := range list {
		e := &list[i].DestinationStats
		e.PauseReason, e.Paused = paused[e.Destination]
		delete(paused, e.Destination)
	}
	for i := range list {
		e := &list[i]
		if e.Pending == 0 {
			e.OldestPending = time.Time{}
		} else if e.OldestPending, err = s.oldestPending(ctx, e.lane, e.Pending, e.oldest, e.OldestPending); err != nil {
			return store.Stats{}, public(err)
		}
		stats.Destinations = append(stats.Destinations, e.DestinationStats)
	}
	for destination, reason := range paused {
		stats.Destinations = append(stats.Destinations, store.DestinationStats{Destination: destination, Paused: true, PauseReason: reason})
	}
	slices.SortFunc(stats.Destinations, func(a, b store.DestinationStats) int { return cmp.Compare(a.Destination, b.Destination) })
	return stats, nil
}

// Waiting is store.Store's.
func (s *Store) Waiting(ctx context.Context) ([]store.Waiting, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	var list []store.Waiting
	s.queues.Each(func(l *lanes.Lane, q *lanes.Queue) {
		if q.Count[pending] > 0 {
			list = append(list, store.Waiting{Destination: l.Name, Tenant: q.Name, Pending: q.Count[pending]})
		}
	})
	slices.SortFunc(list, func(a, b store.Waiting) int {
		return cmp.Or(cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Tenant, b.Tenant))
	})
	return list, nil
}

// Counts is store.Store's.
func (s *Store) Counts(ctx context.Context, tenants []string) ([]store.Count, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	var list []store.Count
	s.queues.Each(func(l *lanes.Lane, q *lanes.Queue) {
		c := store.Count{Destination: l.Name, Tenant: q.Name, Pending: q.Count[pending], Delivered: q.Count[delivered], Dead: q.Count[dead]}
		if c.Pending+c.Delivered+c.Dead > 0 && (tenants == nil || slices.Contains(tenants, c.Tenant)) {
			list = append(list, c)
		}
	})
	slices.SortFunc(list, func(a, b store.Count) int {
		return cmp.Or(cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Tenant, b.Tenant))
	})
	return list, nil
}

// oldestPending finds when the oldest of a destination's waiting deliveries was made. What was found is kept for as long
// as that delivery waits.
func (s *Store) oldestPending(ctx context.Context, l *lanes.Lane, waiting, known int64, knownAt time.Time) (time.Time, error) {
	seq, err := s.firstPending(ctx, l.Destination, waiting, known)
	if err != nil || seq == 0 {
		return time.Time{}, err
	}
	if seq == known {
		return knownAt, nil
	}
	var received int64
	err = s.reader.QueryRowContext(ctx, "SELECT received_at FROM events WHERE seq = ?", seq).Scan(&received)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil // erased meanwhile
	}
	if err != nil {
		return time.Time{}, err
	}
	at := fromNanos(received)
	s.queues.Locked(func() {
		// A replay since then may have made an older one wait; it has forgotten what was known.
		if l.Oldest == known {
			l.Oldest, l.OldestAt = seq, at
		}
	})
	return at, nil
}

// firstPending finds the first event that has a waiting delivery for a destination; 0 if there is none. No event before
// the known one has, unless it is 0.
func (s *Store) firstPending(ctx context.Context, destination, waiting, known int64) (int64, error) {
	if known != 0 {
		// Deliveries are mostly settled in the order they were made, so that the next one that waits is near. Looking
		// through more events than deliveries wait would take longer than reading their index, which is about half a
		// second for a million. The signs keep SQLite from reading the index here too.
		var seq int64
		err := s.reader.QueryRowContext(ctx, `SELECT event FROM deliveries WHERE event >= ? AND event < ? AND +destination = ? AND +state = 0
			ORDER BY event LIMIT 1`, known, known+max(waiting, 1000), destination).Scan(&seq)
		if !errors.Is(err, sql.ErrNoRows) {
			return seq, err
		}
	}
	var seq sql.NullInt64
	err := s.reader.QueryRowContext(ctx, "SELECT min(event) FROM deliveries INDEXED BY deliveries_due WHERE destination = ? AND state = 0", destination).Scan(&seq)
	return seq.Int64, err
}
