package postgres

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/jackc/pgx/v5"
)

// mine is what this gateway is and holds.
type mine struct {
	mu    sync.Mutex
	id    string
	holds map[store.Hold]*lanes.Lane // nil as long as nothing was claimed
}

// become makes the gateway another one, which holds nothing.
func (m *mine) become(s *Store, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.id = id
	for h := range m.holds {
		m.dropLocked(s, h)
	}
}

func (m *mine) dropLocked(s *Store, h store.Hold) {
	if l := m.holds[h]; l != nil {
		s.lanes.Drop(l)
	}
	delete(m.holds, h)
}

func (m *mine) drop(s *Store, h store.Hold) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropLocked(s, h)
}

// lane is where the leases of a hold are.
func (m *mine) lane(s *Store, h store.Hold, destination int64) *lanes.Lane {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.holds[h]
	if !ok {
		return nil
	}
	if l == nil {
		from := (h.Shard*store.MaxShards + h.Shards - 1) / h.Shards
		to := ((h.Shard+1)*store.MaxShards + h.Shards - 1) / h.Shards
		l = s.lanes.Part(destination, from, to)
		m.holds[h] = l
	}
	return l
}

// Take is store.Shared's.
func (s *Store) Take(ctx context.Context, want []store.Lane) (taken []store.Hold, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	for _, l := range want {
		if err := checkLane(l); err != nil {
			return nil, err
		}
	}
	want = slices.Clone(want)
	// All gateways in one order, so that none waits for another one that waits for it.
	slices.SortFunc(want, func(a, b store.Lane) int {
		return cmp.Or(cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Shards, b.Shards), cmp.Compare(a.Shard, b.Shard))
	})
	self := s.me()
	err = s.transaction(ctx, true, func(ctx context.Context, tx pgx.Tx, now int64) error {
		taken = nil
		var there bool
		if err := tx.QueryRow(ctx, s.q("SELECT EXISTS (SELECT 1 FROM {s}.gateways WHERE id = $1 AND until > $2)"), self, now).Scan(&there); err != nil {
			return err
		}
		if !there {
			return store.ErrGone
		}
		last := ""
		for i, l := range want {
			if l.Destination != last || i == 0 {
				// Lanes of one destination exclude each other, whatever their number, which no row stands for.
				if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", s.o.Schema+" lane "+text(l.Destination)); err != nil {
					return err
				}
				last = l.Destination
			}
			var epoch int64
			err := tx.QueryRow(ctx, s.q(`INSERT INTO {s}.lanes AS l (destination, shard, shards, owner, epoch, since)
				SELECT $1, $2, $3, $4, nextval('{s}.epochs'), $5 WHERE NOT EXISTS (SELECT 1 FROM {s}.lanes o JOIN {s}.gateways g ON g.id = o.owner AND g.until > $5
					WHERE o.destination = $1 AND (o.shards <> $3 OR o.shard = $2))
				ON CONFLICT (destination, shards, shard) DO UPDATE SET owner = excluded.owner, epoch = excluded.epoch, since = excluded.since RETURNING epoch`),
				text(l.Destination), l.Shard, l.Shards, self, now).Scan(&epoch)
			if errors.Is(err, pgx.ErrNoRows) {
				continue // somebody has it
			}
			if err != nil {
				return err
			}
			// Parts of another number, which nobody has, are of the past.
			if _, err := tx.Exec(ctx, s.q("DELETE FROM {s}.lanes WHERE destination = $1 AND shards <> $2"), text(l.Destination), l.Shards); err != nil {
				return err
			}
			taken = append(taken, store.Hold{Lane: l, Epoch: epoch})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.mine.mu.Lock()
	defer s.mine.mu.Unlock()
	if s.mine.id != self {
		return nil, store.ErrGone
	}
	if s.mine.holds == nil {
		s.mine.holds = map[store.Hold]*lanes.Lane{}
	}
	for _, h := range taken {
		s.mine.holds[h] = nil
	}
	return taken, nil
}

// Release is store.Shared's.
func (s *Store) Release(ctx context.Context, holds []store.Hold) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	self := s.me()
	freed := false
	err := s.transaction(ctx, false, func(ctx context.Context, tx pgx.Tx, _ int64) error {
		for _, h := range holds {
			tag, err := tx.Exec(ctx, s.q("UPDATE {s}.lanes SET owner = NULL WHERE destination = $1 AND shard = $2 AND shards = $3 AND epoch = $4 AND owner = $5"),
				text(h.Destination), h.Shard, h.Shards, h.Epoch, self)
			if err != nil {
				return err
			}
			freed = freed || tag.RowsAffected() > 0
		}
		if !freed {
			return nil
		}
		_, err := tx.Exec(ctx, s.q(signSQL), s.signer, "lanes")
		return err
	})
	if err != nil {
		return err
	}
	for _, h := range holds {
		s.mine.drop(s, h)
	}
	if freed {
		s.wake.sign("lanes")
	}
	return nil
}

// Queue is store.Shared's.
func (s *Store) Queue(h store.Hold) store.Queue { return queue{s, h} }

type queue struct {
	s *Store
	h store.Hold
}

// enter tells whether the lane is held, and where its leases are; nil if it never had a delivery. Whether its destination is
// paused is looked at too.
func (q queue) enter(ctx context.Context) (*lanes.Lane, error) {
	s, h := q.s, q.h
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	self := s.me()
	var held bool
	var reason *string
	err := s.read(ctx, func(ctx context.Context) error {
		return s.pool.QueryRow(ctx, s.q(`SELECT EXISTS (SELECT 1 FROM {s}.lanes l JOIN {s}.gateways g ON g.id = l.owner
			WHERE l.destination = $2 AND l.shard = $3 AND l.shards = $4 AND l.epoch = $5 AND l.owner = $6 AND g.until > `+clockSQL+`),
			(SELECT p.reason FROM {s}.paused p WHERE p.destination = $2)`), s.fixed(), text(h.Destination), h.Shard, h.Shards, h.Epoch, self).Scan(&held, &reason)
	})
	if err != nil {
		return nil, err
	}
	if !held {
		s.mine.drop(s, h)
		return nil, store.ErrLaneLost
	}
	if reason != nil {
		s.lanes.SetPaused(h.Destination, untext(*reason), true)
	} else {
		s.lanes.SetPaused(h.Destination, "", false)
	}
	id, ok, err := s.id(ctx, h.Destination)
	if err != nil || !ok {
		return nil, public(err)
	}
	l := s.mine.lane(s, h, id)
	if l == nil {
		return nil, store.ErrLaneLost
	}
	return l, nil
}

// Claim is store.Queue's.
func (q queue) Claim(ctx context.Context, now time.Time, period time.Duration, limit int, skip []string) (claimed []store.Claimed, err error) {
	if period <= 0 {
		return nil, errors.New("a claim needs a lease longer than nothing")
	}
	l, err := q.enter(ctx)
	if err != nil || l == nil {
		return nil, err
	}
	at := q.s.due(now)
	err = q.s.read(ctx, func(ctx context.Context) (err error) {
		claimed, err = q.s.lanes.Claim(ctx, source{q.s}, l, at, at+int64(period), limit, skip)
		return err
	})
	return claimed, err
}

// due is what time it is for what is due: the store's clock, which is that of all gateways, and not the caller's.
func (s *Store) due(now time.Time) int64 {
	if s.clock.fixed != nil {
		return nanos(now)
	}
	return s.nowNanos()
}

// ClaimOne is store.Queue's.
func (q queue) ClaimOne(ctx context.Context, deliveryID string, now time.Time, period time.Duration) (claimed *store.Claimed, err error) {
	if period <= 0 {
		return nil, errors.New("a claim needs a lease longer than nothing")
	}
	l, err := q.enter(ctx)
	if err != nil || l == nil {
		return nil, err
	}
	key, err := lanes.ParseKey(deliveryID)
	if err != nil {
		return nil, nil
	}
	at := q.s.due(now)
	err = q.s.read(ctx, func(ctx context.Context) error {
		r, err := q.s.waiting(ctx, key)
		if err != nil || r == nil || r.destination != l.Destination || !q.h.HasBucket(r.bucket) {
			return err
		}
		if _, err := q.s.name(ctx, r.tenant); err != nil {
			return err
		}
		claimed, err = q.s.claimOne(ctx, l, r, at, at+int64(period))
		return err
	})
	return claimed, err
}

// Next is store.Queue's.
func (q queue) Next(ctx context.Context) (at time.Time, err error) {
	l, err := q.enter(ctx)
	if err != nil || l == nil {
		return time.Time{}, err
	}
	err = q.s.read(ctx, func(ctx context.Context) (err error) {
		at, err = q.s.lanes.Next(ctx, source{q.s}, l, q.s.nowNanos())
		return err
	})
	return at, err
}

// readLanes reads who has the lanes in which attempts were made.
func (t *tx) readLanes(all []*finished) (err error) {
	var destinations []string
	for _, f := range all {
		if d := text(f.Held.Destination); f.Held.Epoch != 0 && !slices.Contains(destinations, d) {
			destinations = append(destinations, d)
		}
	}
	if len(destinations) == 0 {
		return nil
	}
	t.taken, err = collect(t, func(rows pgx.Rows) (h store.Hold, err error) {
		err = rows.Scan(&h.Destination, &h.Shard, &h.Shards, &h.Epoch)
		h.Destination = untext(h.Destination)
		return h, err
	}, "SELECT l.destination, l.shard, l.shards, l.epoch FROM unnest((SELECT $1::text[])) AS q (destination) JOIN {s}.lanes l ON l.destination = q.destination", destinations)
	return err
}

// lost tells whether a delivery of a bucket has been another holder's since it was claimed under a hold.
func (t *tx) lost(held store.Hold, bucket int) bool {
	return held.Epoch != 0 && slices.ContainsFunc(t.taken, func(h store.Hold) bool {
		return h.Destination == held.Destination && h.Epoch > held.Epoch && h.HasBucket(bucket)
	})
}
