package sqlite

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"

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
	var list []queueStats
	paused := s.queues.Paused()
	at := make(map[*lanes.Lane]int)
	s.queues.Each(func(l *lanes.Lane, q *lanes.Queue) {
		i, ok := at[l]
		if !ok {
			i = len(list)
			at[l] = i
			list = append(list, queueStats{lane: l, oldest: l.Oldest, DestinationStats: store.DestinationStats{Destination: l.Name}})
		}
		list[i].Pending += q.Count[pending]
		list[i].Delivered += q.Count[delivered]
		list[i].Dead += q.Count[dead]
	})
	list = slices.DeleteFunc(list, func(e queueStats) bool {
		_, held := paused[e.Destination]
		return !held && e.Pending+e.Delivered+e.Dead == 0
	})
	for i := range list {
		e := &list[i].DestinationStats
		e.PauseReason, e.Paused = paused[e.Destination]
		delete(paused, e.Destination)
	}
	if err := s.oldestPending(ctx, list); err != nil {
		return store.Stats{}, public(err)
	}
	for i := range list {
		stats.Destinations = append(stats.Destinations, list[i].DestinationStats)
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
