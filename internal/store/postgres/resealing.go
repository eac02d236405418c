package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// Rekey is store.Store's. What is sealed with the first key already is passed over, so that a Rekey which was stopped can be
// started again. Every gateway needs the new key in its ring before one makes it the first. Payloads that were stored without a
// key are sealed too. Caller hashes stay as they are: they cannot be made again without the number.
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
	r := &resealing{s: s, tenants: s.seals.Tenants()}
	if err := r.run(ctx, progress, s.rekeyDocuments, s.rewrapDataKeys); err != nil {
		return err
	}
	// From the next start on nothing passes that has no seal.
	return s.write(ctx, func(t *tx) error { return (sealing{1, 1}).write(t.ctx, s, t.conn) })
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
		id, known, err := s.id(ctx, tenant)
		if err != nil {
			return public(err)
		}
		if !known {
			continue // it never had an event
		}
		if _, err := s.RotateDataKey(ctx, tenant); err != nil {
			return err
		}
		r := &resealing{s: s, one: true, tenant: tenant, id: id}
		for {
			current, ok, err := keyTable{s}.CurrentDataKey(ctx, tenant) // which somebody may have rotated again
			if err != nil {
				return err
			}
			if !ok {
				break // all were destroyed meanwhile
			}
			r.key = seal.StoredDataKey(current.ID)
			if err := r.run(ctx, progress); err != nil {
				return err
			}
			done, err := r.destroyReplaced(ctx)
			if err != nil {
				return err
			}
			if done {
				break
			}
			select { // until all gateways have let go of the key before
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(pollEvery):
			}
		}
	}
	s.vacuum(ctx, nil)
	return nil
}

// resealing says what is sealed again: all that is not sealed as it would be now, or what one tenant has that is not sealed
// with its newest data key.
type resealing struct {
	s       *Store
	tenants bool // what tenants have is sealed with data keys, of which any will do; and documents with the ring

	one    bool
	tenant string
	id     int64  // its number
	key    []byte // as it is stored
}

// where is the term for rows that are to be sealed again, by the names of their columns. $1 is its argument.
func (r *resealing) where(keyID, tenant string) (string, []byte) {
	switch {
	case r.one:
		return fmt.Sprintf("%s = %d AND %s IS DISTINCT FROM $1", tenant, r.id, keyID), r.key
	case r.tenants:
		return "($1::bytea IS NOT NULL AND coalesce(NOT " + byDataKey(keyID) + ", true))", r.s.sealedBy
	}
	return keyID + " IS DISTINCT FROM $1", r.s.sealedBy
}

// run seals again what there is to be, and then carries out what else there is.
func (r *resealing) run(ctx context.Context, progress func(done, total int), more ...func() func(context.Context) (int, error)) error {
	if progress == nil {
		progress = func(int, int) {}
	}
	s := r.s
	var total, done int
	events, key := r.where("e.key_id", "e.tenant")
	excerpts, _ := r.where("a.key_id", "e.tenant")
	if err := s.pool.QueryRow(ctx, s.q("SELECT (SELECT count(*) FROM {s}.events e JOIN {s}.payloads p ON p.event = e.id AND p.day = e.day WHERE "+events+`) +
		(SELECT count(*) FROM {s}.attempts a JOIN {s}.events e ON e.id = a.event AND e.day = a.day WHERE a.excerpt IS NOT NULL AND `+excerpts+")"), key).Scan(&total); err != nil {
		return public(err)
	}
	if !r.one {
		var documents int
		if err := s.pool.QueryRow(ctx, s.q("SELECT count(*) FROM {s}.documents WHERE key_id IS DISTINCT FROM $1"), s.sealedBy).Scan(&documents); err != nil {
			return public(err)
		}
		total += documents
	}
	progress(0, total)
	if err := s.noteRekey(ctx, r, total, ""); err != nil {
		return err
	}
	for _, next := range append([]func() func(context.Context) (int, error){r.payloads, r.excerpts, r.progress}, more...) {
		for some := next(); ; {
			n, err := some(ctx)
			if err != nil {
				return keyError(err)
			}
			if n == 0 {
				break
			}
			done += n
			progress(min(done, max(total, done)), max(total, done))
		}
	}
	return s.noteRekey(ctx, r, done, audit.OutcomeOK)
}

// destroyReplaced destroys the data keys of a tenant in whose place there is another, unless something has come since it was
// sealed again that one of them has sealed.
func (r *resealing) destroyReplaced(ctx context.Context) (done bool, err error) {
	err = r.s.write(ctx, func(t *tx) error {
		done = false
		old, err := t.lockKeys("WHERE tenant = $1 AND retired_at <> 0 AND destroyed_at = 0", text(r.tenant))
		if err != nil {
			return err
		}
		for _, row := range old {
			// What is kept of deliveries says itself what has sealed it.
			left, err := t.number(`SELECT (EXISTS (SELECT 1 FROM {s}.events e JOIN {s}.payloads p ON p.event = e.id AND p.day = e.day WHERE e.tenant = $1 AND e.key_id = $2)
				OR EXISTS (SELECT 1 FROM {s}.attempts a JOIN {s}.events e ON e.id = a.event AND e.day = a.day WHERE e.tenant = $1 AND a.key_id = $2)
				OR EXISTS (SELECT 1 FROM {s}.progress g WHERE g.sealed AND substr(g.value, 1, octet_length($2)) = $2))::integer`, r.id, seal.StoredDataKey(row.ID))
			if err != nil || left > 0 {
				return err
			}
		}
		done = true
		return t.destroyKeys(ctx, old, ", in whose place there is another")
	})
	return done, err
}

// rewrapDataKeys wraps all data keys again that are not wrapped as they would be now.
func (s *Store) rewrapDataKeys() func(context.Context) (int, error) {
	done := false
	return func(ctx context.Context) (int, error) {
		if done {
			return 0, nil
		}
		done = true
		rows, err := s.readDataKeys(ctx, standing)
		if err != nil {
			return 0, err
		}
		var changed []seal.DataKey
		for _, row := range rows {
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
		return len(changed), s.write(ctx, func(t *tx) error {
			if _, err := t.lockKeys(standing); err != nil {
				return err
			}
			for _, row := range changed {
				if _, err := t.exec("UPDATE {s}.data_keys SET wrapped = $2 WHERE id = $1 AND destroyed_at = 0", row.ID[:], row.Wrapped); err != nil {
					return err
				}
			}
			return nil
		})
	}
}
