package sqlite

import (
	"cmp"
	"maps"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// Tuning is what can be changed while a store is open. Its fields are those of Options, with the same defaults.
type Tuning struct {
	Window   time.Duration
	MaxBytes int64
	MinFree  int64
	Tenant   store.Quota
	Tenants  map[string]store.Quota
	Wrapping seal.Wrapping
}

const defaultWindow = 72 * time.Hour

// tuning is the Tuning in force, which the writer reads while others change it.
type tuning struct {
	window, maxBytes, minFree atomic.Int64
	quotas                    atomic.Pointer[quotas]
}

type quotas struct {
	each  store.Quota
	named map[string]store.Quota
}

// quota is a tenant's bound.
func (t *tuning) quota(tenant string) store.Quota {
	qs := t.quotas.Load()
	q := qs.named[tenant]
	return store.Quota{Bytes: cmp.Or(q.Bytes, qs.each.Bytes), Events: cmp.Or(q.Events, qs.each.Events)}
}

// Tune changes what can be changed while the store is open. It holds from the next commit on.
func (s *Store) Tune(t Tuning) {
	s.tuning.window.Store(int64(cmp.Or(t.Window, defaultWindow)))
	s.tuning.maxBytes.Store(t.MaxBytes)
	s.tuning.quotas.Store(&quotas{t.Tenant, maps.Clone(t.Tenants)})
	if s.seals != nil {
		s.seals.Use(t.Wrapping)
	}
	s.tuning.minFree.Store(cmp.Or(t.MinFree, defaultMinFree))
}
