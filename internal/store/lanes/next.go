package lanes

import (
	"context"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// Next tells when a lane's earliest pending delivery that is not leased falls due; the zero time when there is none. What is
// held in memory answers it, but for tenants whose queue has changed in a way that only their rows can tell.
func (ls *Lanes) Next(ctx context.Context, src Source, l *Lane, now int64) (time.Time, error) {
	if err := ls.look(ctx, src, l); err != nil {
		return time.Time{}, err
	}
	var ask []*turn
	var leased map[Ref]bool
	next := int64(Never)
	ls.mu.Lock()
	if _, paused := ls.paused[l.Name]; paused || l.gone {
		ls.mu.Unlock()
		return time.Time{}, nil
	}
	l.sweep(now)
	for _, q := range l.order {
		switch {
		case !ls.mayHave(q):
		case q.headKnown:
			next = min(next, q.head)
		default:
			t := l.turn(q)
			t.Want = int(q.leased) + 1
			ask = append(ask, t)
		}
	}
	if len(ask) > 0 {
		leased = l.leasedRefs()
	}
	ls.mu.Unlock()
	for i, t := range ask {
		// Everything is due at the end of time: the first row is the head.
		if err := t.fill(ctx, src, ask[i:], Never, leased); err != nil {
			return time.Time{}, err
		}
		head := int64(Never)
		if len(t.rows) > 0 {
			head = t.rows[0].Next
		}
		next = min(next, head)
		ls.mu.Lock()
		if t.q.version == t.version {
			t.q.head, t.q.headKnown = head, true
		}
		ls.mu.Unlock()
	}
	if next == Never {
		return time.Time{}, nil
	}
	return fromNanos(next), nil
}

// ClaimOne leases one delivery of a tenant until a time, if it is what read finds.
func (ls *Lanes) ClaimOne(l *Lane, tenant int64, key Key, now, until int64, read func() (*store.Event, Row, error)) (*store.Claimed, error) {
	l.claim.Lock()
	defer l.claim.Unlock()
	q := ls.beginOne(l, tenant, key, now)
	if q == nil {
		return nil, nil
	}
	e, row, err := read()
	ls.mu.Lock()
	defer ls.mu.Unlock()
	settled := l.settled[key]
	l.reading, l.settled = false, nil
	if err != nil || e == nil || settled || l.gone {
		return nil, err
	}
	l.leases[key] = &lease{ref: row.Ref, until: until, next: row.Next, q: q}
	q.leased++
	q.version++
	q.headKnown = false
	return &store.Claimed{Delivery: l.delivery(e, q, row), Event: e}, nil
}

// beginOne begins the reading of a ClaimOne; nil if there is nothing to claim.
func (ls *Lanes) beginOne(l *Lane, tenant int64, key Key, now int64) *Queue {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.sweep(now)
	q := l.queues[tenant]
	if q == nil && ls.shared {
		q = l.queue(ls.names, tenant)
	}
	if _, paused := ls.paused[l.Name]; paused || q == nil || l.leases[key] != nil || l.gone {
		return nil
	}
	l.reading, l.settled = true, map[Key]bool{}
	return q
}
