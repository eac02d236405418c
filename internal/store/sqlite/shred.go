package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
)

// DestroyDataKeys is store.DataKeyed's. The keys go in one transaction, with which all is done that is needed so that nobody
// reads the content; that it is taken away, and its deliveries end, goes in steps, like Erase.
func (s *Store) DestroyDataKeys(ctx context.Context, tenant string, dryRun bool) (done store.Destroyed, err error) {
	if err := s.enter(ctx); err != nil {
		return done, err
	}
	rows := s.dataKeys.of(func(of string) bool { return of == tenant })
	if len(rows) == 0 {
		return done, fmt.Errorf("a data key of tenant %q: %w", tenant, store.ErrNotFound)
	}
	id, _ := s.names.ID(tenant)
	if dryRun {
		for _, row := range rows {
			if row.Destroyed.IsZero() {
				done.Keys++
			}
		}
		err = s.reader.QueryRowContext(ctx, `SELECT count(*), coalesce(sum((SELECT count(*) FROM deliveries d WHERE d.event = e.seq AND d.state = 0)), 0)
			FROM events e JOIN payloads p ON p.seq = e.seq WHERE e.tenant = ?`, id).Scan(&done.Events, &done.Deliveries)
		return done, public(err)
	}
	// What wraps the keys goes before they do: what is accepted between has a key that goes too, and no call is sealed with
	// one that could not be unwrapped any more. If it stays, the keys go all the same.
	shredded := s.seals.Shred(ctx, tenant)
	var until int64 // what is accepted from now on has a new key
	if err := s.write(ctx, false, func(b *batch) error {
		rows, err := dataKeyRows(b.c, "WHERE tenant = ? AND destroyed_at = 0", tenant)
		if err != nil {
			return err
		}
		done.Keys, until = len(rows), b.seq
		return b.destroyKeys(ctx, rows, "")
	}); err != nil {
		return store.Destroyed{}, err
	}
	nothing := func(*batch) error { return nil }
	if err := s.emptyLog(ctx, nothing); err != nil { // where the wrapped keys still stand
		return done, err
	}
	if err := s.forgetNotes(ctx, math.MaxInt64); err != nil { // whose they are nobody can tell
		return done, err
	}
	for after := int64(-1); ; {
		seqs, err := s.numbers(ctx, `SELECT e.seq FROM events e WHERE e.tenant = ? AND e.seq > ? AND e.seq < ?
			AND EXISTS (SELECT 1 FROM payloads p WHERE p.seq = e.seq) ORDER BY e.seq LIMIT ?`, id, after, until, step)
		if err != nil {
			return done, public(err)
		}
		if len(seqs) == 0 {
			break
		}
		after = seqs[len(seqs)-1]
		var events, deliveries int
		if err := s.write(ctx, false, func(b *batch) error {
			events, deliveries = 0, 0
			for _, seq := range seqs {
				n, gone, err := b.shred(ctx, seq)
				if err != nil {
					return err
				}
				if gone {
					events++
				}
				deliveries += n
			}
			return nil
		}); err != nil {
			return done, err
		}
		done.Events += events
		done.Deliveries += deliveries
		store.Progress(ctx, events)
	}
	if err := s.shredExcerpts(ctx, id, until); err != nil {
		return done, err
	}
	if err := s.emptyLog(ctx, (*batch).vacuum); err != nil {
		return done, err
	}
	if shredded != nil {
		return done, fmt.Errorf("%w: %w", store.ErrWrapperKept, shredded)
	}
	return done, nil
}

// shredExcerpts takes away what receivers have answered to a tenant's deliveries, of events before one.
func (s *Store) shredExcerpts(ctx context.Context, tenant, until int64) error {
	for after := int64(0); ; {
		ids, err := s.numbers(ctx, `SELECT a.id FROM attempts a JOIN deliveries d ON d.event = a.event AND d.n = a.n
			WHERE a.excerpt IS NOT NULL AND d.tenant = ? AND a.event < ? AND a.id > ? ORDER BY a.id LIMIT ?`, tenant, until, after, step)
		if err != nil || len(ids) == 0 {
			return public(err)
		}
		after = ids[len(ids)-1]
		if err := s.write(ctx, false, func(b *batch) error {
			for _, id := range ids {
				if _, err := b.c.exec("UPDATE attempts SET excerpt = NULL, key_id = NULL WHERE id = ?", id); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
}

// shred takes an event's content away, and ends its deliveries that wait, whose number it returns. gone is false if the event
// or its content was gone before.
func (b *batch) shred(ctx context.Context, seq int64) (ended int, gone bool, err error) {
	var id [16]byte
	c := candidate{seq: seq}
	if err := b.c.query(`SELECT e.id, e.tenant, e.size, coalesce(length(p.request), 0) + coalesce(length(p.body), 0) + coalesce(length(p.record), 0)
		FROM events e JOIN payloads p ON p.seq = e.seq WHERE e.seq = ?`, func(v []driver.Value) error {
		id, gone = [16]byte(v[0].([]byte)), true
		c.tenant, c.size, c.content = v[1].(int64), v[2].(int64), v[3].(int64)
		return nil
	}, seq); err != nil || !gone {
		return 0, false, err
	}
	var waiting []lanes.Change
	if err := b.c.query("SELECT n, destination FROM deliveries WHERE event = ? AND state = 0", func(v []driver.Value) error {
		waiting = append(waiting, lanes.Change{Key: lanes.Key{Event: id, N: v[0].(int64)}, Destination: v[1].(int64), Tenant: c.tenant, From: pending, To: dead})
		return nil
	}, seq); err != nil {
		return 0, false, err
	}
	for i := range waiting {
		w := &waiting[i]
		if _, err := b.c.exec("UPDATE deliveries SET state = 2, next_at = 0, updated_at = ?, reason = ? WHERE event = ? AND n = ?", b.now, store.ContentGone, seq, w.Key.N); err != nil {
			return 0, false, err
		}
		b.noteMoved(ctx, audit.Cancel, w)
	}
	b.changes = append(b.changes, waiting...)
	if err := b.removeProgress(id); err != nil {
		return 0, false, err
	}
	return len(waiting), true, b.takeContent(c)
}

// tenantOf is the tenant of a delivery, from its lease or else from its row.
func (s *Store) tenantOf(ctx context.Context, k lanes.Key) (string, error) {
	if tenant, ok := s.queues.Tenant(k); ok {
		return tenant, nil
	}
	return s.tenantOfEvent(ctx, k.Event)
}
