package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/store"
)

// live is what of a configuration in force comes from documents in the store, and changes while it is in force. Requests and
// attempts read it without a lock: a tenant's plans and a lane's terms are swapped as they are. A nil one has nothing.
type live struct {
	app *App

	tenants      sync.Map // name to *liveTenant
	destinations sync.Map // name, also TENANT/NAME, to *liveDestination
	faults       sync.Map // kind and name to TenantFault
	versions     sync.Map // kind and name, as [2]string, to the version that was brought into force, or was to be

	// behind tells that the store was away, so that it is not known what is in it.
	behind atomic.Bool

	// compiling is what is being worked out, for the code that does the same for the configuration.
	compiling atomic.Pointer[liveTenant]

	// mu is held while something is worked out or swapped.
	mu         sync.Mutex
	ended      bool
	trying     bool // what is being worked out is a draft, of which nothing is kept
	compilers  []*routeCompiler
	dispatcher *dispatcher
	snapshot   *delivery.Snapshot
	retired    map[*func()]bool // end what was swapped out
	failed     map[string]bool  // tenants whose documents could not be worked out when it was tried last
}

// livePlan is what a route does with the requests of a tenant.
type livePlan struct {
	plan   *gateway.Plan
	faulty bool
}

// liveDestination is a destination that came from a document.
type liveDestination struct {
	config  delivery.Config
	secrets *documentSecrets
	end     func() // nil for one of a tenant, which ends with it
}

func newLive(a *App) *live { return &live{app: a} }

// compiled is the tenant that is being compiled, if any is.
func (l *live) compiled() *liveTenant {
	if l == nil {
		return nil
	}
	return l.compiling.Load()
}

// claimed notes what the tenant that is being compiled owns on a route.
func (l *live) claimed(c *routeCompiler, keys []string) {
	if t := l.compiled(); t != nil {
		t.owned[c] = keys
	}
}

// logger is where warnings of what is being compiled go.
func (l *live) logger(log *zap.Logger) *zap.Logger {
	t := l.compiled()
	if t != nil && l.trying {
		log = zap.NewNop()
	}
	if t != nil {
		return t.warnings.beside(log)
	}
	return log
}

// goLive makes a route one whose tenants come and go.
func (c *routeCompiler) goLive(rt *gateway.Route) error {
	l := c.run.live
	if l == nil {
		return nil
	}
	if c.preset.Scheme != "" { // loaded now, since nothing is loaded into a configuration in force
		if _, err := c.run.presetVerifier(c.preset.Scheme); err != nil {
			return err
		}
	}
	l.compilers = append(l.compilers, c)
	rt.Live = func(ctx context.Context, tenant string) (*gateway.Plan, bool) {
		behind := l.behind.Load() // before it is looked for the tenant, which may come between the two
		v, ok := c.plans.Load(tenant)
		if !ok {
			select {
			case <-c.run.started:
				return nil, behind
			default:
			}
			if c.run.ready(ctx) == nil {
				return nil, true
			}
			behind = l.behind.Load()
			if v, ok = c.plans.Load(tenant); !ok {
				return nil, behind
			}
		}
		p := v.(*livePlan)
		return p.plan, p.faulty
	}
	return nil
}

// load puts what is in force in the store into a configuration that starts, before it delivers. done is called when it does;
// until then nothing is changed.
func (l *live) load(d *dispatcher, snapshot *delivery.Snapshot) (done func(), err error) {
	if l == nil {
		return func() {}, nil
	}
	// Whatever is published from now on waits for this.
	l.mu.Lock()
	d.mu.Lock()
	d.lives = append(d.lives, l)
	d.mu.Unlock()
	l.dispatcher, l.snapshot = d, snapshot
	given := make(map[string]delivery.Config, len(snapshot.Destinations))
	for name, c := range snapshot.Destinations {
		given[name] = c
	}
	before := d.live()
	var refused []error
	err = d.store.DocumentsInForce(context.Background(), func(doc *store.Document, err error) error {
		if err := l.loadOne(given, doc, err, before); err != nil {
			refused = append(refused, err)
		}
		if len(refused) == mostRefused {
			return errTooMany
		}
		return nil
	})
	switch {
	case len(refused) > 0:
		if errors.Is(err, errTooMany) {
			refused = append(refused, err)
		}
		err = fmt.Errorf("the configuration and what lives in the store do not go together; the one before stays in force, with these as they were: mend them or the configuration\n%w", errors.Join(refused...))
	case err != nil && d.mayStart(err):
		l.behind.Store(true)
		d.lookForDocuments()
		err = nil
	}
	if err != nil {
		l.mu.Unlock()
		l.end()
		return nil, err
	}
	snapshot.Destinations = given
	return l.mu.Unlock, nil
}

// mostRefused is how many documents are told of that a configuration is refused for.
const mostRefused = 20

var errTooMany = errors.New("and there may be more")

// has reports whether what a document says is in force.
func (l *live) has(kind, name string) bool {
	if l == nil {
		return false
	}
	if kind == kindTenant {
		return l.tenantNamed(name) != nil
	}
	return l.hasDestination(name)
}

// loadOne puts one document into a configuration that starts. Its mistake takes only itself out where that is tolerated: when
// the process starts, and where it is out already. One that is in force with the configuration before goes on as it is: its
// calls would be refused otherwise, for a change of something else, and the new configuration is refused in its place.
func (l *live) loadOne(given map[string]delivery.Config, doc *store.Document, err error, before *live) error {
	in := l.app.run
	l.versions.Store([2]string{doc.Kind, doc.Name}, doc.Version)
	if where := l.taken(doc.Kind, doc.Name); where != "" {
		in.logger.Warn("a document is not in force, because the configuration has its name",
			zap.String("kind", doc.Kind), zap.String("name", doc.Name), zap.String("where", where))
		return nil
	}
	var ready *compiled
	if err == nil {
		ready, err = l.compile(doc)
	}
	if err == nil {
		for name, d := range ready.destinations {
			given[name] = d.config
		}
		l.put(ready)
		return nil
	}
	if !in.tolerant && before.has(doc.Kind, doc.Name) {
		return err
	}
	in.logger.Error("a document in the store has a mistake and is left out; publish it anew", zap.String("kind", doc.Kind),
		zap.String("name", doc.Name), zap.Error(err))
	l.noteFailure(doc.Kind, doc.Name, err)
	return nil
}

// noteFailure notes that a document could not be worked out. Where none of its tenant is in force, its requests are answered
// with 503 and not with 404.
func (l *live) noteFailure(kind, name string, err error) {
	if kind != kindTenant {
		return
	}
	if l.failed == nil {
		l.failed = make(map[string]bool)
	}
	l.failed[name] = true
	if l.tenantNamed(name) != nil {
		return
	}
	l.faults.Store(name, TenantFault{Tenant: name, File: "the store", Err: err})
	for _, c := range l.compilers {
		c.plans.Store(name, &livePlan{faulty: true})
	}
}

// taken says where the configuration has a name; empty if it does not.
func (l *live) taken(kind, name string) string {
	a := l.app
	switch {
	case kind == kindDestination && a.Destinations[name] != nil:
		return "destination " + name + " in the configuration"
	case kind == kindTenant && a.run.files[name] != nil:
		return a.run.files[name].path
	case kind == kindTenant && (a.Tenants[name] != nil || a.run.out[name]):
		return "tenant " + name + " in the configuration"
	}
	return ""
}

// Apply implements manage.Follower: it brings into force what the store says of a document now, another version or none.
// Everything else is as before, but for tenants that could not be worked out and may have waited for this destination.
func (l *live) Apply(ctx context.Context, kind, name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return nil
	}
	err := l.bring(ctx, kind, name)
	if err == nil && kind == kindDestination {
		for _, tenant := range slices.Sorted(maps.Keys(l.failed)) {
			_ = l.bring(ctx, kindTenant, tenant) // what is wrong with it has been told
		}
	}
	return err
}

// bring brings one document into force. The caller holds the lock.
func (l *live) bring(ctx context.Context, kind, name string) error {
	key := [2]string{kind, name}
	doc, err := l.dispatcher.store.DocumentInForce(ctx, kind, name)
	switch {
	case err == nil:
		l.versions.Store(key, doc.Version)
	case errors.Is(err, store.ErrNotFound):
		l.versions.Delete(key)
	}
	if l.taken(kind, name) != "" {
		return nil
	}
	if errors.Is(err, store.ErrNotFound) {
		l.swap(&compiled{kind: kind, name: name})
		return nil
	}
	if err != nil && (errors.Is(err, store.ErrUnavailable) || ctx.Err() != nil) {
		return err // and it is tried again
	}
	var ready *compiled
	if err == nil {
		ready, err = l.compile(doc)
	}
	if err != nil {
		l.noteFailure(kind, name, err)
		return err
	}
	l.swap(ready)
	return nil
}

// end keeps anything from being worked out any more.
func (l *live) end() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended = true; l.dispatcher == nil {
		return
	}
	d := l.dispatcher
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lives = slices.DeleteFunc(d.lives, func(other *live) bool { return other == l })
}

// release lets go of what modules hold, after the last attempt.
func (l *live) release() {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for end := range l.retired {
		(*end)()
	}
	l.retired = nil
	l.tenants.Range(func(_, v any) bool {
		v.(*liveTenant).end()
		return true
	})
	l.destinations.Range(func(_, v any) bool {
		if d := v.(*liveDestination); d.end != nil {
			d.end()
		}
		return true
	})
}
