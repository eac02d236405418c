package caddymodule

import (
	"encoding/json"
	"maps"
	"net"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/callgate/callgate/internal/outbound"
)

// checkLastRoute is checkRequired for a configuration that is validated only, which is not started: no app is told when all
// of them are provisioned. So the last route of the gateway looks, when all others are, at what there is of sites by then:
// what comes after it stands there as JSON. What cannot be seen so is found out at the start.
func (a *App) checkLastRoute(ctx caddy.Context) error {
	parents := ctx.Modules()
	if a.Require != requireHIPAA || len(parents) == 0 {
		return nil
	}
	app, ok := parents[0].(*caddyhttp.App)
	if !ok {
		return nil
	}
	left := 0
	count := func(routes caddyhttp.RouteList) { outlineOf(routes).eachRoute(false, func(string, bool) { left++ }) }
	for _, s := range app.Servers {
		count(s.Routes)
		if s.Errors != nil {
			count(s.Errors.Routes)
		}
		for _, r := range s.NamedRoutes {
			count(caddyhttp.RouteList{*r})
		}
	}
	for _, claims := range a.run.routes {
		left -= len(claims)
	}
	if left > 0 {
		return nil
	}
	a.run.http = app
	defer func() { a.run.http = nil }()
	return a.checkRequired()
}

// plainSites are the servers and receivers of the gateway's routes that speak plain HTTP with other machines, each with what to
// write. All handlers are provisioned.
func (in *instance) plainSites() (missing []string) {
	app := in.httpApp()
	if app == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		s := app.Servers[name]
		if !outlineOf(s.Routes).has("callgate") {
			continue
		}
		if listen, err := PlainListener(app, s); err != nil {
			missing = append(missing, err.Error())
		} else if listen != "" {
			missing = append(missing, "at "+listen+" calls come in over plain HTTP; give the site a name for which Caddy has a certificate (hooks.example.com), or tls internal, or bind 127.0.0.1 or a unix socket where a TLS proxy stands before it")
		}
		missing = append(missing, plainReceivers(s.Routes)...)
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// directly reports whether the route has a handler of the gateway beside others, rather than in a subroute.
func directly(r caddyhttp.Route) bool {
	return slices.ContainsFunc(outlineOf(caddyhttp.RouteList{r})[0].handlers, func(h handlerOutline) bool { return h.name == "callgate" })
}

// plainReceivers looks at the sites that have a route of the gateway: any handler there may get its requests.
func plainReceivers(routes caddyhttp.RouteList) (missing []string) {
	direct := slices.ContainsFunc(routes, directly)
	for _, r := range routes {
		if direct || outlineOf(caddyhttp.RouteList{r}).has("callgate") {
			missing = append(missing, plainProxies(r.Handlers)...)
			missing = append(missing, plainProxiesIn(r.HandlersRaw)...)
		}
	}
	return missing
}

// withoutTLS is what to write for a receiver to which there is none.
const withoutTLS = " has no TLS; write https:// before its name, or have it at 127.0.0.1 or a unix socket"

// plainProxiesIn reads handlers that are not provisioned yet. A transport that it does not know passes.
func plainProxiesIn(handlers []json.RawMessage) (missing []string) {
	for _, raw := range handlers {
		var h struct {
			Handler   string              `json:"handler"`
			Forward   string              `json:"forward"`
			Routes    caddyhttp.RouteList `json:"routes"`
			Transport struct {
				Protocol string          `json:"protocol"`
				TLS      json.RawMessage `json:"tls"`
			} `json:"transport"`
			Dynamic   json.RawMessage `json:"dynamic_upstreams"`
			Upstreams []struct {
				Dial string `json:"dial"`
			} `json:"upstreams"`
		}
		if json.Unmarshal(raw, &h) != nil {
			continue
		}
		switch {
		case h.Handler == "subroute":
			for _, r := range h.Routes {
				missing = append(missing, plainProxiesIn(r.HandlersRaw)...)
			}
		case h.Handler == "callgate":
			missing = append(missing, plainForward(h.Forward)...)
		case h.Handler == "reverse_proxy" && h.Transport.TLS == nil && (h.Transport.Protocol == "" || h.Transport.Protocol == "http"):
			if h.Dynamic != nil {
				missing = append(missing, "reverse_proxy to receivers that are found as it runs"+withoutTLS)
			}
			for _, u := range h.Upstreams {
				if !staysHere(u.Dial) {
					missing = append(missing, "reverse_proxy to "+u.Dial+withoutTLS)
				}
			}
		}
	}
	return missing
}

func plainProxies(handlers []caddyhttp.MiddlewareHandler) (missing []string) {
	for _, h := range handlers {
		switch h := h.(type) {
		case *caddyhttp.Subroute:
			for _, r := range h.Routes {
				missing = append(missing, plainProxies(r.Handlers)...)
			}
		case *Handler:
			missing = append(missing, plainForward(h.Forward)...)
		case *reverseproxy.Handler:
			if t, ok := h.Transport.(reverseproxy.TLSTransport); ok && t.TLSEnabled() {
				continue
			}
			if h.DynamicUpstreams != nil {
				missing = append(missing, "reverse_proxy to receivers that are found as it runs"+withoutTLS)
			}
			for _, u := range h.Upstreams {
				if !staysHere(u.Dial) {
					missing = append(missing, "reverse_proxy to "+u.Dial+withoutTLS)
				}
			}
		}
	}
	return missing
}

// staysHere reports whether an address to dial is of this machine.
func staysHere(dial string) bool {
	network, host, _, err := caddy.SplitNetworkAddress(dial)
	if err != nil {
		return false
	}
	if caddy.IsUnixNetwork(network) {
		return true
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return outbound.Loopback(host)
}
