package caddymodule

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/alert"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/seal"
)

// Alert says when somebody is told that deliveries go badly, and whom. Whoever is told hears of destinations and
// numbers, and of nothing that a caller said. Each alert is also emitted as a Caddy event, callgate_alert.
type Alert struct {
	// URL is where alerts are posted, as JSON that Slack's incoming webhooks understand, by the proxy that HTTPS_PROXY in the
	// environment names, if it does. Default: nowhere.
	URL string `json:"url,omitempty"`

	// DeadLetter tells of deliveries that were given up, BreakerOpen of destinations that are left alone because
	// they fail, Paused of those that were paused.
	DeadLetter  bool `json:"dead_letter,omitempty"`
	BreakerOpen bool `json:"breaker_open,omitempty"`
	Paused      bool `json:"paused,omitempty"`

	// SuccessRate is the percentage of attempts below which somebody is told; the usual one is 95.
	SuccessRate float64 `json:"success_rate,omitempty"`

	// Latency is the mean time of attempts above which somebody is told; the usual one is 5s.
	Latency caddy.Duration `json:"latency,omitempty"`

	// Retries is how many times as many retries as before are a spike; the usual one is 3.
	Retries float64 `json:"retries,omitempty"`

	// Window is the time that rates and means are taken over. Default: 5m.
	Window caddy.Duration `json:"window,omitempty"`

	// Cooldown is the least time between two alerts of one kind for one destination. Default: 15m.
	Cooldown caddy.Duration `json:"cooldown,omitempty"`
}

func (a *Alert) settings() (alert.Settings, error) {
	if a == nil {
		return alert.Settings{}, nil
	}
	s := alert.Settings{
		DeadLetter: a.DeadLetter, BreakerOpen: a.BreakerOpen, Paused: a.Paused, SuccessRate: a.SuccessRate,
		Latency: time.Duration(a.Latency), Retries: a.Retries, Window: time.Duration(a.Window), Cooldown: time.Duration(a.Cooldown),
	}
	if a.URL != "" {
		var err error
		if s.URL, err = secret.Resolve(a.URL); err != nil {
			return s, fmt.Errorf("url: %w", err)
		}
	}
	return s, s.Validate()
}

// provisionDelivery works out everything that can be wrong, and opens nothing.
func (a *App) provisionDelivery(ctx caddy.Context) error {
	u := &a.run.durable
	if a.Retention < 0 || a.RetentionDead < 0 || a.Window < 0 || a.DrainTimeout < 0 {
		return fmt.Errorf("retention, window and drain_timeout cannot be negative")
	}
	u.drain, u.names, u.faulty, u.scene, u.live = time.Duration(a.DrainTimeout), a.names, a.faultyNames, a.runningScene, a.run.live
	u.settings = a.settings
	u.rotations = &a.run.rotations
	u.perTenant = a.Metrics != nil && a.Metrics.PerTenant
	cache := int64(0)
	if a.Memory == memorySmall {
		cache = smallStore
	}
	u.options = guest.StoreOptions{Window: time.Duration(a.Window), CacheBytes: cache, Logger: a.run.logger.Named("store"), Committed: func(n int, took time.Duration) {
		deliveryMetrics.commitSize.Observe(float64(n))
		deliveryMetrics.commitTime.Observe(took.Seconds())
	}}
	warnOfLiterals(a.run.logger, "callgate", "encryption_key", a.EncryptionKeys...)
	if a.Alert != nil { // who knows the URL of an incoming webhook can post to it
		warnOfLiterals(a.run.logger, "alert", "url", a.Alert.URL)
	}
	if err := u.setKeys(a.EncryptionKeys); err != nil {
		return err
	}
	if err := u.setDataKeys(a.DataKeys, a.run.logger); err != nil {
		return err
	}
	if err := a.Audit.provision(a.run.logger); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	u.audit = a.Audit
	var err error
	a.run.needed = a.run.needed || a.StoreRaw != nil // which Caddy takes away when the module is loaded
	if u.module, err = a.storeModule(ctx); err != nil {
		return err
	}
	retention := time.Duration(a.Retention)
	if retention == 0 {
		retention = 30 * 24 * time.Hour
	}
	u.snapshot = &delivery.Snapshot{
		Destinations: make(map[string]delivery.Config), Retention: retention, RetentionDead: time.Duration(a.RetentionDead),
		Vars: a.tenantVars,
	}
	for _, name := range slices.Sorted(maps.Keys(a.Destinations)) {
		d := a.Destinations[name]
		if d == nil {
			d = new(Destination)
		}
		if err := checkDestinationName(name); err != nil {
			return err
		}
		c, err := a.run.compileDestination(ctx, name, d)
		if err != nil {
			return fmt.Errorf("destination %s: %w", name, err)
		}
		u.snapshot.Destinations[name] = c
		countFromZero(name)
	}
	if err := a.provisionOwnDestinations(ctx); err != nil {
		return err
	}
	if u.alerts, err = a.Alert.settings(); err != nil {
		return fmt.Errorf("alert: %w", err)
	}
	return nil
}

// storeModule loads the store's module: the one that is configured, or SQLite with its defaults.
func (a *App) storeModule(ctx caddy.Context) (guest.Store, error) {
	var mod any
	var err error
	if a.StoreRaw != nil {
		mod, err = ctx.LoadModule(a, "StoreRaw")
	} else {
		mod, err = ctx.LoadModuleByID("callgate.stores.sqlite", nil)
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := CheckUnits(mod, ctx.Logger()); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return mod.(guest.Store), nil
}

// checkDestinationName keeps names fit for the command line, and apart from those of spools.
func checkDestinationName(name string) error {
	if name == "" || len(name) > 64 || strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r))
	}) {
		return fmt.Errorf("destination %q: a name consists of up to 64 letters, digits, hyphens, dots and underscores", name)
	}
	return nil
}

func (u *durable) setKeys(texts []string) error {
	if len(texts) == 0 {
		return nil
	}
	keys := make([]string, len(texts))
	for i, t := range texts {
		k, err := secret.Resolve(t)
		if err != nil {
			return fmt.Errorf("encryption_key %d: %w", i+1, err)
		}
		keys[i] = k
	}
	ring, err := seal.ParseRing(keys...)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(strings.Join(keys, "\x00")))
	u.options.Keys, u.ringID = ring, hex.EncodeToString(sum[:])
	return nil
}

// tenantVars are the variables of a tenant for deliveries, and whether there is such a tenant. One whose routes do not
// deliver any longer still has those that stand in the tenant itself.
func (a *App) tenantVars(tenant string) (map[string]string, bool) {
	if vars, noted := a.run.vars[tenant]; noted {
		return vars, true
	}
	if t, known := a.Tenants[tenant]; known {
		return t.Vars, true
	}
	return a.run.live.vars(tenant)
}
