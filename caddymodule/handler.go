package caddymodule

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/gateway"
)

func init() {
	caddy.RegisterModule(new(Handler))
}

// Handler lets in the webhooks of one source: what is authentic, once, at a rate that the receiver can bear. It stands
// before the handler that answers them, usually reverse_proxy, or hands requests on itself (forward), byte for byte.
//
// In this order, which is a security property, it bounds requests by address, finds the tenant, reads the body up to
// a bound, verifies the signature, applies the tenant's rate limit, reads the call, requires fields, and reserves the
// event's id; then, with the circuit breaker closed, the next handler runs, or forward's receiver is asked, and the answer
// is remembered for copies of the event.
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

	// HideTenants answers requests for a tenant that does not exist like those of one whose signature is wrong, with 403
	// signature_invalid, after as much work. Otherwise they are answered with 404, which tells a stranger who the tenants
	// are. It needs a tenant that is found in the request. Bodies are bounded and verified for the unknown as the route and
	// the source say, so tenants that have a verify, methods or max_body of their own can still be told apart.
	HideTenants bool `json:"hide_tenants,omitempty"`

	// AddressLimit bounds the requests of each client address before anything else is done with them. Trusted
	// proxies are looked through; IPv6 addresses count by their /64. Default: only requests that are refused before their
	// sender is known count, 10 a second with bursts of 100, of addresses that are not of private networks; an address
	// over it is answered with 503 until it has waited. "off" takes that away too. Behind a proxy or CDN with public
	// addresses name it in Caddy's trusted_proxies, or its clients count as one.
	AddressLimit *RateLimit `json:"address_limit,omitempty"`

	// PassErrors hands refused requests to Caddy's error routes (handle_errors) instead of answering them. The
	// status and the code are there as {err.status_code} and {err.message}.
	PassErrors bool `json:"pass_errors,omitempty"`

	// Spool stores a request that the receiver fails to take (5xx, refused, timed out, breaker open), answers 200, and
	// sends it through the rest of the route again until the receiver takes it. Requests whose sender waits for what the
	// answer says, as in a live call, are not spooled: they get the failure, for which such senders have a fallback.
	Spool bool `json:"spool,omitempty"`

	// SpoolRetry is when a spooled request is sent again, as in a destination. Default: 0s 10s 30s 1m 5m, then
	// twice as long each time up to 1h, for 72h.
	SpoolRetry []caddy.Duration `json:"spool_retry,omitempty"`

	// Forward is the receiver that requests are handed on to at once, in place of a next handler: its answer is the sender's.
	// On a route that delivers, it gets the events whose sender waits for what the answer says. It costs less than
	// reverse_proxy, and does what that does with one upstream and transport callgate. The address is HOST:PORT,
	// http://HOST:PORT, https://HOST, where the certificate is verified, or unix//PATH; {env.NAME} is resolved when the
	// configuration is loaded. For several receivers, health checks, other headers or paths use reverse_proxy. Default:
	// none, so that the next handler answers. What it does in another way:
	//
	//   - a request is sent once, also if it bears an Idempotency-Key: whether to send it again is for its sender or spool to say;
	//   - upgrades, Te, Trailer and Expect of a request stay here, and so do informational answers (1xx);
	//   - a small answer of unknown length may come to the sender with its length, in place of in chunks;
	//   - nothing after the route gets a request;
	//   - placeholders and metrics of reverse_proxy know nothing of it, and the gateway's do.
	Forward string `json:"forward,omitempty"`

	// Convert names the destination whose request for the call is handed on in place of the one that came: its
	// method, URI, headers and body. Where it goes is up to forward or the next handler; matchers after this one see the new
	// URI, so that handler wants to stand with this one in a handle or route block.
	Convert string `json:"convert,omitempty"`

	Policy

	route *gateway.Route
	live  *live
	// breakers are those that the route holds in the process's pool.
	breakers map[breakerKey]*breaker.Breaker
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.callgate", New: func() caddy.Module { return new(Handler) }}
}

// Provision works out what each tenant's requests need.
func (h *Handler) Provision(ctx caddy.Context) error {
	v, err := ctx.App("callgate")
	if err != nil {
		return err
	}
	app := v.(*App)
	if h.Name == "" {
		h.Name = h.Source
	}
	if err := app.run.claimRoute(h); err != nil {
		return err
	}
	app.run.checkSites(ctx)
	if err := CheckUnits(h, ctx.Logger()); err != nil {
		return fmt.Errorf("route %s: %w", h.Name, err)
	}
	c := &routeCompiler{app: app, run: app.run, h: h, logger: ctx.Logger()}
	if h.route, err = c.compile(ctx); err != nil {
		return fmt.Errorf("route %s: %w", h.Name, err)
	}
	h.live = app.run.live
	return app.checkLastRoute(ctx)
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	rq := h.route.NewRequest(r)
	replacerOf(r).Map(rq.Placeholder)
	err := rq.Serve(w, next)
	if own, ok := errors.AsType[*gateway.Error](err); ok {
		return caddyhttp.Error(own.Status, own.Err)
	}
	return err
}

// Cleanup releases the breakers that Provision acquired, and only those: it is called after a failed Provision too.
func (h *Handler) Cleanup() error {
	h.live.end() // nothing is compiled for it any more
	if h.route != nil && h.route.Receiver != nil {
		h.route.Receiver.CloseIdle()
	}
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
