package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/alert"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/gateway"
)

// instance is a configuration of the app at run time: what it was compiled into, and what it holds of the process's state.
type instance struct {
	// findBy are the fields by which events are found, by their names.
	findBy sync.Map

	ctx      caddy.Context
	config   []byte // a hash of the app as it was loaded
	logger   *zap.Logger
	shared   *shared
	detach   []func()
	stopping stopping
	// http is the app that the routes are in while it is provisioned, when nobody can ask for it; nil afterwards.
	http *caddyhttp.App
	// routes are the handlers of each route, by its name.
	routes map[string][]claim

	// tolerant leaves out tenants whose files have a mistake; faults are those, and out the names that are known on no
	// route. files are the files by the names of their tenants.
	tolerant bool
	faults   []TenantFault
	out      map[string]bool
	files    map[string]*tenantFile

	// sitesChecked says that the sites of the HTTP app were looked at, and unanswered has the routes after which no handler
	// could answer.
	sitesChecked bool
	// maySetAny says that some handler or matcher of them might set a placeholder of any name, as Caddy's map does.
	maySetAny  bool
	unanswered map[string]bool
	// advice are the first of the warnings about sites and routes that were logged, for who asks for them; it has its lock, since
	// tenants that come later are warned of too.
	advising sync.Mutex
	advice   []string

	// presetVerifiers are those of the presets' schemes, as far as a route uses them.
	presetVerifiers map[string]guest.Verifier

	// missing are the errors of secrets that were left out, each told once: a source's is the same for all tenants.
	missing map[string]bool

	// largest is the largest bound of bodies of all routes, and largestAt the route that it is of.
	largest   int64
	largestAt string

	// live is what came from the store and can change while the configuration is in force; nil where nothing can.
	live *live

	// recordFirst has the audit log's record_first, whatever the block audit says.
	recordFirst bool

	rotations rotations
	durable   durable
	// needed says that a route delivers or spools, so that the store has to be open.
	needed bool
	spools []*spooling
	// tokens is a scheme of some route whose requests carry a static token; empty if there is none.
	tokens string
	// vars are the variables of each tenant, of all its routes.
	vars       map[string]map[string]string
	dispatcher atomic.Pointer[dispatcher]
	// traced says that a site with a route of the gateway has Caddy's tracing, and tracing is what then makes the spans of
	// attempts.
	traced  bool
	tracing *tracer
	holds   bool // a reference to the dispatcher that cleanup has to release
	started chan struct{}
}

func newInstance(ctx caddy.Context) *instance {
	return &instance{
		ctx: ctx, logger: ctx.Logger(), started: make(chan struct{}),
		routes: make(map[string][]claim), vars: make(map[string]map[string]string),
		unanswered: make(map[string]bool), tolerant: startsAfresh(), out: make(map[string]bool), files: make(map[string]*tenantFile),
	}
}

// advise warns of something about a site or a route that is probably a mistake.
func (in *instance) advise(warning string, where ...zap.Field) {
	in.logger.Warn(warning, where...)
	fields := zapcore.NewMapObjectEncoder()
	for _, f := range where {
		f.AddTo(fields)
	}
	for _, name := range namesOf(fields.Fields) {
		warning += fmt.Sprintf("; %s: %v", name, fields.Fields[name])
	}
	in.advising.Lock()
	defer in.advising.Unlock()
	if len(in.advice) < maxAdvice {
		in.advice = append(in.advice, warning)
	}
}

// maxAdvice bounds what is kept of warnings.
const maxAdvice = 1000

// claimRoute makes sure that routes of one name are one route: names tell their idempotency keys and breakers apart. A site
// with several addresses has its routes in several servers.
func (in *instance) claimRoute(h *Handler) error {
	config, err := json.Marshal(h)
	if err != nil {
		return err
	}
	same := in.routes[h.Name]
	if len(same) > 0 && same[0].config != string(config) {
		return fmt.Errorf("two callgate routes that differ are named %q; give one of them another name", h.Name)
	}
	in.routes[h.Name] = append(same, claim{h, string(config)})
	return nil
}

// warnOfTokensInLogs tells of logs that would show tokens. Caddy writes the headers of a request into its error log too,
// which is always on.
func (in *instance) warnOfTokensInLogs(redacted bool) {
	if in.tokens != "" && !redacted {
		in.logger.Warn("the logs of this configuration show the tokens of requests to whoever reads them; "+
			"write `format callgate` in the global option log and in each site's log", zap.String("scheme", in.tokens))
	}
}

// claim is a handler that stands for a route, with its configuration.
type claim struct {
	handler *Handler
	config  string
}

// cleanup takes the configuration out of force. Until then it delivers, also while the servers of a process that ends
// finish their requests.
func (in *instance) cleanup() error {
	for _, detach := range in.detach {
		detach()
	}
	in.detach = nil
	in.live.end()
	var err error
	if d := in.dispatcher.Load(); d != nil && in.holds {
		in.holds = false
		d.drain(&in.stopping)
		_, err = dispatchers.Delete(d.key)
	}
	in.live.release()
	if in.tracing != nil { // after the last attempt, so that its span is sent too
		err = errors.Join(err, in.tracing.Cleanup())
		in.tracing = nil
	}
	if in.shared == nil {
		return err
	}
	in.shared = nil
	return errors.Join(err, releaseShared())
}

// startWait is how long a request waits for a configuration that is just starting: Caddy may serve before the app has
// opened its store.
const startWait = 5 * time.Second

// ready is the open store; nil if there is none after a while.
func (in *instance) ready(ctx context.Context) *dispatcher {
	select {
	case <-in.started:
		return in.dispatcher.Load()
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, startWait)
	defer cancel()
	select {
	case <-in.started:
	case <-ctx.Done():
	}
	return in.dispatcher.Load()
}

// noteVars keeps the variables that a tenant has on a route for deliveries, which do not know the route any more. Where
// routes differ in a variable, that of the last one counts.
func (in *instance) noteVars(tenant string, vars map[string]string) {
	if len(vars) == 0 {
		return
	}
	if t := in.live.compiled(); t != nil {
		maps.Copy(t.vars, vars)
		return
	}
	if in.vars[tenant] == nil {
		in.vars[tenant] = make(map[string]string)
	}
	maps.Copy(in.vars[tenant], vars)
}

// startDelivery opens the store and begins to deliver, if any route needs it or the configuration wants it.
func (in *instance) startDelivery(wanted bool) error {
	defer close(in.started)
	if err := in.checkTwins(); err != nil {
		return err
	}
	if !in.needed && !wanted {
		return nil // a gateway that only stands before a receiver keeps nothing
	}
	snapshot := *in.durable.snapshot
	if err := in.resumeSpools(&snapshot); err != nil {
		return err
	}
	if err := in.startTracing(&snapshot); err != nil {
		return err
	}
	in.durable.notify, in.durable.configHash = in.emitAlert, in.hashConfig()
	d, detach, err := in.durable.start(&snapshot, in.logger, func(d *dispatcher) (func(), error) { return in.live.load(d, &snapshot) })
	if err != nil {
		return err
	}
	in.dispatcher.Store(d)
	in.holds = true
	in.detach = append(in.detach, detach)
	in.warnStranded(d.engine)
	return nil
}

// warnStranded tells of what waits for a destination or tenant that this configuration does not know.
func (in *instance) warnStranded(e *delivery.Engine) {
	list, err := e.Stranded(in.ctx)
	if err != nil {
		in.logger.Warn("the store could not tell whether deliveries wait for names that are gone", zap.Error(err))
	}
	for _, s := range list {
		in.logger.Warn("deliveries wait for a name that the configuration does not know; they are kept until it does, or they are cancelled or erased",
			zap.String("reason", s.Reason), zap.String("destination", s.Destination), zap.String("tenant", s.Tenant), zap.Int64("deliveries", s.Pending))
	}
}

// emitAlert tells Caddy's event handlers. Events are handled synchronously, so it does not wait for them.
func (in *instance) emitAlert(al alert.Alert) {
	app, err := in.ctx.AppIfConfigured("events")
	if err != nil {
		return // nobody listens
	}
	events, ok := app.(*caddyevents.App)
	if !ok {
		return
	}
	go events.Emit(in.ctx, "callgate_alert", map[string]any{
		"alert": string(al.Alert), "state": string(al.State), "destination": al.Destination,
		"value": al.Value, "threshold": al.Threshold, "text": al.Text,
	})
}

// storeFor is what routes store into.
func (in *instance) storeFor(ctx context.Context) gateway.Store {
	if d := in.ready(ctx); d != nil {
		return d
	}
	return nil // and not a *dispatcher that is nil
}
