package stores

import (
	"context"
	"fmt"
	"regexp"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
)

func init() {
	caddy.RegisterModule(new(Postgres))
}

// Guessed: what the comment below says of Aurora, AlloyDB, Neon, RDS and CockroachDB is from what is told of them, none was tried.

// Postgres keeps events in a PostgreSQL database, version 14 or later, which several gateways share: each takes every call,
// which is stored once and delivered once. The tables are made in a schema of their own, by a user who may make one in the
// database. If the database is away the gateway starts, is not ready and answers calls with 503 until it is back.
//
// A call is acknowledged when the database has it on its disk, and on that of its synchronous standby if it has one
// (synchronous_standby_names). Only then is nothing lost that was acknowledged when the primary is lost.
//
// The address is a URL (postgres://user@host/name), or key=value pairs, as PostgreSQL's own programs take them, with several
// hosts if there are standbys that may take over; write it as a placeholder if there is a password in it. Servers have to prove
// who they are (sslmode=verify-full), unless it says otherwise or they are on this machine, and one is used that takes writes.
// Behind a PgBouncer in transaction mode that is older than 1.21 it needs default_query_exec_mode=cache_describe; 1.18, which
// Debian 12 has, is what it is tested with, and PostgreSQL 15.
//
// Services that speak PostgreSQL's protocol are not tested. The store needs day partitions that are attached and detached,
// `INSERT … ON CONFLICT`, `pg_logical_emit_message` and, to hear of other gateways at once instead of within a second, LISTEN.
// Amazon Aurora and AlloyDB have all of these; they replicate in their storage, with no synchronous_standby_names, so that
// require_sync is left out, and after a failover the address has to lead to the new writer (a cluster's writer endpoint).
// Neon should work with its direct address as with its pooled one, and does not fall asleep, since each gateway asks every
// second. Multi-AZ clusters of Amazon RDS should work; gateways never read from standbys. CockroachDB does not work: it has
// no LISTEN, no `pg_logical_emit_message` and other partitions.
//
// Gateways of different versions can share the tables: a newer one adds to them under the older ones. When it has to take
// something away that those need, it says which are too old and waits until they are stopped.
//
// A reload changes the sizes, the limits of tenants and the window of the open store.
type Postgres struct {
	// Address is how the database is reached: a URL (postgres://user@host/name), or key=value pairs, as PostgreSQL's own
	// programs take them, with several hosts if there are standbys that may take over. Whatever it does not say comes from
	// the usual variables (PGHOST, PGSSLROOTCERT and so on). Servers have to prove who they are (sslmode=verify-full), unless it says
	// otherwise or they are on this machine; and one is used that takes writes. A password in it has to be in a placeholder.
	// Behind a PgBouncer in transaction mode that is older than 1.21 it needs default_query_exec_mode=cache_describe; gateways
	// then hear of each other within a second instead of at once.
	Address string `json:"address,omitempty"`

	// Password is the user's, as a placeholder such as {file./run/secrets/database}. It is resolved before each connection,
	// so that a new one needs no reload. Default: that of the address.
	Password string `json:"password,omitempty"`

	// MigrateAddress is how a user connects who owns the tables: makes them, and changes them when there is a new version. Then
	// that of the address needs no rights but those that it is given by this one, to read and write. Its password is that of
	// this address, which is a placeholder. Default: the user of the address owns the tables.
	MigrateAddress string `json:"migrate_address,omitempty"`

	// Schema is where the tables are. Gateways that share events say the same. Default: callgate.
	Schema string `json:"schema,omitempty"`

	// Gateway names this gateway, whose audit log it is: of those that run no two may have the same name. Default: the machine's
	// name.
	Gateway string `json:"gateway,omitempty"`

	// RequireSync answers calls with 503 while the database waits for no standby (synchronous_standby_names is empty): rather
	// that than acknowledge what one machine only has.
	RequireSync bool `json:"require_sync,omitempty"`

	// Connections is how many connections to the database there are for reading. Two that write and one that listens come on
	// top, and now and then one more. Default: 4.
	Connections int `json:"connections,omitempty"`

	// MaxSize is how many bytes events may take, about; indexes, and what the database has not cleared away yet, come on top.
	// When it is full it goes as with `store sqlite`. What other gateways add is known some seconds later. Default: no bound.
	MaxSize int64 `json:"max_size,omitempty"`

	// TenantMaxSize is how many bytes of it each tenant may hold, and TenantMaxEvents how many events with content. Default: no
	// bound.
	TenantMaxSize   int64 `json:"tenant_max_size,omitempty"`
	TenantMaxEvents int64 `json:"tenant_max_events,omitempty"`

	// TenantLimits are for tenants that are named, instead of TenantMaxSize and TenantMaxEvents.
	TenantLimits map[string]StoreLimits `json:"tenant_limits,omitempty"`

	address, migrate string
	key              string
}

// CaddyModule returns the Caddy module information.
func (*Postgres) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "callgate.stores.postgres", New: func() caddy.Module { return new(Postgres) }}
}

// plainPassword finds a password in an address that stands there as it is.
var plainPassword = regexp.MustCompile(`://[^/@:]*:[^@{}]+@|password\s*=\s*[^\s{}]`)

// Provision resolves the address.
func (p *Postgres) Provision(caddy.Context) error {
	for _, address := range []string{p.Address, p.MigrateAddress} {
		if plainPassword.MatchString(address) {
			return fmt.Errorf("address: it has a password in it, which everybody could read who sees the configuration: write it as a placeholder, or as password {file./run/secrets/database}")
		}
	}
	if p.Password != "" && !secret.IsPlaceholder(p.Password) {
		return fmt.Errorf("password: write it as a placeholder, such as {file./run/secrets/database}")
	}
	if p.MaxSize < 0 || p.Connections < 0 {
		return fmt.Errorf("max_size and connections cannot be negative")
	}
	if err := checkLimits(p.TenantMaxSize, p.TenantMaxEvents, p.TenantLimits); err != nil {
		return err
	}
	if p.Address == "" {
		return fmt.Errorf("address: the store needs that of its database: store postgres {env.DATABASE_URL}")
	}
	var err error
	if p.address, err = secret.ResolveText(p.Address); err != nil {
		return fmt.Errorf("address: %w", err)
	}
	if p.MigrateAddress != "" {
		if p.migrate, err = secret.ResolveText(p.MigrateAddress); err == nil {
			_, err = postgres.Name(p.migrate, p.Schema)
		}
		if err != nil {
			return fmt.Errorf("migrate_address: %w", err)
		}
	}
	for _, s := range []*string{&p.Schema, &p.Gateway} {
		if *s, err = secret.ResolveText(*s); err != nil {
			return err
		}
	}
	p.key, err = postgres.Name(p.address, p.Schema)
	return err
}

// StoreKey implements guest.Store.
func (p *Postgres) StoreKey() string { return "postgres:" + p.key }

// OpenStore implements guest.Store.
func (p *Postgres) OpenStore(o guest.StoreOptions) (store.Store, error) {
	t := p.tuning(o)
	options := postgres.Options{
		Address: p.address, MigrateAddress: p.migrate, Schema: p.Schema, Gateway: p.Gateway, RequireSync: p.RequireSync, Readers: p.Connections,
		Window: t.Window, MaxBytes: t.MaxBytes, Tenant: t.Tenant, Tenants: t.Tenants, Keys: o.Keys, Wrapping: t.Wrapping, Committed: o.Committed, WaitForEach: waitForEach,
		Log: func(msg string, err error) { o.Logger.Error(msg, zap.Error(err)) },
	}
	if p.Password != "" {
		options.Password = func(context.Context) (string, error) { return secret.Resolve(p.Password) }
	}
	return postgres.Open(options)
}

// GatewayName is the name under which this gateway shares the store; empty for the host's.
func (p *Postgres) GatewayName() string { return p.Gateway }

// TuneStore implements guest.StoreTuner.
func (p *Postgres) TuneStore(open store.Store, o guest.StoreOptions) {
	if open, ok := open.(*postgres.Store); ok {
		open.Tune(p.tuning(o))
	}
}

// CheckStore implements guest.StoreChecker.
func (p *Postgres) CheckStore(open store.Store, o guest.StoreOptions) error {
	if open, ok := open.(*postgres.Store); ok {
		return open.CheckWrapping(o.Wrapping)
	}
	return nil
}

func (p *Postgres) tuning(o guest.StoreOptions) postgres.Tuning {
	return postgres.Tuning{Window: o.Window, Wrapping: o.Wrapping, MaxBytes: p.MaxSize, Tenant: store.Quota{Bytes: p.TenantMaxSize, Events: p.TenantMaxEvents}, Tenants: quotasOf(p.TenantLimits)}
}

// UnmarshalCaddyfile sets up the store from Caddyfile tokens. Syntax:
//
//	store postgres [<address>] {
//		password <placeholder>
//		migrate_address <address>
//		schema <name>
//		gateway <name>
//		require_sync
//		connections <number>
//		max_size <size>
//		tenant_max_size <size> [<tenant>...]
//		tenant_max_events <number> [<tenant>...]
//	}
func (p *Postgres) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the store's kind
	if err := grammar.Optional(d, &p.Address); err != nil {
		return err
	}
	limit := func(d *caddyfile.Dispenser) error {
		return unmarshalTenantLimit(d, &p.TenantMaxSize, &p.TenantMaxEvents, &p.TenantLimits)
	}
	return grammar.Block(d, grammar.Lines{
		"password":          grammar.Text(&p.Password),
		"migrate_address":   grammar.Text(&p.MigrateAddress),
		"schema":            grammar.Text(&p.Schema),
		"gateway":           grammar.Text(&p.Gateway),
		"require_sync":      grammar.Flag(&p.RequireSync),
		"connections":       grammar.Count(&p.Connections),
		"max_size":          grammar.Bytes(&p.MaxSize),
		"tenant_max_size":   limit,
		"tenant_max_events": limit,
	}, "tenant_max_size", "tenant_max_events")
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Postgres)(nil)
	_ caddyfile.Unmarshaler = (*Postgres)(nil)
	_ guest.Store           = (*Postgres)(nil)
	_ guest.StoreTuner      = (*Postgres)(nil)
	_ guest.StoreChecker    = (*Postgres)(nil)
)
