package sqlite

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sealed"
)

// dataKeys are the rows of the table of data keys as they were last committed. They are all held in memory: nobody who
// reads an event has to read another table for it.
type dataKeys struct {
	mu   sync.RWMutex
	rows map[seal.KeyID]seal.DataKey
}

func (k *dataKeys) get(id seal.KeyID) (seal.DataKey, bool) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	row, ok := k.rows[id]
	return row, ok
}

func (k *dataKeys) set(rows ...seal.DataKey) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, row := range rows {
		k.rows[row.ID] = row
	}
}

// of lists the keys of a tenant, or of all, in the order of tenants and of their making.
func (k *dataKeys) of(match func(tenant string) bool) (list []seal.DataKey) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	for _, row := range k.rows {
		if match(row.Tenant) {
			list = append(list, row)
		}
	}
	slices.SortFunc(list, func(a, b seal.DataKey) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), a.Created.Compare(b.Created), slices.Compare(a.ID[:], b.ID[:]))
	})
	return list
}

func current(row *seal.DataKey) bool { return row.Retired.IsZero() && row.Destroyed.IsZero() }

const dataKeyColumns = "SELECT id, tenant, created_at, retired_at, destroyed_at, wrapped FROM data_keys "

// dataKeyRows reads rows of the table in the writer's connection.
func dataKeyRows(c *session, where string, args ...any) (list []seal.DataKey, err error) {
	err = c.query(dataKeyColumns+where, func(v []driver.Value) error {
		id, _ := v[0].([]byte)
		if len(id) != len(seal.KeyID{}) {
			return fmt.Errorf("%w (the id of a data key)", ErrCorrupt)
		}
		row := seal.DataKey{ID: seal.KeyID(id)}
		row.Tenant, _ = v[1].(string)
		created, _ := v[2].(int64)
		retired, _ := v[3].(int64)
		destroyed, _ := v[4].(int64)
		row.Created, row.Retired, row.Destroyed = fromNanos(created), fromNanos(retired), fromNanos(destroyed)
		wrapped, _ := v[5].([]byte)
		row.Wrapped = slices.Clone(wrapped)
		list = append(list, row)
		return nil
	}, args...)
	return list, err
}

// loadDataKeys reads the table at start and tells whether there is everything that unwraps its keys. It asks nobody.
func (s *Store) loadDataKeys() error {
	list, err := dataKeyRows(s.writer, "")
	if err != nil {
		return err
	}
	s.dataKeys.rows = make(map[seal.KeyID]seal.DataKey, len(list))
	s.dataKeys.set(list...)
	if s.o.Keys != nil {
		s.seals = seal.NewKeys(s.o.Keys, keyTable{s}, s.o.Wrapping, s.o.Now, s.o.Log)
	}
	return s.CheckWrapping(s.o.Wrapping)
}

// CheckWrapping tells whether a wrapping, with the ring of this store, could unwrap every data key; ErrNoKey if not.
func (s *Store) CheckWrapping(w seal.Wrapping) error {
	for _, row := range s.dataKeys.of(anyTenant) {
		if err := w.Check(s.o.Keys, row); err != nil {
			return fmt.Errorf("data key of tenant %q: %w", row.Tenant, err)
		}
	}
	return nil
}

func anyTenant(string) bool { return true }

// keyTable is the store as internal/seal sees it.
type keyTable struct{ s *Store }

func (t keyTable) DataKey(_ context.Context, id seal.KeyID) (seal.DataKey, bool, error) {
	row, ok := t.s.dataKeys.get(id)
	return row, ok, nil
}

func (t keyTable) CurrentDataKey(_ context.Context, tenant string) (seal.DataKey, bool, error) {
	for _, row := range t.s.dataKeys.of(func(of string) bool { return of == tenant }) {
		if current(&row) {
			return row, true, nil
		}
	}
	return seal.DataKey{}, false, nil
}

func (t keyTable) AddDataKey(ctx context.Context, k seal.DataKey) (seal.DataKey, error) {
	kept := k
	err := t.s.write(ctx, false, func(b *batch) error {
		there, err := dataKeyRows(b.c, "WHERE tenant = ? AND retired_at = 0 AND destroyed_at = 0", k.Tenant)
		if err != nil {
			return err
		}
		if len(there) > 0 {
			kept = there[0]
			return nil
		}
		kept = k
		return b.addDataKey(ctx, &k, audit.KeyMade)
	})
	return kept, err
}

func (b *batch) addDataKey(ctx context.Context, k *seal.DataKey, kind audit.Kind) error {
	if _, err := b.c.exec("INSERT INTO data_keys (id, tenant, created_at, retired_at, destroyed_at, wrapped) VALUES (?, ?, ?, 0, 0, ?)",
		k.ID[:], k.Tenant, nanos(k.Created), k.Wrapped); err != nil {
		return err
	}
	b.note(audit.Leaf{Kind: kind, Actor: audit.ActorOf(ctx), Tenant: k.Tenant, Reason: "data key " + k.ID.String()})
	b.after = append(b.after, func() { b.s.dataKeys.set(*k) })
	return nil
}

// lost tells whether what has a stored key id was sealed with a data key that is destroyed by now, or is not there.
func (b *batch) lost(stored []byte) bool {
	id, dataKey, ok := seal.ParseStoredID(stored)
	if !ok || !dataKey {
		return false
	}
	row, ok := b.s.dataKeys.get(id)
	return !ok || !row.Destroyed.IsZero() || b.keysGone[id]
}

// errKeyLost refuses what was sealed with a data key that was destroyed before it could be written.
var errKeyLost = errors.New("the data key was destroyed while something was sealed with it")

// DataKeys is store.DataKeyed's.
func (s *Store) DataKeys(ctx context.Context, tenants []string) ([]store.DataKey, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	var list []store.DataKey
	for _, row := range s.dataKeys.of(func(of string) bool { return tenants == nil || slices.Contains(tenants, of) }) {
		list = append(list, sealed.DataKeyInfo(&row))
	}
	return list, nil
}

// VerifyDataKeys is store.DataKeyed's.
func (s *Store) VerifyDataKeys(ctx context.Context, each func(store.DataKey, error)) error {
	for _, row := range s.dataKeys.of(anyTenant) {
		if err := s.enter(ctx); err != nil {
			return err
		}
		if !row.Destroyed.IsZero() {
			continue
		}
		err := seal.ErrNoKey
		if s.seals != nil {
			err = s.seals.Verify(ctx, row)
		}
		each(sealed.DataKeyInfo(&row), err)
	}
	return nil
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
	err = s.write(ctx, false, func(b *batch) error {
		before, err := dataKeyRows(b.c, "WHERE tenant = ? AND retired_at = 0 AND destroyed_at = 0", tenant)
		if err != nil {
			return err
		}
		if _, err := b.c.exec("UPDATE data_keys SET retired_at = ? WHERE tenant = ? AND retired_at = 0 AND destroyed_at = 0", b.now, tenant); err != nil {
			return err
		}
		for _, row := range before {
			row.Retired = fromNanos(b.now)
			b.after = append(b.after, func() { s.dataKeys.set(row) })
		}
		if err := b.addDataKey(ctx, &made, audit.KeyRotated); err != nil {
			return err
		}
		b.after = append(b.after, func() { s.seals.Forget(tenant) })
		return nil
	})
	return sealed.DataKeyInfo(&made), err
}

// destroyKeys destroys data keys in the transaction under way.
func (b *batch) destroyKeys(ctx context.Context, rows []seal.DataKey, why string) error {
	for _, row := range rows {
		if _, err := b.c.exec("UPDATE data_keys SET wrapped = NULL, destroyed_at = ? WHERE id = ?", b.now, row.ID[:]); err != nil {
			return err
		}
		if b.keysGone == nil {
			b.keysGone = map[seal.KeyID]bool{}
		}
		b.keysGone[row.ID] = true
		row.Wrapped, row.Destroyed = nil, fromNanos(b.now)
		b.note(audit.Leaf{Kind: audit.KeyDestroyed, Actor: audit.ActorOf(ctx), Tenant: row.Tenant, Reason: "data key " + row.ID.String() + why})
		b.after = append(b.after, func() {
			b.s.dataKeys.set(row)
			b.s.seals.Forget(row.Tenant)
		})
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
