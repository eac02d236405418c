package postgres

import (
	"context"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/jackc/pgx/v5"
	"github.com/oklog/ulid/v2"
)

// place is where an event is.
type place struct {
	ID  [16]byte
	Day int64
}

// Erase is store.Store's. It goes in steps; an error or the end of the context leaves the rest, and can be followed by
// another call. When it is done the tables that it has deleted from are vacuumed, so that what was erased is gone from them.
// The server's log, and copies that are made from it, keep it until they are too old.
func (s *Store) Erase(ctx context.Context, f store.Filter, dryRun bool) (int, error) {
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	c, err := s.conditions(ctx, &f)
	if err != nil || c.nothing {
		return 0, public(err)
	}
	if dryRun {
		end, err := s.search(ctx)
		if err != nil {
			return 0, err
		}
		defer end()
		n := 0
		err = s.pool.QueryRow(ctx, s.q("SELECT count(*) FROM {s}.events e WHERE "+c.events()), c.args...).Scan(&n)
		return n, public(err)
	}
	condition := c.events()
	query := s.q("SELECT e.id, e.day FROM {s}.events e WHERE " + condition + " AND e.id > " + c.arg(nil) + "::uuid ORDER BY e.id LIMIT " + c.arg(step))
	total, after := 0, [16]byte{}
	days := map[int64]bool{}
	for {
		c.args[len(c.args)-2] = after
		rows, err := s.pool.Query(ctx, query, c.args...)
		if err != nil {
			return total, public(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[place])
		if err != nil {
			return total, public(err)
		}
		if len(list) == 0 {
			break
		}
		if after == ([16]byte{}) { // whose notes they are nobody can tell; they would end in some minutes anyway
			if err := s.forgetNotes(ctx, 0); err != nil {
				return 0, err
			}
		}
		after = list[len(list)-1].ID
		n, err := s.remove(ctx, list, nil)
		total += n
		if err != nil {
			return total, err
		}
		store.Progress(ctx, total)
		for _, p := range list {
			days[p.Day] = true
		}
	}
	beside := 0
	if !audit.SubjectsKept(ctx) {
		if beside, err = s.eraseBeside(ctx, &f); err != nil {
			return total, err
		}
	}
	if total > 0 || beside > 0 {
		s.vacuum(ctx, sortedKeys(days))
	}
	return total, nil
}

// remove deletes events with all that belongs to them, and counts them. e, if not nil, is asked in the same
// transaction which of them may go, and hears how many went.
func (s *Store) remove(ctx context.Context, list []place, e *lanes.Expiry) (n int, err error) {
	err = s.write(ctx, func(t *tx) (err error) {
		n, err = t.remove(ctx, list, e)
		return err
	})
	if err != nil {
		n = 0
	}
	return n, err
}

// gone is an event that is about to go.
type gone struct {
	place
	tenant, size int64
	key          [16]byte
	accepted     int64
	content      bool
	stays        bool
}

func (t *tx) remove(ctx context.Context, list []place, e *lanes.Expiry) (int, error) {
	ids, days := make([][16]byte, len(list)), make([]int32, len(list))
	for i, p := range list {
		ids[i], days[i] = p.ID, int32(p.Day)
	}
	found, err := collect(t, func(rows pgx.Rows) (*gone, error) {
		g := &gone{}
		err := rows.Scan(&g.ID, &g.Day, &g.tenant, &g.size, &g.key, &g.accepted)
		return g, err
	}, `SELECT e.id, e.day, e.tenant, e.size, e.unique_key, e.accepted_at FROM unnest($1::uuid[], $2::integer[]) AS q (id, day)
		JOIN {s}.events e ON e.id = q.id AND e.day = q.day ORDER BY e.id FOR UPDATE OF e`, ids, days)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	byID := map[[16]byte]*gone{}
	ids, days = ids[:0], days[:0]
	for _, g := range found {
		byID[g.ID] = g
		ids, days = append(ids, g.ID), append(days, int32(g.Day))
	}
	rows, err := collect(t, scanFound, liveOf, ids)
	if err != nil {
		return 0, err
	}
	settled, err := collect(t, scanFound, settledOf, ids, days)
	if err != nil {
		return 0, err
	}
	rows = append(rows, settled...)
	for _, r := range rows {
		if e.Keeps(int64(r.state), r.updated) {
			byID[r.key.Event].stays = true
		}
	}
	ids, days = ids[:0], days[:0]
	for _, g := range found {
		if !g.stays {
			ids, days = append(ids, g.ID), append(days, int32(g.Day))
		}
	}
	if len(ids) == 0 {
		return 0, nil
	}
	for _, r := range rows {
		if byID[r.key.Event].stays {
			continue
		}
		if t.rows[r.key] == nil {
			t.rows[r.key] = r
		}
		t.change(t.rows[r.key], lanes.None, 0, false)
		t.signs["flush"] = true
	}
	contents, err := collect(t, scanID, "DELETE FROM {s}.payloads p USING unnest($1::uuid[], $2::integer[]) AS q (id, day) WHERE p.event = q.id AND p.day = q.day RETURNING p.event", ids, days)
	if err != nil {
		return 0, err
	}
	for _, id := range contents {
		byID[id].content = true
	}
	for _, table := range []string{"subjects", "attempts"} {
		t.queue("DELETE FROM {s}."+table+" d USING unnest($1::uuid[], $2::integer[]) AS q (id, day) WHERE d.event = q.id AND d.day = q.day", ids, days)
	}
	t.queue("DELETE FROM {s}.events d USING unnest($1::uuid[], $2::integer[]) AS q (id, day) WHERE d.id = q.id AND d.day = q.day", ids, days)
	t.queue("DELETE FROM {s}.progress WHERE event = ANY ($1::uuid[])", ids)
	if e == nil && !audit.SubjectsKept(ctx) {
		t.queue("DELETE FROM {s}.audit_beside WHERE event = ANY ($1::uuid[])", ids)
	}
	for _, g := range found {
		if g.stays {
			continue
		}
		content := int64(0)
		if g.content {
			content = 1
		}
		t.hold(g.tenant, -content, -g.size, -1)
		if e == nil {
			tenant, err := t.s.name(t.ctx, g.tenant)
			if err != nil {
				return 0, err
			}
			l := audit.Leaf{Kind: audit.Erase, Actor: audit.ActorOf(ctx), Tenant: tenant, Event: ulid.ULID(g.ID).String()}
			if audit.SubjectsKept(ctx) {
				l.Reason = audit.ReasonSubjectKept
			}
			t.note(l)
		}
	}
	t.countExpired(ctx, e, len(ids))
	return len(ids), nil
}

// vacuum takes what was deleted of some days, and of what waits, out of the tables. That it does not work now, as while
// somebody reads an older state, is no error: the server does it later by itself.
func (s *Store) vacuum(ctx context.Context, days []int64) {
	conn, release, err := s.ownerConn(ctx)
	if err != nil {
		return
	}
	defer release()
	tables := "{s}.live, {s}.notes, {s}.progress, {s}.audit_beside, {s}.data_keys"
	for _, d := range days {
		for _, t := range byDay {
			if t.table != "keys" && s.days.has(d) {
				tables += ", {s}." + partition(t.table, d)
			}
		}
	}
	if _, err := conn.Exec(ctx, s.q("VACUUM "+tables)); err != nil {
		s.o.Log("vacuuming what was erased", public(err))
	}
}
