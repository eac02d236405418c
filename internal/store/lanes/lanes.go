// Package lanes is what a store keeps in memory of the deliveries that wait: for each destination and tenant when the first
// one is due, who has what leased, and whose turn it is. The rows stay in the store's database, which a Claim only reads: a
// lease is kept here, and so ends with the process. Stores read rows through [Source].
//
// A store that nobody else writes to knows the number of deliveries too (see [New]). One that is shared asks anew, now and then
// and when it is told to, what others have added; see [Lanes.Stale].
package lanes

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// Change is what happened to a delivery in a committed batch.
type Change struct {
	Destination, Tenant int64
	Key                 Key
	From, To            int8
	Next                int64 // when it is due, if it is pending now
	// Bucket is that of its event, of which lanes of a divided destination have some each.
	Bucket int
	// Sooner tells that a pending delivery only falls due earlier; its lease stays.
	Sooner bool
}

// Lanes are what is held in memory of every destination's deliveries: their number, when the first one of every tenant is
// due, and the leases. What they say of rows is true of the last committed state.
type Lanes struct {
	names  *Names
	shared bool

	mu     sync.Mutex
	lanes  map[int64][]*Lane
	paused map[string]string
	live   int64 // deliveries that are pending, unless the store is shared
}

// Lane is a destination's part.
type Lane struct {
	Name        string
	Destination int64
	// Oldest and OldestAt are for the store: what it knows of the delivery that waits longest, forgotten when an older one may
	// wait again. They are read and written under Lanes.Locked.
	Oldest   int64 // 0 if not known
	OldestAt time.Time

	from, to int // the buckets of its events; to is not among them
	queues   map[int64]*Queue
	order    []*Queue // by the tenant's name
	leases   map[Key]*lease
	last     string // tenant served last
	started  bool   // there is a last

	// claim is held by the one Claim that is under way. While it reads, settled gathers the deliveries that were
	// changed meanwhile, which its reading may not have seen.
	claim   sync.Mutex
	reading bool
	settled map[Key]bool

	// These are of a lane of a shared store.
	looking  sync.Mutex
	looked   time.Time // when it was looked at last what others have added; zero for now
	told     bool      // others have added something since, which is not due before toldFrom
	toldFrom int64
	gone     bool // it was given up
}

// Queue is a tenant's part of a lane.
type Queue struct {
	Destination, Tenant int64
	Name                string // the tenant's
	// Count counts its deliveries by state, unless the store is shared.
	Count  [3]int64
	leased int64
	// head is when the first pending delivery without a lease is due (never if there is none), if headKnown.
	head      int64
	headKnown bool
	version   uint64 // changes with the queue
	waits     int64  // until then nothing is claimed, since its events cannot be opened

	// These are of a shared store: nothing without a lease is due before from, as far as is known; reach is when the last row
	// was due that was claimed; news is the least that from became since a Claim began.
	from, reach, news int64
	fullAt            time.Time     // when reading began at the beginning
	fullTook          time.Duration // how long that took
}

const (
	// Never is when nothing is due.
	Never = math.MaxInt64
	// beginning is before everything that is due, and the time behind can be taken from it.
	beginning = math.MinInt64 / 2
	// allBuckets is beyond every bucket.
	allBuckets = math.MaxInt
)

// Ref is how a store finds a delivery's row: one by the number of its event, another by the event's id and day.
type Ref struct {
	Seq, Day int64
	Event    [16]byte
	N        int64
}

type lease struct {
	ref      Ref
	until    int64
	next     int64
	attempts int64
	q        *Queue
}

// Leased is what a lease knows of its delivery: as it was when it was claimed.
type Leased struct {
	Ref
	Destination, Tenant int64
	Attempts            int64
}

// New makes those of a store. shared tells that others change the same deliveries.
func New(names *Names, shared bool) *Lanes {
	return &Lanes{names: names, shared: shared, lanes: map[int64][]*Lane{}, paused: map[string]string{}}
}

// Locked calls f while nothing of the lanes changes.
func (ls *Lanes) Locked(f func()) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	f()
}

// Unsettled is the number of deliveries that are pending.
func (ls *Lanes) Unsettled() int64 {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.live
}

// Waiting is how many deliveries of a destination wait: without a bound while it is paused. A shared store does not know.
func (ls *Lanes) Waiting(destination string) (n int64) {
	id, ok := ls.names.ID(destination)
	if !ok {
		return 0
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if _, paused := ls.paused[destination]; paused {
		return math.MaxInt64
	}
	for _, l := range ls.lanes[id] {
		for _, q := range l.order {
			n += q.Count[Pending]
		}
	}
	return n
}

// Load says how many deliveries of a tenant there are, when the store is opened.
func (ls *Lanes) Load(destination, tenant int64, count [3]int64) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	q := ls.whole(destination).queue(ls.names, tenant)
	q.Count = count
	ls.live += count[Pending]
}

// whole finds or makes the lane that is all of a destination. The caller holds the lock.
func (ls *Lanes) whole(destination int64) *Lane {
	for _, l := range ls.lanes[destination] {
		if l.from == 0 && l.to == allBuckets {
			return l
		}
	}
	return ls.add(destination, 0, allBuckets)
}

func (ls *Lanes) add(destination int64, from, to int) *Lane {
	l := &Lane{Name: ls.names.Name(destination), Destination: destination, from: from, to: to, queues: map[int64]*Queue{}, leases: map[Key]*lease{}, toldFrom: Never}
	ls.lanes[destination] = append(ls.lanes[destination], l)
	return l
}

// Whole is the lane that is all of a destination, made if there is none.
func (ls *Lanes) Whole(destination int64) *Lane {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.whole(destination)
}

// Part makes a lane of its own, of the buckets from one on to before another.
func (ls *Lanes) Part(destination int64, from, to int) *Lane {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.add(destination, from, to)
}

// Drop gives a lane up, and ends its leases.
func (ls *Lanes) Drop(l *Lane) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.gone = true
	l.leases = map[Key]*lease{}
	for _, q := range l.order {
		q.leased = 0
	}
	ls.lanes[l.Destination] = slices.DeleteFunc(ls.lanes[l.Destination], func(o *Lane) bool { return o == l })
}

// Lane finds the lane that is all of a destination, nil if it never had a delivery.
func (ls *Lanes) Lane(destination string) *Lane {
	id, ok := ls.names.ID(destination)
	if !ok {
		return nil
	}
	if ls.shared {
		return ls.Whole(id)
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.lanes[id] {
		return l
	}
	return nil
}

// Each calls f for each tenant's part of each lane, a lane's one after the other, under the lock.
func (ls *Lanes) Each(f func(l *Lane, q *Queue)) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, list := range ls.lanes {
		for _, l := range list {
			for _, q := range l.order {
				f(l, q)
			}
		}
	}
}

// queue finds or makes a tenant's part. The caller holds the lock.
func (l *Lane) queue(n *Names, tenant int64) *Queue {
	q := l.queues[tenant]
	if q == nil {
		q = &Queue{Destination: l.Destination, Tenant: tenant, Name: n.Name(tenant), from: math.MinInt64, reach: beginning, news: Never}
		l.queues[tenant] = q
		at, _ := slices.BinarySearchFunc(l.order, q, func(a, b *Queue) int { return cmp.Compare(a.Name, b.Name) })
		l.order = slices.Insert(l.order, at, q)
	}
	return q
}

// Apply takes over what a committed batch did.
func (ls *Lanes) Apply(changes []Change) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for i := range changes {
		c := &changes[i]
		if c.From == Pending {
			ls.live--
		}
		if c.To == Pending {
			ls.live++
		}
		if !ls.shared {
			ls.whole(c.Destination)
		}
		for _, l := range ls.lanes[c.Destination] {
			if c.Bucket >= l.from && c.Bucket < l.to {
				l.apply(ls.names, c)
			}
		}
	}
}

func (l *Lane) apply(n *Names, c *Change) {
	q := l.queue(n, c.Tenant)
	q.version++
	if c.From != None {
		q.Count[c.From]--
	}
	if c.To != None {
		q.Count[c.To]++
	}
	if l.reading {
		l.settled[c.Key] = true
	}
	if c.From > Pending && c.To == Pending {
		l.Oldest = 0
	}
	if c.To == Pending {
		q.begin(c.Next)
	}
	lease := l.leases[c.Key]
	switch {
	case lease != nil && c.From != Pending && c.To == Pending:
		return // a Claim has read it already, between the commit and now, and what it got stays its own
	case lease != nil && c.Sooner:
		lease.next = c.Next
		return
	case c.Sooner:
	case lease != nil:
		delete(l.leases, c.Key)
		q.leased--
	case c.From == Pending:
		q.headKnown = false
	}
	if c.To == Pending && q.headKnown {
		q.head = min(q.head, c.Next)
	}
}

// giveBack ends a lease without a change. The caller holds the lock.
func (l *Lane) giveBack(key Key, e *lease) {
	delete(l.leases, key)
	e.q.leased--
	e.q.version++
	e.q.begin(e.next)
	if e.q.headKnown {
		e.q.head = min(e.q.head, e.next)
	}
	if l.reading {
		l.settled[key] = true
	}
}

// sweep ends the leases that ran out. The caller holds the lock.
func (l *Lane) sweep(now int64) {
	for key, e := range l.leases {
		if e.until <= now {
			l.giveBack(key, e)
		}
	}
}

// lease finds a delivery's lease. The caller holds the lock.
func (ls *Lanes) lease(key Key) (*Lane, *lease) {
	for _, list := range ls.lanes {
		for _, l := range list {
			if e := l.leases[key]; e != nil {
				return l, e
			}
		}
	}
	return nil, nil
}

// Leased tells whether an attempt at a delivery is under way.
func (ls *Lanes) Leased(key Key, now int64) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	_, e := ls.lease(key)
	return e != nil && now < e.until
}

// Tenant is the tenant of a delivery that is leased; false if it is not.
func (ls *Lanes) Tenant(key Key) (string, bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	_, e := ls.lease(key)
	if e == nil {
		return "", false
	}
	return e.q.Name, true
}

// Refs are where the rows of deliveries are, as far as they are leased.
func (ls *Lanes) Refs(keys []Key) map[Key]Ref {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	refs := make(map[Key]Ref, len(keys))
	for _, key := range keys {
		if _, e := ls.lease(key); e != nil {
			refs[key] = e.ref
		}
	}
	return refs
}

// Leases is what leases know of deliveries, as far as they are leased.
func (ls *Lanes) Leases(keys []Key) map[Key]Leased {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	leased := make(map[Key]Leased, len(keys))
	for _, key := range keys {
		if _, e := ls.lease(key); e != nil {
			leased[key] = Leased{e.ref, e.q.Destination, e.q.Tenant, e.attempts}
		}
	}
	return leased
}

// Return gives leased deliveries back. What is no delivery's id, or not leased, is passed over.
func (ls *Lanes) Return(deliveryIDs []string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, id := range deliveryIDs {
		key, err := ParseKey(id)
		if err != nil {
			continue
		}
		if l, e := ls.lease(key); e != nil {
			l.giveBack(key, e)
		}
	}
}

// SetPaused notes whether deliveries of a destination may be claimed.
func (ls *Lanes) SetPaused(destination, reason string, on bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if on {
		ls.paused[destination] = reason
	} else {
		delete(ls.paused, destination)
	}
}

// SetAllPaused notes which destinations are paused, and tells whether that is news.
func (ls *Lanes) SetAllPaused(paused map[string]string) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	news := !maps.Equal(ls.paused, paused)
	ls.paused = paused
	return news
}

// Paused are the destinations that are paused, with the reasons.
func (ls *Lanes) Paused() map[string]string {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return maps.Clone(ls.paused)
}
