package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
	lib "modernc.org/sqlite/lib"
)

const (
	maxDestinations = 1000
	// rowOverhead is about what an event costs beyond its payload: its own row, its indexes, its unique key.
	rowOverhead = 400
	// deliveryOverhead is about what a delivery costs.
	deliveryOverhead = 120
)

// Accept is store.Store's. The event's ID must be a ULID that was not used before. Sealing is done by the caller's
// goroutine, so that the writer does nothing but write.
func (s *Store) Accept(ctx context.Context, e *store.Event, destinations []string) (store.Accepted, error) {
	if err := s.enter(ctx); err != nil {
		return store.Accepted{}, err
	}
	id, err := ulid.ParseStrict(e.ID)
	if err != nil {
		return store.Accepted{}, errors.New("the event's ID is not a ULID: make one with ulid.Make")
	}
	if len(destinations) > maxDestinations {
		return store.Accepted{}, fmt.Errorf("an event can have %d destinations and has %d: split them over several routes", maxDestinations, len(destinations))
	}
	p, err := s.sealPayload(e, destinations)
	if err != nil {
		return store.Accepted{}, err
	}
	var accepted store.Accepted
	err = s.write(ctx, true, func(b *batch) error {
		first, found, err := b.first(e.Key)
		switch {
		case err != nil:
			return err
		case found:
			accepted = store.Accepted{EventID: ulid.ULID(first).String(), Duplicate: true}
			return nil
		}
		accepted = store.Accepted{EventID: e.ID, Deliveries: make([]string, len(destinations))}
		return b.insert(e, id, p, destinations, accepted.Deliveries)
	})
	if err != nil {
		return store.Accepted{}, err
	}
	if len(accepted.Deliveries) == 0 {
		accepted.Deliveries = nil
	}
	return accepted, nil
}

// insert adds an event with its deliveries, whose ids it writes to ids.
func (b *batch) insert(e *store.Event, id [16]byte, p payload, destinations, ids []string) error {
	size := int64(len(p.request)+len(p.body)+len(p.record)) + rowOverhead + deliveryOverhead*int64(len(destinations))
	if err := b.fit(e.Tenant, size, int64(len(destinations))); err != nil {
		return err
	}
	tenant, err := b.nameID(e.Tenant)
	if err != nil {
		return err
	}
	seq, received := b.seq, nanos(e.ReceivedAt)
	if received == 0 {
		received = b.now
	}
	_, err = b.c.exec(`INSERT INTO events (seq, id, unique_key, accepted_at, received_at, tenant, source, route, event_type,
		event_id, call_id, caller_hash, bytes, key_id, size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, id[:], e.Key[:], b.now, received, tenant, e.Source, e.Route, e.EventType,
		e.EventID, e.CallID, e.CallerHash, len(e.Body), p.keyID, size)
	if code(err) == lib.SQLITE_CONSTRAINT {
		return refusal{errors.New("an event with this ID exists: make a new ULID for every request")}
	}
	if err != nil {
		return err
	}
	if _, err := b.c.exec("INSERT INTO payloads (seq, request, body, record) VALUES (?, ?, ?, ?)", seq, p.request, p.body, p.record); err != nil {
		return err
	}
	for n, name := range destinations {
		destination, err := b.nameID(name)
		if err != nil {
			return err
		}
		key := deliveryKey{id, int64(n)}
		if _, err := b.c.exec(`INSERT INTO deliveries (event, n, destination, tenant, state, next_at, attempts, updated_at,
			last_status, reason, remote_id) VALUES (?, ?, ?, ?, 0, ?, 0, ?, 0, '', '')`,
			seq, n, destination, tenant, received, received); err != nil {
			return err
		}
		b.changes = append(b.changes, change{destination: destination, tenant: tenant, key: key, from: none, to: pending, next: received})
		ids[n] = key.String()
	}
	b.hold(tenant, 1, size)
	b.keys[e.Key] = recentKey{at: b.now, seq: seq, event: id}
	b.seq++
	b.events++
	return nil
}
