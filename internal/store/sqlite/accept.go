package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/group"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/sealed"
	"github.com/oklog/ulid/v2"
	lib "modernc.org/sqlite/lib"
)

const (
	maxDestinations = 1000
	// rowOverhead is about what an event costs beyond its payload: its own row, its indexes, its unique key.
	rowOverhead = 400
	// deliveryOverhead is about what a delivery costs.
	deliveryOverhead = 120
	// subjectOverhead is about what a subject costs, with its index.
	subjectOverhead = 60
)

// Accept is store.Store's. The event's ID must be a ULID that was not used before. Sealing is done by the caller's
// goroutine, so that the writer does nothing but write.
func (s *Store) Accept(ctx context.Context, e *store.Event, destinations []string) (store.Accepted, error) {
	all, err := s.AcceptAll(ctx, []*store.Event{e}, [][]string{destinations})
	if err != nil {
		return store.Accepted{}, err
	}
	return all[0], nil
}

// accepting is an event on its way into the store.
type accepting struct {
	*store.Event
	id           [16]byte
	payload      sealed.Payload
	destinations []string
	accepted     store.Accepted
	besideStored []byte // nil if no audit log is kept
	subject      audit.Commitment
}

// AcceptAll is store.Store's.
func (s *Store) AcceptAll(ctx context.Context, events []*store.Event, destinations [][]string) ([]store.Accepted, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	list := make([]accepting, len(events))
	for i, e := range events {
		id, err := ulid.ParseStrict(e.ID)
		if err != nil {
			return nil, errors.New("the event's ID is not a ULID: make one with ulid.Make")
		}
		to := destinations[i]
		if len(to) > maxDestinations {
			return nil, fmt.Errorf("an event can have %d destinations and has %d: split them over several routes", maxDestinations, len(to))
		}
		p, err := s.sealPayload(ctx, e, to)
		if err != nil {
			return nil, keyError(err)
		}
		beside, stored, err := s.beside(e)
		if err != nil {
			return nil, err
		}
		list[i] = accepting{Event: e, id: id, payload: p, destinations: to, besideStored: stored, subject: beside.Subject()}
	}
	err := s.write(ctx, true, func(b *batch) error { return b.acceptAll(list) })
	for tries := 0; errors.Is(err, errKeyLost) && tries < 3; tries++ { // there is a new one
		for i := range list {
			e := &list[i]
			if e.payload, err = s.sealPayload(ctx, e.Event, e.destinations); err != nil {
				return nil, keyError(err)
			}
		}
		err = s.write(ctx, true, func(b *batch) error { return b.acceptAll(list) })
	}
	if err != nil {
		return nil, err
	}
	all := make([]store.Accepted, len(list))
	for i := range list {
		if all[i] = list[i].accepted; len(all[i].Deliveries) == 0 {
			all[i].Deliveries = nil
		}
	}
	return all, nil
}

// acceptAll adds those of the events that are new. What refuses an event after another was added undoes that too, so it is
// no refusal, which would leave the transaction as it stands.
func (b *batch) acceptAll(list []accepting) error {
	for i := range list {
		if b.lost(list[i].payload.KeyID) {
			return group.Refuse(errKeyLost)
		}
	}
	changed := false
	for i := range list {
		e := &list[i]
		first, found, err := b.first(e.Key)
		if err == nil && found {
			e.accepted = store.Accepted{EventID: ulid.ULID(first).String(), Duplicate: true}
			continue
		}
		if err == nil {
			e.accepted = store.Accepted{EventID: e.ID, Deliveries: make([]string, len(e.destinations))}
			err = b.insert(e, e.accepted.Deliveries)
		}
		switch {
		case err == nil:
			changed = true
		case changed:
			return fmt.Errorf("of %d events: %w", len(list), err)
		default:
			return err
		}
	}
	return nil
}

// insert adds an event with its deliveries, whose ids it writes to ids.
func (b *batch) insert(e *accepting, ids []string) error {
	p, destinations := e.payload, e.destinations
	size := int64(len(p.Request)+len(p.Body)+len(p.Record)) + rowOverhead + deliveryOverhead*int64(len(destinations)) + subjectOverhead*int64(len(e.Subjects))
	if err := b.fit(e.Tenant, size, int64(len(destinations))); err != nil {
		return err
	}
	tenant, err := b.nameID(e.Tenant)
	if err != nil {
		return err
	}
	received := nanos(e.ReceivedAt)
	if received == 0 {
		received = b.now
	}
	var seq, due any = b.seq, received // which several statements are given
	_, err = b.c.exec(`INSERT INTO events (seq, id, unique_key, accepted_at, received_at, tenant, source, route, event_type,
		event_id, call_id, caller_hash, bytes, key_id, size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, e.id[:], e.Key[:], b.nowArg, due, tenant, e.Source, e.Route, e.EventType,
		e.EventID, e.CallID, e.CallerHash, int64(len(e.Body)), p.KeyID, size)
	if code(err) == lib.SQLITE_CONSTRAINT {
		return group.Refuse(errors.New("an event with this ID exists: make a new ULID for every request"))
	}
	if err != nil {
		return err
	}
	if _, err := b.c.exec("INSERT INTO payloads (seq, request, body, record) VALUES (?, ?, ?, ?)", seq, p.Request, p.Body, p.Record); err != nil {
		return err
	}
	for i := range e.Subjects {
		if _, err := b.c.exec("INSERT OR IGNORE INTO subjects (hash, seq) VALUES (?, ?)", e.Subjects[i][:], seq); err != nil {
			return err
		}
	}
	for n, name := range destinations {
		destination, err := b.nameID(name)
		if err != nil {
			return err
		}
		key := lanes.Key{Event: e.id, N: int64(n)}
		if _, err := b.c.exec(`INSERT INTO deliveries (event, n, destination, tenant, state, next_at, attempts, updated_at,
			last_status, reason, remote_id) VALUES (?, ?, ?, ?, 0, ?, 0, ?, 0, '', '')`,
			seq, int64(n), destination, tenant, due, due); err != nil {
			return err
		}
		b.changes = append(b.changes, lanes.Change{Destination: destination, Tenant: tenant, Key: key, From: none, To: pending, Next: received})
		ids[n] = key.String()
	}
	b.hold(tenant, 1, size)
	b.accepted = append(b.accepted, justAccepted{b.seq, received, e.Event, destinations})
	b.keys[e.Key] = recentKey{at: b.now, seq: b.seq, event: e.id}
	b.seq++
	b.events++
	return b.noteAccepted(e, tenant)
}
