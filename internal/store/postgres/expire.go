package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/leaves"
	"github.com/jackc/pgx/v5"
)

// countExpired adds to the number of events that have expired.
func (t *tx) countExpired(ctx context.Context, e *lanes.Expiry, n int) {
	if e == nil || n == 0 {
		return
	}
	name := expiredDone
	if e.Dead {
		name = expiredDead
	}
	t.note(leaves.Expired(ctx, e, n))
	t.count(name, int64(n))
}

// Expire is store.Store's. Each call goes on where the last one stopped, so that events which cannot go are not looked at
// again before all the others were. Days that have become empty are dropped whole, and so are days of keys before the window.
func (s *Store) Expire(ctx context.Context, r store.Retention, now time.Time, limit int) (expired store.Expired, err error) {
	if err := s.enter(ctx); err != nil {
		return expired, err
	}
	if limit <= 0 {
		return expired, lanes.ErrNoBatch
	}
	s.expiring.Lock()
	defer s.expiring.Unlock()
	if err := s.forgetNotes(ctx, nanos(now)); err != nil {
		return expired, err
	}
	expired, err = lanes.Expire(r, now, limit, func(e *lanes.Expiry, limit int) (int, error) { return s.expireKind(ctx, e, limit) })
	if err != nil {
		return expired, err
	}
	if expired.Total() < int64(limit) {
		// That was the last batch. A day that cannot be dropped now is dropped the next time.
		if err := s.dropDays(ctx, nanos(now)); err != nil {
			s.o.Log("dropping the tables of days that are over", public(err))
		}
	}
	return expired, nil
}

// expireKind deletes up to limit events of a kind.
func (s *Store) expireKind(ctx context.Context, e *lanes.Expiry, limit int) (int, error) {
	list, err := s.findExpired(ctx, e, limit)
	if err != nil {
		return 0, public(err)
	}
	total := 0
	for len(list) > 0 {
		part := list[:min(len(list), step)]
		list = list[len(part):]
		n, err := s.remove(ctx, part, e)
		total += n
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// findDone finds events that were delivered everywhere, the last time before a time. No delivery ends before its event was
// received. findDead finds those that have a dead delivery, of which there is an index, and none that waits.
const (
	findDone = `SELECT e.id, e.day FROM {s}.events e WHERE e.received_at < $1 AND e.day <= $2 AND e.id > $3
		AND NOT EXISTS (SELECT 1 FROM {s}.live l WHERE l.event = e.id)
		AND NOT EXISTS (SELECT 1 FROM {s}.settled r WHERE r.event = e.id AND r.day = e.day AND (r.state <> 1 OR r.updated_at >= $1)) ORDER BY e.id LIMIT $4`
	findDead = `SELECT DISTINCT d.event, d.day FROM {s}.settled d WHERE d.state = 2 AND d.updated_at < $1 AND d.day <= $2 AND d.event > $3
		AND NOT EXISTS (SELECT 1 FROM {s}.live l WHERE l.event = d.event)
		AND NOT EXISTS (SELECT 1 FROM {s}.settled r WHERE r.event = d.event AND r.day = d.day AND r.updated_at >= $1) ORDER BY d.event LIMIT $4`
)

func (s *Store) findExpired(ctx context.Context, e *lanes.Expiry, limit int) ([]place, error) {
	last := dayOf(e.Before) + slack
	find := func(query string, from [16]byte) ([]place, error) {
		rows, err := s.pool.Query(ctx, s.q(query), e.Before, last, from, limit)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowToStructByPos[place])
	}
	if e.Dead {
		return find(findDead, [16]byte{})
	}
	list, err := find(findDone, s.expireFrom)
	if err == nil && len(list) == 0 && s.expireFrom != ([16]byte{}) {
		list, err = find(findDone, [16]byte{})
	}
	s.expireFrom = [16]byte{}
	if len(list) == limit {
		s.expireFrom = list[len(list)-1].ID // everything before was looked at
	}
	return list, err
}

func partition(table string, d int64) string { return fmt.Sprintf("%s_%d", table, d) }

// dropDays drops the tables of days before today that have nothing in them, and those of keys before the window. Detaching
// one without waiting for everybody who reads is no transaction, so that another gateway may find it half done, and goes on.
func (s *Store) dropDays(ctx context.Context, now int64) error {
	today, window := dayOf(now), dayOf(now-s.tuning.window.Load())
	conn, release, err := s.ownerConn(ctx)
	if err != nil {
		return err
	}
	defer release()
	mine, err := s.job(ctx, conn, "days", time.Minute)
	if err != nil || !mine {
		return err
	}
	for _, d := range s.days.list() {
		if d >= min(today-1, window) {
			break
		}
		empty := true
		for _, t := range byDay {
			var some bool
			if t.table != "keys" {
				if err := conn.QueryRow(ctx, s.q("SELECT EXISTS (SELECT 1 FROM {s}."+t.table+" WHERE day = $1)"), d).Scan(&some); err != nil {
					return err
				}
			}
			empty = empty && !some
		}
		if !empty {
			continue
		}
		s.days.set(d, false)
		for _, t := range byDay {
			if err := s.dropPartition(ctx, conn, t.table, d); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropPartition detaches a day's table and drops it.
func (s *Store) dropPartition(ctx context.Context, conn querier, table string, d int64) error {
	name := partition(table, d)
	var attached, pending bool
	err := conn.QueryRow(ctx, `SELECT i.inhdetachpending FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $1 AND c.relname = $2`, s.o.Schema, name).Scan(&pending)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	attached = err == nil
	if attached {
		how := "CONCURRENTLY"
		if pending {
			how = "FINALIZE"
		}
		if _, err := conn.Exec(ctx, s.q("ALTER TABLE {s}."+table+" DETACH PARTITION {s}."+name+" "+how)); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, s.q("DROP TABLE IF EXISTS {s}."+name))
	return err
}

// job takes a piece of work that one gateway does at a time, for a while.
func (s *Store) job(ctx context.Context, conn querier, name string, lasts time.Duration) (bool, error) {
	tag, err := conn.Exec(ctx, s.q(`INSERT INTO {s}.jobs AS j (name, owner, until) VALUES ($1, $2, now() + $3::bigint * interval '1 microsecond')
		ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until WHERE j.until < now() OR j.owner = excluded.owner`),
		name, s.wake.self, lasts.Microseconds())
	return err == nil && tag.RowsAffected() == 1, err
}
