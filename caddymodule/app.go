// Package caddymodule makes Callgate a Caddy plugin: the app callgate with the sources and tenants, the HTTP handler
// callgate that stands before a receiver, their Caddyfile syntax, metrics and admin endpoints. It is the only part
// that knows Caddy; what it does with a request is done by the packages under internal.
package caddymodule

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	_ "github.com/callgate/callgate/caddymodule/transport" // reverse_proxy { transport callgate }
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
	// Sources are the sources by name. A provider's preset can be used on a route without standing here.
	Sources map[string]*Source `json:"sources,omitempty"`

	// Tenants are the tenants by name.
	Tenants map[string]*Tenant `json:"tenants,omitempty"`

	// TenantFiles are patterns (./tenants/*.json) of JSON files that hold one tenant each, named after the file
	// unless its member "name" says otherwise. They are read whenever the configuration is loaded. A mistake in one of
	// them is an error when a configuration is validated, or loaded in place of one that runs; a gateway that starts
	// leaves the tenant out, logs the mistake and answers the tenant's requests with 503.
	TenantFiles []string `json:"tenant_files,omitempty"`

	// Destinations are the systems that calls can be delivered to, by name.
	Destinations map[string]*Destination `json:"destinations,omitempty"`

	// StoreRaw is where accepted events are kept, for routes that deliver or spool. Default: sqlite, in Caddy's
	// data directory.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=callgate.stores inline_key=type"`

	// Retention is how long an event is kept after its last delivery has ended. Default: 30d.
	Retention caddy.Duration `json:"retention,omitempty"`

	// Window is how long the id of an accepted event is remembered, so that copies are not delivered again.
	// Default: 72h.
	Window caddy.Duration `json:"window,omitempty"`

	// EncryptionKeys seal what is stored, with AES-256-GCM. The first seals, all open. Each is 32 bytes as
	// hexadecimal digits or base64, or a placeholder for them such as {file./run/secrets/callgate.key}. Default: what
	// is stored is not encrypted.
	EncryptionKeys []string `json:"encryption_keys,omitempty"`

	// DrainTimeout is how long attempts under way may run on when the process ends. Default: 10s.
	DrainTimeout caddy.Duration `json:"drain_timeout,omitempty"`

	// Alert says when somebody is told that deliveries go badly.
	Alert *Alert `json:"alert,omitempty"`

	// IdempotencyCache bounds the memory for remembered answers.
	IdempotencyCache *CacheLimits `json:"idempotency_cache,omitempty"`

	// LimiterKeys is for how many tenants, and for how many addresses, rate limits are kept at once; beyond it
	// those seen longest ago start afresh. Default: 100000.
	LimiterKeys int `json:"limiter_keys,omitempty"`

	run *instance
}

// CacheLimits bound the memory for remembered answers. The oldest make room for new ones.
type CacheLimits struct {
	// Entries is how many answers are remembered. Default: 100000.
	Entries int `json:"entries,omitempty"`

	// Memory is how many bytes they may occupy. Default: 64 MiB.
	Memory int64 `json:"memory,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "callgate", New: func() caddy.Module { return new(App) }}
}

// Provision reads the tenant files and checks sources and tenants. It opens nothing that a running instance holds.
func (a *App) Provision(ctx caddy.Context) error {
	a.run = newInstance(ctx)
	if a.LimiterKeys < 0 {
		return fmt.Errorf("limiter_keys cannot be negative")
	}
	if c := a.IdempotencyCache; c != nil && (c.Entries < 0 || c.Memory < 0) {
		return fmt.Errorf("idempotency_cache: entries and memory cannot be negative")
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
	if err := a.provisionTenants(ctx); err != nil {
		return err
	}
	if err := a.provisionDelivery(ctx); err != nil {
		return err
	}
	if err := registerMetrics(ctx); err != nil {
		return err
	}
	var err error
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
	return nil, fmt.Errorf("unknown source %q: define it in the global callgate option, or use one of %s", name, presetNames())
}

// Start puts this configuration in force: its limits and, where a route delivers, the store and the destinations.
func (a *App) Start() error {
	if err := a.run.startDelivery(len(a.Destinations) > 0 || a.StoreRaw != nil); err != nil {
		return err
	}
	l := limits{cache: idempotency.Limits{Entries: 100_000, Bytes: 64 << 20}, limiterKeys: 100_000, faulty: a.run.faulty()}
	if c := a.IdempotencyCache; c != nil {
		if c.Entries > 0 {
			l.cache.Entries = c.Entries
		}
		if c.Memory > 0 {
			l.cache.Bytes = c.Memory
		}
	}
	if a.LimiterKeys > 0 {
		l.limiterKeys = a.LimiterKeys
	}
	a.run.detach = append(a.run.detach, a.run.shared.attach(l))
	return nil
}

// Stop gives the limits of the configuration before back their force, if that is still running: Caddy stops an app
// whose siblings failed to start.
func (a *App) Stop() error {
	a.run.stop()
	return nil
}

// Cleanup lets go of the process's state. Requests that are still in flight keep what they hold of it.
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
