package sqlite

import (
	"context"
	"database/sql/driver"
	"math"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/oklog/ulid/v2"
)

// Replay is store.Store's. It goes in steps, like Erase.
func (s *Store) Replay(ctx context.Context, f store.Filter, now time.Time, every time.Duration, dryRun bool) (int, error) {
	return s.move(ctx, &f, dryRun, audit.Replay, func(b *batch, d numberedDelivery, before int) (bool, error) {
		c, _, err := b.find(d)
		if err != nil || c.From == none || c.From == pending {
			return false, err
		}
		if content, err := b.c.number("SELECT count(*) FROM payloads WHERE seq = ?", d.seq); err != nil || content == 0 {
			return false, err
		}
		c.To, c.Next = pending, nanos(now.Add(time.Duration(before)*max(every, 0)))
		b.changes = append(b.changes, c)
		_, err = b.c.exec("UPDATE deliveries SET state = 0, next_at = ?, attempts = 0, updated_at = ? WHERE event = ? AND n = ?", c.Next, b.now, d.seq, d.N)
		return true, err
	}, "d.state <> 0 AND EXISTS (SELECT 1 FROM payloads p WHERE p.seq = d.event)") // what has lost its content cannot be sent
}

// SendNow is store.Store's. It goes in steps, like Erase.
func (s *Store) SendNow(ctx context.Context, f store.Filter, now time.Time, dryRun bool) (int, error) {
	due := nanos(now)
	return s.move(ctx, &f, dryRun, audit.SendNow, func(b *batch, d numberedDelivery, _ int) (bool, error) {
		c, next, err := b.find(d)
		if err != nil || c.From != pending || next <= due {
			return false, err
		}
		c.To, c.Next, c.Sooner = pending, due, true
		b.changes = append(b.changes, c)
		_, err = b.c.exec("UPDATE deliveries SET next_at = ? WHERE event = ? AND n = ?", c.Next, d.seq, d.N)
		return true, err
	}, "d.state = 0 AND d.next_at > ?", due)
}

// Cancel is store.Store's. It goes in steps, like Erase.
func (s *Store) Cancel(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
	return s.move(ctx, &f, dryRun, audit.Cancel, func(b *batch, d numberedDelivery, _ int) (bool, error) {
		c, _, err := b.find(d)
		if err != nil || c.From != pending {
			return false, err
		}
		c.To = dead
		b.ended = append(b.ended, numbered{d.seq, d.N})
		b.changes = append(b.changes, c)
		_, err = b.c.exec("UPDATE deliveries SET state = 2, next_at = 0, updated_at = ?, reason = ? WHERE event = ? AND n = ?", b.now, store.Cancelled, d.seq, d.N)
		return true, err
	}, "d.state = 0")
}

// moveFunc changes a delivery, unless it turns out that there is nothing to change: what was found may have moved on. It
// is told how many were changed before.
type moveFunc func(b *batch, d numberedDelivery, before int) (bool, error)

// move changes the deliveries that a filter and the term match, oldest event first and in steps, and counts them.
func (s *Store) move(ctx context.Context, f *store.Filter, dryRun bool, kind audit.Kind, change moveFunc, term string, args ...any) (int, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	c, err := s.conditions(ctx, f)
	if err != nil || c.nothing() {
		return 0, public(err)
	}
	w := c.deliveries()
	w.add(term, args...)
	if dryRun {
		ctx, end := s.search(ctx)
		defer end()
		n := 0
		from := c.join()
		if len(c.event.terms) == 0 {
			from, w = "deliveries d "+c.index, c.hinted()
			w.add(term, args...)
		}
		err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM "+from+" WHERE "+w.String(), w.args...).Scan(&n)
		return n, searched(ctx, err)
	}
	total, after := 0, [2]int64{0, math.MaxInt64}
	for {
		found, err := s.deliveriesAfter(ctx, &c, w, after)
		if err != nil || len(found) == 0 {
			return total, public(err)
		}
		after = [2]int64{found[len(found)-1].seq, found[len(found)-1].N}
		n := 0
		err = s.write(ctx, false, func(b *batch) error {
			n = 0
			for _, d := range found {
				done, err := change(b, d, total+n)
				if err != nil {
					return err
				}
				if done {
					n++
					b.noteMoved(ctx, kind, &b.changes[len(b.changes)-1])
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

type numberedDelivery struct {
	lanes.Key
	seq int64
}

func (s *Store) deliveriesAfter(ctx context.Context, c *conditions, w where, after [2]int64) ([]numberedDelivery, error) {
	order := "d.event, d.n"
	if c.inEvents {
		order = "e.seq, d.n"
	}
	rows, err := s.reader.QueryContext(ctx, "SELECT e.id, e.seq, d.n FROM "+c.join()+" WHERE "+w.String()+
		" AND (d.event, d.n) > (?, ?) ORDER BY "+order+" LIMIT ?", append(w.args[:len(w.args):len(w.args)], after[0], after[1], step)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []numberedDelivery
	for rows.Next() {
		var id []byte
		var d numberedDelivery
		if err := rows.Scan(&id, &d.seq, &d.N); err != nil {
			return nil, err
		}
		d.Event = ulid.ULID(id)
		list = append(list, d)
	}
	return list, rows.Err()
}

// find begins a change of a delivery, from where it is and due as it is. from is none if it is gone.
func (b *batch) find(d numberedDelivery) (c lanes.Change, next int64, err error) {
	c = lanes.Change{Key: d.Key, From: none}
	err = b.c.query("SELECT state, destination, tenant, next_at FROM deliveries WHERE event = ? AND n = ?", func(v []driver.Value) error {
		c.From, c.Destination, c.Tenant, next = int8(v[0].(int64)), v[1].(int64), v[2].(int64), v[3].(int64)
		return nil
	}, d.seq, d.N)
	return c, next, err
}
