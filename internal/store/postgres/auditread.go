package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/oklog/ulid/v2"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/leaves"
)

var _ store.Audited = (*Store)(nil)

// AuditStatus is store.Audited's.
func (s *Store) AuditStatus(ctx context.Context) (store.AuditStatus, error) {
	if err := s.enter(ctx); err != nil {
		return store.AuditStatus{}, err
	}
	_, status, err := s.readAudit(ctx, s.pool, "")
	status.On = s.audit.on.Load()
	return status, public(err)
}

// logID is the number of this gateway's log; 0 if it has none.
func (s *Store) logID(ctx context.Context) (id int32, err error) {
	err = s.pool.QueryRow(ctx, s.q("SELECT id FROM {s}.audit_logs WHERE name = $1"), text(s.o.Gateway)).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

// AuditLines is store.Audited's. It reads some bundles at a time, so that it keeps no connection and no old state of the
// database while whoever reads is slow.
func (s *Store) AuditLines(ctx context.Context, from int64, f func(seq int64, line []byte) error) error {
	const atOnce = 64
	if err := s.enter(ctx); err != nil {
		return err
	}
	log, err := s.logID(ctx)
	if err != nil {
		return public(err)
	}
	at := int64(0)
	if err := s.pool.QueryRow(ctx, s.q("SELECT coalesce(max(first), 0) FROM {s}.audit_bundles WHERE log = $1 AND first <= $2"), log, from).Scan(&at); err != nil {
		return public(err)
	}
	type bundle struct {
		First, N int64
		Lines    []byte
	}
	for {
		rows, err := s.pool.Query(ctx, s.q("SELECT first, n, lines FROM {s}.audit_bundles WHERE log = $1 AND first >= $2 AND lines IS NOT NULL ORDER BY first LIMIT $3"), log, at, atOnce)
		if err != nil {
			return public(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[bundle])
		if err != nil || len(list) == 0 {
			return public(err)
		}
		for _, b := range list {
			at = b.First + b.N
			if err := leaves.Each(b.Lines, b.First, from, f); err != nil {
				return err
			}
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
	s := t.s
	if err := s.enter(t.ctx); err != nil {
		return nil, err
	}
	log, err := s.logID(t.ctx)
	if err != nil {
		return nil, public(err)
	}
	if level > 0 {
		rows, err := s.pool.Query(t.ctx, s.q("SELECT hash FROM {s}.audit_nodes WHERE log = $1 AND level = $2 AND n >= $3 AND n < $4 ORDER BY n"), log, level, first, first+int64(n))
		if err != nil {
			return nil, public(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
		if err != nil {
			return nil, public(err)
		}
		return leaves.HashesOf(first, nil, slices.Concat(list...), first, first+int64(n))
	}
	end := first + int64(n)
	rows, err := s.pool.Query(t.ctx, s.q(`SELECT first, lines, hashes FROM {s}.audit_bundles
		WHERE log = $1 AND first >= (SELECT coalesce(max(first), 0) FROM {s}.audit_bundles WHERE log = $1 AND first <= $2) AND first < $3 ORDER BY first`), log, first, end)
	if err != nil {
		return nil, public(err)
	}
	var at int64
	var lines, kept []byte
	_, err = pgx.ForEachRow(rows, []any{&at, &lines, &kept}, func() error {
		of, err := leaves.HashesOf(at, lines, kept, first, end)
		hashes = append(hashes, of...)
		return err
	})
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
	err = s.pool.QueryRow(ctx, s.q("SELECT beside FROM {s}.audit_beside WHERE event = $1"), [16]byte(id)).Scan(&stored)
	if errors.Is(err, pgx.ErrNoRows) {
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
	return s.write(ctx, func(t *tx) error {
		n, err := t.exec("UPDATE {s}.audit_logs SET checkpoint = $2 WHERE name = $1", text(s.o.Gateway), signed)
		if err == nil && n == 0 {
			return store.ErrNoAudit
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
		log, err := s.logID(ctx)
		if err == nil {
			err = s.pool.QueryRow(ctx, s.q("SELECT coalesce(sum(n), 0)::bigint FROM {s}.audit_bundles WHERE log = $1 AND lines IS NOT NULL AND at < $2"), log, nanos(before)).Scan(&total)
		}
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
		err := s.write(ctx, func(t *tx) (err error) {
			n, err = t.prune(ctx, nanos(before), status.State.Size) // and not what pruning itself records
			return err
		})
		if err != nil || n == 0 {
			return total, err
		}
		total += n
	}
}

// prune takes the lines of the next bundles away that were written before a time, and what lies beside the events that they
// accepted.
func (t *tx) prune(ctx context.Context, before, end int64) (pruned int64, err error) {
	type bundle struct {
		first, n, at int64
		lines        []byte
	}
	id, status, err := t.s.readAudit(t.ctx, t.conn, "")
	if err != nil {
		return 0, err
	}
	list, err := collect(t, func(rows pgx.Rows) (b bundle, err error) {
		err = rows.Scan(&b.first, &b.n, &b.at, &b.lines)
		return b, err
	}, "SELECT first, n, at, lines FROM {s}.audit_bundles WHERE log = $1 AND first >= $2 AND first < $3 ORDER BY first LIMIT $4", id, status.Pruned, end, pruneStep)
	if err != nil {
		return 0, err
	}
	// Pruned is what lies before a place, without gaps: the first bundle that is too young ends it.
	if young := slices.IndexFunc(list, func(b bundle) bool { return b.at >= before }); young >= 0 {
		list = list[:young]
	}
	if len(list) == 0 {
		return 0, nil
	}
	for _, k := range list {
		if events := leaves.AcceptedBy(k.lines); len(events) > 0 {
			// Not beside an event that is still there: its attempts may go on.
			if _, err := t.exec(`DELETE FROM {s}.audit_beside b WHERE b.event = ANY ($1::uuid[]) AND NOT EXISTS (SELECT 1 FROM {s}.events e WHERE e.id = b.event)`, events); err != nil {
				return 0, err
			}
		}
		if _, err := t.exec("UPDATE {s}.audit_bundles SET lines = NULL, hashes = $3 WHERE log = $1 AND first = $2", id, k.first, leaves.Kept(k.lines)); err != nil {
			return 0, err
		}
		pruned += k.n
	}
	last := list[len(list)-1]
	if _, err := t.exec("UPDATE {s}.audit_logs SET pruned = $2 WHERE id = $1", id, last.first+last.n); err != nil {
		return 0, err
	}
	t.note(audit.Leaf{Kind: audit.Pruned, Actor: audit.ActorOf(ctx), Count: pruned})
	return pruned, nil
}

// eraseBeside deletes what lies beside the leaves of a caller's events, those that have expired as well. It is read through:
// an index of hashes would cost every event more than this costs who erases.
func (s *Store) eraseBeside(ctx context.Context, f *store.Filter) (erased int, err error) {
	if !leaves.OfCaller(f) {
		return 0, nil
	}
	type found struct {
		Event  [16]byte
		Tenant int64
	}
	after := [16]byte{}
	for {
		rows, err := s.pool.Query(ctx, s.q("SELECT event, tenant FROM {s}.audit_beside WHERE event > $1 AND substr(beside, $2::integer) = $3 ORDER BY event LIMIT $4"),
			after, audit.SaltSize+1, []byte(f.CallerHash), step)
		if err != nil {
			return erased, public(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[found])
		if err != nil || len(list) == 0 {
			return erased, public(err)
		}
		after = list[len(list)-1].Event
		var ids [][16]byte
		for _, one := range list {
			name, err := s.name(ctx, one.Tenant)
			if err != nil {
				return erased, public(err)
			}
			if leaves.OfTenant(f, name) {
				ids = append(ids, one.Event)
			}
		}
		if err := s.write(ctx, func(t *tx) error {
			gone, err := collect(t, scanID,
				"DELETE FROM {s}.audit_beside WHERE event = ANY ($1::uuid[]) RETURNING event", ids)
			for _, id := range gone {
				t.note(audit.Leaf{Kind: audit.Erase, Actor: audit.ActorOf(ctx), Event: ulid.ULID(id).String(), Reason: "it had expired before"})
			}
			return err
		}); err != nil {
			return erased, err
		}
		erased += len(ids)
	}
}

func scanID(rows pgx.Rows) (id [16]byte, err error) {
	err = rows.Scan(&id)
	return id, err
}
