package sqlite

import (
	"context"
	"database/sql/driver"
	"math"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
)

// step is how many rows a change of many goes by: other requests have their turn in between.
const step = 500

// Erase is store.Store's. It goes in steps; an error or the end of the context leaves the rest, and can be followed by
// another call. When it is done the write-ahead log, which may still hold what was erased, is emptied too.
func (s *Store) Erase(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	c, err := s.conditions(ctx, &f)
	if err != nil || c.nothing() {
		return 0, public(err)
	}
	w := c.events()
	if dryRun {
		n := 0
		err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM events e WHERE "+w.String(), w.args...).Scan(&n)
		return n, public(err)
	}
	total, after := 0, int64(0)
	for {
		seqs, err := s.numbers(ctx, "SELECT e.seq FROM events e WHERE "+w.String()+" AND e.seq > ? ORDER BY e.seq LIMIT ?", append(w.args[:len(w.args):len(w.args)], after, step)...)
		if err != nil {
			return total, public(err)
		}
		if len(seqs) == 0 {
			break
		}
		after = seqs[len(seqs)-1]
		n, err := s.remove(ctx, seqs, nil)
		total += n
		if err != nil {
			return total, err
		}
	}
	if total > 0 {
		err = s.emptyLog(ctx, (*batch).vacuum)
	}
	return total, err
}

// numbers reads a list of numbers.
func (s *Store) numbers(ctx context.Context, query string, args ...any) ([]int64, error) {
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, rows.Err()
}

// remove deletes events with all that belongs to them, and counts them. expiry, if not nil, is asked in the same
// transaction which of them may go, and hears how many went.
func (s *Store) remove(ctx context.Context, seqs []int64, e *expiry) (n int, err error) {
	err = s.write(ctx, false, func(b *batch) error {
		n = 0
		for _, seq := range seqs {
			gone, err := b.remove(seq, e)
			if err != nil {
				return err
			}
			if gone {
				n++
			}
		}
		return e.count(b, n)
	})
	if err != nil {
		n = 0
	}
	return n, err
}

// remove deletes an event, unless it may not go.
func (b *batch) remove(seq int64, e *expiry) (bool, error) {
	var id, key [16]byte
	var tenant, size int64
	at := int64(-1)
	err := b.c.query("SELECT id, unique_key, accepted_at, tenant, size FROM events WHERE seq = ?", func(v []driver.Value) error {
		id, key, at = [16]byte(v[0].([]byte)), [16]byte(v[1].([]byte)), v[2].(int64)
		tenant, size = v[3].(int64), v[4].(int64)
		return nil
	}, seq)
	if err != nil || at < 0 {
		return false, err
	}
	var changes []change
	kept := false
	if err := b.c.query("SELECT n, destination, tenant, state, updated_at FROM deliveries WHERE event = ?", func(v []driver.Value) error {
		kept = kept || e.keeps(v[3].(int64), v[4].(int64))
		changes = append(changes, change{destination: v[1].(int64), tenant: v[2].(int64), key: deliveryKey{id, v[0].(int64)}, from: int8(v[3].(int64)), to: none})
		return nil
	}, seq); err != nil || kept {
		return false, err
	}
	if seq > b.s.keys.after && b.now-at < b.s.tuning.window.Load() {
		// The key stands nowhere else on the disk.
		if err := b.writeKey(key, recentKey{at: at, seq: seq, event: id}); err != nil {
			return false, err
		}
	}
	content := int64(0)
	for _, query := range []string{
		"DELETE FROM attempts WHERE event = ?", "DELETE FROM deliveries WHERE event = ?",
		"DELETE FROM events WHERE seq = ?", "DELETE FROM payloads WHERE seq = ?",
	} {
		if content, err = b.c.exec(query, seq); err != nil {
			return false, err
		}
	}
	if size > 0 {
		b.hold(tenant, -content, -size)
	}
	b.changes = append(b.changes, changes...)
	b.events--
	return true, nil
}

// vacuum gives free pages back to the file system, a bounded number of them.
func (b *batch) vacuum() error {
	_, err := b.c.exec("PRAGMA incremental_vacuum(2000)")
	return err
}

// Replay is store.Store's. It goes in steps, like Erase.
func (s *Store) Replay(ctx context.Context, f store.Filter, now time.Time, dryRun bool) (int, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	c, err := s.conditions(ctx, &f)
	if err != nil || c.nothing() {
		return 0, public(err)
	}
	w := c.deliveries()
	w.add("d.state <> 0 AND EXISTS (SELECT 1 FROM payloads p WHERE p.seq = d.event)") // what has lost its content cannot be sent
	if dryRun {
		n := 0
		err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM "+c.join()+" WHERE "+w.String(), w.args...).Scan(&n)
		return n, public(err)
	}
	total, after := 0, [2]int64{0, math.MaxInt64}
	for {
		found, err := s.deliveriesAfter(ctx, &c, w, after)
		if err != nil || len(found) == 0 {
			return total, public(err)
		}
		after = [2]int64{found[len(found)-1].seq, found[len(found)-1].n}
		n := 0
		err = s.write(ctx, false, func(b *batch) error {
			n = 0
			for _, d := range found {
				done, err := b.replay(d.deliveryKey, d.seq, now)
				if err != nil {
					return err
				}
				if done {
					n++
				}
			}
			return nil
		})
		if err != nil {
			return total, err
		}
		total += n
	}
}

type numberedDelivery struct {
	deliveryKey
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
		if err := rows.Scan(&id, &d.seq, &d.n); err != nil {
			return nil, err
		}
		d.event = ulid.ULID(id)
		list = append(list, d)
	}
	return list, rows.Err()
}

// replay makes a settled delivery pending again.
func (b *batch) replay(key deliveryKey, seq int64, now time.Time) (bool, error) {
	c := change{key: key, from: none, to: pending, next: nanos(now)}
	err := b.c.query("SELECT state, destination, tenant FROM deliveries WHERE event = ?1 AND n = ?2 AND EXISTS (SELECT 1 FROM payloads p WHERE p.seq = ?1)", func(v []driver.Value) error {
		c.from, c.destination, c.tenant = int8(v[0].(int64)), v[1].(int64), v[2].(int64)
		return nil
	}, seq, key.n)
	if err != nil || c.from == none || c.from == pending {
		return false, err
	}
	b.changes = append(b.changes, c)
	_, err = b.c.exec("UPDATE deliveries SET state = 0, next_at = ?, attempts = 0, updated_at = ? WHERE event = ? AND n = ?", c.next, b.now, seq, key.n)
	return true, err
}
