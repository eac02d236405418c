package storetest

import (
	"context"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// Queue is store.Shared's.
func (m *SharedMemory) Queue(h store.Hold) store.Queue { return &memoryQueue{m, h} }

type memoryQueue struct {
	m *SharedMemory
	h store.Hold
}

func (q *memoryQueue) enter(ctx context.Context) error {
	if err := q.m.enter(ctx); err != nil {
		return err
	}
	if !q.m.holds(q.h) {
		q.m.mu.Unlock()
		return store.ErrLaneLost
	}
	return nil
}

func (q *memoryQueue) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int, skip []string) ([]store.Claimed, error) {
	if err := q.enter(ctx); err != nil {
		return nil, err
	}
	defer q.m.mu.Unlock()
	return q.m.claim(q.h.Destination, q.h.Has, now, lease, limit, skip), nil
}

func (q *memoryQueue) ClaimOne(ctx context.Context, id string, now time.Time, lease time.Duration) (*store.Claimed, error) {
	if err := q.enter(ctx); err != nil {
		return nil, err
	}
	defer q.m.mu.Unlock()
	d := q.m.delivery(id)
	if d == nil || d.Destination != q.h.Destination || !q.h.Has(&d.event.Event) {
		return nil, nil
	}
	return q.m.claimOne(d, now, lease), nil
}

func (q *memoryQueue) Next(ctx context.Context) (time.Time, error) {
	if err := q.enter(ctx); err != nil {
		return time.Time{}, err
	}
	defer q.m.mu.Unlock()
	return q.m.next(q.h.Destination, q.h.Has), nil
}
