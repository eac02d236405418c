package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/sealed"
	"github.com/jackc/pgx/v5"
	"github.com/oklog/ulid/v2"
)

var errBefore = errors.New("the page's Before is not an id of this listing: pass the last id of the page before")

// errRecord is said of what is stored of an attempt and cannot be read.
var errRecord = fmt.Errorf("%w: what is stored of an attempt cannot be read", store.ErrUnavailable)

func pageLimit(p store.Page) int {
	if p.Limit <= 0 {
		return 100
	}
	return min(p.Limit, 1000)
}

// search waits until a search may begin, so that searches, which may take long, leave connections to claims.
func (s *Store) search(ctx context.Context) (end func(), err error) {
	select {
	case s.searches <- struct{}{}:
		return func() { <-s.searches }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Events is store.Store's. Call ids have no index; a search for them reads through the events, but not through their payloads.
func (s *Store) Events(ctx context.Context, f store.Filter, p store.Page) ([]store.EventInfo, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	c, err := s.conditions(ctx, &f)
	if err != nil {
		return nil, public(err)
	}
	if p.Before != "" {
		id, err := ulid.ParseStrict(p.Before)
		if err != nil {
			return nil, errBefore
		}
		c.event.add("e.id < " + c.arg([16]byte(id)))
	}
	if c.nothing {
		return nil, nil
	}
	end, err := s.search(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	type found struct {
		store.EventInfo
		id               [16]byte
		tenant, received int64
		counts           [3]int
	}
	rows, err := s.pool.Query(ctx, s.q(`SELECT e.id, e.tenant, e.source, e.route, e.event_type, e.event_id, e.call_id, e.received_at, e.bytes,
		NOT EXISTS (SELECT 1 FROM {s}.payloads p WHERE p.event = e.id AND p.day = e.day),
		(SELECT count(*) FROM {s}.live l WHERE l.event = e.id),
		(SELECT count(*) FROM {s}.settled r WHERE r.event = e.id AND r.day = e.day AND r.state = 1),
		(SELECT count(*) FROM {s}.settled r WHERE r.event = e.id AND r.day = e.day AND r.state = 2)
		FROM {s}.events e WHERE `+c.events()+" ORDER BY e.id DESC LIMIT "+c.arg(pageLimit(p))), c.args...)
	if err != nil {
		return nil, public(err)
	}
	all, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (e found, err error) {
		err = r.Scan(&e.id, &e.tenant, &e.Source, &e.Route, &e.EventType, &e.EventID, &e.CallID, &e.received, &e.Bytes, &e.Dropped, &e.counts[0], &e.counts[1], &e.counts[2])
		return e, err
	})
	if err != nil {
		return nil, public(err)
	}
	var list []store.EventInfo
	for _, e := range all {
		e.ID, e.ReceivedAt, e.States = ulid.ULID(e.id).String(), fromNanos(e.received), map[store.State]int{}
		for _, column := range []*string{&e.Source, &e.Route, &e.EventType, &e.EventID, &e.CallID} {
			*column = untext(*column)
		}
		if e.Tenant, err = s.name(ctx, e.tenant); err != nil {
			return nil, public(err)
		}
		for state, n := range e.counts {
			if n > 0 {
				e.States[lanes.States[state]] = n
			}
		}
		list = append(list, e.EventInfo)
	}
	return list, nil
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
	var r rawEvent
	// In the table of its day; one whose id was made by a clock that went wrong is in another one.
	for _, days := range []string{" AND e.day >= $2 - 1 AND e.day <= $2 + 1", " AND $2::integer IS NOT NULL"} {
		r = rawEvent{}
		err = r.scan(s.pool.QueryRow(ctx, s.q("SELECT "+eventColumns+` FROM {s}.events e LEFT JOIN {s}.payloads p ON p.event = e.id AND p.day = e.day
			WHERE e.id = $1`+days), [16]byte(u), idDay(u)))
		if !errors.Is(err, pgx.ErrNoRows) {
			break
		}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, public(err)
	}
	e, _, err := s.openEvent(ctx, &r)
	if err != nil && !errors.Is(err, seal.ErrDestroyed) {
		return nil, keyError(err)
	}
	return e, nil
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
	if p.Before != "" {
		key, err := lanes.ParseKey(p.Before)
		if err != nil {
			return nil, errBefore
		}
		c.delivery.add("(d.event, d.n) < (" + c.arg(key.Event) + ", " + c.arg(key.N) + ")")
	}
	if c.nothing {
		return nil, nil
	}
	end, err := s.search(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	rows, err := s.pool.Query(ctx, s.q("SELECT d.event, d.n, d.day, d.destination, d.tenant, d.bucket, d.attempts, d.last_status, d.updated_at, d.reason, d.remote_id, d.state, d.next_at, e.received_at"+
		c.joined()+" ORDER BY d.event DESC, d.n DESC LIMIT "+c.arg(pageLimit(p))), c.args...)
	if err != nil {
		return nil, public(err)
	}
	type found struct {
		row
		received int64
	}
	all, err := pgx.CollectRows(rows, func(q pgx.CollectableRow) (d found, err error) {
		r := &d.row
		err = q.Scan(&r.key.Event, &r.key.N, &r.day, &r.destination, &r.tenant, &r.bucket, &r.attempts, &r.status, &r.updated, &r.reason, &r.remoteID, &r.state, &r.next, &d.received)
		return d, err
	})
	if err != nil {
		return nil, public(err)
	}
	now := s.nowNanos()
	var list []store.Delivery
	for i := range all {
		r := &all[i]
		d := store.Delivery{ID: r.key.String(), EventID: ulid.ULID(r.key.Event).String(), State: lanes.States[r.state], Attempts: int(r.attempts),
			NextAt: fromNanos(r.next), CreatedAt: fromNanos(r.received), UpdatedAt: fromNanos(r.updated), LastStatus: r.status, Reason: untext(r.reason), RemoteID: untext(r.remoteID)}
		if d.Tenant, err = s.name(ctx, r.tenant); err == nil {
			d.Destination, err = s.name(ctx, r.destination)
		}
		if err != nil {
			return nil, public(err)
		}
		d.Leased = r.state == lanes.Pending && s.lanes.Leased(r.key, now)
		list = append(list, d)
	}
	return list, nil
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
	var tenant, destination int64
	err = s.pool.QueryRow(ctx, s.q(`SELECT tenant, destination FROM {s}.live WHERE event = $1 AND n = $2
		UNION ALL SELECT tenant, destination FROM {s}.settled WHERE event = $1 AND n = $2 LIMIT 1`), key.Event, key.N).Scan(&tenant, &destination)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, store.ErrNotFound
	}
	if err != nil {
		return nil, public(err)
	}
	to, err := s.name(ctx, destination)
	if err != nil {
		return nil, public(err)
	}
	of, err := s.name(ctx, tenant)
	if err != nil {
		return nil, public(err)
	}
	rows, err := s.pool.Query(ctx, s.q(`SELECT a.id, a.number, a.at, a.took, a.status, a.reason, coalesce(a.warnings, ''), a.remote_id, a.excerpt, a.key_id,
		a.state, a.next_at, coalesce(a.sent, '') FROM {s}.attempts a WHERE a.event = $1 AND a.n = $2 ORDER BY a.id`), key.Event, key.N)
	if err != nil {
		return nil, public(err)
	}
	defer rows.Close()
	type sealedExcerpt struct {
		id             int64
		excerpt, keyID []byte
	}
	var excerpts []sealedExcerpt
	var list []store.Attempt
	for rows.Next() {
		a := store.Attempt{DeliveryID: deliveryID}
		var id, at, took, state, next int64
		var warnings, sent string
		var excerpt, keyID []byte
		if err := rows.Scan(&id, &a.Number, &at, &took, &a.Status, &a.Reason, &warnings, &a.RemoteID, &excerpt, &keyID, &state, &next, &sent); err != nil {
			return nil, public(err)
		}
		a.At, a.Took, a.State, a.NextAt = fromNanos(at), time.Duration(took), lanes.States[state], fromNanos(next)
		a.Reason, a.RemoteID = untext(a.Reason), untext(a.RemoteID)
		if warnings != "" && json.Unmarshal([]byte(untext(warnings)), &a.Warnings) != nil || sent != "" && json.Unmarshal([]byte(untext(sent)), &a.Sent) != nil {
			return nil, errRecord
		}
		list, excerpts = append(list, a), append(excerpts, sealedExcerpt{id, excerpt, keyID})
	}
	rows.Close() // a data key that is to be read needs a connection
	if err := rows.Err(); err != nil {
		return nil, public(err)
	}
	for i, x := range excerpts {
		a := &list[i]
		if a.Excerpt, err = s.openExcerpt(ctx, deliveryID, of, to, x.id, int64(a.Number), x.excerpt, x.keyID); err != nil && !errors.Is(err, seal.ErrDestroyed) {
			return nil, keyError(err)
		}
	}
	return list, nil
}

// openExcerpt opens an attempt's excerpt.
func (s *Store) openExcerpt(ctx context.Context, delivery, tenant, destination string, id, number int64, excerpt, keyID []byte) ([]byte, error) {
	if excerpt != nil && keyID == nil && id >= s.sealing.attempt {
		return nil, sealed.ErrUnsealed
	}
	if keyID != nil && s.o.Keys == nil {
		return nil, seal.ErrNoKey
	}
	opener := s.seals.Opener(ctx)
	return sealed.Unseal(&opener, sealed.ExcerptPlace(delivery, tenant, destination, number), excerpt, keyID)
}
