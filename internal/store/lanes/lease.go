package lanes

// giveBack ends a lease without a change. The caller holds the lock.
func (l *Lane) giveBack(key Key, e *lease) {
	delete(l.leases, key)
	e.q.leased--
	e.q.version++
	e.q.from = min(e.q.from, e.next)
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
