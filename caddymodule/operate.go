package caddymodule

import (
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/source"
)

// Operate gives what operators see and do with the store that this configuration uses; false if it has none open.
func (a *App) Operate() (*operate.Service, bool) {
	d := a.run.dispatcher.Load()
	if d == nil {
		return nil, false
	}
	return d.operate, true
}

// Ready gives a service that can tell whether calls should be sent here, and what becomes of a payload, also where there is
// no store to operate.
func (a *App) Ready() *operate.Service {
	if s, ok := a.Operate(); ok {
		return s
	}
	return operate.New(operate.Options{Stopping: caddy.Exiting, Faulty: a.faultyNames, Scene: a.runningScene})
}

// settings are those of a destination, masked.
func (a *App) settings(destination string) operate.Settings {
	if d := a.Destinations[destination]; d != nil {
		return operate.Settings{Kind: kindOf(d.module), List: d.shown}
	}
	if a.run.live.hasDestination(destination) {
		return operate.Settings{Kind: a.run.live.config(destination).Kind, Managed: true}
	}
	return operate.Settings{}
}

// names are what operators can ask for by name: the tenants, and the sources that are configured or come with a preset.
func (a *App) names() operate.Names {
	n := operate.Names{Tenants: slices.AppendSeq(namesOf(a.Tenants), a.run.live.tenantNames()), Sources: slices.Collect(maps.Keys(a.Sources))}
	a.run.findBy.Range(func(f, _ any) bool {
		n.Fields = append(n.Fields, f.(string))
		return true
	})
	for _, p := range source.Presets() {
		n.Sources = append(n.Sources, p.Name)
	}
	slices.Sort(n.Sources)
	n.Sources = slices.Compact(n.Sources)
	return n
}
