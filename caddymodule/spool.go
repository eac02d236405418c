package caddymodule

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/gateway"
)

// spooling is a route that spools.
type spooling struct {
	handler  *Handler
	schedule delivery.Schedule
}

// resumeSpools finds, for each route that spools, what comes after it in its server, so that stored requests go the
// same way: with the load balancing, health checks and TLS settings that the user gave the route.
//
// The destinations are added to a snapshot of their own: requests may be looking at the configuration's already.
func (in *instance) resumeSpools(snapshot *delivery.Snapshot) error {
	if len(in.spools) == 0 {
		return nil
	}
	snapshot.Destinations = maps.Clone(snapshot.Destinations)
	v, err := in.ctx.App("http")
	if err != nil {
		return err
	}
	app := v.(*caddyhttp.App)
	for _, sp := range in.spools {
		h := sp.handler
		name := gateway.SpoolPrefix + h.Name
		if _, twin := snapshot.Destinations[name]; twin {
			continue // the same route in another server, after which the same comes: see checkTwins
		}
		var rest caddyhttp.Handler
		var server *caddyhttp.Server
		for _, s := range app.Servers {
			if r := routesAfter(s.Routes, h, nothingAnswered); r != nil {
				rest, server = r, s
			}
		}
		if rest == nil {
			return fmt.Errorf("route %s: spool: the route is in a place from which its requests cannot be sent again; put it in a site or in a handle or route block of one", h.Name)
		}
		snapshot.Destinations[name] = delivery.Config{
			Destination: &gateway.Spooled{
				Route: h.route,
				Rest:  h.rest(rest),
				Prepare: func(w http.ResponseWriter, r *http.Request) *http.Request {
					return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, server)
				},
			},
			Kind:        "receiver",
			Schedule:    sp.schedule,
			Concurrency: 4,
		}
		countFromZero(name)
	}
	return nil
}

// rest is where a stored request goes: to what comes after the route, or to the receiver of its own.
func (h *Handler) rest(after caddyhttp.Handler) gateway.Handler {
	if h.route.Receiver != nil {
		return gateway.HandlerFunc(h.route.Receive)
	}
	return after
}

// nothingAnswered ends a route in which no handler answered.
var nothingAnswered caddyhttp.Handler = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
	return caddyhttp.Error(http.StatusNotFound, errors.New("no handler of the route answered the stored request"))
})

// routesAfter is the chain of handlers after h in a list of routes, which end with last; nil if h is not there.
func routesAfter(routes caddyhttp.RouteList, h *Handler, last caddyhttp.Handler) caddyhttp.Handler {
	for i, route := range routes {
		for j, mh := range route.Handlers {
			after := func() caddyhttp.Handler {
				next := routes[i+1:].Compile(last)
				if route.Terminal {
					next = nothingAnswered
				}
				for _, later := range slices.Backward(route.Handlers[j+1:]) {
					inner := next
					next = caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
						return later.ServeHTTP(w, r, inner)
					})
				}
				return next
			}
			if mh == caddyhttp.MiddlewareHandler(h) {
				return after()
			}
			if sub, ok := mh.(*caddyhttp.Subroute); ok {
				if rest := routesAfter(sub.Routes, h, after()); rest != nil {
					return rest
				}
			}
		}
	}
	return nil
}
