package storetest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/store"
)

func (d *memoryDelivery) leased(now time.Time) bool { return now.Before(d.lease) }

func (m *memory) Claim(ctx context.Context, destination string, now time.Time, lease time.Duration, limit int, skip []string) ([]store.Claimed, error) {
	if lease <= 0 {
		return nil, errors.New("a claim needs a lease longer than nothing")
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return m.claim(destination, everything, now, lease, limit, skip), nil
}

// everything is all of a destination, as of a store that is not shared.
func everything(*store.Event) bool { return true }

// claim is Claim with the lock held, of those whose event is in a lane.
func (m *memory) claim(destination string, in func(*store.Event) bool, now time.Time, lease time.Duration, limit int, skip []string) []store.Claimed {
	if _, paused := m.paused[destination]; paused {
		return nil
	}
	due := map[string][]*memoryDelivery{}
	for d := range m.all {
		if d.Destination == destination && in(&d.event.Event) && d.State == store.Pending && !d.NextAt.After(now) && !d.leased(now) && !slices.Contains(skip, d.Tenant) {
			due[d.Tenant] = append(due[d.Tenant], d)
		}
	}
	for _, queue := range due {
		slices.SortStableFunc(queue, func(a, b *memoryDelivery) int { return a.NextAt.Compare(b.NextAt) })
	}
	tenants := slices.Sorted(maps.Keys(due))
	if last, ok := m.turn[destination]; ok {
		i, found := slices.BinarySearch(tenants, last)
		if found {
			i++
		}
		tenants = slices.Concat(tenants[i:], tenants[:i])
	}
	var claimed []store.Claimed
	for len(tenants) > 0 && len(claimed) < limit {
		tenant := tenants[0]
		d := due[tenant][0]
		due[tenant], tenants = due[tenant][1:], tenants[1:]
		if len(due[tenant]) > 0 {
			tenants = append(tenants, tenant)
		}
		d.lease, d.by = now.Add(lease), m
		m.turn[destination] = tenant
		c := store.Claimed{Delivery: d.Delivery, Event: cloneEvent(&d.event.Event)}
		c.Leased = true
		claimed = append(claimed, c)
	}
	return claimed
}

func (m *memory) ClaimOne(ctx context.Context, deliveryID string, now time.Time, lease time.Duration) (*store.Claimed, error) {
	if lease <= 0 {
		return nil, errors.New("a claim needs a lease longer than nothing")
	}
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	return m.claimOne(m.delivery(deliveryID), now, lease), nil
}

// claimOne is ClaimOne with the lock held; d may be nil.
func (m *memory) claimOne(d *memoryDelivery, now time.Time, lease time.Duration) *store.Claimed {
	if d == nil || d.State != store.Pending || d.NextAt.After(now) || d.leased(now) {
		return nil
	}
	if _, paused := m.paused[d.Destination]; paused {
		return nil
	}
	d.lease, d.by = now.Add(lease), m
	c := store.Claimed{Delivery: d.Delivery, Event: cloneEvent(&d.event.Event)}
	c.Leased = true
	return &c
}

func (m *memory) Next(ctx context.Context, destination string) (time.Time, error) {
	if err := m.enter(ctx); err != nil {
		return time.Time{}, err
	}
	defer m.mu.Unlock()
	return m.next(destination, everything), nil
}

// next is Next with the lock held, of those whose event is in a lane.
func (m *memory) next(destination string, in func(*store.Event) bool) (next time.Time) {
	if _, paused := m.paused[destination]; paused {
		return next
	}
	now := m.o.Now()
	for d := range m.all {
		if d.Destination == destination && in(&d.event.Event) && d.State == store.Pending && !d.leased(now) && (next.IsZero() || d.NextAt.Before(next)) {
			next = d.NextAt
		}
	}
	return next
}
