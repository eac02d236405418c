package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/jackc/pgx/v5"
)

// gonerSQL is the term for what is to go with a tenant's keys, by the name of the column with its key: what was sealed with a
// data key that does not stand any more, and what was accepted until then and sealed otherwise. What other gateways accept
// from then on has a new key, whatever their clocks say. $1 is the tenant's number, $2 the tenant, $3 the time.
func gonerSQL(keyID string) string {
	return "e.tenant = $1 AND (" + keyID + " IS NULL OR " + keyID + " NOT IN (SELECT '\\x03'::bytea || k.id FROM {s}.data_keys k WHERE k.tenant = $2 AND k.destroyed_at = 0))" +
		" AND (e.accepted_at <= $3 OR coalesce(" + byDataKey(keyID) + ", false))"
}

// byDataKey is the term for what was sealed with a data key, see seal.StoredDataKey. Ids of the first version have 8 bytes.
func byDataKey(keyID string) string {
	return fmt.Sprintf("(octet_length(%s) = %d AND substr(%[1]s, 1, 1) = '\\x03'::bytea)", keyID, seal.KeyIDSize)
}

// DestroyDataKeys is store.DataKeyed's. The keys go in one transaction, with which all is done that is needed so that nobody
// reads the content; that it is taken away, and its deliveries end, goes in steps, like Erase.
func (s *Store) DestroyDataKeys(ctx context.Context, tenant string, dryRun bool) (done store.Destroyed, err error) {
	if err := s.enter(ctx); err != nil {
		return done, err
	}
	rows, err := s.readDataKeys(ctx, ofTenant, text(tenant))
	if err != nil {
		return done, err
	}
	if len(rows) == 0 {
		return done, fmt.Errorf("a data key of tenant %q: %w", tenant, store.ErrNotFound)
	}
	if dryRun {
		return s.wouldDestroy(ctx, tenant, rows)
	}
	// What wraps the keys goes before they do: what is accepted between has a key that goes too, and no call is sealed with
	// one that could not be unwrapped any more. If it stays, the keys go all the same.
	shredded := s.seals.Shred(ctx, tenant)
	var until int64
	if err := s.write(ctx, func(t *tx) error {
		rows, err := t.lockKeys("WHERE tenant = $1 AND destroyed_at = 0", text(tenant))
		if err != nil {
			return err
		}
		done.Keys, until = len(rows), t.now
		return t.destroyKeys(ctx, rows, "")
	}); err != nil {
		return store.Destroyed{}, err
	}
	if err := s.forgetNotes(ctx, 0); err != nil { // whose they are nobody can tell
		return done, err
	}
	id, _, err := s.id(ctx, tenant)
	if err != nil {
		return done, public(err)
	}
	days := map[int64]bool{}
	if err := s.shredEvents(ctx, &done, days, id, text(tenant), until); err != nil {
		return done, err
	}
	if err := s.shredExcerpts(ctx, days, id, text(tenant), until); err != nil {
		return done, err
	}
	if done.Keys > 0 || len(days) > 0 {
		s.vacuum(ctx, sortedKeys(days))
	}
	if shredded != nil {
		return done, fmt.Errorf("%w: %w", store.ErrWrapperKept, shredded)
	}
	return done, nil
}

func (s *Store) wouldDestroy(ctx context.Context, tenant string, rows []seal.DataKey) (done store.Destroyed, err error) {
	for _, row := range rows {
		if row.Destroyed.IsZero() {
			done.Keys++
		}
	}
	id, _, err := s.id(ctx, tenant)
	if err != nil {
		return done, public(err)
	}
	end, err := s.search(ctx)
	if err != nil {
		return done, err
	}
	defer end()
	err = s.pool.QueryRow(ctx, s.q(`SELECT count(*), coalesce(sum((SELECT count(*) FROM {s}.live l WHERE l.event = e.id)), 0)::bigint
		FROM {s}.events e JOIN {s}.payloads p ON p.event = e.id AND p.day = e.day WHERE e.tenant = $1`), id).Scan(&done.Events, &done.Deliveries)
	return done, public(err)
}

// shredEvents takes the content of a tenant's events away.
func (s *Store) shredEvents(ctx context.Context, done *store.Destroyed, days map[int64]bool, args ...any) error {
	for after := ([16]byte{}); ; {
		rows, err := s.pool.Query(ctx, s.q(`SELECT e.id, e.day FROM {s}.events e JOIN {s}.payloads p ON p.event = e.id AND p.day = e.day
			WHERE `+gonerSQL("e.key_id")+" AND e.id > $4 ORDER BY e.id LIMIT $5"), append(args, after, step)...)
		if err != nil {
			return public(err)
		}
		list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[place])
		if err != nil || len(list) == 0 {
			return public(err)
		}
		after = list[len(list)-1].ID
		var events, deliveries int
		if err := s.write(ctx, func(t *tx) (err error) {
			events, deliveries, err = t.shred(ctx, list)
			return err
		}); err != nil {
			return err
		}
		for _, p := range list {
			days[p.Day] = true
		}
		done.Events += events
		done.Deliveries += deliveries
		store.Progress(ctx, done.Events)
	}
}

// shred takes away what there is of events' content, and ends their deliveries that wait. It counts both.
func (t *tx) shred(ctx context.Context, list []place) (events, ended int, err error) {
	ids, days := make([][16]byte, len(list)), make([]int32, len(list))
	for i, p := range list {
		ids[i], days[i] = p.ID, int32(p.Day)
	}
	found, err := collect(t, func(rows pgx.Rows) (c candidate, err error) {
		err = rows.Scan(&c.id, &c.day, &c.tenant, &c.size, &c.content)
		return c, err
	}, `SELECT e.id, e.day, e.tenant, e.size, coalesce(octet_length(p.request), 0) + coalesce(octet_length(p.body), 0) + coalesce(octet_length(p.record), 0)
		FROM unnest($1::uuid[], $2::integer[]) AS q (id, day) JOIN {s}.events e ON e.id = q.id AND e.day = q.day
		JOIN {s}.payloads p ON p.event = q.id AND p.day = q.day ORDER BY e.id FOR UPDATE OF e`, ids, days)
	if err != nil || len(found) == 0 {
		return 0, 0, err
	}
	ids, days = ids[:0], days[:0]
	var sizes []int64
	for _, c := range found {
		left := max(0, c.size-c.content)
		ids, days, sizes = append(ids, c.id), append(days, int32(c.day)), append(sizes, left)
		t.hold(c.tenant, -1, left-c.size, 0)
	}
	waiting, err := collect(t, scanFound, liveOf, ids)
	if err != nil {
		return 0, 0, err
	}
	for _, r := range waiting {
		if t.rows[r.key] == nil {
			t.rows[r.key] = r
		}
		if r = t.rows[r.key]; r.state != lanes.Pending {
			continue
		}
		r.updated, r.reason = t.now, store.ContentGone
		t.change(r, lanes.Dead, 0, false)
		t.signs["flush"] = true
		ended++
		if t.s.audit.on.Load() {
			if err := t.noteMoved(ctx, audit.Cancel, r); err != nil {
				return 0, 0, err
			}
		}
	}
	const these = " USING unnest($1::uuid[], $2::integer[]) AS q (id, day) WHERE d.event = q.id AND d.day = q.day"
	t.queue("DELETE FROM {s}.payloads d"+these, ids, days)
	t.queue(`UPDATE {s}.events e SET size = q.size, key_id = NULL FROM unnest($1::uuid[], $2::integer[], $3::bigint[]) AS q (id, day, size)
		WHERE e.id = q.id AND e.day = q.day`, ids, days, sizes)
	t.queue("DELETE FROM {s}.progress WHERE event = ANY ($1::uuid[])", ids)
	return len(found), ended, t.flush()
}

// shredExcerpts takes away what receivers have answered to a tenant's deliveries.
func (s *Store) shredExcerpts(ctx context.Context, days map[int64]bool, args ...any) error {
	type excerpt struct {
		id, day int64
		key     lanes.Key
	}
	for after := int64(0); ; {
		rows, err := s.pool.Query(ctx, s.q(`SELECT a.id, a.day, a.event, a.n FROM {s}.attempts a JOIN {s}.events e ON e.id = a.event AND e.day = a.day
			WHERE a.excerpt IS NOT NULL AND `+gonerSQL("a.key_id")+" AND a.id > $4 ORDER BY a.id LIMIT $5"), append(args, after, step)...)
		if err != nil {
			return public(err)
		}
		list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (x excerpt, err error) {
			err = r.Scan(&x.id, &x.day, &x.key.Event, &x.key.N)
			return x, err
		})
		if err != nil || len(list) == 0 {
			return public(err)
		}
		after = list[len(list)-1].id
		if err := s.write(ctx, func(t *tx) error {
			for _, x := range list {
				t.queue("UPDATE {s}.attempts SET excerpt = NULL, key_id = NULL WHERE event = $1 AND n = $2 AND id = $3 AND day = $4", x.key.Event, x.key.N, x.id, x.day)
			}
			return t.flush()
		}); err != nil {
			return err
		}
		for _, x := range list {
			days[x.day] = true
		}
	}
}

// tenantOf is the tenant of a delivery, from its lease or else from its row.
func (s *Store) tenantOf(ctx context.Context, k lanes.Key) (string, error) {
	if tenant, ok := s.lanes.Tenant(k); ok {
		return tenant, nil
	}
	var id int64
	err := s.pool.QueryRow(ctx, s.q("SELECT tenant FROM {s}.live WHERE event = $1 AND n = $2 UNION ALL SELECT tenant FROM {s}.settled WHERE event = $1 AND n = $2 LIMIT 1"), k.Event, k.N).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", fmt.Errorf("delivery %s: %w", k, store.ErrNotFound)
	}
	if err != nil {
		return "", err
	}
	return s.name(ctx, id)
}
