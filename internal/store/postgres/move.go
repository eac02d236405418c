package postgres

import (
	"context"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/leaves"
	"github.com/jackc/pgx/v5"
)

// step is how many rows a change of many goes by: other requests have their turn in between.
const step = 500

// Replay is store.Store's. It goes in steps, like Erase.
func (s *Store) Replay(ctx context.Context, f store.Filter, now time.Time, every time.Duration, dryRun bool) (int, error) {
	return s.move(ctx, &f, dryRun, audit.Replay, func(t *tx, r *row, content bool, before int) bool {
		if r.state == lanes.Pending || !content {
			return false
		}
		r.attempts, r.updated = 0, t.now
		t.change(r, lanes.Pending, nanos(now.Add(time.Duration(before)*max(every, 0))), false)
		return true
	}, "d.state <> 0 AND EXISTS (SELECT 1 FROM {s}.payloads p WHERE p.event = d.event AND p.day = d.day)", nil) // what has lost its content cannot be sent
}

// SendNow is store.Store's. It goes in steps, like Erase.
func (s *Store) SendNow(ctx context.Context, f store.Filter, now time.Time, dryRun bool) (int, error) {
	due := nanos(now)
	return s.move(ctx, &f, dryRun, audit.SendNow, func(t *tx, r *row, _ bool, _ int) bool {
		if r.state != lanes.Pending || r.next <= due {
			return false
		}
		t.change(r, lanes.Pending, due, true)
		return true
	}, "d.state = 0 AND d.next_at > ", &due)
}

// Cancel is store.Store's. It goes in steps, like Erase.
func (s *Store) Cancel(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
	return s.move(ctx, &f, dryRun, audit.Cancel, func(t *tx, r *row, _ bool, _ int) bool {
		if r.state != lanes.Pending {
			return false
		}
		r.updated, r.reason = t.now, store.Cancelled
		t.change(r, lanes.Dead, 0, false)
		t.signs["flush"] = true
		return true
	}, "d.state = 0", nil)
}

// moveFunc changes a delivery, unless it turns out that there is nothing to change: what was found may have moved on. It is
// told whether the event has its content, and how many were changed before.
type moveFunc func(t *tx, r *row, content bool, before int) bool

// move changes the deliveries that a filter and the term match, oldest event first and in steps, and counts them.
func (s *Store) move(ctx context.Context, f *store.Filter, dryRun bool, kind audit.Kind, change moveFunc, term string, arg *int64) (int, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	c, err := s.conditions(ctx, f)
	if err != nil || c.nothing {
		return 0, public(err)
	}
	if arg != nil {
		term += c.arg(*arg)
	}
	c.delivery.add(term)
	if dryRun {
		end, err := s.search(ctx)
		if err != nil {
			return 0, err
		}
		defer end()
		n := 0
		err = s.pool.QueryRow(ctx, s.q("SELECT count(*)"+c.joined()), c.args...).Scan(&n)
		return n, public(err)
	}
	after := lanes.Key{N: -1}
	event, number := c.arg(nil), c.arg(nil)
	c.delivery.add("(d.event, d.n) > (" + event + "::uuid, " + number + "::integer)")
	query := s.q("SELECT d.event, d.n, d.day" + c.joined() + " ORDER BY d.event, d.n LIMIT " + c.arg(step))
	total := 0
	for {
		c.args[len(c.args)-3], c.args[len(c.args)-2] = after.Event, after.N
		rows, err := s.pool.Query(ctx, query, c.args...)
		if err != nil {
			return total, public(err)
		}
		var keys []lanes.Key
		days := map[lanes.Key]int64{}
		var k lanes.Key
		var d int64
		if _, err := pgx.ForEachRow(rows, []any{&k.Event, &k.N, &d}, func() error {
			keys = append(keys, k)
			days[k] = d
			return nil
		}); err != nil || len(keys) == 0 {
			return total, public(err)
		}
		after = keys[len(keys)-1]
		n := 0
		err = s.write(ctx, func(t *tx) error {
			n = 0
			content, err := t.lockEvents(keys, days)
			if err != nil {
				return err
			}
			if err := t.find(keys, days); err != nil {
				return err
			}
			for _, k := range keys {
				r := t.rows[k]
				if r == nil || !change(t, r, content[k.Event], total+n) {
					continue
				}
				n++
				if t.s.audit.on.Load() {
					if err := t.noteMoved(ctx, kind, r); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return total, err
		}
		total += n
		store.Progress(ctx, total)
	}
}

// noteMoved records what an operator did to a delivery.
func (t *tx) noteMoved(ctx context.Context, kind audit.Kind, r *row) error {
	tenant, err := t.s.name(t.ctx, r.tenant)
	if err != nil {
		return err
	}
	destination, err := t.s.name(t.ctx, r.destination)
	if err == nil {
		t.note(leaves.Moved(ctx, kind, tenant, destination, r.key))
	}
	return err
}

// lockEvents keeps events as they are until the transaction ends, and tells which have their content.
func (t *tx) lockEvents(keys []lanes.Key, days map[lanes.Key]int64) (content map[[16]byte]bool, err error) {
	var ids [][16]byte
	var of []int32
	for _, k := range keys {
		if len(ids) == 0 || ids[len(ids)-1] != k.Event {
			ids, of = append(ids, k.Event), append(of, int32(days[k]))
		}
	}
	if _, err := collect(t, scanID, `SELECT e.id FROM unnest($1::uuid[], $2::integer[]) AS q (id, day) JOIN {s}.events e ON e.id = q.id AND e.day = q.day
		ORDER BY e.id FOR UPDATE OF e`, ids, of); err != nil {
		return nil, err
	}
	there, err := collect(t, scanID, `SELECT p.event FROM unnest($1::uuid[], $2::integer[]) AS q (id, day) JOIN {s}.payloads p ON p.event = q.id AND p.day = q.day`, ids, of)
	content = map[[16]byte]bool{}
	for _, id := range there {
		content[id] = true
	}
	return content, err
}
