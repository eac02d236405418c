package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/ratelimit"
	"github.com/callgate/callgate/internal/source"
)

// routeCompiler works out the route that a handler's configuration describes.
type routeCompiler struct {
	app    *App
	run    *instance
	h      *Handler
	logger *zap.Logger

	source  *Source
	preset  source.Preset
	parsers map[string]source.Parser
	owners  secretOwners // where requests say which tenant they are for

	// base is what the route and its source say, for tenants that come later; plans are those of tenants that came.
	base  Policy
	plans sync.Map // name to *livePlan
}

func (c *routeCompiler) compile(ctx caddy.Context) (*gateway.Route, error) {
	h := c.h
	var err error
	if c.source, err = c.app.source(h.Source); err != nil {
		return nil, err
	}
	if c.preset, err = c.source.preset(h.Source); err != nil {
		return nil, err
	}
	if err := h.Policy.provision(ctx); err != nil {
		return nil, err
	}
	h.warnOfLiteralSecrets(c.logger, "route", h.Name)
	rt := &gateway.Route{
		Name: h.Name, Source: h.Source, Preset: c.preset, PassErrors: h.PassErrors, Spool: h.Spool,
		Render: c.run.render, Refuses: c.run.refuses, Store: c.run.storeFor, State: &c.run.shared.State, Server: server{}, Meter: newMeter(h.Source), Log: c.logger, Witness: witness{c.run},
	}
	if h.AddressLimit == nil {
		rt.StrangerLimit = &strangerLimit
	} else {
		if rt.AddressLimit, err = h.AddressLimit.compile(); err != nil {
			return nil, fmt.Errorf("address_limit: %w", err)
		}
		if h.AddressLimit.BurstQueue != 0 {
			return nil, errAddressQueue
		}
	}
	if rt.Receiver, err = h.receiver(c.logger); err != nil {
		return nil, err
	}
	c.run.auditRoute(rt)
	if err := c.setHandling(rt); err != nil {
		return nil, err
	}
	return rt, c.setTenants(rt, h.Policy.over(c.source.Policy))
}

// setTenants makes the plans of the tenants.
func (c *routeCompiler) setTenants(rt *gateway.Route, base Policy) (err error) {
	h := c.h
	rt.Faulty = make(map[string]bool)
	c.base = base
	if h.HideTenants && !strings.Contains(h.Tenant, "{") {
		return fmt.Errorf("hide_tenants has no effect where all requests are of one tenant; remove it")
	}
	switch {
	case h.Tenant == "":
		if rt.Single, err = c.newPlan("", base); err == nil {
			c.run.rotations.note(h.Source, h.Name, "", rt.Single, nil)
		}
	case !strings.ContainsAny(h.Tenant, "{}") && c.run.live != nil && c.app.Tenants[h.Tenant] == nil && !c.run.out[h.Tenant]:
		rt.TenantOf = func(*http.Request) string { return h.Tenant } // one that is to come from the store
		return c.goLive(rt)
	case !strings.ContainsAny(h.Tenant, "{}"):
		rt.Single, err = c.tenantPlanOrFault(rt, h.Tenant, base)
		if len(rt.Faulty) > 0 {
			rt.TenantOf = func(*http.Request) string { return h.Tenant }
		} else if err == nil && rt.Single == nil {
			err = c.unknownTenant(h.Tenant)
		}
	default:
		warning, err := checkTenantPlaceholders(h.Tenant, c.run.maySetAny || !c.run.sitesChecked)
		if err != nil {
			return err
		}
		c.warn("", warning)
		rt.TenantOf = compileTenantExpression(h.Tenant).name
		rt.PathTenant = mayComeFromPath(h.Tenant)
		c.owners = make(secretOwners)
		if rt.Plans, err = c.allTenants(rt, base); err == nil && h.HideTenants {
			rt.Nobody, err = c.nobody(base)
		}
		if err != nil {
			return err
		}
		return c.goLive(rt)
	}
	return err
}

// warn tells of something that is probably a mistake; an empty warning is none.
func (c *routeCompiler) warn(tenant, warning string) {
	if warning == "" {
		return
	}
	if t := c.run.live.compiled(); t != nil {
		t.warn(warning)
		return
	}
	fields := []zap.Field{zap.String("route", c.h.Name)}
	if tenant != "" {
		fields = append(fields, zap.String("tenant", tenant))
	}
	c.run.advise(warning, fields...)
}

// strangerLimit is how often an address may be refused before its sender is known, where a route has no limit of its own.
var strangerLimit = ratelimit.Limit{PerSecond: 10, Burst: 100}

var errAddressQueue = errors.New("address_limit takes no burst_queue: what is over the limit is not stored")

// setHandling settles what becomes of requests that are not simply handed on.
func (c *routeCompiler) setHandling(rt *gateway.Route) (err error) {
	h := c.h
	if h.Convert != "" {
		if rt.Convert, err = c.run.converter(h.Convert); err != nil {
			return err
		}
	}
	if !h.Spool {
		if len(h.SpoolRetry) > 0 {
			return fmt.Errorf("spool_retry has no effect without spool")
		}
		return nil
	}
	if h.Convert != "" {
		return fmt.Errorf("spool and convert exclude each other; use deliver, which stores and converts")
	}
	schedule, err := (&Destination{Retry: h.SpoolRetry}).schedule()
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	c.run.needed = true
	c.run.spools = append(c.run.spools, &spooling{handler: h, schedule: schedule})
	return nil
}

func (c *routeCompiler) allTenants(rt *gateway.Route, base Policy) (map[string]*gateway.Plan, error) {
	plans := make(map[string]*gateway.Plan, len(c.app.Tenants))
	names := make([]string, 0, len(c.app.Tenants))
	for name := range c.app.Tenants {
		names = append(names, name)
	}
	slices.Sort(names) // so that of several errors always the same one is reported
	for _, name := range names {
		p, err := c.tenantPlanOrFault(rt, name, base)
		if err != nil {
			return nil, err
		}
		if p != nil {
			plans[name] = p
		}
	}
	for name := range c.run.out {
		rt.Faulty[name] = true
	}
	if len(plans) == 0 && len(rt.Faulty) == 0 && c.run.live == nil {
		return nil, fmt.Errorf("no tenant is known on source %s: define one with tenant or tenants in the global callgate option", c.h.Source)
	}
	return plans, nil
}

// tenantPlan is the plan of a tenant, or nil if the tenant does not use the route's source.
func (c *routeCompiler) tenantPlan(name string, base Policy) (*gateway.Plan, error) {
	t := c.app.tenant(name)
	if t == nil {
		return nil, nil
	}
	layers, ok := t.policies(c.h.Source)
	if !ok {
		return nil, nil
	}
	for _, l := range layers {
		base = l.over(base)
	}
	p, err := c.newPlan(name, base)
	if err == nil && c.owners != nil {
		var keys []string
		keys, err = c.owners.claim(name, layers, base)
		c.run.live.claimed(c, keys)
	}
	if err != nil {
		return nil, &ofTenant{name, err}
	}
	if c.run.live.compiled() == nil { // what a document says counts when it is in force
		c.noteRotation(name, p)
	}
	return p, nil
}

// noteRotation notes which secrets a tenant has on the route, and where its calls may go; none with nil.
func (c *routeCompiler) noteRotation(tenant string, p *gateway.Plan) {
	c.run.rotations.note(c.h.Source, c.h.Name, tenant, p, c.base.Deliver)
}
