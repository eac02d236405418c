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
func (s *Store) Rekey(ctx context.Context, progress func(done, total int)) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if s.o.Keys == nil {
		return fmt.Errorf("%w: the store has no encryption_key", seal.ErrNoKey)
	}
	if progress == nil {
		progress = func(int, int) {}
	}
	first := s.sealedBy
	var total, done int
	if err := s.reader.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM events e JOIN payloads p ON p.seq = e.seq WHERE e.key_id IS NOT ?1) +
		(SELECT count(*) FROM attempts WHERE excerpt IS NOT NULL AND key_id IS NOT ?1) + (SELECT count(*) FROM documents WHERE key_id IS NOT ?1)`, first).Scan(&total); err != nil {
		return public(err)
	}
	progress(0, total)
	if err := s.noteRekey(ctx, total, ""); err != nil {
		return err
	}
	for _, next := range []func(context.Context, []byte, *int64) (int, error){s.rekeyPayloads, s.rekeyExcerpts, s.rekeyDocuments} {
		for after := int64(0); ; {
			n, err := next(ctx, first, &after)
			if err != nil {
				return public(err)
			}
			if n == 0 {
				break
			}
			done += n
			progress(done, max(total, done))
		}
	}
	if err := s.rekeyProgress(ctx); err != nil {
		return public(err)
	}
	if err := s.noteRekey(ctx, done, audit.OutcomeOK); err != nil {
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

// noteRekey records that everything is going to be sealed again, and at the end that it was.
func (s *Store) noteRekey(ctx context.Context, records int, outcome string) error {
	if !s.audit.on.Load() {
		return nil
	}
	return s.Record(ctx, audit.Leaf{Kind: audit.Rekey, Actor: audit.ActorOf(ctx), Count: int64(records), Outcome: outcome})
}

// rekeyedUpTo is the counter that says how far a Rekey has come which was stopped: the oldest event has the new key then
// and the newest one too, but those after this one have not. See checkRing.
const rekeyedUpTo = "rekeyed_up_to"

// rekeyBytes is how much is sealed again in one batch, which is held in memory, but for one event.
const rekeyBytes = 16 << 20

// rekeyPayloads seals the next events' payloads again and tells how many.
func (s *Store) rekeyPayloads(ctx context.Context, first []byte, after *int64) (int, error) {
	type row struct {
		seq int64
		old sealed.Payload
		new sealed.Payload
	}
	var list []row
	size := 0
	err := s.each(ctx, `SELECT e.seq, e.id, e.tenant, e.source, e.route, e.key_id, p.Request, p.Body, p.Record,
		(SELECT group_concat(d.destination) FROM (SELECT destination FROM deliveries WHERE event = e.seq ORDER BY n) d)
		FROM events e JOIN payloads p ON p.seq = e.seq WHERE e.key_id IS NOT ? AND e.seq > ? ORDER BY e.seq LIMIT ?`, func(rows *sql.Rows) error {
		var r row
		var id []byte
		var tenant int64
		var numbers sql.NullString
		e := &store.Event{}
		if err := rows.Scan(&r.seq, &id, &tenant, &e.Source, &e.Route, &r.old.KeyID, &r.old.Request, &r.old.Body, &r.old.Record, &numbers); err != nil {
			return err
		}
		e.ID, e.Tenant = ulid.ULID(id).String(), s.names.Name(tenant)
		destinations, err := s.openPayload(e, r.seq, r.old)
		if err != nil {
			return fmt.Errorf("event %s: %w", e.ID, err)
		}
		if destinations == nil {
			destinations = s.names.List(numbers.String)
		}
		if r.new, err = s.sealPayload(e, destinations); err != nil {
			return err
		}
		*after = r.seq
		list = append(list, r)
		if size += len(r.old.Request) + len(r.old.Body) + len(r.old.Record); size >= rekeyBytes {
			return errEnough
		}
		return nil
	}, first, *after, step)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return len(list), s.write(ctx, false, func(b *batch) error {
		for _, r := range list {
			n, err := b.c.exec("UPDATE events SET key_id = ? WHERE seq = ? AND key_id IS ?", first, r.seq, r.old.KeyID)
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
		_, err := b.c.exec(`INSERT INTO counters (name, value) VALUES (?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value`, rekeyedUpTo, list[len(list)-1].seq)
		return err
	})
}

// rekeyExcerpts does the same for the excerpts of attempts.
func (s *Store) rekeyExcerpts(ctx context.Context, first []byte, after *int64) (int, error) {
	type row struct {
		id    int64
		new   []byte
		keyID []byte
	}
	var list []row
	err := s.each(ctx, `SELECT a.id, e.id, a.n, a.number, d.tenant, d.destination, a.excerpt, a.key_id
		FROM attempts a JOIN events e ON e.seq = a.event JOIN deliveries d ON d.event = a.event AND d.n = a.n WHERE a.excerpt IS NOT NULL AND a.key_id IS NOT ? AND a.id > ? ORDER BY a.id LIMIT ?`, func(rows *sql.Rows) error {
		var r row
		var event, excerpt []byte
		var number, tenant, destination int64
		var key lanes.Key
		if err := rows.Scan(&r.id, &event, &key.N, &number, &tenant, &destination, &excerpt, &r.keyID); err != nil {
			return err
		}
		key.Event = ulid.ULID(event)
		if r.keyID == nil && r.id >= s.sealing.attempt {
			return fmt.Errorf("delivery %s: %w", key, errUnsealed)
		}
		place := sealed.ExcerptPlace(key.String(), s.names.Name(tenant), s.names.Name(destination), number)
		plain, err := sealed.Unseal(s.o.Keys.Sealer(), place, excerpt, r.keyID)
		if err != nil {
			return fmt.Errorf("delivery %s: %w", key, err)
		}
		r.new = s.o.Keys.Seal(plain, place)
		*after = r.id
		list = append(list, r)
		return nil
	}, first, *after, step)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	return len(list), s.write(ctx, false, func(b *batch) error {
		for _, r := range list {
			if _, err := b.c.exec("UPDATE attempts SET excerpt = ?, key_id = ? WHERE id = ? AND key_id IS ?", r.new, first, r.id, r.keyID); err != nil {
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
