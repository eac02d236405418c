package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/jackc/pgx/v5"
)

// Room is shared by the rules of the SQLite store, but for its disk, of which only the database's server knows:
//
//   - A tenant holds no more than its quota, if it has one.
//   - With a max_size it holds no more than fairShare times what is still free.
//
// Before an event is refused by these rules, delivered events lose their content, the oldest first: a tenant's own when it is
// about its share, anybody's when it is about all. What other gateways add is known some seconds later, so that several
// together may go beyond a bound by what they accept in that time.

const (
	fairShare = 4
	// everybody is the tenant that cursors know for all of them.
	everybody = int64(-1)
	// scanStep is how many events are looked at with one query, and scanMost at one time, for what they can lose.
	scanStep = 500
	scanMost = 20_000
	// dropMost is how much is dropped at once when room is needed, or a 32nd of max_size if that is less.
	dropMost = int64(1 << 20)
	// tellDropped is how often Log hears that content is dropped.
	tellDropped = 10 * time.Minute
	// cursorLives is how long it is remembered up to where nothing can lose its content: others change it unseen.
	cursorLives = time.Minute
)

// held is what a tenant has stored.
type held struct {
	events int64 // with content
	bytes  int64
	total  int64 // events, in a transaction
}

// room is what is known of what tenants have stored.
type room struct {
	mu     sync.Mutex
	others map[int64]held           // what other writers count, when it was read last
	mine   map[int64]map[int64]held // what the store's own writers count, by their numbers; under 0 what they counted under others since

	cursors   map[int64][16]byte // by tenant: up to this event nothing can lose its content
	cursorsAt time.Time
	told      time.Time
}

// loadHeld reads what others have counted.
func (s *Store) loadHeld(ctx context.Context, conn querier) error {
	for {
		mine := s.counting()
		rows, err := conn.Query(ctx, s.q("SELECT tenant, sum(events)::bigint, sum(bytes)::bigint FROM {s}.held WHERE writer <> ALL ($1::bigint[]) GROUP BY tenant"), mine)
		if err != nil {
			return err
		}
		others := map[int64]held{}
		var tenant int64
		var h held
		if _, err := pgx.ForEachRow(rows, []any{&tenant, &h.events, &h.bytes}, func() error {
			others[tenant] = h
			return nil
		}); err != nil {
			return err
		}
		if s.room.loaded(others, func() bool { return slices.Equal(mine, s.counting()) }) {
			return nil
		}
	}
}

// loaded takes over what was read of others, unless the numbers have changed that were taken for the store's own.
func (r *room) loaded(others map[int64]held, same func() bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !same() {
		return false
	}
	r.others = others
	delete(r.mine, 0) // it is among them
	return true
}

// add counts what one of the store's own writers has committed.
func (r *room) add(writer, tenant, events, bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addLocked(writer, tenant, events, bytes)
}

func (r *room) addLocked(writer, tenant, events, bytes int64) {
	if r.mine == nil {
		r.mine = map[int64]map[int64]held{}
	}
	if r.mine[writer] == nil {
		r.mine[writer] = map[int64]held{}
	}
	h := r.mine[writer][tenant]
	r.mine[writer][tenant] = held{events: h.events + events, bytes: h.bytes + bytes}
}

// renewed notes that a writer counts under another number from now on, which take sets.
func (r *room) renewed(old int64, take func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	take()
	for tenant, h := range r.mine[old] {
		r.addLocked(0, tenant, h.events, h.bytes)
	}
	delete(r.mine, old)
}

// look has it be looked at from the beginning again what can lose its content.
func (r *room) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.cursors)
}

// of is what a tenant has stored, and what all have.
func (r *room) of(tenant int64) (one, all held, alone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	alone = true
	for _, m := range append(slices.Collect(maps.Values(r.mine)), r.others) {
		for t, h := range m {
			all.bytes, all.events = all.bytes+h.bytes, all.events+h.events
			if t == tenant {
				one.bytes, one.events = one.bytes+h.bytes, one.events+h.events
			} else if h.bytes > 0 {
				alone = false
			}
		}
	}
	return one, all, alone
}

// bounded tells whether there is any bound.
func (t *tuning) bounded() bool {
	q := t.quotas.Load()
	return t.maxBytes.Load() > 0 || q.each != (store.Quota{}) || len(q.named) > 0
}

// withRoom leaves those of the requests for which there is room, and refuses the others, unless they are copies.
func (s *Store) withRoom(rs []*acceptRequest, until time.Time) []*acceptRequest {
	if !s.tuning.bounded() {
		return rs
	}
	var kept []*acceptRequest
	more := map[int64]held{} // what the batch adds
	for _, r := range rs {
		was := map[int64]held{}
		r.Err = nil
		for _, e := range r.Do.events {
			if r.Err = s.fit(e, more, until); r.Err != nil {
				break
			}
			id, _ := s.names.ID(e.Tenant)
			was[id] = held{events: was[id].events + 1, bytes: was[id].bytes + e.size}
			more[id] = held{events: more[id].events + 1, bytes: more[id].bytes + e.size}
		}
		if r.Err == nil {
			kept = append(kept, r)
			continue
		}
		for id, h := range was {
			more[id] = held{events: more[id].events - h.events, bytes: more[id].bytes - h.bytes}
		}
	}
	return kept
}

// fit finds room for an event, or refuses it.
func (s *Store) fit(e *event, more map[int64]held, until time.Time) error {
	id, known := s.names.ID(e.Tenant)
	if !known {
		id = 0 // nobody's number
	}
	for {
		whose, refused := s.refuses(e.Tenant, id, e.size, more)
		if refused == nil {
			return nil
		}
		freed := false
		for _, t := range whose {
			var err error
			if freed, err = s.makeRoom(t, e.size, until); err != nil {
				return public(err)
			} else if freed {
				break
			}
		}
		if freed {
			continue
		}
		if s.isCopy(e, until) {
			return nil // it takes no room
		}
		return fmt.Errorf("%w: %w", store.ErrFull, refused)
	}
}

// refuses tells why there is no room for an event, and whose delivered events could make some.
func (s *Store) refuses(tenant string, id, size int64, more map[int64]held) ([]int64, error) {
	h, all, alone := s.room.of(id)
	for t, m := range more {
		all.bytes += m.bytes
		if t == id {
			h.events, h.bytes = h.events+m.events, h.bytes+m.bytes
		} else if m.bytes > 0 {
			alone = false
		}
	}
	q, limit := s.tuning.quota(tenant), s.tuning.maxBytes.Load()
	switch {
	case q.Bytes > 0 && h.bytes+size > q.Bytes:
		return []int64{id}, fmt.Errorf("tenant %q holds %d bytes, and may hold %d: see what is not delivered, or raise its bound", tenant, h.bytes, q.Bytes)
	case q.Events > 0 && h.events+1 > q.Events:
		return []int64{id}, fmt.Errorf("tenant %q holds %d events, as many as it may: see what is not delivered, or raise its bound", tenant, h.events)
	case limit == 0:
		return nil, nil
	case all.bytes+size > limit:
		return []int64{everybody}, fmt.Errorf("it has reached max_size, %d bytes: raise it, shorten the retention or see what is not delivered", limit)
	case h.bytes+size > fairShare*(limit-all.bytes) && !(tenant == "" && alone):
		return []int64{id, everybody}, fmt.Errorf("tenant %q holds %d bytes of max_size, %d, which is its share while %d are left for all: raise max_size, or see what is not delivered", tenant, h.bytes, limit, limit-all.bytes)
	}
	return nil, nil
}

// isCopy tells whether an event's key is taken.
func (s *Store) isCopy(e *event, until time.Time) bool {
	w := s.acceptor
	if w.ensure(until) != nil {
		return false
	}
	found := false
	return w.run(func(ctx context.Context, conn *pgx.Conn) error {
		var first [16]byte
		var sync, behind *string
		err := conn.QueryRow(ctx, s.sql.look, e.Key, s.nowNanos()-s.tuning.window.Load()).Scan(&first, &sync, &behind)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		found = err == nil
		return err
	}) == nil && found
}

// candidate is an event that may be able to lose its content.
type candidate struct {
	id      [16]byte
	day     int64
	tenant  int64
	size    int64
	content int64 // bytes; -1 if it has lost it
	done    bool  // delivered everywhere, and somewhere: what nobody took may have been meant for somebody
}

// candidatesSQL looks at the next events behind one.
const candidatesSQL = `SELECT e.id, e.day, e.tenant, e.size,
	coalesce((SELECT coalesce(octet_length(p.request), 0) + coalesce(octet_length(p.body), 0) + coalesce(octet_length(p.record), 0)
		FROM {s}.payloads p WHERE p.event = e.id AND p.day = e.day), -1)::bigint,
	NOT EXISTS (SELECT 1 FROM {s}.live l WHERE l.event = e.id)
		AND coalesce((SELECT bool_and(r.state = 1) FROM {s}.settled r WHERE r.event = e.id AND r.day = e.day), false)
	FROM {s}.events e WHERE e.id > $1 ORDER BY e.id LIMIT $2`

// makeRoom has delivered events of a tenant, or of everybody, lose their content, and tells whether there was any.
func (s *Store) makeRoom(tenant, size int64, until time.Time) (bool, error) {
	want := dropMost
	if limit := s.tuning.maxBytes.Load(); limit > 0 {
		want = min(want, limit/32)
	}
	want = max(want, size)
	s.room.mu.Lock()
	if s.room.cursors == nil || time.Since(s.room.cursorsAt) > cursorLives {
		s.room.cursors, s.room.cursorsAt = map[int64][16]byte{}, time.Now()
	}
	at := s.room.cursors[tenant]
	s.room.mu.Unlock()
	if err := s.acceptor.ensure(until); err != nil {
		return false, err
	}
	any := false
	err := s.transact(s.acceptor, func(t *tx) error {
		freed := int64(0)
		for scanned := 0; freed < want && scanned < scanMost; scanned += scanStep {
			list, err := collect(t, func(rows pgx.Rows) (c candidate, err error) {
				err = rows.Scan(&c.id, &c.day, &c.tenant, &c.size, &c.content, &c.done)
				return c, err
			}, candidatesSQL, at, scanStep)
			if err != nil {
				return err
			}
			for _, c := range list {
				if freed >= want {
					break
				}
				at = c.id
				if !c.done || c.content < 0 || tenant != everybody && c.tenant != tenant {
					continue
				}
				gone, err := t.drop(c)
				if err != nil {
					return err
				}
				if gone {
					freed += c.content
					any = true
				}
			}
			if len(list) < scanStep {
				break
			}
		}
		if n := t.counters[droppedCount]; n > 0 {
			t.note(audit.Leaf{Kind: audit.Expire, Count: n, Reason: "delivered everywhere, and dropped to make room"})
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	s.room.mu.Lock()
	defer s.room.mu.Unlock()
	s.room.cursors[tenant] = at
	if now := time.Now(); any && now.Sub(s.room.told) >= tellDropped {
		s.room.told = now
		s.o.Log("the store makes room", errDropped)
	}
	return any, nil
}

var errDropped = errors.New("delivered events lose their content, the oldest first, and cannot be replayed any more, since there is no room for new ones: raise max_size, or shorten the retention")

// drop takes an event's content away, unless it has to be delivered again by now.
func (t *tx) drop(c candidate) (bool, error) {
	n, err := t.number(`SELECT count(*) FROM (SELECT 1 FROM {s}.events e WHERE e.id = $1 AND e.day = $2 FOR UPDATE) x
		WHERE NOT EXISTS (SELECT 1 FROM {s}.live l WHERE l.event = $1)`, c.id, c.day)
	if err != nil || n == 0 {
		return false, err
	}
	if n, err = t.exec("DELETE FROM {s}.payloads WHERE event = $1 AND day = $2", c.id, c.day); err != nil || n == 0 {
		return false, err
	}
	left := max(0, c.size-c.content)
	// Without content there is nothing that a key is needed for.
	if _, err := t.exec("UPDATE {s}.events SET size = $3, key_id = NULL WHERE id = $1 AND day = $2", c.id, c.day, left); err != nil {
		return false, err
	}
	t.hold(c.tenant, -1, left-c.size, 0)
	t.count(droppedCount, 1)
	return true, nil
}
