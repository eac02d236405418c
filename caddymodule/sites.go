package caddymodule

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// What can be seen of the sites that routes of the gateway stand in, and what it says about calls that would be lost there.
// It is looked at when the first of the routes is provisioned. What comes later in the configuration is JSON still, and what
// came before is provisioned already; both are read into the same outline.

// outline is a list of routes.
type outline []outlined

// outlined is a route: which requests take it, and its handlers.
type outlined struct {
	hosts    []string
	matched  bool // only some requests take it
	leftover bool // these are what a "not" leaves, as of all other paths
	group    string
	terminal bool
	handlers []handlerOutline
	foreign  bool // some matcher is not one of Caddy's own
}

// handlerOutline is a handler: its name as a module, what it holds, and the name of a route of the gateway.
type handlerOutline struct {
	name    string
	sub     outline
	route   string
	forward bool // that route answers with its own receiver
	status  int  // of static_response; 0 for 200 or what is not known
}

// passing are the handlers that leave the answer to others. Those that are not known might answer.
var passing = map[string]bool{
	"authentication": true, "copy_response": true, "copy_response_headers": true, "encode": true, "headers": true, "intercept": true,
	"log_append": true, "map": true, "push": true, "request_body": true, "rewrite": true, "templates": true, "tracing": true, "vars": true,
}

// naming are the handlers and matchers of Caddy's and of the gateway that give no placeholders names which their
// configuration chooses, as map does. Those that are not known might, and invoke has routes that are not looked at.
var (
	namingNone = strings.Fields(`acme_server callgate callgate_dashboard callgate_ready error file_server metrics reverse_proxy
		static_response subroute`)
	matchersOfCaddy = strings.Fields("client_ip expression file header header_regexp host method not path path_regexp protocol query remote_ip tls vars vars_regexp")
)

// maySetAny reports whether something in the routes might set a placeholder of any name.
func (o outline) maySetAny() bool {
	return slices.ContainsFunc(o, func(r outlined) bool {
		return r.foreign || slices.ContainsFunc(r.handlers, func(h handlerOutline) bool {
			return h.name == "map" || !passing[h.name] && !slices.Contains(namingNone, h.name) || h.sub.maySetAny()
		})
	})
}

// checkSites warns of sites of the HTTP app in which calls would be lost in silence. It does so once for a configuration.
func (in *instance) checkSites(ctx caddy.Context) {
	parents := ctx.Modules()
	if in.sitesChecked || len(parents) == 0 {
		return
	}
	app, ok := parents[0].(*caddyhttp.App)
	if !ok {
		return
	}
	in.sitesChecked = true
	for _, name := range slices.Sorted(maps.Keys(app.Servers)) {
		in.checkServer(app.Servers[name])
	}
}

func (in *instance) checkServer(s *caddyhttp.Server) {
	routes := outlineOf(s.Routes)
	in.maySetAny = in.maySetAny || routes.maySetAny()
	in.traced = in.traced || routes.has("callgate") && routes.has("tracing")
	var others outline // of no host in particular
	for _, r := range routes {
		if len(r.hosts) == 0 {
			others = append(others, r)
		}
	}
	for _, r := range routes {
		if len(r.hosts) == 0 {
			continue
		}
		site := outline{{handlers: r.handlers, terminal: r.terminal}}
		if !r.terminal {
			site = append(site, others...)
		}
		in.checkSite(strings.Join(r.hosts, ", "), site)
	}
	in.checkSite(strings.Join(s.Listen, ", "), others)
	// A connection with TLS for another name fails before there is a request.
	if routes.has("callgate") && !others.has("callgate") && len(s.TLSConnPolicies) == 0 && !others.answersAll() {
		in.advise("a request for a host name that no site here has is answered with an empty 200, which senders take for success; "+
			"give the site an address without a host name, or add such a site that answers 404: http://:PORT { respond 404 }",
			zap.Strings("listen", s.Listen))
	}
}

func (in *instance) checkSite(name string, site outline) {
	if !site.has("callgate") {
		return
	}
	site.eachRoute(false, func(route string, answered bool) {
		if !answered {
			in.unanswered[route] = true
		}
	})
	if !site.answersAll() {
		in.advise("a request that no route of this site takes is answered with an empty 200, which senders take for success; "+
			"end the site with a handle of its own: handle { respond 404 }", zap.String("site", name))
	}
	if hidden, by := site.hidden(); hidden != "" {
		text := "respond answers every request of this site, and what comes after it is never reached; " +
			"in a Caddyfile it sorts before reverse_proxy, so put each into a handle of its own"
		if by == "forward" {
			text = "a callgate route with forward answers every request of this site, and what comes after it is never reached; " +
				"remove forward or what comes after it, or give the route a matcher"
		}
		in.advise(text, zap.String("site", name), zap.String("never_reached", hidden))
	}
}

// has reports whether a handler is somewhere in the routes.
func (o outline) has(handler string) bool {
	return slices.ContainsFunc(o, func(r outlined) bool {
		return slices.ContainsFunc(r.handlers, func(h handlerOutline) bool { return h.name == handler || h.sub.has(handler) })
	})
}

// answersAll reports whether there is an answer for a request that no matcher is for.
func (o outline) answersAll() bool {
	return slices.ContainsFunc(o, func(r outlined) bool {
		return (!r.matched || r.leftover) && slices.ContainsFunc(r.handlers, func(h handlerOutline) bool {
			return !passing[h.name] && (h.name != "subroute" || h.sub.answersAll())
		})
	})
}

// mayAnswer reports whether some handler could answer a request as a receiver does, which an error does not.
func (o outline) mayAnswer() bool {
	return slices.ContainsFunc(o, func(r outlined) bool { return slices.ContainsFunc(r.handlers, handlerOutline.mayAnswer) })
}

func (h handlerOutline) mayAnswer() bool {
	switch {
	case passing[h.name], h.name == "error", h.status >= 400:
		return false
	case h.name == "subroute":
		return h.sub.mayAnswer()
	default:
		return true
	}
}

// eachRoute tells of each route of the gateway whether something after it might answer; outer says so of what comes after
// the list.
func (o outline) eachRoute(outer bool, tell func(route string, answered bool)) {
	for i, r := range o {
		later := outer && !r.terminal
		if !r.terminal {
			for _, next := range o[i+1:] {
				later = later || (r.group == "" || next.group != r.group) && outline{next}.mayAnswer()
			}
		}
		for j, h := range r.handlers {
			after := later || outline{{handlers: r.handlers[j+1:]}}.mayAnswer()
			if h.name == "callgate" {
				tell(h.route, after)
			}
			h.sub.eachRoute(after, tell)
		}
	}
}

// hidden is the name of a handler that is never reached, since respond or a route with forward answers everything before it,
// and which of them does; "" if there is none.
func (o outline) hidden() (name, by string) {
	for i, r := range o {
		for _, h := range r.handlers {
			for _, name := range []string{"reverse_proxy", "callgate"} {
				if by != "" && (h.name == name || h.sub.has(name)) {
					return name, by
				}
			}
			if inner, by := h.sub.hidden(); inner != "" {
				return inner, by
			}
			switch {
			case by != "" || r.matched || !o[:i].leavesTo(r.group):
			case h.responds():
				by = "respond"
			case h.forwards():
				by = "forward"
			}
		}
	}
	return "", ""
}

// responds reports whether a handler is respond, or answers everything by it.
func (h handlerOutline) responds() bool {
	return h.name == "static_response" || slices.ContainsFunc(h.sub, func(r outlined) bool {
		return !r.matched && slices.ContainsFunc(r.handlers, handlerOutline.responds)
	})
}

// forwards reports whether a handler hands each request on itself, so that none after it gets any.
func (h handlerOutline) forwards() bool {
	return h.forward || slices.ContainsFunc(h.sub, func(r outlined) bool {
		return !r.matched && slices.ContainsFunc(r.handlers, handlerOutline.forwards)
	})
}

// leavesTo reports whether no request that another route of the group has taken goes on after it.
func (o outline) leavesTo(group string) bool {
	return group == "" || !slices.ContainsFunc(o, func(r outlined) bool {
		return r.group == group && !outline{{handlers: r.handlers}}.answersAll()
	})
}

// outlineOf reads routes as far as they are provisioned, and as JSON beyond that.
func outlineOf(routes caddyhttp.RouteList) (o outline) {
	for _, r := range routes {
		out := outlined{group: r.Group, terminal: r.Terminal}
		for _, set := range r.MatcherSets {
			only := true
			for _, m := range set {
				if hosts, ok := m.(*caddyhttp.MatchHost); ok {
					out.hosts = append(out.hosts, *hosts...)
				}
				out.foreign = out.foreign || !slices.Contains(matchersOfCaddy, caddy.GetModuleName(m))
				_, not := m.(*caddyhttp.MatchNot)
				only = only && not
			}
			out.matched, out.leftover = true, out.leftover || only
		}
		out.match(r.MatcherSetsRaw)
		for _, h := range r.Handlers {
			out.handlers = append(out.handlers, outlineOfHandler(h))
		}
		if len(r.Handlers) == 0 {
			for _, raw := range r.HandlersRaw {
				out.handlers = append(out.handlers, outlineOfJSON(raw))
			}
		}
		o = append(o, out)
	}
	return o
}

func (r *outlined) match(sets caddyhttp.RawMatcherSets) {
	for _, set := range sets {
		var hosts []string
		if json.Unmarshal(set["host"], &hosts) == nil {
			r.hosts = append(r.hosts, hosts...)
		}
		r.matched, r.leftover = true, r.leftover || len(set) == 1 && set["not"] != nil
		for name := range set {
			r.foreign = r.foreign || !slices.Contains(matchersOfCaddy, name)
		}
	}
}

func outlineOfHandler(h caddyhttp.MiddlewareHandler) handlerOutline {
	switch h := h.(type) {
	case *caddyhttp.Subroute:
		return handlerOutline{name: "subroute", sub: outlineOf(h.Routes)}
	case *Handler:
		return handlerOutline{name: "callgate", route: h.Name, forward: h.Forward != ""}
	case *caddyhttp.StaticResponse:
		status, _ := strconv.Atoi(string(h.StatusCode))
		return handlerOutline{name: "static_response", status: status}
	}
	return handlerOutline{name: caddy.GetModuleName(h)}
}

func outlineOfJSON(raw json.RawMessage) handlerOutline {
	var h struct {
		Handler string               `json:"handler"`
		Name    string               `json:"name"`
		Source  string               `json:"source"`
		Forward string               `json:"forward"`
		Status  caddyhttp.WeakString `json:"status_code"`
		Routes  caddyhttp.RouteList  `json:"routes"`
	}
	if err := json.Unmarshal(raw, &h); err != nil {
		return handlerOutline{} // of some other form; it might answer
	}
	out := handlerOutline{name: h.Handler}
	switch h.Handler {
	case "subroute":
		out.sub = outlineOf(h.Routes)
	case "callgate":
		out.forward = h.Forward != ""
		if out.route = h.Name; out.route == "" {
			out.route = h.Source
		}
	case "static_response":
		out.status, _ = strconv.Atoi(string(h.Status))
	}
	return out
}
