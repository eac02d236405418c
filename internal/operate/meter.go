package operate

import (
	"context"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// maxPairs bounds for how many destinations of a tenant it is counted apart, a few KiB each.
const maxPairs = 4096

// Meter counts what is delivered, by destination and tenant, for Overview: in memory, so that no look at a page reads through
// the store. What was before the process began it reads from the store, once somebody looks; and where gateways share the store,
// so that each counts what all of them do, also what came since. It is safe for concurrent use.
type Meter struct {
	store store.Store
	now   func() time.Time
	began time.Time
	// shared is what is counted of a store that gateways share; nil where none do, and attempts are told by this one.
	shared *latest

	mu sync.Mutex
	// whole are the series of destinations, and of the name "" that of what was accepted; pairs are those of a tenant each.
	whole map[string]*series
	pairs map[[2]string]*series
	// uncounted tells that there were more pairs than are counted.
	uncounted bool
	// place is up to where the store is still to be read, 0 if that is done, and from is since when all is counted.
	place int64
	from  time.Time
	// gap is up to when not all is counted, because more came than is read at once; zero if that never was so.
	gap     time.Time
	reading chan struct{} // closed at its end; nil while nobody reads

	door door
}

// NewMeter makes a meter that goes on from what a store has. now nil is time.Now.
func NewMeter(ctx context.Context, s store.Store, now func() time.Time) *Meter {
	if now == nil {
		now = time.Now
	}
	m := &Meter{store: s, now: now, began: now(), whole: map[string]*series{}, pairs: map[[2]string]*series{}}
	m.from = m.began
	if _, ok := s.(store.Shared); ok {
		m.shared = newLatest()
	}
	list, next, err := s.RecentAttempts(ctx, 0, 1)
	if err != nil {
		return m // what it counts begins now, and it says so
	}
	for i := range list {
		m.count(&list[i], true)
		if m.shared != nil {
			m.shared.begin(&list[i], m.began)
		}
	}
	if m.place = next; next == 0 {
		m.from = time.Time{}
	}
	return m
}

// of finds or makes a series. The caller holds the lock.
func (m *Meter) of(destination string) *series {
	if m.whole[destination] == nil {
		m.whole[destination] = newSeries()
	}
	return m.whole[destination]
}

// ofTenant is of for a tenant's part; nil if there are too many.
func (m *Meter) ofTenant(destination, tenant string) *series {
	key := [2]string{destination, tenant}
	if m.pairs[key] == nil {
		if len(m.pairs) >= maxPairs {
			m.uncounted = true
			return nil
		}
		m.pairs[key] = newSeries()
	}
	return m.pairs[key]
}

func (m *Meter) count(a *store.AttemptInfo, before bool) {
	m.of(a.Destination).count(a, before)
	if s := m.ofTenant(a.Destination, a.Tenant); s != nil {
		s.count(a, before)
	}
}

// Attempt counts an attempt of this gateway's that has ended.
func (m *Meter) Attempt(a store.AttemptInfo) {
	if m.shared != nil {
		return // it is read from the store like those of others
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count(&a, false)
}

// Accepted counts an event that was taken in.
func (m *Meter) Accepted(tenant string) {
	m.received(tenant, true, func(c *counts) { c.accepted++ })
}

// received counts what came in, as a whole and as its tenant's; of no tenant as a whole alone. begin tells to begin counting a
// tenant that was not counted before; otherwise half of the room is kept for those of whom that is told.
func (m *Meter) received(tenant string, begin bool, count func(*counts)) {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	list := []*series{m.of("")}
	if tenant != "" && (begin || m.pairs[[2]string{"", tenant}] != nil || len(m.pairs) < maxPairs/2) {
		list = append(list, m.ofTenant("", tenant))
	}
	for _, s := range list {
		if s == nil {
			continue
		}
		for _, c := range []*counts{s.short.of(now), s.long.of(now)} {
			if c != nil {
				count(c)
			}
		}
	}
}

const (
	// readAtOnce is how many attempts are read together, and mostRead how many in all.
	readAtOnce, mostRead = 2000, 3_000_000
	// patience is how long a look waits for what is still being read.
	patience = 100 * time.Millisecond
)

// catchUp has what was before the process, and what all gateways have done since, read from the store, and waits a moment for it.
func (m *Meter) catchUp(ctx context.Context) {
	m.mu.Lock()
	if m.place == 0 && m.shared == nil && m.reading == nil {
		m.mu.Unlock()
		return
	}
	if m.reading == nil {
		m.reading = make(chan struct{})
		go m.read(context.WithoutCancel(ctx))
	}
	done := m.reading
	m.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-ctx.Done():
	case <-timer.C:
	}
}

// read counts what came since, and then what was before the process, the last first. An error ends it; it goes on when somebody
// looks again.
func (m *Meter) read(ctx context.Context) {
	err := m.readLatest(ctx)
	oldest := m.began.Add(-(longSlots + 1) * longSlot)
	m.mu.Lock()
	ended := err != nil || m.place == 0
	m.mu.Unlock()
	for n := 0; !ended; {
		list, next, err := m.store.RecentAttempts(ctx, m.place, readAtOnce)
		m.mu.Lock()
		ended = err != nil || next == 0
		if err == nil {
			fresh := false // they are recorded about in the order of their times
			for i := range list {
				m.count(&list[i], true)
				fresh = fresh || list[i].At.After(oldest)
			}
			if len(list) > 0 {
				m.from = list[len(list)-1].At
			}
			m.place = next
			if next == 0 || !fresh {
				m.place, m.from, ended = 0, time.Time{}, true
			}
		}
		if n += readAtOnce; n >= mostRead {
			m.place, ended = 0, true
		}
		m.mu.Unlock()
	}
	m.mu.Lock()
	close(m.reading)
	m.reading = nil
	m.mu.Unlock()
}

// window is a time that ends now.
type window struct {
	short bool
	slots int // of the series
	join  int // how many of them are one bucket
}

var windows = map[string]window{
	"hour": {true, shortSlots, 1},
	"day":  {false, 24, 1},
	"week": {false, longSlots, 6},
}

// length is that of one bucket.
func (w window) length() time.Duration {
	if w.short {
		return shortSlot
	}
	return time.Duration(w.join) * longSlot
}

// since is when a window begins.
func (w window) since(now time.Time) time.Time {
	slot := longSlot
	if w.short {
		slot = shortSlot
	}
	first := now.UnixNano()/int64(slot) - int64(w.slots) + 1
	return time.Unix(0, first*int64(slot)).UTC()
}

// view is what was counted of a destination in a window, with what is known of it beyond.
type view struct {
	counts
	buckets  []counts
	failing  failing
	taken    bool // something was delivered since it failed
	warnings []warned
	// hour and day are the last hour and the last day, by which is told what needs somebody now.
	hour, day counts
}

// look sums up the series of a destination: of all tenants, or of some. The second result tells that some are not counted.
func (m *Meter) look(destination string, sc scope, w window) (v view, missing bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	v.buckets = make([]counts, w.slots/w.join)
	list := []*series{m.whole[destination]}
	if sc.bound {
		list = list[:0]
		for _, tenant := range sc.tenants {
			s := m.pairs[[2]string{destination, tenant}]
			list = append(list, s)
			missing = missing || s == nil && m.uncounted
		}
	}
	for _, s := range list {
		if s == nil {
			continue
		}
		all := &s.long
		if w.short {
			all = &s.short
		}
		sum := func(ring *slots, window int, into *counts) {
			ring.each(now, window, func(_ int, c *counts) {
				if c != nil {
					into.add(c)
				}
			})
		}
		all.each(now, w.slots, func(i int, c *counts) {
			if c != nil {
				v.add(c)
				v.buckets[i/w.join].add(c)
			}
		})
		sum(&s.short, shortSlots, &v.hour)
		sum(&s.long, 24, &v.day)
		if f := s.failing; f.count > 0 && (v.failing.count == 0 || f.since.Before(v.failing.since)) {
			f.count += v.failing.count
			v.failing = f
		} else {
			v.failing.count += f.count
		}
		v.taken = v.taken || s.failing.count == 0 && s.taken
		for _, warning := range s.warnings {
			if warning.missed < currentWarning {
				v.warnings = append(v.warnings, warning)
			}
		}
	}
	return v, missing
}
