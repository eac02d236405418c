// Package postgres is the store that several gateways share: one PostgreSQL database, version 14 or later. Every gateway
// accepts every call; each call is stored once, and an acknowledged one is on the disk of the database's synchronous standby
// as well, if it has one.
//
// Accepting is one statement for all requests that arrived during the one before, on a connection of its own; what becomes of
// deliveries is written by a second one. Neither waits for another gateway: they write no row in common. A commit is never
// cancelled, since one that is has taken place without its standby. When nobody knows how one has ended it is repeated with
// the same ids; see commit.go. Deliveries that wait stand in a small table, settled ones in tables by day, which are dropped
// whole. Leases live in memory, as in the SQLite store; that no two gateways deliver to a destination at once is the work of
// lanes, see store.Shared.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/group"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Options set up a store. Only Address is required.
type Options struct {
	// Address is how the database is reached: a URL (postgres://user:password@host/name) or key=value pairs, as libpq has
	// them, with several hosts if there are standbys that may become primaries. Unless it says otherwise, servers are
	// verified by their certificates (sslmode=verify-full), and only one that takes writes is used.
	Address string
	// Password, if set, is asked before every connection, so that a new password needs no restart.
	Password func(ctx context.Context) (string, error)
	// MigrateAddress is how a user connects who owns the tables, makes and changes them, and gives the user of Address the
	// rights to read and write them; empty means that the user of Address does so.
	MigrateAddress string
	// Schema is where the tables are, and is made if it is not there; empty means callgate.
	Schema string
	// Gateway names this gateway, whose audit log it is; no two that run may have the same. Empty means the machine's name.
	Gateway string
	// RequireSync refuses to accept while commits wait for no standby (synchronous_standby_names is empty).
	RequireSync bool
	// Readers is how many connections there are for reading; 0 means 4. Besides there are two that write and one that listens.
	Readers int

	// Window is how long a key may exist only once; 0 means 72 h.
	Window time.Duration
	// MaxBytes is the size at which Accept answers store.ErrFull; 0 means no bound but the disk's. It counts what events take,
	// about, as Stats does, not the files of the database; what other gateways add is known some seconds later.
	MaxBytes int64
	// Tenant bounds what each tenant may hold, and Tenants what those may that are named. Zero fields of the latter take
	// Tenant's.
	Tenant  store.Quota
	Tenants map[string]store.Quota
	// Keys seal bodies, records, requests and excerpts; nil stores them as they are.
	Keys *seal.Ring
	// Wrapping says whether tenants have data keys, with which their content is sealed in place of the ring, and who wraps these.
	Wrapping seal.Wrapping
	// Now is a clock for tests. nil means the database's, as far as it is known.
	Now func() time.Time
	// Log hears of what a caller cannot be told: the message holds no payload, number or secret. nil means nobody.
	Log func(msg string, err error)

	// MaxBatch is how many requests may share a commit; 0 means 256.
	MaxBatch int
	// WaitForEach is how long a commit waits, once it has company or the one before it had, for each of those who are expected
	// to share it, and for no longer than a few milliseconds; 0, the default, commits at once.
	WaitForEach time.Duration
	// Patience is how long a change may wait for its commit before its caller is told that it may or may not be stored; 0
	// means 5 s.
	Patience time.Duration
	// Committed, if set, hears of every commit of the writer that accepts: how many requests shared it and how long it took.
	Committed func(requests int, took time.Duration)
	// DaysAhead is for how many days to come tables are made; 0 means 7.
	DaysAhead int

	importing  bool                                                     // what is half carried over may be opened
	migrations fs.FS                                                    // others than those of this program, for tests
	lookup     func(ctx context.Context, host string) ([]string, error) // another resolver, for tests
	tracer     pgx.QueryTracer                                          // of the connections for reading, for tests
}

// Store is a store.Store in a PostgreSQL database.
type Store struct {
	o      Options
	config *pgx.ConnConfig
	owner  *pgx.ConnConfig // of whoever owns the tables; nil if that is the same
	schema string          // quoted
	tuning tuning
	sql    statements
	steps  []migration // the migrations
	knows  int64       // the last one's version

	pool    *pgxpool.Pool
	accepts *group.Group[*accepting]
	changes *group.Group[change]

	// open tells that the database was reached and is ready; until then notOpen says why not.
	open    atomic.Bool
	notOpen atomic.Pointer[error]
	reached atomic.Bool // it was open once
	// packs tells that all gateways can read what is packed.
	packs atomic.Bool

	ctx     context.Context // ends with Close
	stop    context.CancelFunc
	running sync.WaitGroup
	closing sync.Once
	closed  atomic.Bool

	acceptor, recorder *writer
	signer             int64 // under which the store makes signs
	clock              clock
	days               days
	names              *lanes.Names
	pairs              pairs
	lanes              *lanes.Lanes
	room               room
	audit              auditLog
	wake               wake
	mine               mine
	written            written
	sealedBy           []byte     // how the id of the ring's first key is stored; nil without keys
	seals              *seal.Keys // nil without keys
	ended              ended
	sealing            sealing
	keeps              atomic.Bool // something may be kept of some delivery
	searches           chan struct{}

	expiring   sync.Mutex
	expireFrom [16]byte
}

var _ store.Store = (*Store)(nil)

const defaultSchema = "callgate"

// schemaName is what a schema may be called.
var schemaName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,40}$`)

// openPatience is how long Open waits for the database before it goes on without.
const openPatience = 5 * time.Second

// Open opens or makes a store. If the database cannot be reached now, Open succeeds all the same: everything fails with
// store.ErrUnavailable then, and works as soon as it is there. Its errors are those that a person has to mend: the address
// or the password is wrong, the user lacks a right, the tables are of a newer version, or a key is missing.
func Open(o Options) (*Store, error) {
	s, err := newStore(o)
	if err != nil {
		return nil, err
	}
	if s.pool, err = s.newPool(); err != nil {
		s.stop()
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	if err := s.begin(); err != nil {
		s.stop()
		s.seals.Close()
		s.pool.Close()
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	return s, nil
}

// newStore makes a store that nothing was asked of yet.
func newStore(o Options) (*Store, error) {
	if o.Window < 0 || o.MaxBytes < 0 || o.MaxBatch < 0 || o.WaitForEach < 0 || o.Readers < 0 || o.Patience < 0 || o.DaysAhead < 0 {
		return nil, errors.New("the store's sizes and durations must not be negative")
	}
	o.MaxBatch = cmp.Or(o.MaxBatch, 256)
	o.Readers = cmp.Or(o.Readers, 4)
	o.Patience = cmp.Or(o.Patience, 5*time.Second)
	o.DaysAhead = cmp.Or(o.DaysAhead, 7)
	o.Schema = cmp.Or(o.Schema, defaultSchema)
	if !schemaName.MatchString(o.Schema) {
		return nil, errors.New("the name of the database's schema has letters, digits and underscores only, and begins with no digit")
	}
	if o.Gateway == "" {
		o.Gateway, _ = os.Hostname()
		o.Gateway = cmp.Or(o.Gateway, "gateway")
	}
	if o.Log == nil {
		o.Log = func(string, error) {}
	}
	if o.migrations == nil {
		o.migrations = migrations
	}
	o.Address = secure(o.Address)
	config, err := parseAddress(&o)
	if err != nil {
		return nil, err
	}
	s := &Store{o: o, config: config, schema: pgx.Identifier{o.Schema}.Sanitize(), names: lanes.NewNames(), sealedBy: o.Keys.StoredID(),
		accepts:  group.New[*accepting](o.MaxBatch, o.WaitForEach, o.Patience),
		changes:  group.New[change](o.MaxBatch, 0, 0),
		searches: make(chan struct{}, max(1, o.Readers/2)),
	}
	if o.MigrateAddress != "" {
		o.MigrateAddress = secure(o.MigrateAddress)
		if s.owner, err = parseAddress(&Options{Address: o.MigrateAddress, lookup: o.lookup}); err != nil {
			return nil, fmt.Errorf("migrate_address: %w", err)
		}
	}
	s.sql = newStatements(s.schema)
	if s.steps, err = readSteps(o.migrations); err != nil {
		return nil, err
	}
	s.knows = s.steps[len(s.steps)-1].version
	s.lanes = lanes.New(s.names, true)
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.clock.fixed = o.Now
	s.acceptor, s.recorder = newWriter(s), newWriter(s)
	s.wake.init(s)
	if o.Keys != nil {
		s.seals = seal.NewKeys(o.Keys, keyTable{s}, o.Wrapping, s.clock.now, o.Log)
	}
	s.Tune(Tuning{Window: o.Window, MaxBytes: o.MaxBytes, Tenant: o.Tenant, Tenants: o.Tenants, Wrapping: o.Wrapping})
	if warning := tlsWarning(config); warning != "" {
		o.Log("the connection to the database is not verified", errors.New(warning))
	}
	return s, nil
}

// newPool makes the connections for reading, which are made when they are needed.
func (s *Store) newPool() (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(s.o.Address)
	if err != nil {
		return nil, errors.New("the database's address cannot be read")
	}
	c.ConnConfig = s.config.Copy()
	c.ConnConfig.DialFunc = newDialer().DialContext
	c.ConnConfig.Tracer = s.o.tracer
	c.MaxConns = int32(s.o.Readers)
	c.MinConns = 0
	c.MaxConnLifetime, c.MaxConnLifetimeJitter = 30*time.Minute, 5*time.Minute
	c.BeforeConnect = s.setPassword
	return pgxpool.NewWithConfig(s.ctx, c)
}

// Close waits for the requests it has, and closes the store. Later calls of its methods return store.ErrClosed.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.closed.Store(true)
		s.accepts.Close()
		s.changes.Close()
		if s.reached.Load() {
			s.accepts.Wait()
			s.changes.Wait()
		}
		s.wake.flush()
		s.stop()
		s.seals.Close()
		s.running.Wait()
		s.acceptor.close()
		s.recorder.close()
		s.pool.Close()
	})
	return nil
}

// enter checks what every method checks first.
func (s *Store) enter(ctx context.Context) error {
	if s.closed.Load() {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !s.open.Load() {
		why := s.notOpen.Load()
		if why != nil && (s.reached.Load() || errors.Is(*why, ErrOlderRun)) {
			return fmt.Errorf("%w: %w", store.ErrUnavailable, *why)
		}
		if why != nil {
			return fmt.Errorf("%w: its database was not reached yet: %w", store.ErrUnavailable, *why)
		}
		return fmt.Errorf("%w: its database was not reached yet", store.ErrUnavailable)
	}
	return nil
}

// clock is the database's, as far as it is known, so that gateways whose machines' clocks differ judge alike.
type clock struct {
	fixed  func() time.Time
	offset atomic.Int64 // what the database's is ahead of ours
}

func (c *clock) now() time.Time {
	if c.fixed != nil {
		return c.fixed()
	}
	return time.Now().Add(time.Duration(c.offset.Load()))
}

func (s *Store) nowNanos() int64 { return s.clock.now().UnixNano() }

// Tuning is what can be changed while a store is open. Its fields are those of Options, with the same defaults.
type Tuning struct {
	Window   time.Duration
	MaxBytes int64
	Tenant   store.Quota
	Tenants  map[string]store.Quota
	Wrapping seal.Wrapping
}

// defaultWindow is longer than any sender goes on repeating.
const defaultWindow = 72 * time.Hour

// tuning is the Tuning in force.
type tuning struct {
	window, maxBytes atomic.Int64
	quotas           atomic.Pointer[quotas]
	wrapping         atomic.Pointer[seal.Wrapping]
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
	s.tuning.wrapping.Store(&t.Wrapping)
	if s.seals != nil {
		s.seals.Use(t.Wrapping)
	}
}
