package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sealed"
	"github.com/jackc/pgx/v5"
)

// Several gateways share the table of data keys, and each keeps those it has unwrapped in memory. What is written with one is
// written in a transaction that holds the lock of data keys together with others, and has seen there that the key still
// stands; who makes, retires or destroys keys holds it alone. So nothing is sealed with a key after it was destroyed, whoever
// did that. That keys were changed, others hear by the sign "keys", and let go of the tenant's.

var _ store.DataKeyed = (*Store)(nil)

// The lock of data keys is taken before that of the audit log, by everybody.
const (
	shareKeysSQL = "SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))"
	lockKeysSQL  = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
	// standSQL fails with keyDestroyed unless all of some keys stand.
	standSQL = "SELECT ln(CASE WHEN count(*) = cardinality($1::bytea[]) THEN 1 ELSE 0 END::float8) FROM {s}.data_keys WHERE id = ANY ($1::bytea[]) AND destroyed_at = 0"

	keysSign = "keys"
)

func (s *Store) keysLock() string { return s.o.Schema + " data keys" }

// errKeyLost is what was sealed with a data key that was destroyed before it could be written.
var errKeyLost = fmt.Errorf("%w: the tenant's data key was destroyed while something was sealed with it", store.ErrUnavailable)

const dataKeyColumns = "SELECT id, tenant, created_at, retired_at, destroyed_at, wrapped FROM {s}.data_keys "

func scanDataKey(r pgx.CollectableRow) (row seal.DataKey, err error) {
	var id []byte
	var created, retired, destroyed int64
	if err := r.Scan(&id, &row.Tenant, &created, &retired, &destroyed, &row.Wrapped); err != nil {
		return row, err
	}
	if len(id) != len(row.ID) {
		return row, fmt.Errorf("%w (the id of a data key)", seal.ErrTampered)
	}
	row.ID, row.Tenant = seal.KeyID(id), untext(row.Tenant)
	row.Created, row.Retired, row.Destroyed = fromNanos(created), fromNanos(retired), fromNanos(destroyed)
	return row, nil
}

// dataKeyRows reads rows of the table, in the order of tenants and of their making.
func (s *Store) dataKeyRows(ctx context.Context, conn querier, where string, args ...any) ([]seal.DataKey, error) {
	rows, err := conn.Query(ctx, s.q(dataKeyColumns+where), args...)
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, scanDataKey)
	slices.SortFunc(list, func(a, b seal.DataKey) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.Created.Compare(b.Created), slices.Compare(a.ID[:], b.ID[:]))
	})
	return list, err
}

// readDataKeys reads rows for somebody outside of a transaction.
func (s *Store) readDataKeys(ctx context.Context, where string, args ...any) (list []seal.DataKey, err error) {
	err = s.read(ctx, func(ctx context.Context) (err error) {
		list, err = s.dataKeyRows(ctx, s.pool, where, args...)
		return err
	})
	return list, err
}

const (
	ofTenant  = "WHERE tenant = $1"
	currentOf = "WHERE tenant = $1 AND retired_at = 0 AND destroyed_at = 0"
	standing  = "WHERE destroyed_at = 0"
)

// keyTable is the store as internal/seal sees it. It holds nothing in memory: what is asked for is not, and others change it.
type keyTable struct{ s *Store }

func (t keyTable) one(ctx context.Context, where string, arg any) (seal.DataKey, bool, error) {
	list, err := t.s.readDataKeys(ctx, where, arg)
	if err != nil || len(list) == 0 {
		return seal.DataKey{}, false, err
	}
	return list[0], true, nil
}

func (t keyTable) DataKey(ctx context.Context, id seal.KeyID) (seal.DataKey, bool, error) {
	return t.one(ctx, "WHERE id = $1", id[:])
}

func (t keyTable) CurrentDataKey(ctx context.Context, tenant string) (seal.DataKey, bool, error) {
	return t.one(ctx, currentOf, text(tenant))
}

func (t keyTable) AddDataKey(ctx context.Context, k seal.DataKey) (seal.DataKey, error) {
	var kept seal.DataKey
	err := t.s.write(ctx, func(t *tx) error {
		there, err := t.lockKeys(currentOf, text(k.Tenant))
		if err != nil {
			return err
		}
		if len(there) > 0 { // another gateway was quicker
			kept = there[0]
			return nil
		}
		kept = k
		return t.addDataKey(ctx, &k, audit.KeyMade)
	})
	return kept, err
}

// lockKeys has nobody else write with data keys or change them until the transaction ends, and reads some.
func (t *tx) lockKeys(where string, args ...any) ([]seal.DataKey, error) {
	if _, err := t.exec(lockKeysSQL, t.s.keysLock()); err != nil {
		return nil, err
	}
	return t.s.dataKeyRows(t.ctx, t.conn, where, args...)
}

func (t *tx) addDataKey(ctx context.Context, k *seal.DataKey, kind audit.Kind) error {
	if _, err := t.exec("INSERT INTO {s}.data_keys (id, tenant, created_at, wrapped) VALUES ($1, $2, $3, $4)", k.ID[:], text(k.Tenant), nanos(k.Created), k.Wrapped); err != nil {
		return err
	}
	t.note(audit.Leaf{Kind: kind, Actor: audit.ActorOf(ctx), Tenant: k.Tenant, Reason: "data key " + k.ID.String()})
	return nil
}

// knowKeys finds out which of the data keys, by their stored ids, still stand, and has them stand until the transaction ends.
func (t *tx) knowKeys(stored ...[]byte) error {
	var ids [][]byte
	for _, s := range stored {
		id, dataKey, ok := seal.ParseStoredID(s)
		if _, known := t.keys[id]; !ok || !dataKey || known {
			continue
		}
		t.keys[id] = false
		ids = append(ids, id[:])
	}
	if len(ids) == 0 {
		return nil
	}
	if _, err := t.exec(shareKeysSQL, t.s.keysLock()); err != nil {
		return err
	}
	list, err := t.s.dataKeyRows(t.ctx, t.conn, "WHERE id = ANY ($1::bytea[]) AND destroyed_at = 0", ids)
	for i := range list {
		t.keys[list[i].ID] = true
	}
	return err
}

// keyLost tells whether what has a stored key id, of those that knowKeys was told, was sealed with a data key that is destroyed
// by now, or is not there.
func (t *tx) keyLost(stored []byte) bool {
	id, dataKey, ok := seal.ParseStoredID(stored)
	return ok && dataKey && !t.keys[id]
}

// ended are the data keys that are retired, and whether they are destroyed too, as they were read last.
type ended struct {
	mu   sync.Mutex
	keys map[seal.KeyID]bool
}

// loadEnded looks which data keys others have retired or destroyed, and lets go of those of their tenants.
func (s *Store) loadEnded(ctx context.Context, conn querier) error {
	s.ended.mu.Lock()
	defer s.ended.mu.Unlock()
	list, err := s.dataKeyRows(ctx, conn, "WHERE retired_at <> 0 OR destroyed_at <> 0")
	if err != nil {
		return err
	}
	now := make(map[seal.KeyID]bool, len(list))
	for _, row := range list {
		destroyed := !row.Destroyed.IsZero()
		if was, known := s.ended.keys[row.ID]; !known || was != destroyed {
			s.seals.Forget(row.Tenant)
		}
		now[row.ID] = destroyed
	}
	s.ended.keys = now
	return nil
}

// loadDataKeys finds out at start whether there is everything that unwraps the data keys. It asks nobody.
func (s *Store) loadDataKeys(ctx context.Context, conn querier) error {
	if err := s.loadEnded(ctx, conn); err != nil {
		return err
	}
	return s.checkWrapping(ctx, conn, *s.tuning.wrapping.Load())
}

func (s *Store) checkWrapping(ctx context.Context, conn querier, w seal.Wrapping) error {
	list, err := s.dataKeyRows(ctx, conn, standing)
	if err != nil {
		return err
	}
	for _, row := range list {
		if err := w.Check(s.o.Keys, row); err != nil {
			return fmt.Errorf("data key of tenant %q: %w", row.Tenant, err)
		}
	}
	return nil
}

// CheckWrapping tells whether a wrapping, with the ring of this store, could unwrap every data key; ErrNoKey if not. While the
// database cannot be asked nobody knows, and that is no error: what cannot be unwrapped waits.
func (s *Store) CheckWrapping(w seal.Wrapping) error {
	err := s.enter(s.ctx)
	if err == nil {
		err = s.read(s.ctx, func(ctx context.Context) error { return s.checkWrapping(ctx, s.pool, w) })
	}
	if errors.Is(err, store.ErrUnavailable) {
		s.o.Log("whether all data keys can be unwrapped is not known", err)
		return nil
	}
	return err
}

// DataKeys is store.DataKeyed's.
func (s *Store) DataKeys(ctx context.Context, tenants []string) ([]store.DataKey, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	rows, err := s.readDataKeys(ctx, "")
	var list []store.DataKey
	for i := range rows {
		if tenants == nil || slices.Contains(tenants, rows[i].Tenant) {
			list = append(list, sealed.DataKeyInfo(&rows[i]))
		}
	}
	return list, err
}

// VerifyDataKeys is store.DataKeyed's.
func (s *Store) VerifyDataKeys(ctx context.Context, each func(store.DataKey, error)) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	rows, err := s.readDataKeys(ctx, standing)
	for i := range rows {
		if err := s.enter(ctx); err != nil {
			return err
		}
		err := seal.ErrNoKey
		if s.seals != nil {
			err = s.seals.Verify(ctx, rows[i])
		}
		each(sealed.DataKeyInfo(&rows[i]), err)
	}
	return err
}

// RotateDataKey is store.DataKeyed's.
func (s *Store) RotateDataKey(ctx context.Context, tenant string) (store.DataKey, error) {
	if err := s.enter(ctx); err != nil {
		return store.DataKey{}, err
	}
	if !s.seals.Tenants() {
		return store.DataKey{}, store.ErrNoDataKeys
	}
	made, err := s.seals.Make(ctx, tenant)
	if err != nil {
		return store.DataKey{}, keyError(err)
	}
	err = s.write(ctx, func(t *tx) error {
		before, err := t.lockKeys(currentOf, text(tenant))
		if err != nil {
			return err
		}
		for _, row := range before {
			if _, err := t.exec("UPDATE {s}.data_keys SET retired_at = $2 WHERE id = $1", row.ID[:], t.now); err != nil {
				return err
			}
		}
		t.forgetKeys(tenant)
		return t.addDataKey(ctx, &made, audit.KeyRotated)
	})
	return sealed.DataKeyInfo(&made), err
}

// forgetKeys has all gateways let go of a tenant's keys.
func (t *tx) forgetKeys(tenant string) {
	t.signs[keysSign] = true
	t.after = append(t.after, func() { t.s.seals.Forget(tenant) })
}

// destroyKeys destroys data keys in the transaction under way, which has the lock.
func (t *tx) destroyKeys(ctx context.Context, rows []seal.DataKey, why string) error {
	for _, row := range rows {
		if _, err := t.exec("UPDATE {s}.data_keys SET wrapped = NULL, destroyed_at = $2 WHERE id = $1", row.ID[:], t.now); err != nil {
			return err
		}
		t.keys[row.ID] = false
		t.note(audit.Leaf{Kind: audit.KeyDestroyed, Actor: audit.ActorOf(ctx), Tenant: row.Tenant, Reason: "data key " + row.ID.String() + why})
		t.forgetKeys(row.Tenant)
	}
	return nil
}

// keyError makes an error of a data key one of the store.
func keyError(err error) error {
	if errors.Is(err, seal.ErrUnavailable) && !errors.Is(err, store.ErrUnavailable) {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return public(err)
}
