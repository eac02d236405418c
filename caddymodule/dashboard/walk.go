package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// walk goes through the routes of a server to where dashboards are, and looks whether what comes before them replaces the
// headers that they believe, whatever the client has sent. What is provisioned before a dashboard is modules already, and
// the rest is JSON still.
type walk struct {
	found bool
	err   error
}

func (w *walk) server(s *caddyhttp.Server) {
	w.routes(s.Routes, nil)
	if s.Errors != nil {
		w.routes(s.Errors.Routes, nil)
	}
	for _, r := range s.NamedRoutes {
		w.routes(caddyhttp.RouteList{*r}, nil)
	}
}

// routes looks at a list of routes, which requests get to after the handlers in before.
func (w *walk) routes(list caddyhttp.RouteList, before []any) {
	for i := range list {
		r := &list[i]
		known := append([]any(nil), before...)
		for j := range list[:i] {
			// One of a group is not run if another of it was.
			if list[j].Group == "" && covers(matchersOf(&list[j]), matchersOf(r)) {
				known = append(known, handlersOf(&list[j])...)
			}
		}
		for _, h := range handlersOf(r) {
			switch h := h.(type) {
			case *Handler:
				w.dashboard(h, known)
			case *caddyhttp.Subroute:
				w.routes(h.Routes, known)
			}
			known = append(known, h)
		}
	}
}

func (w *walk) dashboard(h *Handler, before []any) {
	w.found = true
	believed, err := h.believed()
	for _, header := range believed {
		replaced := false
		for _, b := range before {
			replaced = replaced || replaces(b, header)
		}
		if !replaced && err == nil {
			err = fmt.Errorf("any client can send the header %s, which user or groups take their value from: put a forward_auth with copy_headers %s before the dashboard in the same block, for every path that the dashboard has", header, header)
		}
	}
	if w.err == nil {
		w.err = err
	}
}

// replaces reports whether a handler replaces a header of every request that goes on after it.
func replaces(handler any, header string) bool {
	switch h := handler.(type) {
	case *headers.Handler:
		if h.Request == nil {
			return false
		}
		for name := range h.Request.Set {
			if http.CanonicalHeaderKey(name) == header {
				return true
			}
		}
		for _, name := range h.Request.Delete {
			if http.CanonicalHeaderKey(name) == header {
				return true
			}
		}
	case *caddyhttp.Subroute:
		return replacedIn(h.Routes, header)
	case *reverseproxy.Handler: // as forward_auth is; a request goes on after those answers only that have routes here
		for i := range h.HandleResponse {
			if !replacedIn(h.HandleResponse[i].Routes, header) {
				return false
			}
		}
		return len(h.HandleResponse) > 0
	}
	return false
}

// replacedIn reports whether routes replace a header of every request.
func replacedIn(list caddyhttp.RouteList, header string) bool {
	for i := range list {
		if len(matchersOf(&list[i])) > 0 || list[i].Group != "" {
			continue
		}
		for _, h := range handlersOf(&list[i]) {
			if replaces(h, header) {
				return true
			}
		}
	}
	return false
}

// handlersOf are the handlers of a route, as modules or as what can be read of their JSON.
func handlersOf(r *caddyhttp.Route) (list []any) {
	for _, h := range r.Handlers {
		list = append(list, h)
	}
	if len(list) > 0 {
		return list
	}
	for _, raw := range r.HandlersRaw {
		var name struct {
			Handler string `json:"handler"`
		}
		if json.Unmarshal(raw, &name) != nil {
			continue
		}
		known := map[string]any{
			"callgate_dashboard": new(Handler), "subroute": new(caddyhttp.Subroute), "headers": new(headers.Handler),
			"reverse_proxy": new(reverseproxy.Handler),
		}
		if h := known[name.Handler]; h != nil && json.Unmarshal(raw, h) == nil {
			list = append(list, h)
		}
	}
	return list
}

// matchersOf are the sets of a route's matchers: their names with their JSON.
func matchersOf(r *caddyhttp.Route) (sets []map[string]string) {
	for _, set := range r.MatcherSets {
		names := map[string]string{}
		for _, m := range set {
			text, err := json.Marshal(m)
			name := "unknown"
			if module, ok := m.(caddy.Module); ok && err == nil {
				name = strings.TrimPrefix(string(module.CaddyModule().ID), "http.matchers.")
			}
			names[name] = string(text)
		}
		sets = append(sets, names)
	}
	if len(sets) > 0 {
		return sets
	}
	for _, set := range r.MatcherSetsRaw {
		names := map[string]string{}
		for name, raw := range set {
			names[name] = string(raw)
		}
		sets = append(sets, names)
	}
	return sets
}

// covers reports whether every request that meets the inner matchers meets the outer ones, as far as that can be seen.
func covers(outer, inner []map[string]string) bool {
	if len(outer) == 0 {
		return true
	}
	for _, in := range inner {
		any := false
		for _, out := range outer {
			any = any || coversSet(out, in)
		}
		if !any {
			return false
		}
	}
	return len(inner) > 0
}

func coversSet(outer, inner map[string]string) bool {
	for name, want := range outer {
		have, ok := inner[name]
		if !ok || have != want && (name != "path" || !coversPaths(want, have)) {
			return false
		}
	}
	return true
}

// coversPaths reports whether each of the inner paths begins with one of the outer ones, which end in an asterisk.
func coversPaths(outer, inner string) bool {
	var outside, inside []string
	if json.Unmarshal([]byte(outer), &outside) != nil || json.Unmarshal([]byte(inner), &inside) != nil {
		return false
	}
	for _, in := range inside {
		any := false
		for _, out := range outside {
			prefix, open := strings.CutSuffix(strings.ToLower(out), "*")
			any = any || strings.EqualFold(in, out) || open && !strings.Contains(prefix, "*") && strings.HasPrefix(strings.ToLower(in), prefix)
		}
		if !any {
			return false
		}
	}
	return true
}
