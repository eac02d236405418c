package sqlite_test

import (
	"path/filepath"
	"sync"
	"testing"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sqlite"
	"github.com/callgate/callgate/internal/store/storetest"
)

func openStore(t testing.TB, o sqlite.Options) *sqlite.Store {
	t.Helper()
	if o.Path == "" {
		o.Path = filepath.Join(t.TempDir(), "store.db")
	}
	s, err := sqlite.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func ring(t testing.TB, texts ...string) *seal.Ring {
	t.Helper()
	r, err := seal.ParseRing(texts...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	keyA = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	keyB = "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
)

// harness runs the contract over a store with the options given.
func harness(base sqlite.Options) storetest.Harness {
	var mu sync.Mutex
	opened := map[store.Store]sqlite.Options{}
	note := func(s store.Store, options sqlite.Options) {
		mu.Lock()
		defer mu.Unlock()
		opened[s] = options
	}
	return storetest.Harness{
		Parallel: true,
		Open: func(t testing.TB, o storetest.Options) store.Store {
			options := base
			options.Path = filepath.Join(t.TempDir(), "store.db")
			options.Window, options.Now = o.Window, o.Now
			options.MaxBytes, options.Tenant, options.Tenants = o.MaxBytes, o.Tenant, o.Tenants
			options.Wrapping.Tenants = options.Wrapping.Tenants || o.DataKeys
			s := openStore(t, options)
			note(s, options)
			return s
		},
		Reopen: func(t testing.TB, s store.Store) store.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			options := opened[s]
			mu.Unlock()
			again := openStore(t, options)
			note(again, options)
			return again
		},
	}
}

func TestContract(t *testing.T) { storetest.Run(t, harness(sqlite.Options{})) }

// The keys of so few events never leave memory but for a bound as small as this.
func TestContractWithSealAndKeyTable(t *testing.T) {
	h := harness(sqlite.Options{Keys: ring(t, keyA), RecentKeys: 1, MaxBatch: 3})
	h.Seals = true
	storetest.Run(t, h)
}
