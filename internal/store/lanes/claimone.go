package lanes

import "github.com/callgate/callgate/internal/store"

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
	l.lend(key, &lease{ref: row.Ref, until: until, next: row.Next, attempts: int64(row.Attempts), q: q})
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
