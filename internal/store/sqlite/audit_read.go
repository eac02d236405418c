package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/group"
	"github.com/callgate/callgate/internal/store/leaves"
)

var _ store.Audited = (*Store)(nil)

const auditStatusQuery = "SELECT state, running, pruned, checkpoint FROM audit_state"

// auditStatus makes a status of a row of auditStatusQuery.
func auditStatus(state []byte, running, pruned int64, checkpoint []byte) (store.AuditStatus, error) {
	status := store.AuditStatus{Running: running != 0, Pruned: pruned}
	if len(checkpoint) > 0 {
		status.Checkpoint = append([]byte(nil), checkpoint...)
	}
	if err := status.State.UnmarshalBinary(state); err != nil {
		return store.AuditStatus{}, fmt.Errorf("%w: %w", store.ErrAuditDamaged, err)
	}
	return status, nil
}

func readAuditStatus(c *session) (status store.AuditStatus, err error) {
	err = c.query(auditStatusQuery, func(v []driver.Value) (err error) {
		state, _ := v[0].([]byte)
		checkpoint, _ := v[3].([]byte)
		status, err = auditStatus(state, v[1].(int64), v[2].(int64), checkpoint)
		return err
	})
	return status, err
}

// AuditStatus is store.Audited's.
func (s *Store) AuditStatus(ctx context.Context) (status store.AuditStatus, err error) {
	if err := s.enter(ctx); err != nil {
		return status, err
	}
	var state, checkpoint []byte
	var running, pruned int64
	switch err := s.reader.QueryRowContext(ctx, auditStatusQuery).Scan(&state, &running, &pruned, &checkpoint); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return status, public(err)
	default:
		if status, err = auditStatus(state, running, pruned, checkpoint); err != nil {
			return status, err
		}
	}
	status.On = s.audit.on.Load()
	return status, nil
}

// AuditLines is store.Audited's. It reads some bundles at a time, so that it keeps no old state of the database alive while
// whoever reads is slow.
func (s *Store) AuditLines(ctx context.Context, from int64, f func(seq int64, line []byte) error) error {
	const atOnce = 64
	type bundle struct {
		first, n int64
		lines    []byte
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	// So that who looks for a backup just made finds it. What cannot be recorded now is tried again, and told, by Expire.
	_ = s.recordNotes(ctx)
	for {
		var list []bundle
		// The first of them may have become part of a segment meanwhile, which begins before it.
		err := s.each(ctx, `SELECT first, n, lines FROM audit_bundles WHERE first >= (SELECT coalesce(max(first), 0) FROM audit_bundles WHERE first <= ?1)
			AND first + n > ?1 AND lines IS NOT NULL ORDER BY first LIMIT ?2`, func(rows *sql.Rows) error {
			var b bundle
			err := rows.Scan(&b.first, &b.n, &b.lines)
			list = append(list, b)
			return err
		}, from, atOnce)
		if err != nil || len(list) == 0 {
			return public(err)
		}
		for _, b := range list {
			lines, err := audit.Unpack(b.lines)
			if err != nil {
				return fmt.Errorf("%w (records %d to %d): %w", store.ErrAuditDamaged, b.first, b.first+b.n-1, err)
			}
			if err := leaves.Each(lines, b.first, from, f); err != nil {
				return err
			}
			from = b.first + b.n
		}
	}
}

// AuditTiles is store.Audited's.
func (s *Store) AuditTiles(ctx context.Context) audit.Tiles { return tiles{s, ctx} }

type tiles struct {
	s   *Store
	ctx context.Context
}

// Hashes implements audit.Tiles.
func (t tiles) Hashes(level int, first int64, n int) (hashes []tlog.Hash, err error) {
	if err := t.s.enter(t.ctx); err != nil {
		return nil, err
	}
	if level > 0 {
		err = t.s.each(t.ctx, "SELECT hash FROM audit_nodes WHERE level = ? AND n >= ? AND n < ? ORDER BY n", func(rows *sql.Rows) error {
			var hash []byte
			if err := rows.Scan(&hash); err != nil {
				return err
			}
			if len(hash) != tlog.HashSize {
				return store.ErrAuditDamaged
			}
			hashes = append(hashes, tlog.Hash(hash))
			return nil
		}, level, first, first+int64(n))
		return hashes, public(err)
	}
	end := first + int64(n)
	err = t.s.each(t.ctx, `SELECT first, lines, hashes FROM audit_bundles WHERE first >= (SELECT coalesce(max(first), 0) FROM audit_bundles WHERE first <= ?)
		AND first < ? ORDER BY first`, func(rows *sql.Rows) error {
		var at int64
		var lines, kept []byte
		if err := rows.Scan(&at, &lines, &kept); err != nil {
			return err
		}
		if lines != nil {
			if lines, err = audit.Unpack(lines); err != nil {
				return fmt.Errorf("%w: %w", store.ErrAuditDamaged, err)
			}
		}
		of, err := leaves.HashesOf(at, lines, kept, first, end)
		hashes = append(hashes, of...)
		return err
	}, first, end)
	return hashes, public(err)
}

// AuditBeside is store.Audited's.
func (s *Store) AuditBeside(ctx context.Context, event string) (beside audit.Beside, err error) {
	if err := s.enter(ctx); err != nil {
		return beside, err
	}
	id, err := ulid.ParseStrict(event)
	if err != nil {
		return beside, store.ErrNotFound
	}
	var stored []byte
	err = s.reader.QueryRowContext(ctx, "SELECT beside FROM audit_beside WHERE event = ?", id[:]).Scan(&stored)
	if errors.Is(err, sql.ErrNoRows) {
		return beside, store.ErrNotFound
	}
	if err != nil {
		return beside, public(err)
	}
	return beside, beside.UnmarshalBinary(stored)
}

// NoteCheckpoint is store.Audited's.
func (s *Store) NoteCheckpoint(ctx context.Context, signed []byte) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	return s.write(ctx, false, func(b *batch) error {
		n, err := b.c.exec("UPDATE audit_state SET checkpoint = ?", signed)
		if err == nil && n == 0 {
			return group.Refuse(store.ErrNoAudit)
		}
		return err
	})
}

// pruneStep is how many bundles are pruned in one transaction.
const pruneStep = 200

// PruneAudit is store.Audited's. That a step takes lines away is recorded in the same transaction.
func (s *Store) PruneAudit(ctx context.Context, before time.Time, dryRun bool) (total int64, err error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	if dryRun {
		err := s.reader.QueryRowContext(ctx, "SELECT coalesce(sum(n), 0) FROM audit_bundles WHERE lines IS NOT NULL AND at < ?", nanos(before)).Scan(&total)
		return total, public(err)
	}
	if !s.audit.on.Load() {
		return 0, store.ErrNoAudit
	}
	status, err := s.AuditStatus(ctx)
	if err != nil {
		return 0, err
	}
	for {
		n := int64(0)
		err := s.write(ctx, false, func(b *batch) (err error) {
			n, err = b.prune(ctx, nanos(before), status.State.Size) // and not what pruning itself records
			return err
		})
		if err != nil || n == 0 {
			if total > 0 && err == nil {
				err = s.emptyLog(ctx, (*batch).vacuum)
			}
			return total, err
		}
		total += n
	}
}

// prune takes the lines of the next bundles away that were written before a time, and what lies beside the events that they
// accepted.
func (b *batch) prune(ctx context.Context, before, end int64) (pruned int64, err error) {
	type bundle struct {
		first, n int64
		lines    []byte
	}
	var list []bundle
	n := int64(0)
	// A log is pruned from its beginning on, so that what is left of it has no gaps: the first bundle that is too young ends it.
	err = b.c.query("SELECT first, n, at, lines FROM audit_bundles WHERE first >= (SELECT coalesce(max(pruned), 0) FROM audit_state) AND first < ?1 ORDER BY first LIMIT ?2", func(v []driver.Value) error {
		lines, _ := v[3].([]byte)
		if v[2].(int64) >= before || n >= pruneLeaves {
			return errEnough
		}
		n += v[1].(int64)
		list = append(list, bundle{v[0].(int64), v[1].(int64), append([]byte(nil), lines...)})
		return nil
	}, end, pruneStep)
	if err != nil && !errors.Is(err, errEnough) {
		return 0, err
	}
	if len(list) == 0 {
		return 0, nil
	}
	for _, k := range list {
		lines, err := audit.Unpack(k.lines)
		if err != nil {
			return 0, fmt.Errorf("%w: %w", store.ErrAuditDamaged, err)
		}
		for _, event := range leaves.AcceptedBy(lines) {
			// Not beside an event that is still there: its attempts may go on.
			if _, err := b.c.exec("DELETE FROM audit_beside WHERE event = ?1 AND NOT EXISTS (SELECT 1 FROM events WHERE id = ?1)", event[:]); err != nil {
				return 0, err
			}
		}
		if _, err := b.c.exec("UPDATE audit_bundles SET lines = NULL, hashes = ? WHERE first = ?", leaves.Kept(lines), k.first); err != nil {
			return 0, err
		}
		pruned += k.n
	}
	last := list[len(list)-1]
	if _, err := b.c.exec("UPDATE audit_state SET pruned = ?", last.first+last.n); err != nil {
		return 0, err
	}
	b.note(audit.Leaf{Kind: audit.Pruned, Actor: audit.ActorOf(ctx), Count: pruned})
	return pruned, nil
}

// eraseBeside deletes what lies beside the leaves of a caller's events, those that have expired as well. It is read through:
// an index of hashes would cost every event more than this costs who erases.
func (s *Store) eraseBeside(ctx context.Context, f *store.Filter) (erased int, err error) {
	if !leaves.OfCaller(f) {
		return 0, nil
	}
	after := []byte{}
	for {
		var found [][]byte
		more := false
		err := s.each(ctx, "SELECT event, tenant FROM audit_beside WHERE event > ?1 AND substr(beside, ?2) = ?3 ORDER BY event LIMIT ?4", func(rows *sql.Rows) error {
			var id []byte
			var tenant int64
			err := rows.Scan(&id, &tenant)
			if leaves.OfTenant(f, s.names.Name(tenant)) {
				found = append(found, id)
			}
			after, more = id, true
			return err
		}, after, audit.SaltSize+1, []byte(f.CallerHash), step)
		if err != nil || !more {
			return erased, public(err)
		}
		if err := s.write(ctx, false, func(b *batch) error {
			for _, id := range found {
				n, err := b.c.exec("DELETE FROM audit_beside WHERE event = ?", id)
				if err != nil {
					return err
				}
				if n > 0 {
					b.note(audit.Leaf{Kind: audit.Erase, Actor: audit.ActorOf(ctx), Event: ulid.ULID(id).String(), Reason: "it had expired before"})
				}
			}
			return nil
		}); err != nil {
			return erased, err
		}
		erased += len(found)
	}
}
