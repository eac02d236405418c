// Package ready is the handler callgate_ready, which tells a load balancer whether it should send calls here.
package ready

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/internal/operate"
)

func init() {
	caddy.RegisterModule(new(Handler))
	httpcaddyfile.RegisterHandlerDirective("callgate_ready", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		handler := new(Handler)
		return handler, handler.UnmarshalCaddyfile(h.Dispenser)
	})
	httpcaddyfile.RegisterDirectiveOrder("callgate_ready", httpcaddyfile.Before, "respond")
}

// Handler answers 200 {"ready":true} while calls should be sent to this gateway, and 503 otherwise: when the process is
// about to end, when its store cannot write, or when there is no room for an event. It says no more to whoever asks; the
// reason is at /callgate/ready of the admin endpoint. Each request costs the store a small write, which
// requests at the same time share.
//
// When the process ends, Caddy closes its listeners at once unless the global option shutdown_delay gives load balancers
// the time to notice; that is when it answers 503 first.
type Handler struct {
	// MaxQueueAge is how long the oldest delivery may wait. Default: as long as it takes, because a gateway whose
	// receivers are down is there to take calls for them.
	MaxQueueAge caddy.Duration `json:"max_queue_age,omitempty"`

	app *caddymodule.App
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.callgate_ready", New: func() caddy.Module { return new(Handler) }}
}

// Provision finds the app.
func (h *Handler) Provision(ctx caddy.Context) error {
	app, err := ctx.App("callgate")
	if err != nil {
		return err
	}
	h.app = app.(*caddymodule.App)
	return caddymodule.CheckUnits(h, ctx.Logger())
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	actor := operate.Actor{Via: "callgate_ready", May: func(c operate.Capability) bool { return c == operate.View }}
	var in operate.ReadyInput
	if h.MaxQueueAge > 0 {
		in.MaxQueueAge = time.Duration(h.MaxQueueAge).String()
	}
	state, err := h.app.Ready().Ready(r.Context(), actor, in)
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	body, err := json.Marshal(struct {
		Ready bool `json:"ready"`
	}{state.Ready})
	if err != nil {
		return caddyhttp.Error(http.StatusInternalServerError, err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !state.Ready {
		w.Header().Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, err = w.Write(append(body, '\n'))
	return err
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	callgate_ready [<matcher>] {
//		max_queue_age <duration>
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the directive's name
	if d.NextArg() {
		return d.ArgErr()
	}
	seen := make(grammar.Once)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if err := seen.First(d); err != nil {
			return err
		}
		var err error
		switch d.Val() {
		case "max_queue_age":
			h.MaxQueueAge, err = grammar.Duration(d)
		default:
			err = d.Errf("unrecognized subdirective '%s'", d.Val())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddyfile.Unmarshaler       = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
