package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/delivery"
)

// ownName is the name under which a tenant's own destination is known to everything that delivers. Names of other
// destinations have no slash, and neither have tenants with destinations, so that it is no other's.
func ownName(tenant, name string) string { return tenant + "/" + name }

// destinationFor finds what a deliver line means for a tenant's calls: the tenant's own destination, or the one of all. dest
// is nil if there is neither.
func (a *App) destinationFor(tenant, to string) (name string, dest *Destination) {
	if t := a.tenant(tenant); t != nil {
		if own := t.Destinations[to]; own != nil {
			return ownName(tenant, to), own
		}
	}
	return to, a.Destinations[to]
}

// tenant finds a tenant of the configuration, or the one that is being compiled.
func (a *App) tenant(name string) *Tenant {
	if t := a.Tenants[name]; t != nil {
		return t
	}
	if a.run == nil {
		return nil
	}
	if t := a.run.live.compiled(); t != nil && t.name == name {
		return t.settings
	}
	return nil
}

// ownedBySome reports whether some tenant has a destination of its own of a name.
func (a *App) ownedBySome(name string) bool {
	for _, t := range a.Tenants {
		if t.Destinations[name] != nil {
			return true
		}
	}
	return false
}

// compileDestination works a destination out as the delivery engine takes it.
func (in *instance) compileDestination(ctx caddy.Context, name string, d *Destination) (delivery.Config, error) {
	if err := d.provision(ctx); err != nil {
		return delivery.Config{}, err
	}
	var kept guest.Notes
	if in.live.compiled() == nil || !in.live.trying { // a draft is kept nothing of, as nothing in a preview
		kept = notes{name, in.dispatcher.Load}
	}
	return d.config(name, in.live.logger(in.logger), kept)
}

// provisionOwnDestinations works out the destinations of tenants. A mistake in one of a tenant's file takes the tenant out,
// where that is tolerated.
func (a *App) provisionOwnDestinations(ctx caddy.Context) error {
	in := a.run
	for _, tenant := range namesOf(a.Tenants) {
		compiled, err := in.compileOwn(ctx, tenant, a.Tenants[tenant])
		if err == nil {
			for name, c := range compiled {
				in.durable.snapshot.Destinations[name] = c
			}
			continue
		}
		f := in.files[tenant]
		if f == nil {
			return fmt.Errorf("tenant %s: %w", tenant, err)
		}
		if err := in.fault(f, "", err); err != nil {
			return err
		}
		in.takeOut(tenant, f.tenant)
		delete(a.Tenants, tenant)
	}
	return nil
}

// takeOut makes a tenant one that is known on no route. What waits for it is delivered as ever, but to its own destinations,
// for which it waits.
func (in *instance) takeOut(tenant string, t *Tenant) {
	in.out[tenant] = true
	in.noteVars(tenant, t.Vars)
}

// compileOwn works out the destinations of one tenant, by the names under which they are known.
func (in *instance) compileOwn(ctx caddy.Context, tenant string, t *Tenant) (map[string]delivery.Config, error) {
	compiled := make(map[string]delivery.Config, len(t.Destinations))
	for _, name := range namesOf(t.Destinations) {
		if t.Destinations[name] == nil {
			t.Destinations[name] = new(Destination)
		}
		err := checkDestinationName(name)
		if err == nil {
			compiled[ownName(tenant, name)], err = in.compileDestination(ctx, ownName(tenant, name), t.Destinations[name])
		}
		if err != nil {
			return nil, fmt.Errorf("destinations: %s: %w", name, err)
		}
	}
	return compiled, nil
}
