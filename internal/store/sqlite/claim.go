package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/sealed"
	"github.com/oklog/ulid/v2"
)

// Claim is store.Store's. It only reads: a lease is kept in memory, and so ends with the process.
func (s *Store) Claim(ctx context.Context, destination string, now time.Time, period time.Duration, limit int, skip []string) ([]store.Claimed, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	if period <= 0 {
		return nil, errors.New("a claim needs a lease longer than nothing")
	}
	l := s.queues.Lane(destination)
	if l == nil {
		return nil, nil
	}
	claimed, err := s.queues.Claim(ctx, source{s}, l, nanos(now), nanos(now)+int64(period), limit, skip)
	return claimed, public(err)
}

// Next is store.Store's.
func (s *Store) Next(ctx context.Context, destination string) (time.Time, error) {
	if err := s.enter(ctx); err != nil {
		return time.Time{}, err
	}
	l := s.queues.Lane(destination)
	if l == nil {
		return time.Time{}, nil
	}
	at, err := s.queues.Next(ctx, source{s}, l, nanos(s.o.Now()))
	return at, public(err)
}

// source reads for lanes.
type source struct{ s *Store }

// AtOnce implements lanes.Source: nothing is gained by asking for more.
func (source) AtOnce() int { return 1 }

// Tenants implements lanes.Source. Nobody else writes.
func (source) Tenants(context.Context, int64) ([]int64, error) { return nil, nil }

// HeldBack implements lanes.Source.
func (r source) HeldBack(destination, event string, err error) {
	r.s.o.Log("delivery to "+destination+" of event "+event+" is held back: its payload does not open", err)
}

const dueQuery = `SELECT next_at, event, n, attempts, updated_at, last_status, reason, remote_id
	FROM deliveries INDEXED BY deliveries_due
	WHERE destination = ? AND tenant = ? AND state = 0 AND (next_at, event, n) > (?, ?, ?)
	ORDER BY next_at, event, n LIMIT ?`

// Due implements lanes.Source.
func (r source) Due(ctx context.Context, asks []*lanes.Ask) error {
	query, err := r.s.due.get(ctx, r.s.reader, dueQuery)
	if err != nil {
		return err
	}
	for _, a := range asks {
		rows, err := query.QueryContext(ctx, a.Destination, a.Tenant, a.After.Next, a.After.Seq, a.After.N, a.Want)
		if err != nil {
			return err
		}
		for rows.Next() {
			var d lanes.Row
			if err = rows.Scan(&d.Next, &d.Seq, &d.N, &d.Attempts, &d.Updated, &d.Status, &d.Reason, &d.RemoteID); err != nil {
				break
			}
			a.Rows = append(a.Rows, d)
		}
		if err := errors.Join(err, rows.Close(), rows.Err()); err != nil {
			return err
		}
	}
	return nil
}

// Events implements lanes.Source.
func (r source) Events(ctx context.Context, destination string, rows []lanes.Row) ([]lanes.Read, error) {
	list := make([]lanes.Read, len(rows))
	for i, row := range rows {
		e, err := r.s.eventFor(ctx, row.Seq, row.N, destination)
		list[i].Event = e
		switch {
		case errors.Is(err, store.ErrNotFound):
			list[i].Gone = true
		case errors.Is(err, seal.ErrAway): // of which whoever sees to data keys tells
			list[i].Away = true
		case unreadableEvent(err):
			list[i].Unreadable = err
		case err != nil:
			return nil, err
		}
	}
	return list, nil
}

// eventFor reads an event that is to be delivered to its destination number n. One that was sealed for another destination,
// or has no content, does not count as read.
func (s *Store) eventFor(ctx context.Context, seq, n int64, destination string) (*store.Event, error) {
	if e := s.handOver.take(seq, n, destination); e != nil {
		return e, nil
	}
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

// eventBySeq reads an event. With an error of its seal the event's ID is still set.
func (s *Store) eventBySeq(ctx context.Context, seq int64) (*store.Event, []string, error) {
	query, err := s.bySeq.get(ctx, s.reader, eventQuery+"WHERE e.seq = ?")
	if err != nil {
		return &store.Event{}, nil, err
	}
	return s.readEvent(ctx, query.QueryRowContext(ctx, seq))
}

// prepared is a query that is prepared when it is first asked. It ends with its database.
type prepared struct{ stmt atomic.Pointer[sql.Stmt] }

func (p *prepared) get(ctx context.Context, db *sql.DB, query string) (*sql.Stmt, error) {
	if stmt := p.stmt.Load(); stmt != nil {
		return stmt, nil
	}
	stmt, err := db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if !p.stmt.CompareAndSwap(nil, stmt) { // another one was quicker
		_ = stmt.Close()
	}
	return p.stmt.Load(), nil
}

const eventQuery = `SELECT e.seq, e.id, e.unique_key, e.tenant, e.source, e.route, e.event_type, e.event_id, e.call_id, e.caller_hash,
	e.received_at, e.key_id, p.seq IS NULL, p.Request, p.Body, p.Record FROM events e LEFT JOIN payloads p ON p.seq = e.seq `

// readEvent reads an event, and for which destinations it was sealed; nil if it does not say. With seal.ErrDestroyed it is
// Dropped.
func (s *Store) readEvent(ctx context.Context, row *sql.Row) (*store.Event, []string, error) {
	var id, key []byte
	var seq, tenant, received int64
	var p sealed.Payload
	e := &store.Event{}
	err := row.Scan(&seq, &id, &key, &tenant, &e.Source, &e.Route, &e.EventType, &e.EventID, &e.CallID, &e.CallerHash,
		&received, &p.KeyID, &e.Dropped, &p.Request, &p.Body, &p.Record)
	if errors.Is(err, sql.ErrNoRows) {
		return e, nil, store.ErrNotFound
	}
	if err != nil {
		return e, nil, err
	}
	e.ID, e.Key, e.Tenant, e.ReceivedAt = ulid.ULID(id).String(), [16]byte(key), s.names.Name(tenant), fromNanos(received)
	if e.Dropped {
		return e, nil, nil
	}
	sealedFor, err := s.openPayload(ctx, e, seq, p)
	e.Dropped = errors.Is(err, seal.ErrDestroyed)
	return e, sealedFor, err
}
