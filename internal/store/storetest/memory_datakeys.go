package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// memoryKeys are the data keys in the order of their making: what can be told of them, since nothing is sealed.
type memoryKeys struct{ rows []store.DataKey }

func (k *memoryKeys) current(tenant string) *store.DataKey {
	for i := range k.rows {
		if r := &k.rows[i]; r.Tenant == tenant && r.Retired.IsZero() && r.Destroyed.IsZero() {
			return r
		}
	}
	return nil
}

func (k *memoryKeys) add(tenant string, now time.Time) store.DataKey {
	row := store.DataKey{ID: fmt.Sprintf("%016x", len(k.rows)), Tenant: tenant, WrappedBy: "memory", Created: plain(now)}
	k.rows = append(k.rows, row)
	return row
}

// ensureDataKey makes a tenant's data key, if it has none and is to have one.
func (m *memory) ensureDataKey(tenant string) {
	if m.o.DataKeys && m.dataKeys.current(tenant) == nil {
		m.dataKeys.add(tenant, m.o.Now())
	}
}

// DataKeys implements store.DataKeyed.
func (m *memory) DataKeys(ctx context.Context, tenants []string) (list []store.DataKey, err error) {
	if err := m.enter(ctx); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	for _, row := range m.dataKeys.rows {
		if tenants == nil || slices.Contains(tenants, row.Tenant) {
			list = append(list, row)
		}
	}
	slices.SortStableFunc(list, func(a, b store.DataKey) int { return strings.Compare(a.Tenant, b.Tenant) })
	return list, nil
}

// RotateDataKey implements store.DataKeyed.
func (m *memory) RotateDataKey(ctx context.Context, tenant string) (store.DataKey, error) {
	if err := m.enter(ctx); err != nil {
		return store.DataKey{}, err
	}
	defer m.mu.Unlock()
	if !m.o.DataKeys {
		return store.DataKey{}, store.ErrNoDataKeys
	}
	return m.rotate(tenant), nil
}

func (m *memory) rotate(tenant string) store.DataKey {
	if old := m.dataKeys.current(tenant); old != nil {
		old.Retired = plain(m.o.Now())
	}
	return m.dataKeys.add(tenant, m.o.Now())
}

// DestroyDataKeys implements store.DataKeyed.
func (m *memory) DestroyDataKeys(ctx context.Context, tenant string, dryRun bool) (done store.Destroyed, err error) {
	if err := m.enter(ctx); err != nil {
		return done, err
	}
	defer m.mu.Unlock()
	known := false
	for i := range m.dataKeys.rows {
		r := &m.dataKeys.rows[i]
		if r.Tenant != tenant {
			continue
		}
		known = true
		if !r.Destroyed.IsZero() {
			continue
		}
		if done.Keys++; !dryRun {
			r.Destroyed, r.WrappedBy = plain(m.o.Now()), ""
		}
	}
	if !known {
		return done, store.ErrNotFound
	}
	for _, id := range m.order {
		e := m.events[id]
		if e.Tenant != tenant || e.Dropped {
			continue
		}
		done.Events++
		for _, d := range e.deliveries {
			if d.State == store.Pending {
				done.Deliveries++
			}
			if !dryRun {
				d.shred(m.o.Now())
			}
		}
		if !dryRun {
			e.Dropped = true
			e.Method, e.URI, e.Header, e.Body, e.Record = "", "", nil, nil, nil
			e.size = memorySize(&e.Event, len(e.deliveries))
		}
	}
	if !dryRun {
		clear(m.notes)
	}
	return done, nil
}

func (d *memoryDelivery) shred(now time.Time) {
	d.kept = nil
	for i := range d.attempts {
		d.attempts[i].Excerpt = nil
	}
	if d.State == store.Pending {
		d.State, d.Reason, d.NextAt, d.UpdatedAt, d.lease = store.Dead, store.ContentGone, time.Time{}, plain(now), time.Time{}
	}
}

// VerifyDataKeys implements store.DataKeyed.
func (m *memory) VerifyDataKeys(ctx context.Context, each func(store.DataKey, error)) error {
	list, err := m.DataKeys(ctx, nil)
	for _, row := range list {
		if row.Destroyed.IsZero() {
			each(row, nil)
		}
	}
	return err
}

// RekeyTenants implements store.DataKeyed.
func (m *memory) RekeyTenants(ctx context.Context, tenants []string, _ func(done, total int)) error {
	if err := m.enter(ctx); err != nil {
		return err
	}
	defer m.mu.Unlock()
	if !m.o.DataKeys {
		return store.ErrNoDataKeys
	}
	for _, tenant := range tenants {
		if !slices.ContainsFunc(m.order, func(id string) bool { return m.events[id].Tenant == tenant }) {
			continue
		}
		m.rotate(tenant)
		for i := range m.dataKeys.rows {
			if r := &m.dataKeys.rows[i]; r.Tenant == tenant && !r.Retired.IsZero() && r.Destroyed.IsZero() {
				r.Destroyed, r.WrappedBy = plain(m.o.Now()), ""
			}
		}
	}
	return nil
}

var _ store.DataKeyed = (*memory)(nil)
