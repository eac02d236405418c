package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"math"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
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
		ctx, end := s.search(ctx)
		defer end()
		n := 0
		count := "count(*) FROM events e"
		if len(c.event.terms) == 0 && len(c.delivery.terms) > 0 {
			count, w = "count(DISTINCT d.event) FROM deliveries d "+c.index, c.hinted()
		}
		err := s.reader.QueryRowContext(ctx, "SELECT "+count+" WHERE "+w.String(), w.args...).Scan(&n)
		return n, searched(ctx, err)
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
		if after == 0 { // whose notes they are nobody can tell; they would end in some minutes anyway
			if err := s.forgetNotes(ctx, math.MaxInt64); err != nil {
				return 0, err
			}
		}
		after = seqs[len(seqs)-1]
		n, err := s.remove(ctx, seqs, nil)
		total += n
		store.Progress(ctx, total)
		if err != nil {
			return total, err
		}
	}
	beside := 0
	if !audit.SubjectsKept(ctx) {
		if beside, err = s.eraseBeside(ctx, &f); err != nil {
			return total, err
		}
	}
	if total > 0 || beside > 0 {
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

// remove deletes events with all that belongs to them, and counts them. e, if not nil, is asked in the same
// transaction which of them may go, and hears how many went.
func (s *Store) remove(ctx context.Context, seqs []int64, e *lanes.Expiry) (n int, err error) {
	err = s.write(ctx, false, func(b *batch) error {
		n = 0
		for _, seq := range seqs {
			gone, err := b.remove(ctx, seq, e)
			if err != nil {
				return err
			}
			if gone {
				n++
			}
		}
		return b.countExpired(ctx, e, n)
	})
	if err != nil {
		n = 0
	}
	return n, err
}

// remove deletes an event, unless it may not go.
func (b *batch) remove(ctx context.Context, seq int64, e *lanes.Expiry) (bool, error) {
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
	var changes []lanes.Change
	kept := false
	if err := b.c.query("SELECT n, destination, tenant, state, updated_at FROM deliveries WHERE event = ?", func(v []driver.Value) error {
		kept = kept || e.Keeps(v[3].(int64), v[4].(int64))
		changes = append(changes, lanes.Change{Destination: v[1].(int64), Tenant: v[2].(int64), Key: lanes.Key{Event: id, N: v[0].(int64)}, From: int8(v[3].(int64)), To: none})
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
	b.gone = append(b.gone, seq)
	content := int64(0)
	for _, query := range []string{
		"DELETE FROM subjects WHERE seq = ?", "DELETE FROM attempts WHERE event = ?", "DELETE FROM deliveries WHERE event = ?",
		"DELETE FROM events WHERE seq = ?", "DELETE FROM payloads WHERE seq = ?",
	} {
		if content, err = b.c.exec(query, seq); err != nil {
			return false, err
		}
	}
	if err := b.removeProgress(id); err != nil {
		return false, err
	}
	if size > 0 {
		b.hold(tenant, -content, -size)
	}
	b.changes = append(b.changes, changes...)
	b.events--
	if e != nil {
		return true, nil
	}
	l := audit.Leaf{Kind: audit.Erase, Actor: audit.ActorOf(ctx), Tenant: b.s.names.Name(tenant), Event: ulid.ULID(id).String()}
	if audit.SubjectsKept(ctx) {
		l.Reason = audit.ReasonSubjectKept
		b.note(l)
		return true, nil
	}
	b.note(l)
	_, err = b.c.exec("DELETE FROM audit_beside WHERE event = ?", id[:])
	return true, err
}

// vacuumBytes is how much vacuum gives back at once.
const vacuumBytes = 32 << 20

// vacuum gives free pages back to the file system, a bounded number of them.
func (b *batch) vacuum() error {
	_, err := b.c.exec(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", vacuumBytes/b.s.pageSize))
	return err
}
