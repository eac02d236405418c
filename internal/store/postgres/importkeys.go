package postgres

import (
	"context"
	"fmt"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/jackc/pgx/v5"
)

// dataKeys writes tenants' data keys, as they are wrapped.
func (i *Import) dataKeys(ctx context.Context, tx pgx.Tx, p *store.Portion) error {
	var rows [][]any
	for j := range p.DataKeys {
		k := &p.DataKeys[j]
		if err := i.s.tuning.wrapping.Load().Check(i.s.o.Keys, seal.DataKey{ID: k.ID, Tenant: k.Tenant, Destroyed: fromNanos(k.Destroyed), Wrapped: k.Wrapped}); err != nil {
			return fmt.Errorf("data key of tenant %q: %w", k.Tenant, err)
		}
		rows = append(rows, []any{k.ID[:], text(k.Tenant), k.Created, k.Retired, k.Destroyed, k.Wrapped})
	}
	return i.copy(ctx, tx, "data_keys", []string{"id", "tenant", "created_at", "retired_at", "destroyed_at", "wrapped"}, rows)
}

// DataKeyHashes is store.Importer's.
func (i *Import) DataKeyHashes(ctx context.Context) (map[[8]byte][32]byte, error) {
	rows, err := i.s.pool.Query(ctx, i.s.q(`WITH e AS (SELECT key_id, count(*) AS n FROM {s}.events WHERE key_id IS NOT NULL GROUP BY key_id),
			a AS (SELECT key_id, count(*) AS n FROM {s}.attempts WHERE key_id IS NOT NULL GROUP BY key_id)
		SELECT k.id, k.tenant, k.created_at, k.retired_at, k.destroyed_at, k.wrapped, coalesce(e.n, 0), coalesce(a.n, 0) FROM {s}.data_keys k
			LEFT JOIN e ON e.key_id = '\x03'::bytea || k.id LEFT JOIN a ON a.key_id = '\x03'::bytea || k.id`))
	if err != nil {
		return nil, public(err)
	}
	hashes := map[[8]byte][32]byte{}
	var k store.MovedDataKey
	var id []byte
	var events, attempts int64
	_, err = pgx.ForEachRow(rows, []any{&id, &k.Tenant, &k.Created, &k.Retired, &k.Destroyed, &k.Wrapped, &events, &attempts}, func() error {
		if len(id) != len(k.ID) {
			return fmt.Errorf("%w (the id of a data key)", seal.ErrTampered)
		}
		k.ID, k.Tenant = [8]byte(id), untext(k.Tenant)
		hashes[k.ID] = k.Hash(events, attempts)
		return nil
	})
	return hashes, public(err)
}
