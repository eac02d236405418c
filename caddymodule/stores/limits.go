package stores

import (
	"fmt"
	"maps"
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/internal/store"
)

// checkLimits refuses bounds of tenants that cannot be.
func checkLimits(size, events int64, named map[string]StoreLimits) error {
	limits := maps.Clone(named)
	if limits == nil {
		limits = make(map[string]StoreLimits)
	}
	limits[""] = StoreLimits{size, events}
	for tenant, l := range limits {
		if l.MaxSize < 0 || l.MaxEvents < 0 {
			return fmt.Errorf("what a tenant (%q) may hold cannot be negative", tenant)
		}
	}
	return nil
}

// quotasOf are the bounds of tenants that are named.
func quotasOf(named map[string]StoreLimits) map[string]store.Quota {
	quotas := make(map[string]store.Quota)
	for tenant, l := range named {
		quotas[tenant] = store.Quota{Bytes: l.MaxSize, Events: l.MaxEvents}
	}
	return quotas
}

// unmarshalTenantLimit reads a bound for every tenant or, if some are named, for these.
func unmarshalTenantLimit(d *caddyfile.Dispenser, size, events *int64, limits *map[string]StoreLimits) error {
	name := d.Val()
	args, err := grammar.SomeArgs(d)
	if err != nil {
		return err
	}
	var n int64
	if name == "tenant_max_size" {
		n, err = grammar.ParseSize(d, args[0])
	} else if n, err = strconv.ParseInt(args[0], 10, 64); err != nil || n <= 0 {
		err = d.Errf("'%s' is not a number of events", args[0])
	}
	if err != nil {
		return err
	}
	set := func(tenant string, size, events *int64) error {
		to := size
		if name == "tenant_max_events" {
			to = events
		}
		if *to != 0 {
			return d.Errf("%s is given twice%s", name, tenant)
		}
		*to = n
		return nil
	}
	if len(args) == 1 {
		return set("", size, events)
	}
	for _, tenant := range args[1:] {
		l := (*limits)[tenant]
		if err := set(" for tenant "+tenant, &l.MaxSize, &l.MaxEvents); err != nil {
			return err
		}
		if *limits == nil {
			*limits = make(map[string]StoreLimits)
		}
		(*limits)[tenant] = l
	}
	return nil
}
