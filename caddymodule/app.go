// Package caddymodule makes Callgate a Caddy plugin: the app callgate with the sources and tenants, the HTTP handler
// callgate that stands before a receiver, their Caddyfile syntax, metrics and admin endpoints. It is the only part
// that knows Caddy; what it does with a request is done by the packages under internal.
package caddymodule

//go:generate go run ./internal/reference ..

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/redact"
	"github.com/callgate/callgate/internal/idempotency"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App holds what all routes share: the sources that calls come from and the tenants that they are for.
//
// Its state (remembered answers, rate limits, breakers) belongs to the process and outlives reloads of the
// configuration.
type App struct {
	// Require holds the configuration to rules: hipaa. What does not meet them does not start, and is told all at once, with
	// what to write; a document that does not is not published. With hipaa the audit log has record_first. The page
	// compliance of the reference has the rules. Default: none.
	Require string `json:"require,omitempty"`

	// Sources are the sources by name. A provider's preset can be used on a route without standing here.
	Sources map[string]*Source `json:"sources,omitempty"`

	// Tenants are the tenants by name.
	Tenants map[string]*Tenant `json:"tenants,omitempty"`

	// TenantFiles are patterns (./tenants/*.json) of JSON files that hold one tenant each, named after the file
	// unless its member "name" says otherwise. They are read whenever the configuration is loaded. A mistake in one of
	// them is an error when a configuration is validated, or loaded in place of one that runs; a gateway that starts
	// leaves the tenant out, logs the mistake and answers the tenant's requests with 503.
	TenantFiles []string `json:"tenant_files,omitempty"`

	// TenantFilesDigest is a digest of what was in the tenant files when a Caddyfile was made into this configuration, so that
	// a reload sees that one of them has changed. It has no other effect. Default: none, as where there were none then.
	TenantFilesDigest string `json:"tenant_files_digest,omitempty"`

	// Destinations are the systems that calls can be delivered to, by name.
	Destinations map[string]*Destination `json:"destinations,omitempty"`

	// Manage lets tenants and destinations live in the store besides those of the configuration. Default: off.
	Manage *Manage `json:"manage,omitempty"`

	// StoreRaw is where accepted events are kept, for routes that deliver or spool. Default: sqlite, in Caddy's
	// data directory.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=callgate.stores inline_key=type"`

	// Retention is how long an event is kept after its last delivery has ended. What was not delivered everywhere is
	// kept: what waits, and what is dead unless RetentionDead says otherwise. Default: 30d.
	Retention caddy.Duration `json:"retention,omitempty"`

	// RetentionDead is how long an event that has a dead delivery is kept after its last delivery has ended. Default:
	// until it is replayed or erased.
	RetentionDead caddy.Duration `json:"retention_dead,omitempty"`

	// Window is how long the id of an accepted event is remembered, so that copies are not delivered again.
	// Default: 72h.
	Window caddy.Duration `json:"window,omitempty"`

	// EncryptionKeys seal what is stored, with XAES-256-GCM. The first seals, all open. Each is 32 bytes as
	// hexadecimal digits or base64, or a placeholder for them such as {file./run/secrets/callgate.key}. A body and what was
	// read from it are compressed together before they are sealed, each call by itself; URL and header are not compressed.
	// So the length of what is sealed, which no key hides, tells of the content how long it is and how much it repeats
	// itself. Who sees those lengths in the store's file, and can have many calls sent with words of his own, could find out by
	// trying whether his words also stand in the rest of those same calls: in what the sender's system adds to them, such as
	// a customer number, or in a secret that it puts into each body. Of other calls it tells nothing. Default: what is stored
	// is not encrypted.
	EncryptionKeys []string `json:"encryption_keys,omitempty"`

	// DataKeys give each tenant a key of its own, with which its content is sealed in place of encryption_key. Default: none
	// has.
	DataKeys *DataKeys `json:"data_keys,omitempty"`

	// DrainTimeout is how long attempts under way may run on when the process ends, and no longer than what Caddy's
	// grace_period leaves. Default: 10s.
	DrainTimeout caddy.Duration `json:"drain_timeout,omitempty"`

	// Audit has a log kept of what was sent to whom and by whose hand, which proves itself. Default: none is kept.
	Audit *Audit `json:"audit,omitempty"`

	// Alert says when somebody is told that deliveries go badly.
	Alert *Alert `json:"alert,omitempty"`

	// Metrics says which metrics there are besides those that there always are.
	Metrics *Metrics `json:"metrics,omitempty"`

	// IdempotencyCache bounds the memory for remembered answers and for what is remembered of the events they were for.
	IdempotencyCache *CacheLimits `json:"idempotency_cache,omitempty"`

	// LimiterKeys is for how many tenants, and for how many addresses, rate limits are kept at once; beyond it
	// those seen longest ago start afresh. Default: 100000.
	LimiterKeys int `json:"limiter_keys,omitempty"`

	// Memory is how much the gateway takes of the machine: small is for an office PC or a board of 512 MiB that has other things
	// to do. Go's part is held to 52 MiB then (or to GOMEMLIMIT, if that is less), the store's page cache to 4 MiB, 5,000 answers
	// of together 4 MiB and 50,000 events are remembered, bodies that are not verified yet have 12 MiB, or what one of the largest
	// max_body needs; what idempotency_cache and unverified_memory say wins. It costs throughput under load, and nothing where
	// calls come one by one. bench/README.md has figures. Default: no bound but the machine's and those that are configured.
	Memory string `json:"memory,omitempty"`

	// UnverifiedMemory is how many bytes of bodies that are not verified yet are held at once, of all senders together.
	// With more a request is answered with 503, so it has to have room for one body of the largest max_body; where it has
	// not, that is told when the configuration is loaded. The last quarter is for bodies of up to 64 KiB. Larger ones, all
	// together, are read no faster than 32 MiB a second for each processor. Default: an eighth of the memory limit of the
	// process (GOMEMLIMIT), at least 32 MiB and at most 1 GiB, or 256 MiB where there is no limit; more where the largest
	// max_body needs it, up to half of the memory limit.
	UnverifiedMemory int64 `json:"unverified_memory,omitempty"`

	run *instance
}

// CacheLimits bound the memory for remembered answers, and apart from them for the events that were answered. The oldest
// make room for new ones. A copy of an event whose answer had to make room is still known for a copy: it is not carried
// out, and answered with the status of the first answer and {"status":"duplicate"}. An event that had to make room before
// its ttl was over is told in the log and counted in caddy_callgate_idempotency_keys_dropped_total; a copy of it would be
// carried out.
type CacheLimits struct {
	// Entries is how many answers are remembered. Default: 100000.
	Entries int `json:"entries,omitempty"`

	// Memory is how many bytes they may occupy. Default: 64 MiB.
	Memory int64 `json:"memory,omitempty"`

	// Keys is how many events are remembered in all. Each occupies about 64 bytes from when it comes until its ttl is over.
	// Default: 2000000, which is at most 128 MB. When there are as many, a tenant that has its share (Keys divided by the
	// tenants that sent something) or more makes room for its own events, and one that has less takes the place of the
	// tenant's that has most. So no tenant can push out an event of one that keeps within its share.
	Keys int `json:"keys,omitempty"`

	// TenantKeys is how many of them one tenant may have on one route. Default: half of Keys, which for 2000000 is nearly
	// four events a second for 72 hours.
	TenantKeys int `json:"tenant_keys,omitempty"`
}

func (c *CacheLimits) check(base idempotency.Limits) error {
	if c == nil {
		return nil
	}
	if c.Entries < 0 || c.Memory < 0 || c.Keys < 0 || c.TenantKeys < 0 {
		return fmt.Errorf("idempotency_cache: entries, memory, keys and tenant_keys cannot be negative")
	}
	if l := c.over(base); l.OwnerKeys > l.Keys {
		return fmt.Errorf("idempotency_cache: tenant_keys %d is more than the %d keys of all tenants", l.OwnerKeys, l.Keys)
	}
	return nil
}

// over fills in the defaults.
func (c *CacheLimits) over(l idempotency.Limits) idempotency.Limits {
	if c == nil {
		return l
	}
	if c.Entries > 0 {
		l.Entries = c.Entries
	}
	if c.Memory > 0 {
		l.Bytes = c.Memory
	}
	if c.Keys > 0 {
		l.Keys, l.OwnerKeys = c.Keys, max(c.Keys/2, 1)
	}
	if c.TenantKeys > 0 {
		l.OwnerKeys = c.TenantKeys
	}
	return l
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "callgate", New: func() caddy.Module { return new(App) }}
}

// Provision reads the tenant files and checks sources and tenants. It opens nothing that a running instance holds.
func (a *App) Provision(ctx caddy.Context) error {
	a.run = newInstance(ctx)
	var err error
	if a.run.config, err = hashOf(a); err != nil {
		return err
	}
	if a.Require != "" && a.Require != requireHIPAA {
		return fmt.Errorf("require %q is not known; there is %s", a.Require, requireHIPAA)
	}
	a.run.recordFirst = a.Require == requireHIPAA
	if err := a.run.watchStopping(); err != nil {
		return err
	}
	if a.LimiterKeys < 0 {
		return fmt.Errorf("limiter_keys cannot be negative")
	}
	if a.UnverifiedMemory < 0 {
		return fmt.Errorf("unverified_memory cannot be negative")
	}
	if a.Memory != "" && a.Memory != memorySmall {
		return fmt.Errorf("memory %q is not known; there is %s", a.Memory, memorySmall)
	}
	base := defaultCache
	if a.Memory == memorySmall {
		base = smallCache
	}
	if err := a.IdempotencyCache.check(base); err != nil {
		return err
	}
	for name, s := range a.Sources {
		if s == nil {
			s = new(Source)
			a.Sources[name] = s
		}
		if err := s.provision(ctx, name); err != nil {
			return fmt.Errorf("source %s: %w", name, err)
		}
		s.warnOfLiteralSecrets(a.run.logger, "source", name)
	}
	for name, t := range a.Tenants {
		if t == nil {
			continue
		}
		t.warnOfLiteralSecrets(a.run.logger, "tenant", name)
		for _, p := range t.Sources {
			if p != nil {
				p.warnOfLiteralSecrets(a.run.logger, "tenant", name)
			}
		}
	}
	if err := a.Manage.provision(); err != nil {
		return err
	}
	if a.Manage != nil {
		a.run.live = newLive(a)
		for _, name := range namesOf(a.Manage.Secrets) {
			warnOfLiterals(a.run.logger, "manage", name, a.Manage.Secrets[name].Value)
		}
	}
	if err := a.provisionTenants(ctx); err != nil {
		return err
	}
	if err := CheckUnits(a, a.run.logger); err != nil {
		return err
	}
	if err := a.provisionDelivery(ctx); err != nil {
		return err
	}
	if err := registerMetrics(ctx); err != nil {
		return err
	}
	a.run.shared, err = acquireShared()
	return err
}

func (a *App) provisionTenants(ctx caddy.Context) error {
	files, err := readTenantFiles(a.TenantFiles, func(pattern string) {
		a.run.logger.Warn("no tenant file matches the pattern; relative ones start in the directory that the gateway runs in",
			zap.String("tenants", pattern))
	})
	if err != nil {
		return err
	}
	if a.Tenants == nil {
		a.Tenants = make(map[string]*Tenant)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Tenants)) {
		if a.Tenants[name] == nil {
			a.Tenants[name] = new(Tenant)
		}
		if err := a.provisionTenant(ctx, name, a.Tenants[name]); err != nil {
			return fmt.Errorf("tenant %s: %w", name, err)
		}
	}
	return a.addTenantFiles(ctx, files)
}

func (a *App) provisionTenant(ctx caddy.Context, name string, t *Tenant) error {
	if err := t.provision(ctx, name); err != nil {
		return err
	}
	for _, src := range slices.Sorted(maps.Keys(t.Sources)) {
		if _, err := a.source(src); err != nil {
			return fmt.Errorf("sources: %w", err)
		}
	}
	return nil
}

// source finds a source: one that is configured, or a preset as it stands.
func (a *App) source(name string) (*Source, error) {
	if s, ok := a.Sources[name]; ok {
		return s, nil
	}
	if isPreset(name) {
		return new(Source), nil
	}
	return nil, noSource(name, namesOf(a.Sources))
}

// Start puts this configuration in force: its limits and, where a route delivers, the store and the destinations.
func (a *App) Start() error {
	if err := a.checkRequired(); err != nil {
		return err
	}
	a.run.limitStopping()
	if err := a.run.startDelivery(len(a.Destinations) > 0 || a.StoreRaw != nil || a.Manage != nil || a.Audit != nil); err != nil {
		return err
	}
	l := limits{
		cache: a.cacheLimits(), limiterKeys: 100_000, faulty: a.run.faulty(), memory: a.memoryLimit(),
		unverified: a.run.unverified(a.UnverifiedMemory, a.unverifiedDefault(), a.memoryLimit()),
	}
	if a.LimiterKeys > 0 {
		l.limiterKeys = a.LimiterKeys
	}
	a.run.detach = append(a.run.detach, a.run.shared.attach(l))
	a.run.warnOfTokensInLogs(redact.InForce())
	settle()
	return nil
}

// Stop leaves the configuration in force until Cleanup: when the process ends Caddy stops its apps in any order, and
// what waits goes on being delivered while the servers finish their requests.
func (a *App) Stop() error { return nil }

// Cleanup takes the configuration out of force, so that the one before counts again if that is still running, and lets
// go of the process's state. Requests that are still in flight keep what they hold of it.
func (a *App) Cleanup() error {
	if a.run == nil {
		return nil
	}
	return a.run.cleanup()
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
