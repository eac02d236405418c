package caddymodule

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// checkTwins makes sure that the handlers of one route lead to the same place. They share remembered answers, a breaker and
// what is spooled, so that requests for one receiver would be kept from it, or sent to the other.
func (in *instance) checkTwins() error {
	var servers map[string]*caddyhttp.Server
	for _, name := range slices.Sorted(maps.Keys(in.routes)) {
		claims := in.routes[name]
		if len(claims) < 2 {
			continue
		}
		if servers == nil {
			app, err := in.ctx.App("http")
			if err != nil {
				return err
			}
			servers = app.(*caddyhttp.App).Servers
		}
		first := whatFollows(servers, claims[0].handler)
		for _, c := range claims[1:] {
			if whatFollows(servers, c.handler) != first {
				return fmt.Errorf("two callgate routes are named %q, and what comes after them differs; give one of them another name", name)
			}
		}
	}
	return nil
}

// whatFollows describes what comes after a handler in its server, and gets its requests.
func whatFollows(servers map[string]*caddyhttp.Server, h *Handler) string {
	if h.Forward != "" {
		return "" // nothing does
	}
	var d describer
	for _, s := range servers {
		if d.after(s.Routes, h) {
			break
		}
	}
	return d.String()
}

// describer writes down how handlers are configured.
type describer struct {
	strings.Builder
	within []uintptr // what is being described
}

// after describes what comes after h in a list of routes; it reports whether h is there.
func (d *describer) after(routes caddyhttp.RouteList, h *Handler) bool {
	for i, route := range routes {
		for j, mh := range route.Handlers {
			sub, nested := mh.(*caddyhttp.Subroute)
			if mh != caddyhttp.MiddlewareHandler(h) && !(nested && d.after(sub.Routes, h)) {
				continue
			}
			d.value(reflect.ValueOf(route.Handlers[j+1:]))
			if !route.Terminal {
				d.value(reflect.ValueOf(routes[i+1:]))
			}
			return true
		}
	}
	return false
}

// value describes the modules in a value. Caddy has emptied what they were read from, so each is described by its settings
// and by the modules that it holds.
func (d *describer) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return
		}
		if v.Kind() == reflect.Pointer {
			if slices.Contains(d.within, v.Pointer()) {
				return
			}
			d.within = append(d.within, v.Pointer())
			defer func() { d.within = d.within[:len(d.within)-1] }()
			d.module(v)
		}
		d.value(v.Elem())
	case reflect.Slice, reflect.Array:
		d.WriteByte('[')
		for i := range v.Len() {
			d.value(v.Index(i))
		}
		d.WriteByte(']')
	case reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		for _, k := range keys {
			fmt.Fprint(d, k, ":")
			d.value(v.MapIndex(k))
		}
	case reflect.Struct:
		if !describable(v.Type()) {
			return
		}
		d.module(v)
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				d.value(v.Field(i))
			}
		}
	}
}

// module writes down the settings of a module; what is none has none.
func (d *describer) module(v reflect.Value) {
	m, ok := v.Interface().(caddy.Module)
	if !ok {
		if r, isRoute := v.Interface().(caddyhttp.Route); isRoute {
			fmt.Fprintf(d, "route %q %v", r.Group, r.Terminal)
		}
		return
	}
	settings, err := json.Marshal(m)
	if err != nil {
		settings = fmt.Appendf(nil, "%p", m) // like no other
	}
	fmt.Fprintf(d, "%s%s", m.CaddyModule().ID, settings)
}

// describable reports whether modules may be found in a struct: in modules and in parts of Caddy, and not in loggers and the
// like.
func describable(t reflect.Type) bool {
	module := reflect.TypeFor[caddy.Module]()
	return t.PkgPath() == "" || strings.HasPrefix(t.PkgPath(), "github.com/caddyserver/caddy/") && t != reflect.TypeFor[caddy.Context]() ||
		t.Implements(module) || reflect.PointerTo(t).Implements(module)
}
