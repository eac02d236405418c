package lanes

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

// lend begins a lease. The caller holds the lock.
func (l *Lane) lend(key Key, e *lease) {
	l.leases[key] = e
	l.of.leased[key] = l
	e.q.leased++
	e.q.version++
}

// endLease takes a lease off the list. Another lane of the destination may have the delivery leased too, while a division
// into shards takes over from another. The caller holds the lock.
func (l *Lane) endLease(key Key) {
	delete(l.leases, key)
	if l.of.leased[key] != l {
		return
	}
	delete(l.of.leased, key)
	for _, other := range l.of.lanes[l.Destination] {
		if other.leases[key] != nil {
			l.of.leased[key] = other
		}
	}
}

// giveBack ends a lease without a change. The caller holds the lock.
func (l *Lane) giveBack(key Key, e *lease) {
	l.endLease(key)
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
	l := ls.leased[key]
	if l == nil {
		return nil, nil
	}
	return l, l.leases[key]
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
