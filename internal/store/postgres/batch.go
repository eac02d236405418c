package postgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/leaves"
	"github.com/jackc/pgx/v5"
	"github.com/oklog/ulid/v2"
)

// acceptBatch is the events of a transaction under way, in the form in which the statement takes them.
type acceptBatch struct {
	s        *Store
	now      int64
	events   []*event            // each with a key that no other one has
	copies   map[[16]byte]*event // the one that goes, by key
	later    []*event            // those with a key that is among events
	byID     map[[16]byte]*event
	twice    bool // an id
	nameList []string
	pairs    []pair

	kind      acceptKind
	args      []any
	besideIDs [][16]byte
	besides   [][]byte
	dataKeys  [][]byte // the ids of those with which something is sealed
}

func newAcceptBatch(s *Store, rs []*acceptRequest) *acceptBatch {
	b := &acceptBatch{s: s, now: s.nowNanos(), copies: map[[16]byte]*event{}, byID: map[[16]byte]*event{}}
	names := map[string]bool{}
	for _, r := range rs {
		for _, e := range r.Do.events {
			if b.byID[e.id] != nil {
				b.twice = true
			}
			b.byID[e.id] = e
			if b.copies[e.Key] != nil {
				b.later = append(b.later, e)
				continue
			}
			b.copies[e.Key] = e
			b.events = append(b.events, e)
			names[e.Tenant] = true
			for _, d := range e.destinations {
				names[d] = true
			}
		}
	}
	for name := range names {
		b.nameList = append(b.nameList, name)
	}
	return b
}

// errTwice is an id that is twice in a batch: each request gets its own try then.
var errTwice = errors.New("an id is in a batch twice")

// clash tells whether the batch cannot be carried out as it is.
func (b *acceptBatch) clash() error {
	if b.twice {
		return errTwice
	}
	return nil
}

// midnight is for how long after it keys go into the day before, too.
const midnight = int64(2 * time.Minute)

// number makes the statement's arguments, when all names have numbers.
func (b *acceptBatch) number() error {
	n := len(b.events)
	var (
		ids, keys                                          = make([][16]byte, 0, n), make([][16]byte, 0, n)
		dayList, tenants, buckets, lengths                 = make([]int32, 0, n), make([]int32, 0, n), make([]int16, 0, n), make([]int32, 0, n)
		received, sizes                                    = make([]int64, 0, n), make([]int64, 0, n)
		sources, routes, types, eventIDs, callIDs, callers = make([]string, 0, n), make([]string, 0, n), make([]string, 0, n), make([]string, 0, n), make([]string, 0, n), make([]string, 0, n)
		keyIDs, requests, bodies, records                  = make([][]byte, 0, n), make([][]byte, 0, n), make([][]byte, 0, n), make([][]byte, 0, n)
		deliveries, subjects, subjectOf                    = make([][16]byte, 0, n), [][16]byte{}, [][16]byte{}
		numbers, destinations                              = make([]int32, 0, n), make([]int32, 0, n)
	)
	b.besideIDs, b.besides = [][16]byte{}, [][]byte{}
	sealedBy := map[seal.KeyID]bool{}
	for _, e := range b.events {
		tenant, _ := b.s.names.ID(e.Tenant)
		p := &e.payload
		if id, dataKey, ok := seal.ParseStoredID(p.KeyID); ok && dataKey && !sealedBy[id] {
			sealedBy[id] = true
			b.dataKeys = append(b.dataKeys, id[:])
		}
		ids, keys, dayList, received = append(ids, e.id), append(keys, e.Key), append(dayList, int32(e.day)), append(received, e.received)
		tenants, buckets, lengths, sizes = append(tenants, int32(tenant)), append(buckets, int16(e.bucket)), append(lengths, int32(len(e.Body))), append(sizes, e.size)
		sources, routes, types = append(sources, text(e.Source)), append(routes, text(e.Route)), append(types, text(e.EventType))
		eventIDs, callIDs, callers = append(eventIDs, text(e.EventID)), append(callIDs, text(e.CallID)), append(callers, text(e.CallerHash))
		keyIDs, requests, bodies, records = append(keyIDs, p.KeyID), append(requests, p.Request), append(bodies, p.Body), append(records, p.Record)
		for i, name := range e.destinations {
			destination, _ := b.s.names.ID(name)
			deliveries, numbers, destinations = append(deliveries, e.id), append(numbers, int32(i)), append(destinations, int32(destination))
			b.pairs = append(b.pairs, pair{destination, tenant})
		}
		for _, subject := range e.Subjects {
			subjects, subjectOf = append(subjects, subject), append(subjectOf, e.id)
		}
		if b.s.audit.on.Load() {
			if e.besideStored == nil { // the log was begun while the event was on its way
				beside, stored, err := b.s.beside(e.Event)
				if err != nil {
					return err
				}
				e.besideStored, e.subject = stored, beside.Subject()
			}
			b.besideIDs, b.besides = append(b.besideIDs, e.id), append(b.besides, e.besideStored)
		}
	}
	// unnest fills up with NULL what a list lacks, so that one of nothing else need not be written, read and taken apart.
	keyIDs, bodies, records = unlessEmpty(keyIDs), unlessEmpty(bodies), unlessEmpty(records)
	today, since := dayOf(b.now), b.now-b.s.tuning.window.Load()
	keyDay, also := today, (*int32)(nil)
	if b.kind.midnight = b.now-today*day < midnight; b.kind.midnight {
		keyDay = today - 1
		d := int32(today)
		also = &d
	}
	b.args = []any{ids, dayList, keys, received, tenants, buckets, lengths, sizes, sources, routes, types, eventIDs, callIDs, callers,
		keyIDs, requests, bodies, records, int32(dayOf(since)), since, b.now, int32(keyDay), also, deliveries, numbers, destinations, b.s.acceptor.id.Load(),
		b.s.o.RequireSync}
	if b.kind.subjects = len(subjects) > 0; b.kind.subjects {
		b.args = append(b.args, subjects, subjectOf)
	}
	return nil
}

// unlessEmpty gives a list, or nil if nothing is in it but nil.
func unlessEmpty(list [][]byte) [][]byte {
	if slices.ContainsFunc(list, func(v []byte) bool { return v != nil }) {
		return list
	}
	return nil
}

// errOutcome is that of a statement which does not tell of as many events as it was given.
var errOutcome = fmt.Errorf("%w: it tells of another number of events than it was given", store.ErrUnavailable)

// statement is the one that the batch is carried out with.
func (b *acceptBatch) statement() string { return b.s.sql.accept[b.kind] }

// read takes over what the statement says became of the events: those are made of which it says nothing, and it says how many
// these are.
func (b *acceptBatch) read(rows pgx.Rows) error {
	defer rows.Close()
	var made int64
	others := map[[16]byte][16]byte{}
	for rows.Next() {
		var id, first *[16]byte
		var standby *int32
		var sync, behind *string
		if err := rows.Scan(&made, &sync, &standby, &behind, &id, &first); err != nil {
			return err
		}
		if id != nil && first != nil {
			others[*id] = *first
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if made+int64(len(others)) != int64(len(b.events)) {
		return errOutcome
	}
	for _, e := range b.events {
		switch first, other := others[e.id]; {
		case other && first != e.id:
			e.copyOf(ulid.ULID(first).String())
		default:
			e.stored(!other)
		}
	}
	return nil
}

// leaves are those of the events that the batch has stored.
func (b *acceptBatch) leaves() (list []audit.Leaf) {
	for _, e := range b.events {
		if e.made {
			list = append(list, leaves.Accepted(e.Event, e.destinations, e.subject))
		}
	}
	return list
}

// committed takes over what is durable now.
func (b *acceptBatch) committed() {
	s := b.s
	for _, e := range b.later {
		e.copyOf(b.copies[e.Key].accepted.EventID)
	}
	var changes []lanes.Change
	var destinations []string
	first := int64(lanes.Never)
	for _, e := range b.events {
		if !e.made {
			continue
		}
		first = min(first, e.received)
		tenant, _ := s.names.ID(e.Tenant)
		s.room.add(s.acceptor.id.Load(), tenant, 1, e.size)
		for n, name := range e.destinations {
			destination, _ := s.names.ID(name)
			changes = append(changes, lanes.Change{Destination: destination, Tenant: tenant, Bucket: e.bucket, Key: lanes.Key{Event: e.id, N: int64(n)},
				From: lanes.None, To: lanes.Pending, Next: e.received})
			if !slices.Contains(destinations, name) {
				destinations = append(destinations, strings.Clone(name))
			}
		}
	}
	s.lanes.Apply(changes)
	s.wake.destinations(destinations, first)
}
