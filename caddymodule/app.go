// Package caddymodule makes Callgate a Caddy plugin: the app callgate with the sources and tenants, the HTTP handler
// callgate that stands before a receiver, their Caddyfile syntax, metrics and admin endpoints. It is the only part
// that knows Caddy; what it does with a request is done by the packages under internal.
package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

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
	// unless its member "name" says otherwise. They are read whenever the configuration is loaded.
	TenantFiles []string `json:"tenant_files,omitempty"`

	// Destinations are the systems that calls can be delivered to, by name.
	Destinations map[string]*Destination `json:"destinations,omitempty"`

	// IdempotencyCache bounds the memory for remembered answers.
	IdempotencyCache *CacheLimits `json:"idempotency_cache,omitempty"`

	// LimiterKeys is for how many tenants, and for how many addresses, rate limits are kept at once; beyond it
	// those seen longest ago start afresh. Default: 100000.
	LimiterKeys int `json:"limiter_keys,omitempty"`

	logger *zap.Logger
	shared *shared
	detach func()
	routes map[string]bool
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
	a.logger = ctx.Logger()
	a.routes = make(map[string]bool)
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
	}
	if err := a.provisionTenants(ctx); err != nil {
		return err
	}
	for name, d := range a.Destinations {
		if d == nil {
			return fmt.Errorf("destination %s: has no kind; say what it is, such as http or hubspot", name)
		}
		if err := d.provision(ctx); err != nil {
			return fmt.Errorf("destination %s: %w", name, err)
		}
	}
	if err := registerMetrics(ctx); err != nil {
		return err
	}
	var err error
	a.shared, err = acquireShared()
	return err
}

func (a *App) provisionTenants(ctx caddy.Context) error {
	fromFiles, err := readTenantFiles(a.TenantFiles)
	if err != nil {
		return err
	}
	if a.Tenants == nil {
		a.Tenants = make(map[string]*Tenant)
	}
	for name, t := range fromFiles {
		if _, twice := a.Tenants[name]; twice {
			return fmt.Errorf("tenant %q is in a tenant file and in the configuration too", name)
		}
		a.Tenants[name] = t
	}
	for name, t := range a.Tenants {
		if t == nil {
			t = new(Tenant)
			a.Tenants[name] = t
		}
		if err := t.provision(ctx, name); err != nil {
			return fmt.Errorf("tenant %s: %w", name, err)
		}
		for src := range t.Sources {
			if _, err := a.source(src); err != nil {
				return fmt.Errorf("tenant %s: %w", name, err)
			}
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

// claimRoute makes sure that no two routes have one name: names tell their idempotency keys and breakers apart.
func (a *App) claimRoute(name string) error {
	if a.routes[name] {
		return fmt.Errorf("two callgate routes are named %q; give one of them another name", name)
	}
	a.routes[name] = true
	return nil
}

// Start puts the limits of this configuration in force.
func (a *App) Start() error {
	l := limits{cache: idempotency.Limits{Entries: 100_000, Bytes: 64 << 20}, limiterKeys: 100_000}
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
	a.detach = a.shared.attach(l)
	return nil
}

// Stop gives the limits of the configuration before back their force, if that is still running: Caddy stops an app
// whose siblings failed to start.
func (a *App) Stop() error {
	if a.detach != nil {
		a.detach()
	}
	return nil
}

// Cleanup lets go of the process's state. Requests that are still in flight keep what they hold of it.
func (a *App) Cleanup() error {
	if a.shared == nil {
		return nil
	}
	a.shared = nil
	return releaseShared()
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
