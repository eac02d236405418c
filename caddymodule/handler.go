package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/ratelimit"
	"github.com/callgate/callgate/internal/source"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler lets in the webhooks of one source: what is authentic, once, at a rate that the receiver can bear. It stands
// before the handler that answers them, usually reverse_proxy, and hands requests on byte for byte.
//
// In this order, which is a security property, it bounds requests by address, finds the tenant, reads the body up to
// a bound, verifies the signature, applies the tenant's rate limit, reads the call, requires fields, and reserves the
// event's id; then, with the circuit breaker closed, the next handler runs, and its answer is remembered for copies
// of the event.
//
// Requests that it refuses are answered with JSON, {"error":{"code","message"},"request_id"}. What the next handler
// answers, errors included, is left as it is; if no handler of the route answers, that is an error, 502.
//
// The handler defines these placeholders:
//
// Placeholder | Description
// ------------|------------
// `{callgate.tenant}` | The tenant's name
// `{callgate.source}` | The source's name
// `{callgate.route}` | The route's name
// `{callgate.event_id}` | What tells the event from others
// `{callgate.event_type}` | The provider's name for the event, such as call_ended
// `{callgate.outcome}` | What became of the request: forwarded, replayed, upstream_failed or the code of the error
// `{callgate.form}` | The form of the body that the signature was made over, for schemes that know several
// `{callgate.vars.NAME}` | A variable of the tenant
// `{callgate.call.FIELD}` | A field of the call: caller_number, first_name, last_name, name, email, message, call_id, duration, urgent and so on, or params.NAME
//
// Except for the outcome and what the configuration says they are empty until the signature was verified.
//
// It sets X-Callgate-Tenant, X-Callgate-Source, X-Callgate-Event-Id and X-Callgate-Event-Type on what it hands on, and
// removes headers with this prefix from what comes in.
type Handler struct {
	// Source is the source that the requests come from: the name of one that the app callgate defines, or of a
	// preset.
	Source string `json:"source"`

	// Name tells the route from others in logs, metrics and idempotency keys, so it should not change. Default: the
	// name of the source.
	Name string `json:"name,omitempty"`

	// Tenant finds the tenant of a request: a placeholder such as {http.request.uri.path.1}, or a constant name.
	// Default: all requests are of one tenant without a name.
	Tenant string `json:"tenant,omitempty"`

	// AddressLimit bounds the requests of each client address before anything else is done with them. Trusted
	// proxies are looked through; IPv6 addresses count by their /64. Default: none.
	AddressLimit *RateLimit `json:"address_limit,omitempty"`

	// PassErrors hands refused requests to Caddy's error routes (handle_errors) instead of answering them. The
	// status and the code are there as {err.status_code} and {err.message}.
	PassErrors bool `json:"pass_errors,omitempty"`

	// Spool stores a request that the receiver fails to take (5xx, refused, timed out, breaker open), answers 200, and
	// sends it through the rest of the route again until the receiver takes it.
	Spool bool `json:"spool,omitempty"`

	// SpoolRetry is when a spooled request is sent again, as in a destination. Default: 0s 10s 30s 1m 5m, then
	// twice as long each time up to 1h, for 72h.
	SpoolRetry []caddy.Duration `json:"spool_retry,omitempty"`

	// Convert names the destination whose request for the call is handed on in place of the one that came: its
	// method, URI, headers and body. Where it goes is up to the next handler; matchers after this one see the new URI,
	// so that handler wants to stand with this one in a handle or route block.
	Convert string `json:"convert,omitempty"`

	Policy

	app          *App
	shared       *shared
	logger       *zap.Logger
	preset       source.Preset
	sourceConfig *Source
	counters     counters

	addressLimited bool
	addressLimit   ratelimit.Limit

	// plans are the tenants' plans by name; single is the plan where all requests are of one tenant.
	plans    map[string]*plan
	tenantOf tenantExpression
	single   *plan

	rest          caddyhttp.Handler // what comes after the route, for spooled requests
	spoolSchedule delivery.Schedule
	convertTo     func(context.Context, destination.Item) (*http.Request, error)

	parsers  map[string]source.Parser
	breakers map[breakerKey]*breaker.Breaker
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.callgate", New: func() caddy.Module { return new(Handler) }}
}

// Provision works out what each tenant's requests need.
func (h *Handler) Provision(ctx caddy.Context) error {
	app, err := ctx.App("callgate")
	if err != nil {
		return err
	}
	h.app = app.(*App)
	h.shared = h.app.shared
	h.logger = ctx.Logger()
	if h.Name == "" {
		h.Name = h.Source
	}
	if err := h.app.claimRoute(h.Name); err != nil {
		return err
	}
	if err := h.provision(ctx); err != nil {
		return fmt.Errorf("route %s: %w", h.Name, err)
	}
	return nil
}

func (h *Handler) provision(ctx caddy.Context) error {
	var err error
	if h.sourceConfig, err = h.app.source(h.Source); err != nil {
		return err
	}
	if h.preset, err = h.sourceConfig.preset(h.Source); err != nil {
		return err
	}
	if err := h.Policy.provision(ctx); err != nil {
		return err
	}
	h.warnOfLiteralSecrets(h.logger, "route", h.Name)
	h.counters = newCounters(h.Source)
	if h.AddressLimit != nil {
		if h.addressLimit, h.addressLimited, err = h.AddressLimit.limit(); err != nil {
			return fmt.Errorf("address_limit: %w", err)
		}
		if h.AddressLimit.BurstQueue != 0 {
			return errAddressQueue
		}
	}
	if err := h.provisionDelivery(); err != nil {
		return err
	}
	base := h.Policy.over(h.sourceConfig.Policy)
	switch {
	case h.Tenant == "":
		h.single, err = h.newPlan("", base)
		return err
	case !strings.Contains(h.Tenant, "{"):
		h.single, err = h.tenantPlan(h.Tenant, base)
		if err == nil && h.single == nil {
			err = fmt.Errorf("tenant %q is not known on source %s", h.Tenant, h.Source)
		}
		return err
	default:
		h.tenantOf = compileTenantExpression(h.Tenant)
		return h.allTenants(base)
	}
}

var errAddressQueue = errors.New("address_limit takes no burst_queue: what is over the limit is not stored")

// provisionDelivery settles what becomes of requests that are not simply handed on.
func (h *Handler) provisionDelivery() (err error) {
	if h.Convert != "" {
		if h.convertTo, err = h.app.converter(h.Convert); err != nil {
			return err
		}
	}
	if !h.Spool {
		if len(h.SpoolRetry) > 0 {
			return fmt.Errorf("spool_retry has no effect without spool")
		}
		return nil
	}
	if h.Convert != "" {
		return fmt.Errorf("spool and convert exclude each other; use deliver, which stores and converts")
	}
	if h.spoolSchedule, err = (&Destination{Retry: h.SpoolRetry}).schedule(); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	h.app.needed = true
	h.app.spools = append(h.app.spools, h)
	return nil
}

func (h *Handler) allTenants(base Policy) error {
	h.plans = make(map[string]*plan, len(h.app.Tenants))
	names := make([]string, 0, len(h.app.Tenants))
	for name := range h.app.Tenants {
		names = append(names, name)
	}
	slices.Sort(names) // so that of several errors always the same one is reported
	for _, name := range names {
		p, err := h.tenantPlan(name, base)
		if err != nil {
			return err
		}
		if p != nil {
			h.plans[name] = p
		}
	}
	if len(h.plans) == 0 {
		return fmt.Errorf("no tenant is known on source %s: define one with tenant or tenants in the global callgate option", h.Source)
	}
	return nil
}

// tenantPlan is the plan of a tenant, or nil if the tenant does not use the route's source.
func (h *Handler) tenantPlan(name string, base Policy) (*plan, error) {
	t, ok := h.app.Tenants[name]
	if !ok {
		return nil, nil
	}
	layers, ok := t.policies(h.Source)
	if !ok {
		return nil, nil
	}
	for _, l := range layers {
		base = l.over(base)
	}
	p, err := h.newPlan(name, base)
	if err != nil {
		return nil, fmt.Errorf("tenant %s: %w", name, err)
	}
	return p, nil
}

// Cleanup releases the breakers that Provision acquired, and only those: it is called after a failed Provision too.
func (h *Handler) Cleanup() error {
	for k := range h.breakers {
		if _, err := breakers.Delete(k); err != nil {
			return err
		}
	}
	h.breakers = nil
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
