package lanes

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
)

// unreadable is for how long a delivery whose payload does not open is kept from being claimed again, so that it does
// not hold up the others.
const unreadable = 5 * time.Minute

// away is for how long a tenant's deliveries are left alone when none of its events can be opened.
const away = 5 * time.Second

// Source is how a store reads the rows of deliveries.
type Source interface {
	// Due reads, for each of the asks, its next rows. It is given at most AtOnce of them.
	Due(ctx context.Context, asks []*Ask) error
	AtOnce() int
	// Events reads the events of rows for a destination, in the same order.
	Events(ctx context.Context, destination string, rows []Row) ([]Read, error)
	// Tenants are those that may have deliveries for a destination, which only a shared store is asked.
	Tenants(ctx context.Context, destination int64) ([]int64, error)
	// HeldBack hears of an event that is not delivered for a while since it does not open.
	HeldBack(destination, event string, err error)
}

// Ask asks for a tenant's pending deliveries in the order in which they are due.
type Ask struct {
	Destination, Tenant int64
	// After is the last row that was read. At first it has only Next, and rows due at that time are wanted too.
	After Row
	// From and To bound the buckets; To is not among them.
	From, To int
	Want     int
	// Rows are to be filled with up to Want.
	Rows []Row
}

// Row is a pending delivery.
type Row struct {
	Ref
	Next     int64
	Attempts int
	Updated  int64
	Status   int
	Reason   string
	RemoteID string
}

// Read is an event that was read. With an error the event's ID is set all the same.
type Read struct {
	Event *store.Event
	// Gone tells that it was erased meanwhile.
	Gone bool
	// Away tells that what opens its tenant's events cannot be had now: these wait a moment, all together.
	Away bool
	// Unreadable tells why it cannot be delivered though the store works.
	Unreadable error
}

// turn is a tenant's part in a Claim under way.
type turn struct {
	Ask
	q       *Queue
	version uint64
	rows    []Row
	read    bool          // something was
	end     bool          // everything due was read
	head    int64         // what comes after that
	passed  bool          // something was passed over that is neither leased nor gone
	full    time.Duration // how long it took to read from the beginning
}

// Claim leases up to limit deliveries of a lane that are due at now, until a time.
func (ls *Lanes) Claim(ctx context.Context, src Source, l *Lane, now, until int64, limit int, skip []string) ([]store.Claimed, error) {
	if limit <= 0 {
		return nil, nil
	}
	l.claim.Lock()
	defer l.claim.Unlock()
	if err := ls.look(ctx, src, l); err != nil {
		return nil, err
	}
	turns, leased := ls.turns(l, now, limit, skip)
	if len(turns) == 0 {
		return nil, nil
	}
	var claimed []store.Claimed
	var served []*turn
	var rows []Row
	waiting := slices.Clone(turns)
	for len(waiting) > 0 && len(claimed) < limit {
		var picked []*turn
		var found []Row
		for len(waiting) > 0 && len(claimed)+len(found) < limit {
			t := waiting[0]
			if err := t.fill(ctx, src, waiting, now, leased); err != nil {
				ls.fail(l)
				return nil, err
			}
			waiting = waiting[1:]
			if len(t.rows) == 0 {
				continue
			}
			picked, found = append(picked, t), append(found, t.rows[0])
			t.rows = t.rows[1:]
			waiting = append(waiting, t)
		}
		events, err := src.Events(ctx, l.Name, found)
		if err != nil {
			ls.fail(l)
			return nil, err
		}
		claimed, served, rows = slices.Grow(claimed, len(events)), slices.Grow(served, len(events)), slices.Grow(rows, len(events))
		for i, e := range events {
			switch t := picked[i]; {
			case e.Gone:
			case e.Away:
				t.passed = true
				ls.wait(t.q, now+int64(away))
				waiting = slices.DeleteFunc(waiting, func(o *turn) bool { return o == t })
			case e.Unreadable != nil:
				src.HeldBack(l.Name, e.Event.ID, e.Unreadable)
				ls.hold(l, t.q, e.Event.ID, found[i], now+int64(unreadable))
			default:
				claimed = append(claimed, store.Claimed{Delivery: l.delivery(e.Event, t.q, found[i]), Event: e.Event})
				served, rows = append(served, t), append(rows, found[i])
			}
		}
	}
	return ls.grant(l, turns, served, rows, claimed, until), nil
}

// turns begins a Claim: the tenants that may have something due, the one after the last served first, and the
// deliveries that are leased.
func (ls *Lanes) turns(l *Lane, due int64, limit int, skip []string) ([]*turn, map[Ref]bool) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if _, paused := ls.paused[l.Name]; paused || l.gone {
		return nil, nil
	}
	l.sweep(due)
	first := 0
	if l.started {
		for first < len(l.order) && l.order[first].Name <= l.last {
			first++
		}
	}
	var turns []*turn
	for i := range l.order {
		q := l.order[(first+i)%len(l.order)]
		if ls.mayHave(q) && q.waits <= due && !(q.headKnown && q.head > due) && !slices.Contains(skip, q.Name) {
			turns = append(turns, l.turn(q))
			q.news = Never
		}
	}
	if len(turns) == 0 {
		return nil, nil
	}
	for _, t := range turns {
		// One row more than are wanted tells when the next one is due.
		t.Want = (limit+len(turns)-1)/len(turns) + int(t.q.leased) + 1
	}
	l.reading, l.settled = true, map[Key]bool{}
	return turns, l.leasedRefs()
}

// mayHave tells whether a tenant may have something without a lease.
func (ls *Lanes) mayHave(q *Queue) bool { return ls.shared || q.Count[Pending] > q.leased }

func (l *Lane) turn(q *Queue) *turn {
	return &turn{q: q, version: q.version, head: Never,
		Ask: Ask{Destination: q.Destination, Tenant: q.Tenant, After: Row{Next: q.from}, From: l.from, To: l.to}}
}

// leasedRefs are the rows that are leased. The caller holds the lock.
func (l *Lane) leasedRefs() map[Ref]bool {
	leased := make(map[Ref]bool, len(l.leases))
	for _, e := range l.leases {
		leased[e.ref] = true
	}
	return leased
}

// fill sees to it that a tenant has its next row that is due and not leased, if there is one. If something has to be read
// for it, it is for some of those whose turn comes next as well.
func (t *turn) fill(ctx context.Context, src Source, waiting []*turn, due int64, leased map[Ref]bool) error {
	for len(t.rows) == 0 && !t.end {
		var some []*turn
		for _, o := range waiting {
			if len(o.rows) == 0 && !o.end && len(some) < src.AtOnce() {
				some = append(some, o)
			}
		}
		if err := read(ctx, src, some, due, leased); err != nil {
			return err
		}
	}
	return nil
}

// read reads the next rows of some tenants.
func read(ctx context.Context, src Source, turns []*turn, due int64, leased map[Ref]bool) error {
	asks, full, began := make([]*Ask, len(turns)), make([]bool, len(turns)), time.Now()
	for i, t := range turns {
		t.Rows, full[i] = t.Rows[:0], t.After.Next == math.MinInt64
		asks[i] = &t.Ask
	}
	if err := src.Due(ctx, asks); err != nil {
		return err
	}
	for i, t := range turns {
		if full[i] {
			t.full = time.Since(began)
		}
		t.take(due, leased)
	}
	return nil
}

// take takes over what was read.
func (t *turn) take(due int64, leased map[Ref]bool) {
	t.read = true
	for _, r := range t.Rows {
		t.After = r
		if leased[r.Ref] {
			continue
		}
		if r.Next > due {
			t.head, t.end = r.Next, true
			return
		}
		t.rows = append(t.rows, r)
	}
	t.end = len(t.Rows) < t.Want
	t.Want *= 2
}

// grant ends a Claim: it leases what was not changed while it was read.
func (ls *Lanes) grant(l *Lane, turns, served []*turn, rows []Row, claimed []store.Claimed, until int64) []store.Claimed {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	kept := claimed[:0]
	taken, last := map[*turn]uint64{}, map[*turn]int64{}
	for i, c := range claimed {
		key, _ := ParseKey(c.ID)
		if l.settled[key] || l.gone {
			continue
		}
		q := served[i].q
		l.lend(key, &lease{ref: rows[i].Ref, until: until, next: rows[i].Next, attempts: int64(rows[i].Attempts), q: q})
		taken[served[i]]++
		last[served[i]] = rows[i].Next
		l.last, l.started = q.Name, true
		kept = append(kept, c)
	}
	for _, t := range turns {
		if !t.read {
			continue // its turn did not come, and what is known of it stays
		}
		// The queue's head is known if nothing but this Claim changed it.
		alone := t.q.version == t.version+taken[t]
		t.q.headKnown = alone && (len(t.rows) > 0 || t.end)
		t.q.head = t.head
		if len(t.rows) > 0 {
			t.q.head = t.rows[0].Next
		}
		if ls.shared {
			t.advance(taken[t] > 0, last[t])
		}
	}
	l.reading, l.settled = false, nil
	return kept
}

// advance has the next reading of a shared store begin where this one ended. The caller holds the lock.
func (t *turn) advance(taken bool, last int64) {
	q := t.q
	if t.full > 0 {
		q.fullTook = t.full
	}
	if taken {
		q.reach = max(q.reach, last)
	}
	if t.passed || !taken && !t.end {
		return
	}
	to := min(q.reach, q.news)
	switch {
	case len(t.rows) > 0:
		to = min(to, t.rows[0].Next)
	case t.end: // with what is not due yet, if anything is
		to = min(to, t.head)
	default: // all that was read is taken, and more may follow
		to = min(to, last)
	}
	q.from = max(q.from, to)
}

// fail ends a Claim that could not read: nothing is known of the rows that were to be claimed.
func (ls *Lanes) fail(l *Lane) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.reading, l.settled = false, nil
}

// wait keeps a tenant's deliveries from being claimed for a moment.
func (ls *Lanes) wait(q *Queue, until int64) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	q.waits = until
	q.version++
}

// hold leases a delivery to nobody.
func (ls *Lanes) hold(l *Lane, q *Queue, event string, row Row, until int64) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	id, err := ulid.ParseStrict(event)
	if err != nil || l.gone {
		return
	}
	l.lend(Key{id, row.N}, &lease{ref: row.Ref, until: until, next: row.Next, attempts: int64(row.Attempts), q: q})
}

func (l *Lane) delivery(e *store.Event, q *Queue, r Row) store.Delivery {
	id, _ := ulid.ParseStrict(e.ID)
	return store.Delivery{
		ID: Key{id, r.N}.String(), EventID: e.ID, Tenant: q.Name, Destination: l.Name, State: store.Pending, Leased: true,
		Attempts: r.Attempts, NextAt: fromNanos(r.Next), CreatedAt: e.ReceivedAt, UpdatedAt: fromNanos(r.Updated),
		LastStatus: r.Status, Reason: r.Reason, RemoteID: r.RemoteID,
	}
}

func fromNanos(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

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
			next = min(next, max(q.head, q.waits))
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
		ls.mu.Lock()
		next = min(next, max(head, t.q.waits))
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
