package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/sealed"
	"github.com/oklog/ulid/v2"
)

// Rekey is store.Store's. What is sealed with the first key already, and in the way of this version, is passed over, so that
// a Rekey which was stopped can be started again. Payloads that were stored without a key are sealed too. Caller hashes stay as they are: they
// cannot be made again without the number (see seal.Ring.CallerHashes).
//
// Where tenants have data keys, these are wrapped again, and what they have sealed stays as it is: only what is not sealed
// with any of them is sealed again.
func (s *Store) Rekey(ctx context.Context, progress func(done, total int)) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if s.o.Keys == nil {
		return fmt.Errorf("%w: the store has no encryption_key", seal.ErrNoKey)
	}
	r := &resealing{tenants: s.seals.Tenants(), ring: s.o.Keys.StoredID(), notes: true}
	if err := s.reseal(ctx, r, progress, s.rekeyDocuments, s.rewrapDataKeys); err != nil {
		return err
	}
	// The log may still hold what was sealed with the old key.
	return s.emptyLog(ctx, func(b *batch) error {
		if err := (sealing{1, 1}).write(b.c, s.o.Keys); err != nil { // holds from the next start on
			return err
		}
		_, err := b.c.exec("DELETE FROM counters WHERE name = ?", rekeyedUpTo)
		return err
	})
}

// RekeyTenants is store.DataKeyed's.
func (s *Store) RekeyTenants(ctx context.Context, tenants []string, progress func(done, total int)) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if !s.seals.Tenants() {
		return store.ErrNoDataKeys
	}
	for _, tenant := range tenants {
		id, known := s.names.ID(tenant)
		if !known {
			continue // it never had an event
		}
		if _, err := s.RotateDataKey(ctx, tenant); err != nil {
			return err
		}
		which := &resealing{one: true, tenant: tenant, id: id}
		for done := false; !done; {
			newest, ok, err := keyTable{s}.CurrentDataKey(ctx, tenant) // which somebody may have rotated again
			if err != nil {
				return err
			}
			if !ok {
				break // all were destroyed meanwhile
			}
			which.key = seal.StoredDataKey(newest.ID)
			if err := s.reseal(ctx, which, progress); err != nil {
				return err
			}
			if done, err = s.destroyReplaced(ctx, which); err != nil {
				return err
			}
		}
	}
	return s.emptyLog(ctx, func(*batch) error { return nil })
}

// destroyReplaced destroys the data keys of a tenant in whose place there is another, unless something has come since it was
// sealed again that one of them has sealed.
func (s *Store) destroyReplaced(ctx context.Context, r *resealing) (done bool, err error) {
	err = s.write(ctx, false, func(b *batch) error {
		old, err := dataKeyRows(b.c, "WHERE tenant = ? AND retired_at <> 0 AND destroyed_at = 0", r.tenant)
		if err != nil {
			return err
		}
		for _, row := range old {
			left, err := b.c.number(`SELECT EXISTS (SELECT 1 FROM events e JOIN payloads p ON p.seq = e.seq WHERE e.tenant = ?1 AND e.key_id = ?2) OR
				EXISTS (SELECT 1 FROM attempts a JOIN deliveries d ON d.event = a.event AND d.n = a.n WHERE d.tenant = ?1 AND a.key_id = ?2)`, r.id, seal.StoredDataKey(row.ID))
			if done = left == 0; err != nil || !done {
				return err
			}
		}
		done = true
		return b.destroyKeys(ctx, old, ", in whose place there is another")
	})
	return done, err
}

// resealing says what is sealed again: all that is not sealed as it would be now, or what one tenant has that is not sealed
// with its newest data key.
type resealing struct {
	tenants bool   // what tenants have is sealed with data keys, of which any will do
	ring    []byte // or with this key; and documents are
	notes   bool   // how far it has come is noted

	one    bool
	tenant string
	id     int64  // its number
	key    []byte // as it is stored
}

// where is the term for rows that are to be sealed again, by the names of their columns, with its argument.
func (r *resealing) where(keyID, tenant string) (string, any) {
	switch {
	case r.one:
		return fmt.Sprintf("%s = %d AND %s IS NOT ?1", tenant, r.id, keyID), r.key
	case r.tenants:
		return fmt.Sprintf("(%s IS NULL OR length(%[1]s) <> ?1 OR substr(%[1]s, 1, 1) <> x'03')", keyID), seal.KeyIDSize
	}
	return keyID + " IS NOT ?1", r.ring
}

// reseal seals again what a resealing says, and then carries out what else there is, which tell how many they have done.
func (s *Store) reseal(ctx context.Context, r *resealing, progress func(done, total int), more ...func(context.Context, *int64) (int, error)) error {
	if progress == nil {
		progress = func(int, int) {}
	}
	var total, done int
	events, key := r.where("e.key_id", "e.tenant")
	excerpts, _ := r.where("a.key_id", "d.tenant")
	if err := s.reader.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM events e JOIN payloads p ON p.seq = e.seq WHERE `+events+`) +
		(SELECT count(*) FROM attempts a JOIN deliveries d ON d.event = a.event AND d.n = a.n WHERE a.excerpt IS NOT NULL AND `+excerpts+`)`, key).Scan(&total); err != nil {
		return public(err)
	}
	if !r.one {
		var documents int
		if err := s.reader.QueryRowContext(ctx, "SELECT count(*) FROM documents WHERE key_id IS NOT ?1", r.ring).Scan(&documents); err != nil {
			return public(err)
		}
		total += documents
	}
	progress(0, total)
	if err := s.noteRekey(ctx, r, total, ""); err != nil {
		return err
	}
	steps := []func(context.Context, *int64) (int, error){
		func(ctx context.Context, after *int64) (int, error) { return s.rekeyPayloads(ctx, r, after) },
		func(ctx context.Context, after *int64) (int, error) { return s.rekeyExcerpts(ctx, r, after) },
	}
	for _, next := range append(steps, more...) {
		for after := int64(0); ; {
			before := after
			n, err := next(ctx, &after)
			if err != nil {
				return keyError(err)
			}
			if n == 0 && after == before {
				break
			}
			if done += n; n > 0 {
				progress(done, max(total, done))
			}
		}
	}
	if err := s.rekeyProgress(ctx, r); err != nil {
		return keyError(err)
	}
	return s.noteRekey(ctx, r, done, audit.OutcomeOK)
}

// rewrapDataKeys wraps all data keys again that are not wrapped as they would be now.
func (s *Store) rewrapDataKeys(ctx context.Context, after *int64) (int, error) {
	if *after > 0 {
		return 0, nil
	}
	*after = 1
	var changed []seal.DataKey
	for _, row := range s.dataKeys.of(anyTenant) {
		if !row.Destroyed.IsZero() {
			continue
		}
		wrapped, other, err := s.seals.Rewrap(ctx, row)
		if err != nil {
			return 0, fmt.Errorf("data key of tenant %q: %w", row.Tenant, err)
		}
		if other {
			row.Wrapped = wrapped
			changed = append(changed, row)
		}
	}
	if len(changed) == 0 {
		return 0, nil
	}
	return len(changed), s.write(ctx, false, func(b *batch) error {
		for _, row := range changed {
			n, err := b.c.exec("UPDATE data_keys SET wrapped = ? WHERE id = ? AND destroyed_at = 0", row.Wrapped, row.ID[:])
			if err != nil {
				return err
			}
			if n > 0 {
				b.after = append(b.after, func() { s.dataKeys.set(row) })
			}
		}
		return nil
	})
}

// noteRekey records that everything is going to be sealed again, and at the end that it was.
func (s *Store) noteRekey(ctx context.Context, r *resealing, records int, outcome string) error {
	if !s.audit.on.Load() {
		return nil
	}
	return s.Record(ctx, audit.Leaf{Kind: audit.Rekey, Actor: audit.ActorOf(ctx), Tenant: r.tenant, Count: int64(records), Outcome: outcome})
}

// rekeyedUpTo is the counter that says how far a Rekey has come which was stopped: the oldest event has the new key then
// and the newest one too, but those after this one have not. See checkRing.
const rekeyedUpTo = "rekeyed_up_to"

// rekeyBytes is how much is sealed again in one batch, which is held in memory, but for one event.
const rekeyBytes = 16 << 20

// rekeyPayloads seals the next events' payloads again and tells how many.
func (s *Store) rekeyPayloads(ctx context.Context, which *resealing, after *int64) (int, error) {
	type row struct {
		seq       int64
		event     *store.Event
		numbers   string // of the destinations
		old, new  sealed.Payload
		destroyed bool
	}
	var list []row
	size := 0
	where, key := which.where("e.key_id", "e.tenant")
	err := s.each(ctx, `SELECT e.seq, e.id, e.tenant, e.source, e.route, e.key_id, p.Request, p.Body, p.Record,
		(SELECT group_concat(d.destination) FROM (SELECT destination FROM deliveries WHERE event = e.seq ORDER BY n) d)
		FROM events e JOIN payloads p ON p.seq = e.seq WHERE `+where+` AND e.seq > ?2 ORDER BY e.seq LIMIT ?3`, func(rows *sql.Rows) error {
		r := row{event: &store.Event{}}
		var id []byte
		var tenant int64
		var numbers sql.NullString
		if err := rows.Scan(&r.seq, &id, &tenant, &r.event.Source, &r.event.Route, &r.old.KeyID, &r.old.Request, &r.old.Body, &r.old.Record, &numbers); err != nil {
			return err
		}
		r.event.ID, r.event.Tenant, r.numbers = ulid.ULID(id).String(), s.names.Name(tenant), numbers.String
		*after = r.seq
		list = append(list, r)
		if size += len(r.old.Request) + len(r.old.Body) + len(r.old.Record); size >= rekeyBytes {
			return errEnough
		}
		return nil
	}, key, *after, step)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	n := 0
	for i := range list {
		r := &list[i]
		destinations, err := s.openPayload(ctx, r.event, r.seq, r.old)
		if r.destroyed = errors.Is(err, seal.ErrDestroyed); r.destroyed {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("event %s: %w", r.event.ID, err)
		}
		if destinations == nil {
			destinations = s.names.List(r.numbers)
		}
		if r.new, err = s.sealPayload(ctx, r.event, destinations); err != nil {
			return 0, err
		}
		n++
	}
	return n, s.write(ctx, false, func(b *batch) error {
		for _, r := range list {
			if r.destroyed || b.lost(r.new.KeyID) {
				continue
			}
			n, err := b.c.exec("UPDATE events SET key_id = ? WHERE seq = ? AND key_id IS ?", r.new.KeyID, r.seq, r.old.KeyID)
			if err != nil {
				return err
			}
			if n == 0 {
				continue // erased meanwhile
			}
			if _, err := b.c.exec("UPDATE payloads SET request = ?, body = ?, record = ? WHERE seq = ?", r.new.Request, r.new.Body, r.new.Record, r.seq); err != nil {
				return err
			}
		}
		if !which.notes {
			return nil
		}
		_, err := b.c.exec(`INSERT INTO counters (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, rekeyedUpTo, list[len(list)-1].seq)
		return err
	})
}

// rekeyExcerpts does the same for the excerpts of attempts.
func (s *Store) rekeyExcerpts(ctx context.Context, which *resealing, after *int64) (int, error) {
	type row struct {
		id             int64
		tenant         string
		place          seal.Place
		old, oldKey    []byte
		sealed, newKey []byte
	}
	var list []row
	where, key := which.where("a.key_id", "d.tenant")
	err := s.each(ctx, `SELECT a.id, e.id, a.n, a.number, d.tenant, d.destination, a.excerpt, a.key_id
		FROM attempts a JOIN events e ON e.seq = a.event JOIN deliveries d ON d.event = a.event AND d.n = a.n
		WHERE a.excerpt IS NOT NULL AND `+where+` AND a.id > ?2 ORDER BY a.id LIMIT ?3`, func(rows *sql.Rows) error {
		var r row
		var event []byte
		var number, tenant, destination int64
		var key lanes.Key
		if err := rows.Scan(&r.id, &event, &key.N, &number, &tenant, &destination, &r.old, &r.oldKey); err != nil {
			return err
		}
		key.Event = ulid.ULID(event)
		if r.oldKey == nil && r.id >= s.sealing.attempt {
			return fmt.Errorf("delivery %s: %w", key, sealed.ErrUnsealed)
		}
		r.tenant = s.names.Name(tenant)
		r.place = sealed.ExcerptPlace(key.String(), r.tenant, s.names.Name(destination), number)
		*after = r.id
		list = append(list, r)
		return nil
	}, key, *after, step)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	n := 0
	for i := range list {
		r := &list[i]
		opener := s.seals.Opener(ctx)
		plain, err := sealed.Unseal(&opener, r.place, r.old, r.oldKey)
		if errors.Is(err, seal.ErrDestroyed) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("delivery %s: %w", r.place.Event, err)
		}
		sealer, err := s.seals.Sealer(ctx, r.tenant)
		if err != nil {
			return 0, err
		}
		r.sealed, r.newKey = sealer.Seal(plain, r.place), sealer.StoredID()
		n++
	}
	return n, s.write(ctx, false, func(b *batch) error {
		for _, r := range list {
			if r.sealed == nil || b.lost(r.newKey) {
				continue
			}
			if _, err := b.c.exec("UPDATE attempts SET excerpt = ?, key_id = ? WHERE id = ? AND key_id IS ?", r.sealed, r.newKey, r.id, r.oldKey); err != nil {
				return err
			}
		}
		return nil
	})
}

// errEnough ends each before the last row.
var errEnough = errors.New("enough")

// each reads rows.
func (s *Store) each(ctx context.Context, query string, row func(*sql.Rows) error, args ...any) error {
	rows, err := s.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		switch err := row(rows); {
		case errors.Is(err, errEnough):
			return nil
		case err != nil:
			return err
		}
	}
	return rows.Err()
}
