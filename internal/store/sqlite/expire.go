package sqlite

import (
	"context"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/leaves"
)

// The counters of what has expired.
const (
	expiredDone = "expired_done"
	expiredDead = "expired_dead"
)

// countExpired adds to the number of events that have expired.
func (b *batch) countExpired(ctx context.Context, e *lanes.Expiry, n int) error {
	if e == nil || n == 0 {
		return nil
	}
	name, total := expiredDone, &b.s.expired.done
	b.note(leaves.Expired(ctx, e, n))
	if e.Dead {
		name, total = expiredDead, &b.s.expired.dead
	}
	b.after = append(b.after, func() { total.Add(int64(n)) })
	_, err := b.c.exec("INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value", name, n)
	return err
}

// Expire is store.Store's. Each call goes on where the last one stopped, so that events which cannot go are not looked at
// again before all the others were.
func (s *Store) Expire(ctx context.Context, r store.Retention, now time.Time, limit int) (expired store.Expired, err error) {
	if err := s.enter(ctx); err != nil {
		return expired, err
	}
	if limit <= 0 {
		return expired, lanes.ErrNoBatch
	}
	s.expireMu.Lock()
	defer s.expireMu.Unlock()
	if err := s.recordNotes(ctx); err != nil && ctx.Err() == nil {
		s.o.Log("that a backup was made cannot be recorded", err)
	}
	if err := s.expireKeys(ctx, now); err != nil {
		return expired, err
	}
	if err := s.forgetNotes(ctx, nanos(now)); err != nil {
		return expired, err
	}
	expired, err = lanes.Expire(r, now, limit, func(e *lanes.Expiry, limit int) (int, error) { return s.expireKind(ctx, e, limit) })
	if err != nil {
		return expired, err
	}
	if expired.Total() > 0 {
		s.expireLeft = true
		if err := s.write(ctx, false, (*batch).vacuum); err != nil {
			return expired, err
		}
	}
	if s.expireLeft && expired.Total() < int64(limit) {
		// That was the last batch. What the log still holds goes as after an erasure; not after every batch, since
		// requests wait while the log is emptied.
		if err := s.emptyLog(ctx, (*batch).vacuum); err != nil {
			return expired, err
		}
		s.expireLeft = false
	}
	if expired.Total() < int64(limit) {
		if err := s.packAudit(ctx); err != nil && ctx.Err() == nil {
			s.o.Log("what is old in the audit log cannot be compressed, and stays as it is", err)
		}
	}
	return expired, nil
}

// expireKind deletes up to limit events of a kind.
func (s *Store) expireKind(ctx context.Context, e *lanes.Expiry, limit int) (int, error) {
	find := s.findDone
	if e.Dead {
		find = s.findDead
	}
	seqs, err := find(ctx, e.Before, limit)
	if err != nil {
		return 0, public(err)
	}
	total := 0
	for len(seqs) > 0 {
		part := seqs[:min(len(seqs), step)]
		seqs = seqs[len(part):]
		n, err := s.remove(ctx, part, e)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// findDone finds events that were delivered everywhere, the last time before a time.
func (s *Store) findDone(ctx context.Context, before int64, limit int) ([]int64, error) {
	// No delivery ends before its event was received.
	const query = `SELECT e.seq FROM events e WHERE e.received_at < ?1 AND e.seq > ?2 AND NOT EXISTS
		(SELECT 1 FROM deliveries d WHERE d.event = e.seq AND (d.state <> 1 OR d.updated_at >= ?1)) ORDER BY e.received_at, e.seq LIMIT ?3`
	from := s.expireFrom
	seqs, err := s.numbers(ctx, query, before, from, limit)
	if err == nil && len(seqs) == 0 && from > 0 {
		from = 0
		seqs, err = s.numbers(ctx, query, before, from, limit)
	}
	s.expireFrom = 0
	if len(seqs) == limit {
		s.expireFrom = seqs[0] - 1 // everything before the first of them has to stay
	}
	return seqs, err
}

// findDead finds events that have a dead delivery and none that waits, the last one having ended before a time. The dead
// have an index, and are few.
func (s *Store) findDead(ctx context.Context, before int64, limit int) ([]int64, error) {
	return s.numbers(ctx, `SELECT DISTINCT d.event FROM deliveries d INDEXED BY deliveries_dead WHERE d.state = 2 AND d.updated_at < ?1 AND NOT EXISTS
		(SELECT 1 FROM deliveries o WHERE o.event = d.event AND (o.state = 0 OR o.updated_at >= ?1)) ORDER BY d.event LIMIT ?2`, before, limit)
}

// expireKeys deletes the days of unique keys that lie before the window as a whole.
func (s *Store) expireKeys(ctx context.Context, now time.Time) error {
	first := (now.UnixNano() - s.tuning.window.Load()) / day
	for {
		var n int64
		err := s.write(ctx, false, func(b *batch) (err error) {
			n = 0
			for d := range s.keys.days {
				if d < first {
					n, err = b.c.exec("DELETE FROM keys WHERE day = ? AND key IN (SELECT key FROM keys WHERE day = ? ORDER BY key LIMIT ?)", d, d, 10*step)
					if n < 10*step && err == nil {
						b.after = append(b.after, func() { delete(s.keys.days, d) })
						n = 1 // look for another day
					}
					return err
				}
			}
			return nil
		})
		if err != nil || n == 0 {
			return err
		}
	}
}
