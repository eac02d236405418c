package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/callgate/callgate/internal/store"
)

// exportEvents reads events in the order in which they were accepted, with all that belongs to them.
func (s *Store) exportEvents(ctx context.Context, at *exportPlace, p *store.Portion) (more bool, err error) {
	from, content := at.A, 0
	place := map[int64]int{}
	err = s.each(ctx, `SELECT e.seq, e.id, e.unique_key, e.accepted_at, e.received_at, e.tenant, e.source, e.route, e.event_type, e.event_id, e.call_id,
		e.caller_hash, e.bytes, e.size, p.seq IS NOT NULL, e.key_id, p.request, p.body, p.record
		FROM events e LEFT JOIN payloads p ON p.seq = e.seq WHERE e.seq > ? ORDER BY e.seq LIMIT ?`, func(rows *sql.Rows) error {
		var e store.MovedEvent
		var id, key []byte
		var tenant int64
		if err := rows.Scan(&at.A, &id, &key, &e.Accepted, &e.Received, &tenant, &e.Source, &e.Route, &e.EventType, &e.EventID, &e.CallID,
			&e.Caller, &e.Bytes, &e.Size, &e.Content, &e.KeyID, &e.Request, &e.Body, &e.Record); err != nil {
			return err
		}
		e.ID, e.Key, e.Tenant = [16]byte(id), [16]byte(key), s.names.Name(tenant)
		place[at.A] = len(p.Events)
		p.Events = append(p.Events, e)
		if content += len(e.Request) + len(e.Body) + len(e.Record); content >= exportBytes {
			more = true
			return errEnough
		}
		return nil
	}, from, exportRows)
	if err != nil || len(p.Events) == 0 {
		return false, err
	}
	more = more || len(p.Events) == exportRows
	if err := s.each(ctx, "SELECT seq, hash FROM subjects WHERE seq > ? AND seq <= ? ORDER BY seq", func(rows *sql.Rows) error {
		var seq int64
		var hash []byte
		if err := rows.Scan(&seq, &hash); err != nil {
			return err
		}
		i, ok := place[seq]
		if !ok {
			return errNoEvent(seq)
		}
		p.Events[i].Subjects = append(p.Events[i].Subjects, [16]byte(hash))
		return nil
	}, from, at.A); err != nil {
		return false, err
	}
	return more, s.exportDeliveries(ctx, from, at.A, place, p)
}

func errNoEvent(seq int64) error {
	return fmt.Errorf("%w (something belongs to event number %d, which is not there)", ErrCorrupt, seq)
}

// exportDeliveries reads the deliveries of a portion's events, and their attempts.
func (s *Store) exportDeliveries(ctx context.Context, from, to int64, place map[int64]int, p *store.Portion) error {
	type where struct{ seq, n int64 }
	at := map[where]*store.MovedDelivery{}
	if err := s.each(ctx, `SELECT event, n, destination, state, next_at, attempts, updated_at, last_status, reason, remote_id FROM deliveries
		WHERE event > ? AND event <= ? ORDER BY event, n`, func(rows *sql.Rows) error {
		var d store.MovedDelivery
		var seq, destination int64
		if err := rows.Scan(&seq, &d.N, &destination, &d.State, &d.Next, &d.Attempts, &d.Updated, &d.Status, &d.Reason, &d.RemoteID); err != nil {
			return err
		}
		d.Destination = s.names.Name(destination)
		i, ok := place[seq]
		if !ok {
			return errNoEvent(seq)
		}
		p.Events[i].Deliveries = append(p.Events[i].Deliveries, d)
		return nil
	}, from, to); err != nil {
		return err
	}
	for seq, i := range place {
		for j := range p.Events[i].Deliveries {
			d := &p.Events[i].Deliveries[j]
			at[where{seq, d.N}] = d
		}
	}
	return s.each(ctx, `SELECT event, n, id, number, at, took, status, reason, warnings, remote_id, excerpt, key_id, state, next_at, sent FROM attempts
		WHERE event > ? AND event <= ? ORDER BY event, n, id`, func(rows *sql.Rows) error {
		var a store.MovedAttempt
		var w where
		if err := rows.Scan(&w.seq, &w.n, &a.ID, &a.Number, &a.At, &a.Took, &a.Status, &a.Reason, &a.Warnings, &a.RemoteID, &a.Excerpt, &a.KeyID, &a.State, &a.Next, &a.Sent); err != nil {
			return err
		}
		d := at[w]
		if d == nil {
			return errNoEvent(w.seq)
		}
		d.Tries = append(d.Tries, a)
		return nil
	}, from, to)
}
