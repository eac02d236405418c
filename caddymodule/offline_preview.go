package caddymodule

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/operate"
)

// OfflinePreview makes a service that previews with a configuration in Caddy's JSON, for its sources, tenants and
// destinations; nil has presets only. Neither the store nor any other file is opened but those that the configuration
// names, such as definitions and tenants. The caller ends it with end.
func OfflinePreview(config []byte) (s *operate.Service, end func(), err error) {
	app, err := previewApp(config)
	if err != nil {
		return nil, nil, err
	}
	routes := previewRoutes(config)
	return operate.New(operate.Options{Scene: func(in *operate.PreviewInput) (*operate.Scene, error) {
		scene, err := app.scene(in, routes)
		if err == nil && config == nil {
			scene.Why = "" // nobody asked where it would go
		}
		return scene, err
	}}), app.endPreview, nil
}

// runningScene is what a payload is previewed with by a gateway that runs.
func (a *App) runningScene(in *operate.PreviewInput) (*operate.Scene, error) {
	var routes []previewRoute
	for _, name := range slices.Sorted(maps.Keys(a.run.routes)) {
		h := a.run.routes[name][0].handler // those of one name are alike
		routes = append(routes, previewRoute{Name: name, Source: h.Source, Policy: h.Policy})
	}
	return a.scene(in, routes)
}

// scene is what a payload is previewed with.
func (a *App) scene(in *operate.PreviewInput, routes []previewRoute) (*operate.Scene, error) {
	src, err := a.source(in.Source)
	if err != nil {
		return nil, fmt.Errorf("unknown source %q: name one of the configuration, or one of %s", in.Source, presetNames())
	}
	preset, err := src.preset(in.Source)
	if err != nil {
		return nil, err
	}
	route, why, err := chooseRoute(in, routes)
	if err != nil {
		return nil, err
	}
	policy, err := a.previewPolicy(src, route, in)
	if err != nil {
		return nil, err
	}
	parser, err := (&routeCompiler{source: src, preset: preset}).parser(policy.Region)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", in.Source, err)
	}
	if in.Bare {
		policy.Deliver = nil
	}
	eventID, err := policy.EventID.compile()
	if err != nil {
		return nil, err
	}
	for i, name := range in.Destinations {
		to, ok := a.previewDestination(in.Tenant, name)
		if !ok {
			return nil, fmt.Errorf("the configuration has no destination %q; %s", name, haveDestinations(a, in.Tenant))
		}
		in.Destinations[i] = to
	}
	targets, err := previewTargets(a, in.Tenant, policy.Deliver)
	if err != nil {
		return nil, err
	}
	if why == "" {
		why = "neither the route nor the tenant has a deliver line, so that calls are handed on to the next handler"
	}
	scene := &operate.Scene{
		Parser: parser, EventID: eventID, Vars: policy.Vars, Targets: targets, Why: why, Synchronous: append(preset.Synchronous, policy.SyncEvents...),
	}
	if len(policy.Deliver) > 0 || src.Split != "" { // else requests are handed on whole
		scene.Split = preset.Split
	}
	if a.run != nil { // without a configuration there are no destinations to render for
		scene.Render = a.run.render
		scene.Refuses = a.run.refuses
	}
	return scene, nil
}

// previewRoute is a route as far as a preview needs it.
type previewRoute struct {
	Name, Source string
	Policy
}

// previewRoutes finds the callgate routes of a configuration, wherever they stand in it.
func previewRoutes(config []byte) (routes []previewRoute) {
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			if v["handler"] == "callgate" {
				var r previewRoute
				text, err := json.Marshal(v)
				if err == nil && json.Unmarshal(text, &r) == nil {
					r.Name = cmp.Or(r.Name, r.Source)
					routes = append(routes, r)
				}
			}
			for _, name := range slices.Sorted(maps.Keys(v)) {
				walk(v[name])
			}
		}
	}
	var c struct {
		Apps map[string]any `json:"apps"`
	}
	if json.Unmarshal(config, &c) == nil { // it has been read before
		walk(c.Apps["http"])
	}
	return routes
}

// chooseRoute finds the route that takes a payload. Without one, why says so; it is an error only if one is named.
func chooseRoute(in *operate.PreviewInput, routes []previewRoute) (route *previewRoute, why string, err error) {
	var names []string
	for i := range routes {
		if routes[i].Source != in.Source {
			continue
		}
		if in.Route == "" || in.Route == routes[i].Name {
			route = &routes[i]
		}
		names = append(names, routes[i].Name)
	}
	switch {
	case in.Route != "" && route == nil && len(names) == 0:
		return nil, "", fmt.Errorf("the configuration has no route for the source %q", in.Source)
	case in.Route != "" && route == nil:
		return nil, "", fmt.Errorf("the configuration has no route %q for the source %q; it has %s", in.Route, in.Source, strings.Join(names, ", "))
	case len(names) == 0:
		return nil, fmt.Sprintf("the configuration has no route for the source %q", in.Source), nil
	case in.Route == "" && len(names) > 1 && len(in.Destinations) == 0 && !in.Bare:
		return nil, "", fmt.Errorf("the configuration has several routes for the source %q, name one of them: %s", in.Source, strings.Join(names, ", "))
	case in.Route == "" && len(names) > 1:
		return nil, "", nil // what is wanted is named, and routes differ
	}
	return route, "", nil
}

func previewTargets(a *App, tenant string, lines []Deliver) (targets []operate.Target, err error) {
	for _, d := range lines {
		to, ok := a.previewDestination(tenant, d.To)
		if !ok && a.liveOnes() == nil { // else it may come later, and calls wait for it
			return nil, fmt.Errorf("deliver: the configuration has no destination %q; %s", d.To, haveDestinations(a, tenant))
		}
		t := operate.Target{Destination: to, If: d.If}
		if d.If != "" {
			if t.Condition, err = condition.Compile(d.If); err != nil {
				return nil, fmt.Errorf("deliver %s: %w", d.To, err)
			}
		}
		targets = append(targets, t)
	}
	return targets, nil
}

// previewDestination finds the destination that to means for a tenant, also one that lives in the store of a gateway that
// runs. TENANT/NAME is a tenant's own, and no other tenant's business: who may see the settings of one tenant sees those alone.
func (a *App) previewDestination(tenant, to string) (name string, ok bool) {
	l := a.liveOnes()
	if of, own, qualified := strings.Cut(to, "/"); qualified {
		if tenant != "" && of != tenant {
			return to, false
		}
		if t := a.Tenants[of]; t != nil {
			return to, t.Destinations[own] != nil
		}
		return to, l.hasDestination(to)
	}
	if own := ownName(tenant, to); l.hasDestination(own) {
		return own, true
	}
	name, dest := a.destinationFor(tenant, to)
	return name, dest != nil || l.hasDestination(name)
}

// liveOnes are the documents in force; nil where nothing runs.
func (a *App) liveOnes() *live {
	if a.run == nil {
		return nil
	}
	return a.run.live
}

func haveDestinations(app *App, tenant string) string {
	names := slices.Concat(namesOf(app.Destinations), app.liveOnes().destinationNames(tenant))
	if t := app.Tenants[tenant]; t != nil {
		names = append(names, namesOf(t.Destinations)...)
	}
	if len(names) == 0 {
		return "it has none at all"
	}
	slices.Sort(names)
	return "it has " + strings.Join(slices.Compact(names), ", ")
}

// previewApp provisions the callgate app of a configuration and nothing else of it: other apps, logs and storages could
// touch the disk.
func previewApp(config []byte) (*App, error) {
	if config == nil {
		return new(App), nil
	}
	raw, err := rawApp(config)
	if err != nil {
		return nil, err
	}
	ctx, err := caddy.ProvisionContext(&caddy.Config{
		Admin: &caddy.AdminConfig{Disabled: true}, AppsRaw: caddy.ModuleMap{"callgate": raw},
	})
	if err != nil {
		return nil, err
	}
	app, err := ctx.App("callgate")
	if err != nil {
		return nil, err
	}
	return app.(*App), nil
}

// endPreview gives back what provisioning took of the process.
func (a *App) endPreview() {
	all := slices.Collect(maps.Values(a.Destinations))
	for _, t := range a.Tenants {
		all = slices.AppendSeq(all, maps.Values(t.Destinations))
	}
	for _, d := range all {
		if d == nil {
			continue
		}
		if c, ok := d.module.(caddy.CleanerUpper); ok {
			_ = c.Cleanup() // nothing was used that could be left behind
		}
	}
	_ = a.Cleanup()
}

// previewPolicy is what source, route and tenant say, the stronger last.
func (a *App) previewPolicy(src *Source, route *previewRoute, in *operate.PreviewInput) (Policy, error) {
	policy := src.Policy
	if route != nil {
		policy = route.Policy.over(policy)
	}
	if in.Tenant != "" {
		t := a.Tenants[in.Tenant]
		if known := a.liveOnes().tenantNamed(in.Tenant); t == nil && known != nil {
			t = known.settings
		}
		if t == nil {
			return policy, fmt.Errorf("there is no tenant %q in the configuration", in.Tenant)
		}
		layers, ok := t.policies(in.Source)
		if !ok {
			return policy, fmt.Errorf("tenant %q does not use the source %q", in.Tenant, in.Source)
		}
		for _, l := range layers {
			policy = l.over(policy)
		}
	}
	if in.Region != "" {
		policy.Region = in.Region
	}
	return policy, nil
}
