package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
)

// unreadable is for how long a delivery whose payload does not open is kept from being claimed again, so that it does
// not hold up the others.
const unreadable = 5 * time.Minute

// turn is a tenant's part in a Claim under way.
type turn struct {
	q       *queue
	version uint64
	rows    []dueRow
	want    int // rows to read next
	after   dueRow
	read    bool  // something was
	end     bool  // everything due was read
	head    int64 // what comes after that
}

// dueRow is a pending delivery.
type dueRow struct {
	next, seq, n int64
	attempts     int
	updated      int64
	status       int
	reason       string
	remoteID     string
}

// Claim is store.Store's. It only reads: a lease is kept in memory, and so ends with the process.
func (s *Store) Claim(ctx context.Context, destination string, now time.Time, period time.Duration, limit int, skip []string) ([]store.Claimed, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	if period <= 0 {
		return nil, errors.New("a claim needs a lease longer than nothing")
	}
	l := s.lane(destination)
	if l == nil || limit <= 0 {
		return nil, nil
	}
	l.claim.Lock()
	defer l.claim.Unlock()
	due := nanos(now)

	turns, leased := s.turns(l, due, limit, skip)
	if len(turns) == 0 {
		return nil, nil
	}
	var claimed []store.Claimed
	var served []*turn
	var rows []dueRow
	err := func() error {
		waiting := slices.Clone(turns)
		for len(waiting) > 0 && len(claimed) < limit {
			t := waiting[0]
			waiting = waiting[1:]
			row, ok, err := s.nextRow(ctx, t, due, leased)
			if err != nil {
				return err
			}
			if !ok {
				continue
			}
			waiting = append(waiting, t)
			e, err := s.eventFor(ctx, row.seq, row.n, destination)
			switch {
			case errors.Is(err, store.ErrNotFound):
				continue // erased meanwhile
			case errors.Is(err, seal.ErrAway): // of which whoever sees to data keys tells
				waiting = waiting[:len(waiting)-1]
				s.wait(t.q, now.Add(keyAway))
				continue
			case unreadableEvent(err):
				s.o.Log("delivery to "+destination+" of event "+e.ID+" is held back: its payload does not open", err)
				s.hold(l, t.q, e.ID, row, now.Add(unreadable))
				continue
			case err != nil:
				return err
			}
			claimed = append(claimed, store.Claimed{Delivery: s.delivery(e, t.q, destination, row), Event: e})
			served, rows = append(served, t), append(rows, row)
		}
		return nil
	}()
	if err != nil {
		s.grant(l, turns, nil, nil, nil, 0)
		return nil, public(err)
	}
	return s.grant(l, turns, served, rows, claimed, due+int64(period)), nil
}

// turns begins a Claim: the tenants that may have something due, the one after the last served first, and the
// deliveries that are leased.
func (s *Store) turns(l *lane, due int64, limit int, skip []string) ([]*turn, map[[2]int64]bool) {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	if _, paused := s.queues.paused[l.name]; paused {
		return nil, nil
	}
	l.sweep(due)
	first := 0
	if l.started {
		for first < len(l.order) && l.order[first].name <= l.last {
			first++
		}
	}
	var turns []*turn
	for i := range l.order {
		q := l.order[(first+i)%len(l.order)]
		if q.count[pending] > q.leased && q.waits <= due && !(q.headKnown && q.head > due) && !slices.Contains(skip, q.name) {
			turns = append(turns, &turn{q: q, version: q.version, after: dueRow{next: math.MinInt64}, head: never})
		}
	}
	if len(turns) == 0 {
		return nil, nil
	}
	leased := make(map[[2]int64]bool, len(l.leases))
	for key, e := range l.leases {
		leased[[2]int64{e.seq, key.n}] = true
	}
	for _, t := range turns {
		// One row more than are wanted tells when the next one is due.
		t.want = (limit+len(turns)-1)/len(turns) + int(t.q.leased) + 1
	}
	l.reading, l.settled = true, map[deliveryKey]bool{}
	return turns, leased
}

// nextRow gives a tenant's next delivery that is due and not leased.
func (s *Store) nextRow(ctx context.Context, t *turn, due int64, leased map[[2]int64]bool) (dueRow, bool, error) {
	for len(t.rows) == 0 {
		if t.end {
			return dueRow{}, false, nil
		}
		if err := s.readDue(ctx, t, due, leased); err != nil {
			return dueRow{}, false, err
		}
	}
	row := t.rows[0]
	t.rows = t.rows[1:]
	return row, true, nil
}

func (s *Store) readDue(ctx context.Context, t *turn, due int64, leased map[[2]int64]bool) error {
	rows, err := s.reader.QueryContext(ctx, `SELECT next_at, event, n, attempts, updated_at, last_status, reason, remote_id
		FROM deliveries INDEXED BY deliveries_due
		WHERE destination = ? AND tenant = ? AND state = 0 AND (next_at, event, n) > (?, ?, ?)
		ORDER BY next_at, event, n LIMIT ?`, t.q.destination, t.q.tenant, t.after.next, t.after.seq, t.after.n, t.want)
	if err != nil {
		return err
	}
	defer rows.Close()
	t.read = true
	read := 0
	for rows.Next() {
		var r dueRow
		if err := rows.Scan(&r.next, &r.seq, &r.n, &r.attempts, &r.updated, &r.status, &r.reason, &r.remoteID); err != nil {
			return err
		}
		read++
		t.after = r
		if leased[[2]int64{r.seq, r.n}] {
			continue
		}
		if r.next > due {
			t.head, t.end = r.next, true
			return rows.Err()
		}
		t.rows = append(t.rows, r)
	}
	t.end = read < t.want
	t.want *= 2
	return rows.Err()
}

// grant ends a Claim: it leases what was not changed while it was read.
func (s *Store) grant(l *lane, turns, served []*turn, rows []dueRow, claimed []store.Claimed, until int64) []store.Claimed {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	kept := claimed[:0]
	taken := map[*turn]uint64{}
	for i, c := range claimed {
		key, _ := parseDeliveryID(c.ID)
		if l.settled[key] {
			continue
		}
		q := served[i].q
		l.leases[key] = &lease{seq: rows[i].seq, until: until, next: rows[i].next, q: q}
		q.leased++
		q.version++
		taken[served[i]]++
		l.last, l.started = q.name, true
		kept = append(kept, c)
	}
	for _, t := range turns {
		if !t.read {
			continue // its turn did not come, and what is known of it stays
		}
		// The queue's head is known if nothing but this Claim changed it.
		t.q.headKnown = t.q.version == t.version+taken[t] && (len(t.rows) > 0 || t.end)
		t.q.head = t.head
		if len(t.rows) > 0 {
			t.q.head = t.rows[0].next
		}
	}
	l.reading, l.settled = false, nil
	return kept
}

// keyAway is for how long a tenant's deliveries are left alone when its data key cannot be unwrapped.
const keyAway = 5 * time.Second

// wait keeps a tenant's deliveries from being claimed for a moment.
func (s *Store) wait(q *queue, until time.Time) {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	q.waits = nanos(until)
	q.version++
}

// hold leases a delivery to nobody.
func (s *Store) hold(l *lane, q *queue, event string, row dueRow, until time.Time) {
	s.queues.mu.Lock()
	defer s.queues.mu.Unlock()
	id, err := ulid.ParseStrict(event)
	if err != nil {
		return
	}
	l.leases[deliveryKey{id, row.n}] = &lease{seq: row.seq, until: nanos(until), next: row.next, q: q}
	q.leased++
	q.version++
}

func (s *Store) delivery(e *store.Event, q *queue, destination string, r dueRow) store.Delivery {
	id, _ := ulid.ParseStrict(e.ID)
	return store.Delivery{
		ID: deliveryKey{id, r.n}.String(), EventID: e.ID, Tenant: q.name, Destination: destination, State: store.Pending, Leased: true,
		Attempts: r.attempts, NextAt: fromNanos(r.next), CreatedAt: e.ReceivedAt, UpdatedAt: fromNanos(r.updated),
		LastStatus: r.status, Reason: r.reason, RemoteID: r.remoteID,
	}
}

// Next is store.Store's. What the queues hold in memory answers it, but for tenants whose queue has changed in a way
// that only its index can tell.
func (s *Store) Next(ctx context.Context, destination string) (time.Time, error) {
	if err := s.enter(ctx); err != nil {
		return time.Time{}, err
	}
	l := s.lane(destination)
	if l == nil {
		return time.Time{}, nil
	}
	type unknown struct {
		q       *queue
		version uint64
		leased  int64
	}
	var ask []unknown
	leased := map[[2]int64]bool{}
	next := int64(never)
	s.queues.mu.Lock()
	if _, paused := s.queues.paused[destination]; paused {
		s.queues.mu.Unlock()
		return time.Time{}, nil
	}
	l.sweep(nanos(s.o.Now()))
	for _, q := range l.order {
		switch {
		case q.count[pending] <= q.leased:
		case q.headKnown:
			next = min(next, max(q.head, q.waits))
		default:
			ask = append(ask, unknown{q, q.version, q.leased})
		}
	}
	if len(ask) > 0 {
		for key, e := range l.leases {
			leased[[2]int64{e.seq, key.n}] = true
		}
	}
	s.queues.mu.Unlock()
	for _, u := range ask {
		t := &turn{q: u.q, after: dueRow{next: math.MinInt64}, want: int(u.leased) + 1, head: never}
		// Everything is due at the end of time: the first row is the head.
		row, ok, err := s.nextRow(ctx, t, never, leased)
		if err != nil {
			return time.Time{}, public(err)
		}
		head := int64(never)
		if ok {
			head = row.next
		}
		s.queues.mu.Lock()
		next = min(next, max(head, u.q.waits))
		if u.q.version == u.version {
			u.q.head, u.q.headKnown = head, true
		}
		s.queues.mu.Unlock()
	}
	if next == never {
		return time.Time{}, nil
	}
	return fromNanos(next), nil
}

// eventFor reads an event that is to be delivered to its destination number n. One that was sealed for another destination,
// or has no content, does not count as read.
func (s *Store) eventFor(ctx context.Context, seq, n int64, destination string) (*store.Event, error) {
	e, sealedFor, err := s.eventBySeq(ctx, seq)
	switch {
	case errors.Is(err, seal.ErrDestroyed):
		return e, errWaitsInVain
	case err != nil:
		return e, err
	case e.Dropped:
		return e, errNoContent
	case sealedFor != nil && (n >= int64(len(sealedFor)) || sealedFor[n] != destination):
		return e, errOtherDestination
	}
	return e, nil
}

var (
	errWaitsInVain      = fmt.Errorf("%w, and it still waits: run `callgate keys destroy` again, which was stopped on its way", seal.ErrDestroyed)
	errNoContent        = fmt.Errorf("%w (it waits and has no content)", ErrCorrupt)
	errOtherDestination = fmt.Errorf("%w (it was sealed for another destination)", seal.ErrTampered)
)

// unreadableEvent tells that an event is held back and not that the store cannot be read.
func unreadableEvent(err error) bool {
	return errors.Is(err, seal.ErrNoKey) || errors.Is(err, seal.ErrTampered) || errors.Is(err, seal.ErrUnavailable) ||
		errors.Is(err, seal.ErrDestroyed) || errors.Is(err, errNoContent)
}

// eventBySeq reads an event. With an error of its seal the event's ID is still set. Every claimed delivery goes through
// here, and parsing the query anew took two fifths of the time, so it is prepared once.
func (s *Store) eventBySeq(ctx context.Context, seq int64) (*store.Event, []string, error) {
	query := s.bySeq.Load()
	if query == nil {
		var err error
		if query, err = s.reader.PrepareContext(ctx, eventQuery+"WHERE e.seq = ?"); err != nil {
			return &store.Event{}, nil, err
		}
		if !s.bySeq.CompareAndSwap(nil, query) { // another one was quicker
			_ = query.Close()
			query = s.bySeq.Load()
		}
	}
	return s.readEvent(ctx, query.QueryRowContext(ctx, seq))
}

const eventQuery = `SELECT e.seq, e.id, e.unique_key, e.tenant, e.source, e.route, e.event_type, e.event_id, e.call_id, e.caller_hash,
	e.received_at, e.key_id, p.seq IS NULL, p.request, p.body, p.record FROM events e LEFT JOIN payloads p ON p.seq = e.seq `

// readEvent reads an event, and for which destinations it was sealed; nil if it does not say. With seal.ErrDestroyed it is
// Dropped.
func (s *Store) readEvent(ctx context.Context, row *sql.Row) (*store.Event, []string, error) {
	var id, key []byte
	var seq, tenant, received int64
	var p payload
	e := &store.Event{}
	err := row.Scan(&seq, &id, &key, &tenant, &e.Source, &e.Route, &e.EventType, &e.EventID, &e.CallID, &e.CallerHash,
		&received, &p.keyID, &e.Dropped, &p.request, &p.body, &p.record)
	if errors.Is(err, sql.ErrNoRows) {
		return e, nil, store.ErrNotFound
	}
	if err != nil {
		return e, nil, err
	}
	e.ID, e.Key, e.Tenant, e.ReceivedAt = ulid.ULID(id).String(), [16]byte(key), s.names.name(tenant), fromNanos(received)
	if e.Dropped {
		return e, nil, nil
	}
	sealedFor, err := s.openPayload(ctx, e, seq, p)
	e.Dropped = errors.Is(err, seal.ErrDestroyed)
	return e, sealedFor, err
}
