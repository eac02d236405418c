package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/alert"
	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// dispatchers hold the stores that are open, by their keys. Two configurations that use one store, the old and the new
// one in a reload, share its dispatcher.
var dispatchers = caddy.NewUsagePool()

// dispatcher is an open store with the engine that delivers from it.
type dispatcher struct {
	key    string
	store  store.Store
	engine *delivery.Engine
	logger *zap.Logger
	// alerts watches the deliveries by the thresholds of the configuration in force.
	alerts atomic.Pointer[alert.Monitor]
	// operate is what operators see of it and do with it.
	operate *operate.Service
	meter   *operate.Meter
	// auditor keeps the audit log; nil if none is kept. loaded tells that a configuration was in force before.
	auditor atomic.Pointer[auditor.Auditor]
	loaded  atomic.Bool
	// audited is what it was last told of the audit log.
	audited atomic.Pointer[Audit]
	// documents are the tenants and destinations that live in the store.
	documents *manage.Service
	// keys is the ring that the store was opened with, for the hashes of callers' numbers.
	keys *seal.Ring
	// ringID tells a configuration with other keys apart.
	ringID string

	// perTenant is whether the configuration in force has metrics of each tenant.
	perTenant atomic.Bool

	// follower follows other gateways; nil where the store is not shared. unaudited counts the configurations that wait for
	// the audit log.
	follower  atomic.Pointer[follower]
	unaudited atomic.Int64

	// until is when the process has to have ended; nil if there is no such time.
	until atomic.Pointer[time.Time]

	mu sync.Mutex
	// inForce are the configurations that use the store; the last one's settings are the store's.
	inForce []*durable
	// lives are what changes while the configurations are in force, also of one that is just starting.
	lives []*live
}

// durable is what a configuration says about storing and delivering, worked out when it is loaded.
type durable struct {
	module   guest.Store
	options  guest.StoreOptions
	ringID   string
	drain    time.Duration
	snapshot *delivery.Snapshot
	alerts   alert.Settings
	notify   func(alert.Alert)
	names    func() operate.Names
	live     *live           // nil where nothing is managed
	faulty   func() []string // the tenants that it runs without
	// audit is what it says of the audit log, nil if it keeps none, and configHash what it is known by there.
	audit      *Audit
	configHash string
	// scene finds what a payload is previewed with.
	scene func(*operate.PreviewInput) (*operate.Scene, error)
	// perTenant is whether there are metrics of each tenant.
	perTenant bool
	rotations *rotations
	// settings are those of a destination, masked.
	settings func(destination string) operate.Settings
}

// start opens the store, unless it is open, and puts the configuration in force.
// prepare is called between the two, and done when it is in force.
func (u *durable) start(snapshot *delivery.Snapshot, logger *zap.Logger, prepare func(*dispatcher) (done func(), err error)) (d *dispatcher, detach func(), err error) {
	key := u.module.StoreKey()
	v, _, err := dispatchers.LoadOrNew(key, func() (caddy.Destructor, error) { return u.open(key, logger) })
	if err != nil {
		return nil, nil, fmt.Errorf("store: %w", err)
	}
	d = v.(*dispatcher)
	if d.ringID != u.ringID {
		_, _ = dispatchers.Delete(key)
		return nil, nil, errors.New("store: encryption keys change with a restart and not with a reload, because the store is open; restart, and use callgate rekey to seal what is stored with the new key")
	}
	if c, ok := u.module.(guest.StoreChecker); ok {
		if err := c.CheckStore(d.store, u.options); err != nil {
			_, closing := dispatchers.Delete(key)
			return nil, nil, errors.Join(fmt.Errorf("store: %w", err), closing)
		}
	}
	missing := d.startAudit(u)
	if missing != nil && !d.mayStart(missing) {
		_, closing := dispatchers.Delete(key)
		return nil, nil, errors.Join(missing, closing)
	}
	prepared, err := prepare(d)
	if err != nil {
		d.refused(u, "what lives in the store could not be put into force with it")
		_, _ = dispatchers.Delete(key)
		return nil, nil, err
	}
	defer prepared()
	d.tune(func(in []*durable) []*durable { return append(in, u) })
	detachEngine := d.begin(u, snapshot, missing)
	d.divideLimits()
	monitor := alert.New(u.alerts, alert.Options{Transport: http.DefaultTransport, Notify: u.notify, Log: logger})
	before := d.alerts.Swap(monitor)
	if before != nil {
		monitor.TakeOver(before)
	}
	return d, func() {
		detachEngine()
		if d.isLast(u) {
			d.refused(u, "a part of it could not be started; the configuration before is in force again")
		}
		d.tune(func(in []*durable) []*durable { return slices.DeleteFunc(in, func(v *durable) bool { return v == u }) })
		d.divideLimits()
		if d.alerts.CompareAndSwap(monitor, before) && before != nil {
			before.TakeOver(monitor)
		}
		monitor.Close()
	}, nil
}

// isLast reports whether a configuration is the last one that came into force, and others are in force beside it. When it goes
// then, it failed: one that gives way does so to a later one, and at the end of the process there is only one.
func (d *dispatcher) isLast(u *durable) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.inForce) > 1 && d.inForce[len(d.inForce)-1] == u
}

// tune changes which configurations are in force, and has the store take over the settings of the last one: also those of
// the one before, if a configuration could not be started.
func (d *dispatcher) tune(change func([]*durable) []*durable) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inForce = change(d.inForce); len(d.inForce) == 0 {
		return
	}
	u := d.inForce[len(d.inForce)-1]
	d.perTenant.Store(u.perTenant)
	d.tuneAudit(u)
	if t, ok := u.module.(guest.StoreTuner); ok {
		t.TuneStore(d.store, u.options)
	}
}

// names are those of the configuration in force.
func (d *dispatcher) names() operate.Names {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.inForce) == 0 {
		return operate.Names{}
	}
	return d.inForce[len(d.inForce)-1].names()
}

// faulty are the tenants that the configuration in force runs without.
func (d *dispatcher) faulty() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.inForce) == 0 {
		return nil
	}
	return d.inForce[len(d.inForce)-1].faulty()
}

// scene is what the configuration in force previews a payload with.
func (d *dispatcher) scene(in *operate.PreviewInput) (*operate.Scene, error) {
	d.mu.Lock()
	var u *durable
	if len(d.inForce) > 0 {
		u = d.inForce[len(d.inForce)-1]
	}
	d.mu.Unlock()
	if u == nil {
		return nil, errors.New("no configuration is in force; it is just being loaded or stopped")
	}
	return u.scene(in)
}

// settings are those of a destination of the configuration in force, masked.
func (d *dispatcher) settings(destination string) operate.Settings {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.inForce) == 0 {
		return operate.Settings{}
	}
	return d.inForce[len(d.inForce)-1].settings(destination)
}

// reach are the destinations to which calls of a tenant may go by the configuration in force.
func (d *dispatcher) reach(tenant string) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.inForce) == 0 {
		return nil
	}
	return d.inForce[len(d.inForce)-1].rotations.reach(tenant)
}

// rotations are those of the configuration in force.
func (d *dispatcher) rotations() operate.RotationList {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.inForce) == 0 {
		return new(rotations).list()
	}
	return d.inForce[len(d.inForce)-1].rotations.list()
}

func (u *durable) open(key string, logger *zap.Logger) (*dispatcher, error) {
	s, err := u.openStore()
	if err != nil {
		return nil, err
	}
	warnOfStoreBefore(key, logger)
	d := &dispatcher{key: key, store: s, logger: logger, keys: u.options.Keys, ringID: u.ringID}
	d.meter = operate.NewMeter(context.Background(), s, nil)
	d.engine = delivery.New(delivery.Options{
		Store: s, Log: logger, Observer: &observer{d: d}, DrainTimeout: u.drain, Keys: u.options.Keys, Name: gatewayName(u.module), Version: version(),
	})
	d.documents = manage.New(manage.Options{Store: s, Gateway: d.manages, Fingerprint: d.fingerprint})
	d.operate = operate.New(operate.Options{
		Store: s, Engine: d.engine, Log: logger, Keys: u.options.Keys,
		Names:        d.names,
		Auditor:      d.auditor.Load,
		Record:       d.recordOperation,
		Faulty:       d.faulty,
		Scene:        d.scene,
		Rotations:    d.rotations,
		Reach:        d.reach,
		Settings:     d.settings,
		Meter:        d.meter,
		Documents:    d.documents,
		Drafts:       d.drafts,
		Stopping:     caddy.Exiting,
		Unready:      d.unready,
		FieldHashes:  u.options.Keys.FieldHashes,
		CallerHashes: func(number string) []string { return operate.CallerHashes(u.options.Keys, number) },
	})
	d.follow()
	return d, nil
}

// drain bounds the end of the deliveries under way by what is left of the time for stopping.
func (d *dispatcher) drain(s *stopping) {
	left, limited := s.left()
	if !limited || !caddy.Exiting() {
		return
	}
	until := time.Now().Add(left)
	d.until.Store(&until)
}

// Destruct implements caddy.Destructor. It is called when the last configuration that uses the store is gone; on exit,
// that is after the servers have finished their requests.
func (d *dispatcher) Destruct() error {
	ctx := context.Background()
	if until := d.until.Load(); until != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, *until)
		defer cancel()
	}
	d.unfollow()
	err := d.engine.Close(ctx)
	cut := err != nil
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil // what was under way is given back, and was told
	}
	d.warnOfWaiting()
	return errors.Join(err, d.stopAudit(ctx, !cut), d.store.Close())
}

// AcceptAll implements gateway.Store.
func (d *dispatcher) AcceptAll(ctx context.Context, events []*store.Event, destinations [][]string) ([]store.Accepted, error) {
	if d.unaudited.Load() > 0 {
		return nil, unaudited(store.ErrUnavailable)
	}
	return d.engine.AcceptAll(ctx, events, destinations)
}

// Event implements gateway.Store.
func (d *dispatcher) Event(ctx context.Context, id string) (*store.Event, error) {
	return d.store.Event(ctx, id)
}

// FieldHash implements gateway.Store. Without keys there is none; see routeCompiler.setStored.
func (d *dispatcher) FieldHash(name, value string) (hash store.Subject, ok bool) {
	if d.keys == nil {
		return hash, false
	}
	return d.keys.FieldHash(name, value), true
}

// CallerHash implements gateway.Store: it finds a caller's events without their number standing in the clear. Without keys
// there is nothing to hide the number with, and nothing that hides the rest of the call either.
func (d *dispatcher) CallerHash(number string) string {
	if number == "" {
		return ""
	}
	if d.keys == nil {
		return number
	}
	return d.keys.CallerHash(number)
}
