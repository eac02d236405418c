package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
)

// ClaimOne is store.Store's. Like Claim it only reads.
func (s *Store) ClaimOne(ctx context.Context, deliveryID string, now time.Time, period time.Duration) (*store.Claimed, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	if period <= 0 {
		return nil, errors.New("a claim needs a lease longer than nothing")
	}
	key, err := lanes.ParseKey(deliveryID)
	if err != nil {
		return nil, nil
	}
	seq, err := s.seqOf(ctx, key.Event)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	var destination, tenant int64
	if err == nil {
		err = s.reader.QueryRowContext(ctx, "SELECT destination, tenant FROM deliveries WHERE event = ? AND n = ?", seq, key.N).Scan(&destination, &tenant)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, public(err)
	}
	l := s.queues.Lane(s.names.Name(destination))
	if l == nil {
		return nil, nil
	}
	claimed, err := s.queues.ClaimOne(l, tenant, key, nanos(now), nanos(now)+int64(period), func() (*store.Event, lanes.Row, error) {
		return s.readOne(ctx, l.Name, key, seq, nanos(now))
	})
	return claimed, public(err)
}

// readOne reads a delivery with its event; nil if it is not due.
func (s *Store) readOne(ctx context.Context, destination string, key lanes.Key, seq, due int64) (*store.Event, lanes.Row, error) {
	r := lanes.Row{Ref: lanes.Ref{Seq: seq, N: key.N}}
	err := s.reader.QueryRowContext(ctx, `SELECT next_at, attempts, updated_at, last_status, reason, remote_id FROM deliveries
		WHERE event = ? AND n = ? AND state = 0 AND next_at <= ?`, seq, key.N, due).Scan(&r.Next, &r.Attempts, &r.Updated, &r.Status, &r.Reason, &r.RemoteID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, r, nil
	}
	if err != nil {
		return nil, r, err
	}
	e, err := s.eventFor(ctx, seq, key.N, destination)
	if errors.Is(err, store.ErrNotFound) || unreadableEvent(err) {
		return nil, r, nil // erased meanwhile, or of those that Claim holds back
	}
	if err != nil {
		return nil, r, err
	}
	return e, r, nil
}
