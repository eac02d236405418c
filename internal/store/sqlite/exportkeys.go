package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"hash"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// Data keys are carried over as they are wrapped, those that were destroyed too: what they have sealed may still be there, and
// has to stay unreadable.

// movedDataKeys reads data keys in the order of their ids, from one on; most is -1 for all.
func (s *Store) movedDataKeys(ctx context.Context, after []byte, most int, each func(*store.MovedDataKey)) error {
	if after == nil {
		after = []byte{}
	}
	return s.each(ctx, "SELECT id, tenant, created_at, retired_at, destroyed_at, wrapped FROM data_keys WHERE id > ? ORDER BY id LIMIT ?", func(rows *sql.Rows) error {
		var k store.MovedDataKey
		var id []byte
		if err := rows.Scan(&id, &k.Tenant, &k.Created, &k.Retired, &k.Destroyed, &k.Wrapped); err != nil {
			return err
		}
		if len(id) != len(k.ID) {
			return fmt.Errorf("%w (the id of a data key)", ErrCorrupt)
		}
		k.ID = [8]byte(id)
		each(&k)
		return nil
	}, after, most)
}

func (s *Store) exportDataKeys(ctx context.Context, at *exportPlace, p *store.Portion) (bool, error) {
	err := s.movedDataKeys(ctx, at.Key, exportRows, func(k *store.MovedDataKey) {
		p.DataKeys = append(p.DataKeys, *k)
		at.Key = k.ID[:]
	})
	return len(p.DataKeys) == exportRows, err
}

// countDataKeys counts data keys, and has each be a part of the store's fingerprint. That of a store without any is what it was
// before they were carried over.
func (s *Store) countDataKeys(ctx context.Context, o *store.Origin, sum hash.Hash) error {
	return s.movedDataKeys(ctx, nil, -1, func(k *store.MovedDataKey) {
		o.Counts["data keys"]++
		if k.Destroyed != 0 {
			o.Counts["data keys destroyed"]++
		}
		part := k.Hash(0, 0)
		sum.Write(part[:])
	})
}

// DataKeyHashes is store.Exporter's.
func (s *Store) DataKeyHashes(ctx context.Context) (map[[8]byte][32]byte, error) {
	var sealed [2]map[string]int64
	for i, table := range []string{"events", "attempts"} {
		sealed[i] = map[string]int64{}
		if err := s.each(ctx, "SELECT key_id, count(*) FROM "+table+" WHERE key_id IS NOT NULL GROUP BY key_id", func(rows *sql.Rows) error {
			var id []byte
			var n int64
			err := rows.Scan(&id, &n)
			sealed[i][string(id)] = n
			return err
		}); err != nil {
			return nil, public(err)
		}
	}
	hashes := map[[8]byte][32]byte{}
	err := s.movedDataKeys(ctx, nil, -1, func(k *store.MovedDataKey) {
		id := seal.StoredDataKey(k.ID)
		hashes[k.ID] = k.Hash(sealed[0][string(id)], sealed[1][string(id)])
	})
	return hashes, public(err)
}
