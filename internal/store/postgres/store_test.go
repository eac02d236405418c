package postgres_test

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/pgtest"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/callgate/callgate/internal/store/storetest"
)

// heavy tells whether the tests that take minutes are wanted.
func heavy() bool { return os.Getenv("CALLGATE_HEAVY") == "1" }

var schemas atomic.Int64

// schema is a name that no other test has.
func schema() string { return fmt.Sprint("s", schemas.Add(1)) }

func openStore(t testing.TB, o postgres.Options) *postgres.Store {
	t.Helper()
	if o.Schema == "" {
		o.Schema = schema()
	}
	if o.DaysAhead == 0 {
		o.DaysAhead = 1
	}
	if o.Log == nil {
		o.Log = func(msg string, err error) { t.Logf("log: %s: %v", msg, err) }
	}
	s, err := postgres.Open(o)
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

// start starts a server, for tests that are run when all are wanted: they take minutes together.
func start(t testing.TB, settings ...string) *pgtest.Server {
	t.Helper()
	if !heavy() {
		t.Skip("starts a PostgreSQL server: set CALLGATE_HEAVY=1 to run it")
	}
	return pgtest.Start(t, settings...)
}

// databases makes databases that have the tables of the contract's days already, which takes a tenth of making them.
type databases struct{ server *pgtest.Server }

func (d *databases) next(t testing.TB) (name string) {
	t.Helper()
	if d.server.SQL("SELECT count(*) FROM pg_database WHERE datname = 'model'") == "0" {
		d.server.SQL("CREATE DATABASE model")
		at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
		if err := openStore(t, postgres.Options{Address: d.server.DSN("dbname=model"), Schema: "callgate", Now: func() time.Time { return at }}).Close(); err != nil {
			t.Fatal(err)
		}
	}
	name = fmt.Sprint("d", schemas.Add(1))
	d.server.SQL("CREATE DATABASE " + name + " TEMPLATE model")
	return "dbname=" + name
}

// harness runs the contract over a store with the options given.
func harness(server *pgtest.Server, base postgres.Options) storetest.Harness {
	opened := map[store.Store]postgres.Options{}
	in := &databases{server: server}
	return storetest.Harness{
		Open: func(t testing.TB, o storetest.Options) store.Store {
			options := base
			options.Address, options.Schema = server.DSN(in.next(t)), "callgate"
			options.Window, options.Now = o.Window, o.Now
			options.Wrapping.Tenants = options.Wrapping.Tenants || o.DataKeys
			options.MaxBytes, options.Tenant, options.Tenants = o.MaxBytes, o.Tenant, o.Tenants
			s := openStore(t, options)
			opened[s] = options
			return s
		},
		Reopen: func(t testing.TB, s store.Store) store.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			again := openStore(t, opened[s])
			opened[again] = opened[s]
			return again
		},
	}
}

func TestContract(t *testing.T) { storetest.Run(t, harness(start(t), postgres.Options{})) }

func TestContractWithSeal(t *testing.T) {
	h := harness(start(t), postgres.Options{Keys: ring(t, keyA), MaxBatch: 3})
	h.Seals = true
	storetest.Run(t, h)
}

func TestAuditContract(t *testing.T) {
	storetest.RunAudited(t, harness(start(t), postgres.Options{Keys: ring(t, keyA)}))
}

func TestModel(t *testing.T) {
	server := start(t)
	const seeds, steps = uint64(6), 300
	for seed := uint64(2); seed < 2+seeds; seed++ {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			o := postgres.Options{MaxBatch: int(1 + seed%4)}
			if seed%2 == 0 {
				o.Keys = ring(t, keyA)
			}
			storetest.Model(t, harness(server, o), seed, steps)
		})
	}
}

// sharedHarness runs the contract of store.Shared, each gateway behind a network of its own.
func sharedHarness(server *pgtest.Server) storetest.SharedHarness {
	networks := map[store.Shared]*pgtest.Proxy{}
	databases := &databases{server: server}
	return storetest.SharedHarness{
		Open: func(t testing.TB, o storetest.Options) func() store.Shared {
			in, n := databases.next(t), 0
			return func() store.Shared {
				n++
				network := pgtest.NewProxy(t, server.Addr())
				s := openStore(t, postgres.Options{Address: server.Behind(network, in), Schema: "callgate", Gateway: fmt.Sprint("gw", n), Window: o.Window, Now: o.Now, Patience: time.Second})
				networks[s] = network
				return s
			}
		},
		Lose: func(_ testing.TB, s store.Shared) { networks[s].Lose("evt-") },
		Cut: func(_ testing.TB, s store.Shared, away bool) {
			if away {
				networks[s].Swallow()
			} else {
				networks[s].Pass()
			}
		},
	}
}

func TestSharedContract(t *testing.T) {
	storetest.RunShared(t, sharedHarness(start(t, "max_connections = 200")))
}
