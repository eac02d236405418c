package postgres

import (
	"context"
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

// Claim is store.Store's, for a gateway that is alone: it leases of all of a destination. It only reads.
func (s *Store) Claim(ctx context.Context, destination string, now time.Time, period time.Duration, limit int, skip []string) ([]store.Claimed, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	if period <= 0 {
		return nil, errors.New("a claim needs a lease longer than nothing")
	}
	l, err := s.laneOf(ctx, destination)
	if l == nil {
		return nil, public(err)
	}
	claimed, err := s.lanes.Claim(ctx, source{s}, l, nanos(now), nanos(now)+int64(period), limit, skip)
	return claimed, public(err)
}

// Next is store.Store's.
func (s *Store) Next(ctx context.Context, destination string) (time.Time, error) {
	if err := s.enter(ctx); err != nil {
		return time.Time{}, err
	}
	l, err := s.laneOf(ctx, destination)
	if l == nil {
		return time.Time{}, public(err)
	}
	at, err := s.lanes.Next(ctx, source{s}, l, s.nowNanos())
	return at, public(err)
}

// laneOf is the lane that is all of a destination, nil if it never had a delivery.
func (s *Store) laneOf(ctx context.Context, destination string) (*lanes.Lane, error) {
	if _, ok, err := s.id(ctx, destination); !ok {
		return nil, err
	}
	return s.lane(destination), nil
}

// ClaimOne is store.Store's. Like Claim it only reads.
func (s *Store) ClaimOne(ctx context.Context, deliveryID string, now time.Time, period time.Duration) (*store.Claimed, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	if period <= 0 {
		return nil, errors.New("a claim needs a lease longer than nothing")
	}
	key, err := lanes.ParseKey(deliveryID)
	if err != nil {
		return nil, nil
	}
	r, err := s.waiting(ctx, key)
	if r == nil {
		return nil, public(err)
	}
	destination, err := s.name(ctx, r.destination)
	if err != nil {
		return nil, public(err)
	}
	if _, err := s.name(ctx, r.tenant); err != nil {
		return nil, public(err)
	}
	claimed, err := s.claimOne(ctx, s.lane(destination), r, nanos(now), nanos(now)+int64(period))
	return claimed, public(err)
}

// claimOne leases a delivery in a lane, if it still waits and is due.
func (s *Store) claimOne(ctx context.Context, l *lanes.Lane, r *row, now, until int64) (*store.Claimed, error) {
	return s.lanes.ClaimOne(l, r.tenant, r.key, now, until, func() (*store.Event, lanes.Row, error) {
		r, err := s.waiting(ctx, r.key)
		if err != nil || r == nil || r.next > now {
			return nil, lanes.Row{}, err
		}
		d := r.due()
		read, err := source{s}.Events(ctx, l.Name, []lanes.Row{d})
		if err != nil || read[0].Gone || read[0].Away || read[0].Unreadable != nil {
			return nil, lanes.Row{}, err // erased meanwhile, or of those that Claim has wait or holds back
		}
		return read[0].Event, d, nil
	})
}

// due is a row as lanes know it.
func (r *row) due() lanes.Row {
	return lanes.Row{Ref: lanes.Ref{Event: r.key.Event, Day: r.day, N: r.key.N}, Next: r.next, Attempts: int(r.attempts), Updated: r.updated,
		Status: r.status, Reason: r.reason, RemoteID: r.remoteID}
}

// waiting reads a delivery that waits; nil if there is none.
func (s *Store) waiting(ctx context.Context, key lanes.Key) (*row, error) {
	rows, err := s.pool.Query(ctx, s.q("SELECT "+rowColumns+", 0::smallint, r.next_at FROM {s}.live r WHERE r.event = $1 AND r.n = $2"), key.Event, key.N)
	if err != nil {
		return nil, err
	}
	r, err := pgx.CollectExactlyOneRow(rows, func(pgx.CollectableRow) (*row, error) { return scanFound(rows) })
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return r, err
}

// source reads for lanes.
type source struct{ s *Store }

// AtOnce implements lanes.Source: a question to the server costs more than what it asks for.
func (source) AtOnce() int { return 64 }

// Tenants implements lanes.Source.
func (r source) Tenants(ctx context.Context, destination int64) ([]int64, error) {
	rows, err := r.s.pool.Query(ctx, r.s.q("SELECT tenant FROM {s}.pairs WHERE destination = $1"), destination)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	for _, tenant := range list {
		if err == nil {
			_, err = r.s.name(ctx, tenant)
		}
	}
	return list, err
}

// HeldBack implements lanes.Source.
func (r source) HeldBack(destination, event string, err error) {
	r.s.o.Log("delivery to "+destination+" of event "+event+" is held back: its payload does not open", err)
}

// alongIndexSQL has what is asked together with it go along an index, by a plan that is made once; see beginSQL. What waits is
// found in its order, of which there may be much more than is wanted.
const alongIndexSQL = `SELECT set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true),
	set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_generic_plan', true)`

// Due implements lanes.Source.
func (r source) Due(ctx context.Context, asks []*lanes.Ask) error {
	n := len(asks)
	destinations, tenants, nexts, events, numbers := make([]int32, n), make([]int32, n), make([]int64, n), make([][16]byte, n), make([]int32, n)
	wants, from, to := make([]int32, n), int32(0), int32(1<<15-1)
	for i, a := range asks {
		destinations[i], tenants[i], wants[i] = int32(a.Destination), int32(a.Tenant), int32(min(a.Want, 1<<20))
		nexts[i], events[i], numbers[i] = a.After.Next, a.After.Event, int32(a.After.N)
		if a.After.Ref == (lanes.Ref{}) {
			numbers[i] = -1 // and not behind it
		}
		from, to = int32(a.From), int32(min(a.To, 1<<15-1))
	}
	ask := &pgx.Batch{}
	ask.Queue(alongIndexSQL)
	ask.Queue(r.s.q(`SELECT q.ord, d.* FROM unnest($1::integer[], $2::integer[], $3::bigint[], $4::uuid[], $5::integer[], $6::integer[])
		WITH ORDINALITY AS q (destination, tenant, next_at, event, n, want, ord) CROSS JOIN LATERAL (
			SELECT l.event, l.n, l.day, l.attempts, l.last_status, l.next_at, l.updated_at, l.reason, l.remote_id FROM {s}.live l
			WHERE l.destination = q.destination AND l.tenant = q.tenant AND (l.next_at, l.event, l.n) > (q.next_at, q.event, q.n) AND l.bucket >= $7 AND l.bucket < $8
			ORDER BY l.next_at, l.event, l.n LIMIT q.want) d ORDER BY q.ord, d.next_at, d.event, d.n`), destinations, tenants, nexts, events, numbers, wants, from, to)
	results := r.s.pool.SendBatch(ctx, ask)
	defer results.Close() // says what was said before
	if _, err := results.Exec(); err != nil {
		return err
	}
	rows, err := results.Query()
	if err != nil {
		return err
	}
	var ord int64
	var d lanes.Row
	_, err = pgx.ForEachRow(rows, []any{&ord, &d.Event, &d.N, &d.Day, &d.Attempts, &d.Status, &d.Next, &d.Updated, &d.Reason, &d.RemoteID}, func() error {
		d.Reason, d.RemoteID = untext(d.Reason), untext(d.RemoteID)
		asks[ord-1].Rows = append(asks[ord-1].Rows, d)
		return nil
	})
	return err
}

// Events implements lanes.Source.
func (r source) Events(ctx context.Context, destination string, list []lanes.Row) ([]lanes.Read, error) {
	s := r.s
	read := make([]lanes.Read, len(list))
	ids, days := make([][16]byte, len(list)), make([]int32, len(list))
	for i, d := range list {
		ids[i], days[i] = d.Event, int32(d.Day)
		read[i] = lanes.Read{Event: &store.Event{ID: ulid.ULID(d.Event).String()}, Gone: true}
	}
	if len(list) == 0 {
		return read, nil
	}
	// One by one: the server takes a table of which it knows nothing yet, as each is at the beginning of its day, for so small that
	// it would read all of it for a join.
	rows, err := s.pool.Query(ctx, s.q("SELECT q.ord, "+eventColumns+` FROM unnest((SELECT $1::uuid[]), (SELECT $2::integer[])) WITH ORDINALITY AS q (id, day, ord)
		CROSS JOIN LATERAL (SELECT * FROM {s}.events e WHERE e.id = q.id AND e.day = q.day LIMIT 1) e
		LEFT JOIN LATERAL (SELECT * FROM {s}.payloads p WHERE p.event = q.id AND p.day = q.day LIMIT 1) p ON true`), ids, days)
	if err != nil {
		return nil, err
	}
	type found struct {
		rawEvent
		ord int64
	}
	all, err := pgx.CollectRows(rows, func(pgx.CollectableRow) (f found, err error) {
		err = f.scan(rows, &f.ord)
		return f, err
	})
	if err != nil {
		return nil, err
	}
	for i := range all {
		e, sealedFor, err := s.openEvent(ctx, &all[i].rawEvent)
		n := list[all[i].ord-1].N
		switch {
		case errors.Is(err, seal.ErrAway): // of which whoever sees to data keys tells
			read[all[i].ord-1] = lanes.Read{Event: e, Away: true}
			continue
		case errors.Is(err, seal.ErrDestroyed):
			err = errWaitsInVain
		case err == nil && e.Dropped:
			err = errNoContent
		case err == nil && sealedFor != nil && (n >= int64(len(sealedFor)) || sealedFor[n] != destination):
			err = errOtherDestination
		}
		if err != nil && !unreadableEvent(err) {
			return nil, err
		}
		read[all[i].ord-1] = lanes.Read{Event: e, Unreadable: err}
	}
	return read, nil
}

var (
	errWaitsInVain      = fmt.Errorf("%w, and it still waits: run `callgate keys destroy` again, which was stopped on its way", seal.ErrDestroyed)
	errNoContent        = fmt.Errorf("%w (it waits and has no content)", seal.ErrTampered)
	errOtherDestination = fmt.Errorf("%w (it was sealed for another destination)", seal.ErrTampered)
)

// unreadableEvent tells that an event is held back and not that the store cannot be read.
func unreadableEvent(err error) bool {
	return isSealError(err) || errors.Is(err, seal.ErrUnavailable) || errors.Is(err, seal.ErrDestroyed)
}

func isSealError(err error) bool {
	return errors.Is(err, seal.ErrNoKey) || errors.Is(err, seal.ErrTampered)
}

const eventColumns = `e.id, e.unique_key, e.tenant, e.source, e.route, e.event_type, e.event_id, e.call_id, e.caller_hash,
	e.accepted_at, e.received_at, e.key_id, p.event IS NULL, p.request, p.body, p.record`

// rawEvent is a row of eventColumns.
type rawEvent struct {
	e                          store.Event
	id                         [16]byte
	tenant, accepted, received int64
	p                          sealed.Payload
}

// scan reads a row. first is where columns before those of the event go.
func (r *rawEvent) scan(row pgx.Row, first ...any) error {
	e := &r.e
	return row.Scan(append(first, &r.id, &e.Key, &r.tenant, &e.Source, &e.Route, &e.EventType, &e.EventID, &e.CallID, &e.CallerHash,
		&r.accepted, &r.received, &r.p.KeyID, &e.Dropped, &r.p.Request, &r.p.Body, &r.p.Record)...)
}

// openEvent makes an event of its row, and tells for which destinations it was sealed; nil if it does not say. With an error
// of its seal the event's ID is set all the same. With seal.ErrDestroyed it is Dropped.
func (s *Store) openEvent(ctx context.Context, r *rawEvent) (*store.Event, []string, error) {
	e := &r.e
	for _, column := range []*string{&e.Source, &e.Route, &e.EventType, &e.EventID, &e.CallID, &e.CallerHash} {
		*column = untext(*column)
	}
	e.ID, e.ReceivedAt = ulid.ULID(r.id).String(), fromNanos(r.received)
	var err error
	if e.Tenant, err = s.name(ctx, r.tenant); err != nil || e.Dropped {
		return e, nil, err
	}
	sealedFor, err := s.openPayload(ctx, e, r.accepted, r.p)
	e.Dropped = errors.Is(err, seal.ErrDestroyed)
	return e, sealedFor, err
}
