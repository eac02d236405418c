package caddymodule

import (
	"errors"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/gateway"
)

// TenantFault is a mistake in the file of a tenant that the gateway started without. The requests of the tenant are answered
// with 503 until the file is mended and the configuration loaded again, so that their senders come back.
type TenantFault struct {
	// Tenant is the tenant's name and File the path of its file.
	Tenant, File string
	// Err says what is wrong and begins with file, line and column. It holds no secret.
	Err error
}

// FaultyTenants are the tenants that the gateway runs without, sorted by name and by the order in which their mistakes were
// found. It is meant for those who tell whether the gateway is ready.
func (a *App) FaultyTenants() []TenantFault {
	if a.run == nil {
		return nil
	}
	faults := append(slices.Clone(a.run.faults), a.run.live.faulty()...)
	slices.SortStableFunc(faults, func(x, y TenantFault) int { return strings.Compare(x.Tenant, y.Tenant) })
	return faults
}

// faultyNames are the names of the faulty tenants.
func (a *App) faultyNames() []string {
	var names []string
	for _, f := range a.FaultyTenants() {
		names = append(names, f.Tenant)
	}
	return slices.Compact(names)
}

// startsAfresh reports whether a configuration is loaded because the process starts. Then a mistake in one tenant's file must
// not keep all others out. When a running gateway is given a new configuration, or one is only validated, there is somebody
// to be told, and nothing is lost by refusing it.
func startsAfresh() bool {
	return caddy.ActiveContext().Context == nil && !validates()
}

// validates reports whether caddy.Validate is what loads the configuration, as the commands validate and adapt do. A module
// is not told, but can see who called it.
func validates() bool {
	pcs := make([]uintptr, 256)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for {
		f, more := frames.Next()
		if f.Function == "github.com/caddyserver/caddy/v2.Validate" {
			return true
		}
		if !more {
			return false
		}
	}
}

// fault takes a tenant out because of a mistake in its file, where that is tolerated; otherwise the mistake is the
// configuration's, and returned.
func (in *instance) fault(f *tenantFile, source string, err error) error {
	err = f.at(source, err)
	if !in.tolerant {
		return err
	}
	in.faults = append(in.faults, TenantFault{Tenant: f.names[0], File: f.path, Err: err})
	in.logger.Error("a tenant is left out for a mistake in its file, and its requests are answered 503; mend it and reload",
		zap.String("tenant", f.names[0]), zap.Error(err))
	return nil
}

// faulty is how many tenants have a fault.
func (in *instance) faulty() int {
	files := make(map[string]bool)
	for _, f := range in.faults {
		files[f.File] = true
	}
	return len(files)
}

// addTenantFiles adds the tenants of files to those of the configuration.
func (a *App) addTenantFiles(ctx caddy.Context, files []*tenantFile) error {
	in := a.run
	var unread []string // names that files which cannot be read may be meant for
	for _, f := range files {
		if f.err != nil {
			if err := in.fault(f, "", f.err); err != nil {
				return err
			}
			unread = append(unread, f.names...)
			continue
		}
		name := f.tenant.Name
		twice := ""
		if other, ok := in.files[name]; ok {
			twice = "is in two files; the other is " + other.path
		} else if _, ok := a.Tenants[name]; ok {
			twice = "is in the configuration too"
		}
		if twice != "" {
			if err := in.fault(f, "", &twofold{name, twice}); err != nil {
				return err
			}
			in.out[name] = true // nobody knows which of them is right
			continue
		}
		in.files[name] = f
		a.Tenants[name] = f.tenant
	}
	for _, name := range slices.Sorted(maps.Keys(in.files)) {
		err := a.provisionTenant(ctx, name, in.files[name].tenant)
		if err == nil {
			continue
		}
		if err = in.fault(in.files[name], "", err); err != nil {
			return err
		}
		in.out[name] = true
	}
	for name := range in.out {
		if f := in.files[name]; f != nil {
			in.takeOut(name, f.tenant)
		}
		delete(a.Tenants, name)
	}
	for _, name := range unread {
		if _, other := a.Tenants[name]; !other {
			in.out[name] = true
		}
	}
	return nil
}

// twofold is the error of a tenant that is there twice.
type twofold struct{ name, where string }

func (t *twofold) Error() string { return "name: tenant " + t.name + " " + t.where }

// tenantPlanOrFault is tenantPlan, where a mistake of a tenant's file takes the tenant out of the route.
func (c *routeCompiler) tenantPlanOrFault(rt *gateway.Route, name string, base Policy) (*gateway.Plan, error) {
	if c.run.out[name] {
		rt.Faulty[name] = true
		return nil, nil
	}
	p, err := c.tenantPlan(name, base)
	f := c.run.files[name]
	if err == nil || f == nil {
		return p, err
	}
	cause := err
	if own, ok := err.(*ofTenant); ok {
		cause = own.err
	}
	if !c.ownMistake(f.tenant, cause, base) {
		return nil, err
	}
	if err = c.run.fault(f, c.h.Source, cause); err != nil {
		return nil, err
	}
	rt.Faulty[name] = true
	return nil, nil
}

// ofTenant is an error of one tenant.
type ofTenant struct {
	name string
	err  error
}

func (o *ofTenant) Error() string { return "tenant " + o.name + ": " + o.err.Error() }
func (o *ofTenant) Unwrap() error { return o.err }

// ownMistake reports whether an error comes from what the tenant says, and not from the route or source, which would be the
// same for every other tenant. What verifies is the tenant's to say, unless there is something for all.
func (c *routeCompiler) ownMistake(t *Tenant, err error, base Policy) bool {
	if missing, ok := errors.AsType[*missingDestination](err); ok && c.app.ownedBySome(missing.name) {
		return true // others of the tenants have it, and this one does not
	}
	layers, _ := t.policies(c.h.Source)
	own := base
	own.Vars, own.SharedSecret = nil, true
	verifies := len(base.Secrets)+len(base.PublicKeys) == 0
	for _, l := range layers {
		keys := Policy{Secrets: l.Secrets, PublicKeys: l.PublicKeys, verify: l.verify}
		verifies = verifies || len(l.Secrets)+len(l.PublicKeys) > 0 || l.verify != nil
		own = keys.over(own)
	}
	if keysErr := setKeys(&gateway.Plan{Preset: c.preset}, c.run, own); keysErr != nil {
		return verifies
	}
	_, again := c.newPlan("", own)
	return again == nil || again.Error() != err.Error()
}
