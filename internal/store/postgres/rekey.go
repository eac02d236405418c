package postgres

import (
	"context"
	"fmt"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/sealed"
	"github.com/jackc/pgx/v5"
)

// Rekey is store.Store's. What is sealed with the first key already is passed over, so that a Rekey which was stopped can be
// started again. Every gateway needs the new key in its ring before one makes it the first. Payloads that were stored without a
// key are sealed too. Caller hashes stay as they are: they cannot be made again without the number.
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
	var total, done int
	if err := s.pool.QueryRow(ctx, s.q(`SELECT (SELECT count(*) FROM {s}.events e JOIN {s}.payloads p ON p.event = e.id AND p.day = e.day WHERE e.key_id IS DISTINCT FROM $1) +
		(SELECT count(*) FROM {s}.attempts WHERE excerpt IS NOT NULL AND key_id IS DISTINCT FROM $1) + (SELECT count(*) FROM {s}.documents WHERE key_id IS DISTINCT FROM $1)`),
		s.sealedBy).Scan(&total); err != nil {
		return public(err)
	}
	progress(0, total)
	if err := s.noteRekey(ctx, total, ""); err != nil {
		return err
	}
	for _, next := range []func() func(context.Context) (int, error){s.rekeyPayloads, s.rekeyExcerpts, s.rekeyDocuments, s.rekeyProgress} {
		for some := next(); ; {
			n, err := some(ctx)
			if err != nil {
				return public(err)
			}
			if n == 0 {
				break
			}
			done += n
			progress(min(done, max(total, done)), max(total, done))
		}
	}
	if err := s.noteRekey(ctx, done, audit.OutcomeOK); err != nil {
		return err
	}
	// From the next start on nothing passes that has no seal.
	return s.write(ctx, func(t *tx) error { return (sealing{1, 1}).write(t.ctx, s, t.conn) })
}

// noteRekey records that everything is going to be sealed again, and at the end that it was.
func (s *Store) noteRekey(ctx context.Context, records int, outcome string) error {
	if !s.audit.on.Load() {
		return nil
	}
	return s.Record(ctx, audit.Leaf{Kind: audit.Rekey, Actor: audit.ActorOf(ctx), Count: int64(records), Outcome: outcome})
}

// rekeyAtOnce is how many records are sealed again in one transaction, and held in memory.
const rekeyAtOnce = 200

// destinationsOf are the names of an event's destinations in their order.
func (s *Store) destinationsOf(ctx context.Context, p place) ([]string, error) {
	rows, err := s.pool.Query(ctx, s.q(`SELECT n, destination FROM {s}.live WHERE event = $1
		UNION ALL SELECT n, destination FROM {s}.settled WHERE event = $1 AND day = $2 ORDER BY 1`), p.ID, p.Day)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (id int64, err error) {
		var n int64
		err = r.Scan(&n, &id)
		return id, err
	})
	var names []string
	for _, id := range list {
		if err == nil {
			var name string
			name, err = s.name(ctx, id)
			names = append(names, name)
		}
	}
	return names, err
}

// rekeyPayloads seals the next events' payloads again and tells how many.
func (s *Store) rekeyPayloads() func(context.Context) (int, error) {
	after := [16]byte{}
	return func(ctx context.Context) (int, error) {
		type found struct {
			rawEvent
			day int64
			new sealed.Payload
		}
		rows, err := s.pool.Query(ctx, s.q("SELECT e.day, "+eventColumns+` FROM {s}.events e JOIN {s}.payloads p ON p.event = e.id AND p.day = e.day
			WHERE e.key_id IS DISTINCT FROM $1 AND e.id > $2 ORDER BY e.id LIMIT $3`), s.sealedBy, after, rekeyAtOnce)
		if err != nil {
			return 0, err
		}
		list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (*found, error) {
			f := &found{}
			return f, f.scan(r, &f.day)
		})
		if err != nil || len(list) == 0 {
			return 0, err
		}
		for _, f := range list {
			after = f.id
			e, destinations, err := s.openEvent(ctx, &f.rawEvent)
			if err != nil {
				return 0, fmt.Errorf("event %s: %w", e.ID, err)
			}
			if destinations == nil {
				if destinations, err = s.destinationsOf(ctx, place{f.id, f.day}); err != nil {
					return 0, err
				}
			}
			if f.new, err = s.sealPayload(e, destinations); err != nil {
				return 0, err
			}
		}
		return len(list), s.write(ctx, func(t *tx) error {
			for _, f := range list {
				n, err := t.exec("UPDATE {s}.events SET key_id = $3 WHERE id = $1 AND day = $2 AND key_id IS NOT DISTINCT FROM $4", f.id, f.day, f.new.KeyID, f.p.KeyID)
				if err != nil {
					return err
				}
				if n == 0 {
					continue // erased meanwhile
				}
				if _, err := t.exec("UPDATE {s}.payloads SET request = $3, body = $4, record = $5 WHERE event = $1 AND day = $2", f.id, f.day, f.new.Request, f.new.Body, f.new.Record); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// rekeyExcerpts does the same for the excerpts of attempts.
func (s *Store) rekeyExcerpts() func(context.Context) (int, error) {
	after := int64(0)
	return func(ctx context.Context) (int, error) {
		type found struct {
			id, day, number, tenant, destination int64
			key                                  lanes.Key
			excerpt, keyID, new                  []byte
		}
		rows, err := s.pool.Query(ctx, s.q(`SELECT a.id, a.event, a.n, a.day, a.number, a.excerpt, a.key_id,
			coalesce((SELECT l.tenant FROM {s}.live l WHERE l.event = a.event AND l.n = a.n), (SELECT r.tenant FROM {s}.settled r WHERE r.event = a.event AND r.n = a.n AND r.day = a.day), 0),
			coalesce((SELECT l.destination FROM {s}.live l WHERE l.event = a.event AND l.n = a.n), (SELECT r.destination FROM {s}.settled r WHERE r.event = a.event AND r.n = a.n AND r.day = a.day), 0)
			FROM {s}.attempts a WHERE a.excerpt IS NOT NULL AND a.key_id IS DISTINCT FROM $1 AND a.id > $2 ORDER BY a.id LIMIT $3`), s.sealedBy, after, rekeyAtOnce)
		if err != nil {
			return 0, err
		}
		list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (*found, error) {
			f := &found{}
			return f, r.Scan(&f.id, &f.key.Event, &f.key.N, &f.day, &f.number, &f.excerpt, &f.keyID, &f.tenant, &f.destination)
		})
		if err != nil || len(list) == 0 {
			return 0, err
		}
		for _, f := range list {
			after = f.id
			tenant, err := s.name(ctx, f.tenant)
			if err != nil {
				return 0, err
			}
			destination, err := s.name(ctx, f.destination)
			if err != nil {
				return 0, err
			}
			plain, err := s.openExcerpt(f.key.String(), tenant, destination, f.id, f.number, f.excerpt, f.keyID)
			if err != nil {
				return 0, fmt.Errorf("delivery %s: %w", f.key, err)
			}
			f.new = s.o.Keys.Seal(plain, sealed.ExcerptPlace(f.key.String(), tenant, destination, f.number))
		}
		return len(list), s.write(ctx, func(t *tx) error {
			for _, f := range list {
				if _, err := t.exec("UPDATE {s}.attempts SET excerpt = $5, key_id = $6 WHERE event = $1 AND n = $2 AND id = $3 AND day = $4", f.key.Event, f.key.N, f.id, f.day, f.new, s.sealedBy); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// rekeyDocuments seals the next documents again and tells how many. Those that are not sealed are sealed too.
func (s *Store) rekeyDocuments() func(context.Context) (int, error) {
	after := int64(0)
	return func(ctx context.Context) (int, error) {
		type found struct {
			id int64
			store.Document
			keyID []byte
		}
		rows, err := s.pool.Query(ctx, s.q("SELECT "+documentInfo+", d.id, d.body, d.secrets, d.key_id"+documentRows+
			"WHERE d.key_id IS DISTINCT FROM $1 AND d.id > $2 ORDER BY d.id LIMIT $3"), s.sealedBy, after, 16) // of up to 2 MiB
		if err != nil {
			return 0, err
		}
		list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (*found, error) {
			f := &found{}
			return f, scanDocument(r, &f.DocumentInfo, &f.id, &f.Body, &f.Secrets, &f.keyID)
		})
		if err != nil || len(list) == 0 {
			return 0, err
		}
		for _, f := range list {
			after = f.id
			if err := s.openDocument(&f.Document, f.keyID); err != nil {
				return 0, err
			}
		}
		return len(list), s.write(ctx, func(t *tx) error {
			for _, f := range list {
				body, secrets, keyID := s.sealDocument(&f.Document)
				if _, err := t.exec("UPDATE {s}.documents SET body = $2, secrets = $3, key_id = $4 WHERE id = $1 AND key_id IS NOT DISTINCT FROM $5", f.id, body, secrets, keyID, f.keyID); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// rekeyProgress seals what is kept of deliveries again.
func (s *Store) rekeyProgress() func(context.Context) (int, error) {
	after := lanes.Key{N: -1}
	return func(ctx context.Context) (int, error) {
		type found struct {
			key      lanes.Key
			old, new []byte
		}
		rows, err := s.pool.Query(ctx, s.q("SELECT event, n, value FROM {s}.progress WHERE sealed AND (event, n) > ($1, $2) ORDER BY event, n LIMIT $3"), after.Event, after.N, rekeyAtOnce)
		if err != nil {
			return 0, err
		}
		list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (*found, error) {
			f := &found{}
			return f, r.Scan(&f.key.Event, &f.key.N, &f.old)
		})
		if err != nil || len(list) == 0 {
			return 0, err
		}
		for _, f := range list {
			after = f.key
			plain, err := s.o.Keys.Open(f.old, sealed.ProgressPlace(f.key))
			if err != nil {
				return 0, fmt.Errorf("delivery %s: %w", f.key, err)
			}
			f.new = s.o.Keys.Seal(plain, sealed.ProgressPlace(f.key))
		}
		return len(list), s.write(ctx, func(t *tx) error {
			for _, f := range list {
				// One that changed meanwhile was sealed with the first key already.
				if _, err := t.exec("UPDATE {s}.progress SET value = $3 WHERE event = $1 AND n = $2 AND value = $4", f.key.Event, f.key.N, f.new, f.old); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
