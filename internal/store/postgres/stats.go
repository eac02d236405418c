package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/group"
	"github.com/jackc/pgx/v5"
)

// pairCount is what all writers together count.
type pairCount struct {
	Destination, Tenant      int64
	Pending, Delivered, Dead int64
}

// counts adds up what is counted of the deliveries of each destination and tenant.
func (s *Store) counts(ctx context.Context) ([]pairCount, error) {
	rows, err := s.pool.Query(ctx, s.q(`SELECT destination, tenant, sum(pending)::bigint, sum(delivered)::bigint, sum(dead)::bigint
		FROM {s}.counts GROUP BY destination, tenant`))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[pairCount])
}

// Stats is store.Store's. Bytes is what events take, about.
func (s *Store) Stats(ctx context.Context) (store.Stats, error) {
	if err := s.enter(ctx); err != nil {
		return store.Stats{}, err
	}
	stats := store.Stats{MaxBytes: s.tuning.maxBytes.Load()}
	err := s.pool.QueryRow(ctx, s.q(`SELECT coalesce(sum(total), 0)::bigint, coalesce(sum(bytes), 0)::bigint FROM {s}.held`)).Scan(&stats.Events, &stats.Bytes)
	if err != nil {
		return store.Stats{}, public(err)
	}
	rows, err := s.pool.Query(ctx, s.q("SELECT name, sum(value)::bigint FROM {s}.counters GROUP BY name"))
	if err != nil {
		return store.Stats{}, public(err)
	}
	var name string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &n}, func() error {
		switch name {
		case expiredDone:
			stats.Expired.Done = n
		case expiredDead:
			stats.Expired.Dead = n
		case droppedCount:
			stats.Dropped = n
		}
		return nil
	}); err != nil {
		return store.Stats{}, public(err)
	}
	list, err := s.counts(ctx)
	if err != nil {
		return store.Stats{}, public(err)
	}
	paused := s.lanes.Paused()
	at := map[int64]int{}
	for _, c := range list {
		i, ok := at[c.Destination]
		if !ok {
			name, err := s.name(ctx, c.Destination)
			if err != nil {
				return store.Stats{}, public(err)
			}
			i = len(stats.Destinations)
			at[c.Destination] = i
			stats.Destinations = append(stats.Destinations, store.DestinationStats{Destination: name})
		}
		d := &stats.Destinations[i]
		d.Pending, d.Delivered, d.Dead = d.Pending+c.Pending, d.Delivered+c.Delivered, d.Dead+c.Dead
	}
	few, many := map[int64]*store.DestinationStats{}, map[int64]*store.DestinationStats{}
	for id, i := range at {
		d := &stats.Destinations[i]
		d.PauseReason, d.Paused = paused[d.Destination]
		delete(paused, d.Destination)
		switch {
		case d.Pending > fewWait:
			many[id] = d
		case d.Pending > 0:
			few[id] = d
		}
	}
	err = s.oldestOfFew(ctx, few)
	for id, d := range many {
		if err == nil {
			err = s.oldestPending(ctx, id, d)
		}
	}
	if err != nil {
		return store.Stats{}, public(err)
	}
	stats.Destinations = slices.DeleteFunc(stats.Destinations, func(d store.DestinationStats) bool { return !d.Paused && d.Pending+d.Delivered+d.Dead == 0 })
	for destination, reason := range paused {
		stats.Destinations = append(stats.Destinations, store.DestinationStats{Destination: destination, Paused: true, PauseReason: reason})
	}
	slices.SortFunc(stats.Destinations, func(a, b store.DestinationStats) int { return cmp.Compare(a.Destination, b.Destination) })
	return stats, nil
}

// fewWait is up to how many waiting deliveries of a destination are read to find the oldest of them.
const fewWait = 1000

// oldestOfFew finds when the oldest waiting delivery was made of destinations, by their numbers, for which few wait: in one
// statement however many destinations there are, since each scrape and each look whether a gateway is ready asks it. What waits
// for each is read by the index and sorted. The parentheses have it so: in the order of the table everybody's would be read.
func (s *Store) oldestOfFew(ctx context.Context, of map[int64]*store.DestinationStats) error {
	if len(of) == 0 {
		return nil
	}
	rows, err := s.pool.Query(ctx, s.q(`SELECT d.id, e.received_at FROM unnest($1::integer[]) AS d (id)
		CROSS JOIN LATERAL (SELECT l.event, l.day FROM {s}.live l WHERE l.destination = d.id ORDER BY (l.event, l.n) LIMIT 1) l
		JOIN {s}.events e ON e.id = l.event AND e.day = l.day`), slices.Collect(maps.Keys(of)))
	if err != nil {
		return err
	}
	var id, received int64
	_, err = pgx.ForEachRow(rows, []any{&id, &received}, func() error { // those that are not among them were delivered or erased meanwhile
		of[id].OldestPending = fromNanos(received)
		return nil
	})
	return err
}

// oldestPending finds when the oldest of a destination's waiting deliveries was made, of which there are many: that of the lowest id, in the order of
// which the table can be read, from where the oldest one of all begins.
func (s *Store) oldestPending(ctx context.Context, destination int64, d *store.DestinationStats) error {
	var received int64
	err := s.pool.QueryRow(ctx, s.q(`SELECT e.received_at FROM {s}.live l JOIN {s}.events e ON e.id = l.event AND e.day = l.day
		WHERE l.destination = $1 ORDER BY l.event, l.n LIMIT 1`), destination).Scan(&received)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil // delivered or erased meanwhile
	}
	d.OldestPending = fromNanos(received)
	return err
}

// Waiting is store.Store's.
func (s *Store) Waiting(ctx context.Context) ([]store.Waiting, error) {
	all, err := s.Counts(ctx, nil)
	if err != nil {
		return nil, err
	}
	var list []store.Waiting
	for _, c := range all {
		if c.Pending > 0 {
			list = append(list, store.Waiting{Destination: c.Destination, Tenant: c.Tenant, Pending: c.Pending})
		}
	}
	return list, nil
}

// Counts is store.Store's.
func (s *Store) Counts(ctx context.Context, tenants []string) ([]store.Count, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	all, err := s.counts(ctx)
	if err != nil {
		return nil, public(err)
	}
	var list []store.Count
	for _, c := range all {
		if c.Pending+c.Delivered+c.Dead == 0 {
			continue
		}
		destination, err := s.name(ctx, c.Destination)
		if err != nil {
			return nil, public(err)
		}
		tenant, err := s.name(ctx, c.Tenant)
		if err != nil {
			return nil, public(err)
		}
		if tenants == nil || slices.Contains(tenants, tenant) {
			list = append(list, store.Count{Destination: destination, Tenant: tenant, Pending: c.Pending, Delivered: c.Delivered, Dead: c.Dead})
		}
	}
	slices.SortFunc(list, func(a, b store.Count) int {
		return cmp.Or(cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Tenant, b.Tenant))
	})
	return list, nil
}

// Probe finds out whether the store can write now, by a commit that changes nothing, and waits for the standby like any other.
func (s *Store) Probe(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if limit := s.tuning.maxBytes.Load(); limit > 0 {
		if _, all, _ := s.room.of(0); all.bytes >= limit {
			return errProbeFull
		}
	}
	return s.write(ctx, func(t *tx) error {
		if !s.o.RequireSync {
			return nil
		}
		var names string
		err := t.conn.QueryRow(t.ctx, "SHOW synchronous_standby_names").Scan(&names)
		if err == nil && names == "" {
			return errProbeSync
		}
		return err
	})
}

var (
	errProbeFull = fmt.Errorf("%w: it has reached max_size: raise it, shorten the retention or see what is not delivered", store.ErrFull)
	errProbeSync = group.Refuse(fmt.Errorf("%w: %w", store.ErrUnavailable, ErrNoStandby))
)
