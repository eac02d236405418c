package caddymodule

import (
	"maps"
	"net"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/callgate/callgate/internal/outbound"
)

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

// plainReceivers looks at the sites that have a route of the gateway: any handler there may get its requests.
func plainReceivers(routes caddyhttp.RouteList) (missing []string) {
	direct := slices.ContainsFunc(routes, func(r caddyhttp.Route) bool {
		return slices.ContainsFunc(r.Handlers, func(h caddyhttp.MiddlewareHandler) bool { _, ok := h.(*Handler); return ok })
	})
	for _, r := range routes {
		if direct || outlineOf(caddyhttp.RouteList{r}).has("callgate") {
			missing = append(missing, plainProxies(r.Handlers)...)
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
		case *reverseproxy.Handler:
			if t, ok := h.Transport.(reverseproxy.TLSTransport); ok && t.TLSEnabled() {
				continue
			}
			const write = "; write https:// before its name, or have it at 127.0.0.1 or a unix socket"
			if h.DynamicUpstreams != nil {
				missing = append(missing, "reverse_proxy to receivers that are found as it runs has no TLS"+write)
			}
			for _, u := range h.Upstreams {
				if !staysHere(u.Dial) {
					missing = append(missing, "reverse_proxy to "+u.Dial+" has no TLS"+write)
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
