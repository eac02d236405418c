package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/sealed"
	"github.com/jackc/pgx/v5"
)

// noteRekey records that everything is going to be sealed again, and at the end that it was.
func (s *Store) noteRekey(ctx context.Context, which *resealing, records int, outcome string) error {
	if !s.audit.on.Load() {
		return nil
	}
	return s.Record(ctx, audit.Leaf{Kind: audit.Rekey, Actor: audit.ActorOf(ctx), Tenant: which.tenant, Count: int64(records), Outcome: outcome})
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

// payloads seals the next events' payloads again and tells how many.
func (r *resealing) payloads() func(context.Context) (int, error) {
	s, after := r.s, [16]byte{}
	where, key := r.where("e.key_id", "e.tenant")
	return func(ctx context.Context) (int, error) {
		type found struct {
			rawEvent
			day       int64
			new       sealed.Payload
			destroyed bool
		}
		rows, err := s.pool.Query(ctx, s.q("SELECT e.day, "+eventColumns+` FROM {s}.events e JOIN {s}.payloads p ON p.event = e.id AND p.day = e.day
			WHERE `+where+" AND e.id > $2 ORDER BY e.id LIMIT $3"), key, after, rekeyAtOnce)
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
		var newKeys [][]byte
		for _, f := range list {
			after = f.id
			e, destinations, err := s.openEvent(ctx, &f.rawEvent)
			if f.destroyed = errors.Is(err, seal.ErrDestroyed); f.destroyed {
				continue
			}
			if err != nil {
				return 0, fmt.Errorf("event %s: %w", e.ID, err)
			}
			if destinations == nil {
				if destinations, err = s.destinationsOf(ctx, place{f.id, f.day}); err != nil {
					return 0, err
				}
			}
			if f.new, err = s.sealPayload(ctx, e, destinations); err != nil {
				return 0, err
			}
			newKeys = append(newKeys, f.new.KeyID)
		}
		return len(list), s.write(ctx, func(t *tx) error {
			if err := t.knowKeys(newKeys...); err != nil {
				return err
			}
			for _, f := range list {
				if f.destroyed || t.keyLost(f.new.KeyID) {
					continue
				}
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

// excerpts does the same for the excerpts of attempts.
func (r *resealing) excerpts() func(context.Context) (int, error) {
	s, after := r.s, int64(0)
	where, key := r.where("a.key_id", "e.tenant")
	return func(ctx context.Context) (int, error) {
		type found struct {
			id, day, number, tenant, destination int64
			key                                  lanes.Key
			excerpt, keyID, new, newKey          []byte
		}
		rows, err := s.pool.Query(ctx, s.q(`SELECT a.id, a.event, a.n, a.day, a.number, a.excerpt, a.key_id,
			e.tenant, coalesce((SELECT l.destination FROM {s}.live l WHERE l.event = a.event AND l.n = a.n), (SELECT r.destination FROM {s}.settled r WHERE r.event = a.event AND r.n = a.n AND r.day = a.day), 0)
			FROM {s}.attempts a JOIN {s}.events e ON e.id = a.event AND e.day = a.day WHERE a.excerpt IS NOT NULL AND `+where+" AND a.id > $2 ORDER BY a.id LIMIT $3"), key, after, rekeyAtOnce)
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
		var newKeys [][]byte
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
			plain, err := s.openExcerpt(ctx, f.key.String(), tenant, destination, f.id, f.number, f.excerpt, f.keyID)
			if errors.Is(err, seal.ErrDestroyed) {
				continue
			}
			if err != nil {
				return 0, fmt.Errorf("delivery %s: %w", f.key, err)
			}
			sealer, err := s.seals.Sealer(ctx, tenant)
			if err != nil {
				return 0, err
			}
			f.new, f.newKey = sealer.Seal(plain, sealed.ExcerptPlace(f.key.String(), tenant, destination, f.number)), sealer.StoredID()
			newKeys = append(newKeys, f.newKey)
		}
		return len(list), s.write(ctx, func(t *tx) error {
			if err := t.knowKeys(newKeys...); err != nil {
				return err
			}
			for _, f := range list {
				if f.new == nil || t.keyLost(f.newKey) {
					continue
				}
				if _, err := t.exec("UPDATE {s}.attempts SET excerpt = $5, key_id = $6 WHERE event = $1 AND n = $2 AND id = $3 AND day = $4 AND key_id IS NOT DISTINCT FROM $7", f.key.Event, f.key.N, f.id, f.day, f.new, f.newKey, f.keyID); err != nil {
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
			if err := sealed.OpenDocument(s.o.Keys, &f.Document, f.keyID); err != nil {
				return 0, err
			}
		}
		return len(list), s.write(ctx, func(t *tx) error {
			for _, f := range list {
				body, secrets, keyID := sealed.Document(s.o.Keys, &f.Document)
				if _, err := t.exec("UPDATE {s}.documents SET body = $2, secrets = $3, key_id = $4 WHERE id = $1 AND key_id IS NOT DISTINCT FROM $5", f.id, body, secrets, keyID, f.keyID); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// progress seals what is kept of deliveries again; of a tenant's only, if it is of one.
func (r *resealing) progress() func(context.Context) (int, error) {
	s, after := r.s, lanes.Key{N: -1}
	return func(ctx context.Context) (int, error) {
		type found struct {
			key              lanes.Key
			old, new, newKey []byte
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
		var newKeys [][]byte
		for _, f := range list {
			after = f.key
			if f.new, f.newKey, err = r.resealProgress(ctx, f.key, f.old); err != nil {
				return 0, fmt.Errorf("delivery %s: %w", f.key, err)
			}
			newKeys = append(newKeys, f.newKey)
		}
		return len(list), s.write(ctx, func(t *tx) error {
			if err := t.knowKeys(newKeys...); err != nil {
				return err
			}
			for _, f := range list {
				if f.new == nil || t.keyLost(f.newKey) {
					continue
				}
				// One that changed meanwhile was sealed with the first key already.
				if _, err := t.exec("UPDATE {s}.progress SET value = $3 WHERE event = $1 AND n = $2 AND value = $4", f.key.Event, f.key.N, f.new, f.old); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// resealProgress is what is kept of a delivery, sealed again; nil if it is to stay as it is.
func (r *resealing) resealProgress(ctx context.Context, k lanes.Key, old []byte) (sealedAgain, keyID []byte, err error) {
	s := r.s
	if r.one {
		if tenant, err := s.tenantOf(ctx, k); err != nil || tenant != r.tenant {
			return nil, nil, passOver(err)
		}
	}
	opener := s.seals.Opener(ctx)
	plain, err := opener.Open(old, sealed.ProgressPlace(k))
	if err != nil {
		return nil, nil, passOver(err)
	}
	sealer, err := s.deliverySealer(ctx, k)
	if err != nil {
		return nil, nil, passOver(err)
	}
	return sealer.Seal(plain, sealed.ProgressPlace(k)), sealer.StoredID(), nil
}

// passOver is nil for what is gone, and needs not be sealed again.
func passOver(err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, seal.ErrDestroyed) {
		return nil
	}
	return err
}
