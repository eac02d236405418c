package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strconv"
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
	ORDER BY next_at, event, n LIMIT +?` // without the + SQLite plans it anew whenever the limit is another one

// Due implements lanes.Source.
func (r source) Due(ctx context.Context, asks []*lanes.Ask) error {
	return r.s.sessions.use(ctx, func(c *session) error {
		for _, a := range asks {
			if err := c.query(dueQuery, func(v []driver.Value) error {
				c := columns{values: v, err: ctx.Err()}
				a.Rows = append(a.Rows, lanes.Row{Next: c.number(0), Ref: lanes.Ref{Seq: c.number(1), N: c.number(2)}, Attempts: int(c.number(3)),
					Updated: c.number(4), Status: int(c.number(5)), Reason: c.text(6), RemoteID: c.text(7)})
				return c.err
			}, a.Destination, a.Tenant, a.After.Next, a.After.Seq, a.After.N, a.Want); err != nil {
				return err
			}
		}
		return nil
	})
}

// Events implements lanes.Source. What is not in memory is read with one statement, and opened when the connection is free again.
func (r source) Events(ctx context.Context, destination string, rows []lanes.Row) ([]lanes.Read, error) {
	list := make([]lanes.Read, len(rows))
	var away []byte // the numbers of those that are not, as JSON
	for i, row := range rows {
		if list[i].Event = r.s.handOver.take(row.Seq, row.N, destination); list[i].Event == nil {
			away = strconv.AppendInt(append(away, ','), row.Seq, 10)
		}
	}
	if away == nil {
		return list, nil
	}
	away[0] = '['
	found, err := r.s.readEvents(ctx, someEvents, string(append(away, ']')))
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		if list[i].Event != nil {
			continue
		}
		if len(found) == 0 || found[0].seq != row.Seq {
			list[i].Gone = true
			continue
		}
		list[i].Event, err = r.s.openFor(ctx, &found[0], row.N, destination)
		found[0].payload = sealed.Payload{} // it is held twice otherwise, until all are opened
		found = found[1:]
		switch {
		case err == nil:
		case errors.Is(err, seal.ErrAway): // of which whoever sees to data keys tells
			list[i].Away = true
		case unreadableEvent(err):
			list[i].Unreadable = err
		default:
			return nil, err
		}
	}
	return list, nil
}

// eventFor reads an event that is to be delivered to its destination number n.
func (s *Store) eventFor(ctx context.Context, seq, n int64, destination string) (*store.Event, error) {
	if e := s.handOver.take(seq, n, destination); e != nil {
		return e, nil
	}
	found, err := s.readEvents(ctx, oneEvent+"WHERE e.seq = ?", seq)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, store.ErrNotFound
	}
	return s.openFor(ctx, &found[0], n, destination)
}

// openFor opens an event for its destination number n. One that was sealed for another destination, or has no content, does not
// count as read.
func (s *Store) openFor(ctx context.Context, r *readEvent, n int64, destination string) (*store.Event, error) {
	sealedFor, err := s.openEvent(ctx, r)
	switch {
	case errors.Is(err, seal.ErrDestroyed):
		return r.event, errWaitsInVain
	case err != nil:
		return r.event, err
	case r.event.Dropped:
		return r.event, errNoContent
	case sealedFor != nil && (n >= int64(len(sealedFor)) || sealedFor[n] != destination):
		return r.event, errOtherDestination
	}
	return r.event, nil
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

const (
	eventColumns = `SELECT e.seq, e.id, e.unique_key, e.tenant, e.source, e.route, e.event_type, e.event_id, e.call_id, e.caller_hash,
	e.received_at, e.key_id, p.seq IS NULL, p.request, p.body, p.record FROM `
	oneEvent = eventColumns + "events e LEFT JOIN payloads p ON p.seq = e.seq "
	// someEvents reads those with the numbers of a JSON list, in its order.
	someEvents = eventColumns + "json_each(?) j CROSS JOIN events e ON e.seq = j.value LEFT JOIN payloads p ON p.seq = e.seq"
)

// readEvent is an event whose content is not opened yet. It is Dropped if it has none.
type readEvent struct {
	seq     int64
	event   *store.Event
	payload sealed.Payload
}

// readEvents reads those that a query with eventColumns gives.
func (s *Store) readEvents(ctx context.Context, query string, arg any) (list []readEvent, err error) {
	err = s.sessions.use(ctx, func(c *session) error {
		return c.query(query, func(v []driver.Value) error {
			c := columns{values: v, err: ctx.Err()}
			e := &store.Event{ID: ulid.ULID(c.id(1)).String(), Key: c.id(2), Tenant: s.names.Name(c.number(3)), Source: c.text(4), Route: c.text(5), EventType: c.text(6),
				EventID: c.text(7), CallID: c.text(8), CallerHash: c.text(9), ReceivedAt: fromNanos(c.number(10)), Dropped: c.number(12) != 0}
			list = append(list, readEvent{c.number(0), e, sealed.Payload{KeyID: c.blob(11), Request: c.blob(13), Body: c.blob(14), Record: c.blob(15)}})
			return c.err
		}, arg)
	})
	return list, err
}

// openEvent opens an event's content, and tells for which destinations it was sealed; nil if it does not say. With
// seal.ErrDestroyed it is Dropped.
func (s *Store) openEvent(ctx context.Context, r *readEvent) ([]string, error) {
	if r.event.Dropped {
		return nil, nil
	}
	sealedFor, err := s.openPayload(ctx, r.event, r.seq, r.payload)
	r.event.Dropped = errors.Is(err, seal.ErrDestroyed)
	return sealedFor, err
}
