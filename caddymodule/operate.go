package caddymodule

import (
	"context"
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
// no store to operate. Caddy may serve before the app has opened its store: it waits for that as calls do, so that a reload
// makes no gateway unready, and a process that is only starting is not ready.
func (a *App) Ready() *operate.Service {
	if d := a.run.ready(context.Background()); d != nil {
		return d.operate
	}
	o := operate.Options{Stopping: caddy.Exiting, Faulty: a.faultyNames, Scene: a.runningScene}
	select {
	case <-a.run.started:
	default:
		o.Unready = func() string { return "the gateway is starting" }
	}
	return operate.New(o)
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
