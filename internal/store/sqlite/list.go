package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/sealed"
	"github.com/oklog/ulid/v2"
)

var errBefore = errors.New("the page's Before is not an id of this listing: pass the last id of the page before")

func pageLimit(p store.Page) int {
	if p.Limit <= 0 {
		return 100
	}
	return min(p.Limit, 1000)
}

// Events is store.Store's.
func (s *Store) Events(ctx context.Context, f store.Filter, p store.Page) ([]store.EventInfo, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	before := int64(math.MaxInt64)
	if p.Before != "" {
		id, err := ulid.ParseStrict(p.Before)
		if err != nil {
			return nil, errBefore
		}
		if before, err = s.seqBefore(ctx, id); err != nil {
			return nil, public(err)
		}
	}
	c, err := s.conditions(ctx, &f)
	if err != nil || c.nothing() {
		return nil, public(err)
	}
	w := c.events()
	w.add("e.seq < ?", before)
	ctx, end := s.search(ctx)
	defer end()
	rows, err := s.reader.QueryContext(ctx, `SELECT e.id, e.tenant, e.source, e.route, e.event_type, e.event_id, e.call_id, e.received_at, e.bytes,
		NOT EXISTS (SELECT 1 FROM payloads p WHERE p.seq = e.seq),
		(SELECT count(*) FROM deliveries d WHERE d.event = e.seq AND d.state = 0),
		(SELECT count(*) FROM deliveries d WHERE d.event = e.seq AND d.state = 1),
		(SELECT count(*) FROM deliveries d WHERE d.event = e.seq AND d.state = 2)
		FROM events e WHERE `+w.String()+" ORDER BY e.seq DESC LIMIT ?", append(w.args, pageLimit(p))...)
	if err != nil {
		return nil, searched(ctx, err)
	}
	defer rows.Close()
	var list []store.EventInfo
	for rows.Next() {
		var id []byte
		var tenant, received int64
		var counts [3]int
		e := store.EventInfo{States: map[store.State]int{}}
		if err := rows.Scan(&id, &tenant, &e.Source, &e.Route, &e.EventType, &e.EventID, &e.CallID, &received, &e.Bytes, &e.Dropped,
			&counts[0], &counts[1], &counts[2]); err != nil {
			return nil, searched(ctx, err)
		}
		e.ID, e.Tenant, e.ReceivedAt = ulid.ULID(id).String(), s.names.Name(tenant), fromNanos(received)
		for state, n := range counts {
			if n > 0 {
				e.States[lanes.States[state]] = n
			}
		}
		list = append(list, e)
	}
	return list, searched(ctx, rows.Err())
}

// Event is store.Store's.
func (s *Store) Event(ctx context.Context, id string) (*store.Event, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	u, err := ulid.ParseStrict(id)
	if err != nil {
		return nil, store.ErrNotFound
	}
	found, err := s.readEvents(ctx, oneEvent+"WHERE e.id = ?", u[:])
	if err != nil {
		return nil, public(err)
	}
	if len(found) == 0 {
		return nil, store.ErrNotFound
	}
	if _, err := s.openEvent(ctx, &found[0]); err != nil && !found[0].event.Dropped {
		return nil, keyError(err)
	}
	return found[0].event, nil
}

// Deliveries is store.Store's.
func (s *Store) Deliveries(ctx context.Context, f store.Filter, p store.Page) ([]store.Delivery, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	c, err := s.conditions(ctx, &f)
	if err != nil {
		return nil, public(err)
	}
	before := where{}
	if p.Before != "" {
		key, err := lanes.ParseKey(p.Before)
		if err != nil {
			return nil, errBefore
		}
		seq, err := s.seqOf(ctx, key.Event)
		if errors.Is(err, store.ErrNotFound) {
			key.N = 0 // its event is gone: everything below where it was
			seq, err = s.seqBefore(ctx, key.Event)
		}
		if err != nil {
			return nil, public(err)
		}
		before.add("(d.event, d.n) < (?, ?)", seq, key.N)
	}
	if c.nothing() {
		return nil, nil
	}
	w := c.deliveries()
	if c.few && !c.inEvents { // only those of the page are looked up
		d := c.hinted()
		d.add(before.String(), before.args...)
		w.add("(d.event, d.n) IN (SELECT d.event, d.n FROM deliveries d "+c.index+" WHERE "+d.String()+" ORDER BY d.event DESC, d.n DESC LIMIT ?)", append(d.args, pageLimit(p))...)
	} else {
		w.add(before.String(), before.args...)
	}
	ctx, end := s.search(ctx)
	defer end()
	order := "d.event DESC, d.n DESC"
	if c.inEvents {
		order = "e.seq DESC, d.n DESC"
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT e.id, d.n, e.tenant, d.destination, d.state, d.next_at, d.attempts, d.updated_at,
		d.last_status, d.reason, d.remote_id, e.received_at FROM `+c.join()+" WHERE "+w.String()+" ORDER BY "+order+" LIMIT ?",
		append(w.args, pageLimit(p))...)
	if err != nil {
		return nil, searched(ctx, err)
	}
	defer rows.Close()
	now := nanos(s.o.Now())
	var list []store.Delivery
	for rows.Next() {
		var d store.Delivery
		var id []byte
		var n, tenant, destination, state, next, updated, received int64
		if err := rows.Scan(&id, &n, &tenant, &destination, &state, &next, &d.Attempts, &updated, &d.LastStatus, &d.Reason, &d.RemoteID, &received); err != nil {
			return nil, searched(ctx, err)
		}
		key := lanes.Key{Event: ulid.ULID(id), N: n}
		d.ID, d.EventID = key.String(), ulid.ULID(id).String()
		d.Tenant, d.Destination, d.State = s.names.Name(tenant), s.names.Name(destination), lanes.States[state]
		d.NextAt, d.UpdatedAt, d.CreatedAt = fromNanos(next), fromNanos(updated), fromNanos(received)
		d.Leased = state == pending && s.queues.Leased(key, now)
		list = append(list, d)
	}
	return list, searched(ctx, rows.Err())
}

// Attempts is store.Store's, oldest first.
func (s *Store) Attempts(ctx context.Context, deliveryID string) ([]store.Attempt, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	key, err := lanes.ParseKey(deliveryID)
	if err != nil {
		return nil, store.ErrNotFound
	}
	deliveryID = key.String() // a ULID can be written in small letters too, but excerpts are sealed under this one
	seq, err := s.seqOf(ctx, key.Event)
	if err != nil {
		return nil, public(err)
	}
	var exists int
	err = s.reader.QueryRowContext(ctx, "SELECT count(*) FROM deliveries WHERE event = ? AND n = ?", seq, key.N).Scan(&exists)
	if err != nil || exists == 0 {
		return nil, public(errors.Join(err, store.ErrNotFound))
	}
	rows, err := s.reader.QueryContext(ctx, `SELECT a.id, a.number, a.at, a.took, a.status, a.reason, coalesce(a.warnings, ''), a.remote_id, a.excerpt, a.key_id,
		a.state, a.next_at, coalesce(a.sent, ''), d.tenant, d.destination FROM attempts a JOIN deliveries d ON d.event = a.event AND d.n = a.n WHERE a.event = ? AND a.n = ? ORDER BY a.id`, seq, key.N)
	if err != nil {
		return nil, public(err)
	}
	defer rows.Close()
	sealer := s.seals.Opener(ctx)
	var list []store.Attempt
	for rows.Next() {
		a := store.Attempt{DeliveryID: deliveryID}
		var id, at, took, state, next, tenant, destination int64
		var warnings, sent string
		var excerpt, keyID []byte
		if err := rows.Scan(&id, &a.Number, &at, &took, &a.Status, &a.Reason, &warnings, &a.RemoteID, &excerpt, &keyID, &state, &next, &sent, &tenant, &destination); err != nil {
			return nil, public(err)
		}
		a.At, a.Took, a.State, a.NextAt = fromNanos(at), time.Duration(took), lanes.States[state], fromNanos(next)
		if warnings != "" {
			if err := json.Unmarshal([]byte(warnings), &a.Warnings); err != nil {
				return nil, fmt.Errorf("%w (the warnings of an attempt)", ErrCorrupt)
			}
		}
		if sent != "" {
			if err := json.Unmarshal([]byte(sent), &a.Sent); err != nil {
				return nil, fmt.Errorf("%w (what an attempt sent)", ErrCorrupt)
			}
		}
		if excerpt != nil && keyID == nil && id >= s.sealing.attempt {
			return nil, sealed.ErrUnsealed
		}
		place := sealed.ExcerptPlace(deliveryID, s.names.Name(tenant), s.names.Name(destination), int64(a.Number))
		if a.Excerpt, err = sealed.Unseal(&sealer, place, excerpt, keyID); err != nil && !errors.Is(err, seal.ErrDestroyed) {
			return nil, keyError(err)
		}
		list = append(list, a)
	}
	return list, public(rows.Err())
}
