package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// ClaimOne is store.Store's. Like Claim it only reads.
func (s *Store) ClaimOne(ctx context.Context, deliveryID string, now time.Time, period time.Duration) (*store.Claimed, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	if period <= 0 {
		return nil, errors.New("a claim needs a lease longer than nothing")
	}
	key, err := parseDeliveryID(deliveryID)
	if err != nil {
		return nil, nil
	}
	seq, err := s.seqOf(ctx, key.event)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	var destination, tenant int64
	if err == nil {
		err = s.reader.QueryRowContext(ctx, "SELECT destination, tenant FROM deliveries WHERE event = ? AND n = ?", seq, key.n).Scan(&destination, &tenant)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, public(err)
	}
	l := s.lane(s.names.name(destination))
	if l == nil {
		return nil, nil
	}
	l.claim.Lock()
	defer l.claim.Unlock()
	q := s.beginOne(l, tenant, key, nanos(now))
	if q == nil {
		return nil, nil
	}
	claimed, row, err := s.readOne(ctx, l.name, q, key, seq, nanos(now))
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	settled := l.settled[key]
	l.reading, l.settled = false, nil
	if err != nil || claimed == nil || settled {
		return nil, public(err)
	}
	l.leases[key] = &lease{seq: seq, until: nanos(now) + int64(period), next: row.next, q: q}
	q.leased++
	q.version++
	q.headKnown = false
	return claimed, nil
}

// beginOne begins the reading of a ClaimOne; nil if there is nothing to claim.
func (s *Store) beginOne(l *lane, tenant int64, key deliveryKey, now int64) *queue {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	l.sweep(now)
	q := l.queues[tenant]
	if _, paused := s.queues.paused[l.name]; paused || q == nil || l.leases[key] != nil {
		return nil
	}
	l.reading, l.settled = true, map[deliveryKey]bool{}
	return q
}

// readOne reads a delivery with its event; nil if it is not due.
func (s *Store) readOne(ctx context.Context, destination string, q *queue, key deliveryKey, seq, due int64) (*store.Claimed, dueRow, error) {
	r := dueRow{seq: seq, n: key.n}
	err := s.reader.QueryRowContext(ctx, `SELECT next_at, attempts, updated_at, last_status, reason, remote_id FROM deliveries
		WHERE event = ? AND n = ? AND state = 0 AND next_at <= ?`, seq, key.n, due).Scan(&r.next, &r.attempts, &r.updated, &r.status, &r.reason, &r.remoteID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, r, nil
	}
	if err != nil {
		return nil, r, err
	}
	e, err := s.eventFor(ctx, seq, key.n, destination)
	if errors.Is(err, store.ErrNotFound) || unreadableEvent(err) {
		return nil, r, nil // erased meanwhile, or of those that Claim holds back
	}
	if err != nil {
		return nil, r, err
	}
	return &store.Claimed{Delivery: s.delivery(e, q, destination, r), Event: e}, r, nil
}
