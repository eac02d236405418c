package sqlite

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// The states as they are stored. none is where a delivery is before it is made and after it is deleted.
const (
	none      = -1
	pending   = 0
	delivered = 1
	dead      = 2
)

var states = [...]store.State{pending: store.Pending, delivered: store.Delivered, dead: store.Dead}

func stateNumber(s store.State) int64 {
	return int64(slices.Index(states[:], s))
}

// deliveryKey is a delivery's id: the event's ULID and the place of the destination among the event's.
type deliveryKey struct {
	event [16]byte
	n     int64
}

// change is what happened to a delivery in a committed batch.
type change struct {
	destination, tenant int64
	key                 deliveryKey
	from, to            int8
	next                int64 // when it is due, if it is pending now
	// sooner tells that a pending delivery only falls due earlier; its lease stays.
	sooner bool
}

// queues are what is held in memory of every destination's deliveries: their number, when the first one of every tenant
// is due, and the leases. What they say of rows is true of the last committed state.
type queues struct {
	mu     sync.Mutex
	lanes  map[int64]*lane
	paused map[string]string
	live   int64 // deliveries that are pending
}

// lane is a destination's part.
type lane struct {
	name    string
	queues  map[int64]*queue
	order   []*queue // by the tenant's name
	leases  map[deliveryKey]*lease
	last    string // tenant served last
	started bool   // there is a last

	// claim is held by the one Claim that is under way. While it reads, settled gathers the deliveries that were
	// changed meanwhile, which its reading may not have seen.
	claim   sync.Mutex
	reading bool
	settled map[deliveryKey]bool

	oldest   int64 // the lowest seq with a pending delivery, 0 if not known
	oldestAt time.Time
}

// queue is a tenant's part of a lane.
type queue struct {
	destination, tenant int64
	name                string // the tenant's
	count               [3]int64
	leased              int64
	// head is when the first pending delivery without a lease is due (never if there is none), if headKnown.
	head      int64
	headKnown bool
	version   uint64 // changes with the queue
	waits     int64  // until then nothing is claimed, since the tenant's data key cannot be had
}

const never = math.MaxInt64

type lease struct {
	seq   int64
	until int64
	next  int64
	q     *queue
}

func (qs *queues) init() { qs.lanes, qs.paused = map[int64]*lane{}, map[string]string{} }

// unsettled is the number of deliveries that are pending.
func (qs *queues) unsettled() int64 {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	return qs.live
}

// queue finds or makes a queue. The caller holds the lock, or is alone.
func (qs *queues) queue(n *names, destination, tenant int64) *queue {
	l := qs.lanes[destination]
	if l == nil {
		l = &lane{name: n.name(destination), queues: map[int64]*queue{}, leases: map[deliveryKey]*lease{}}
		qs.lanes[destination] = l
	}
	q := l.queues[tenant]
	if q == nil {
		q = &queue{destination: destination, tenant: tenant, name: n.name(tenant)}
		l.queues[tenant] = q
		at, _ := slices.BinarySearchFunc(l.order, q, func(a, b *queue) int { return cmp.Compare(a.name, b.name) })
		l.order = slices.Insert(l.order, at, q)
	}
	return q
}

// apply takes over what a committed batch did.
func (qs *queues) apply(n *names, changes []change) {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		q := qs.queue(n, c.destination, c.tenant)
		l := qs.lanes[c.destination]
		q.version++
		if c.from != none {
			q.count[c.from]--
		}
		if c.to != none {
			q.count[c.to]++
		}
		if c.from == pending {
			qs.live--
		}
		if c.to == pending {
			qs.live++
		}
		if l.reading {
			l.settled[c.key] = true
		}
		if c.from > pending && c.to == pending {
			l.oldest = 0
		}
		lease := l.leases[c.key]
		switch {
		case lease != nil && c.from != pending && c.to == pending:
			continue // a Claim has read it already, between the commit and now, and what it got stays its own
		case lease != nil && c.sooner:
			lease.next = c.next
			continue
		case c.sooner:
		case lease != nil:
			delete(l.leases, c.key)
			q.leased--
		case c.from == pending:
			q.headKnown = false
		}
		if c.to == pending && q.headKnown {
			q.head = min(q.head, c.next)
		}
	}
}

// giveBack ends a lease without a change. The caller holds the lock.
func (l *lane) giveBack(key deliveryKey, e *lease) {
	delete(l.leases, key)
	e.q.leased--
	e.q.version++
	if e.q.headKnown {
		e.q.head = min(e.q.head, e.next)
	}
	if l.reading {
		l.settled[key] = true
	}
}

// sweep ends the leases that ran out. The caller holds the lock.
func (l *lane) sweep(now int64) {
	for key, e := range l.leases {
		if e.until <= now {
			l.giveBack(key, e)
		}
	}
}

// lease finds a delivery's lease. The caller holds the lock.
func (qs *queues) lease(key deliveryKey) (*lane, *lease) {
	for _, l := range qs.lanes {
		if e := l.leases[key]; e != nil {
			return l, e
		}
	}
	return nil, nil
}

// leased tells whether an attempt at a delivery is under way.
func (qs *queues) leased(key deliveryKey, now int64) bool {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	_, e := qs.lease(key)
	return e != nil && now < e.until
}

// lane finds a destination's lane, nil if it never had a delivery.
func (s *Store) lane(destination string) *lane {
	id, ok := s.names.id(destination)
	if !ok {
		return nil
	}
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	return s.queues.lanes[id]
}

// writeQueues adds up a batch's changes in the table of queue lengths.
func (b *batch) writeQueues() error {
	type pair struct{ destination, tenant int64 }
	sums := map[pair]*[3]int64{}
	for _, c := range b.changes {
		if c.from == c.to {
			continue
		}
		sum := sums[pair{c.destination, c.tenant}]
		if sum == nil {
			sum = &[3]int64{}
			sums[pair{c.destination, c.tenant}] = sum
		}
		if c.from != none {
			sum[c.from]--
		}
		if c.to != none {
			sum[c.to]++
		}
	}
	for p, sum := range sums {
		if *sum == [3]int64{} {
			continue
		}
		_, err := b.c.exec(`INSERT INTO queues (destination, tenant, pending, delivered, dead) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT (destination, tenant) DO UPDATE SET pending = pending + excluded.pending,
			delivered = delivered + excluded.delivered, dead = dead + excluded.dead`,
			p.destination, p.tenant, sum[pending], sum[delivered], sum[dead])
		if err != nil {
			return err
		}
	}
	return nil
}
