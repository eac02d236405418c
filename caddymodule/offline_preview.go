package caddymodule

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

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
	return operate.New(operate.Options{Scene: app.scene}), app.endPreview, nil
}

// scene is what a payload is previewed with.
func (a *App) scene(in *operate.PreviewInput) (*operate.Scene, error) {
	src, err := a.source(in.Source)
	if err != nil {
		return nil, fmt.Errorf("unknown source %q: name one of the configuration, or one of %s", in.Source, presetNames())
	}
	preset, err := src.preset(in.Source)
	if err != nil {
		return nil, err
	}
	policy, err := a.previewPolicy(src, in)
	if err != nil {
		return nil, err
	}
	parser, err := (&routeCompiler{source: src, preset: preset}).parser(policy.Region)
	if err != nil {
		return nil, err
	}
	for _, name := range in.Destinations {
		if _, ok := a.Destinations[name]; !ok {
			return nil, fmt.Errorf("the configuration has no destination %q; %s", name, haveDestinations(a))
		}
	}
	scene := &operate.Scene{Parser: parser, Vars: policy.Vars}
	if a.run != nil { // without a configuration there are no destinations to render for
		scene.Render = a.run.render
	}
	return scene, nil
}

func haveDestinations(app *App) string {
	if len(app.Destinations) == 0 {
		return "it has none at all"
	}
	return "it has " + strings.Join(slices.Sorted(maps.Keys(app.Destinations)), ", ")
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
	for _, d := range a.Destinations {
		if d == nil {
			continue
		}
		if c, ok := d.module.(caddy.CleanerUpper); ok {
			_ = c.Cleanup() // nothing was used that could be left behind
		}
	}
	_ = a.Cleanup()
}

// previewPolicy is what source and tenant say, the stronger last.
func (a *App) previewPolicy(src *Source, in *operate.PreviewInput) (Policy, error) {
	policy := src.Policy
	if in.Tenant != "" {
		t, ok := a.Tenants[in.Tenant]
		if !ok {
			return policy, fmt.Errorf("there is no tenant %q; tenants are those of the configuration that is given with --config", in.Tenant)
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
