package caddymodule

import (
	"slices"
	"time"
)

// disown takes from a tenant's version what verifies its requests, but what another version of it has too.
func (l *live) disown(t, but *liveTenant) {
	for c, keys := range t.owned {
		for _, k := range keys {
			if but == nil || !slices.Contains(but.owned[c], k) {
				delete(c.owners, k)
			}
		}
	}
}

// put puts a document into force that was not before. The caller sees to the lanes.
func (l *live) put(c *compiled) {
	for name, d := range c.destinations {
		l.destinations.Store(name, d)
	}
	if c.tenant == nil {
		return
	}
	l.faults.Delete(c.name)
	delete(l.failed, c.name)
	for _, rc := range l.compilers {
		p := c.tenant.plans[rc]
		rc.noteRotation(c.name, p)
		if p != nil {
			rc.plans.Store(c.name, &livePlan{plan: p})
		} else {
			rc.plans.Delete(c.name)
		}
	}
	l.tenants.Store(c.name, c.tenant)
}

// swap puts a document into force in place of its version before, or takes that out if there is nothing. The lanes come
// first where there are new ones, and last where they go, so that no call finds a way to nothing.
func (l *live) swap(c *compiled) {
	engine := l.dispatcher.engine
	before := make(map[string]*liveDestination)
	end := func() {}
	if old := l.tenantNamed(c.name); old != nil && c.kind == kindTenant {
		before, end = old.destinations, old.end
		if c.tenant != nil {
			l.disown(old, c.tenant)
		} else {
			l.disown(old, nil)
		}
	}
	if d, ok := l.destinations.Load(c.name); ok && c.kind == kindDestination {
		before[c.name] = d.(*liveDestination)
		end = d.(*liveDestination).end
	}
	for name, d := range c.destinations {
		engine.Change(l.snapshot, name, &d.config)
	}
	if c.tenant == nil && c.kind == kindTenant {
		l.faults.Delete(c.name)
		delete(l.failed, c.name)
		l.tenants.Delete(c.name)
		for _, rc := range l.compilers {
			rc.plans.Delete(c.name)
			rc.noteRotation(c.name, nil)
		}
	}
	l.put(c)
	longest := time.Minute
	for name, d := range before {
		longest = max(longest, d.config.Timeout+d.config.BatchWait+time.Minute)
		if c.destinations[name] == nil {
			l.destinations.Delete(name)
			engine.Change(l.snapshot, name, nil)
		}
	}
	l.retire(end, longest)
}

// retire ends what was swapped out when the last attempt with it must have ended, or the configuration does.
func (l *live) retire(end func(), after time.Duration) {
	r := &end
	if l.retired == nil {
		l.retired = make(map[*func()]bool)
	}
	l.retired[r] = true
	time.AfterFunc(after, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.retired[r] {
			delete(l.retired, r)
			end()
		}
	})
}

// discard gives up what was compiled and is not put into force.
func (l *live) discard(c *compiled) {
	if c.tenant != nil {
		l.disown(c.tenant, l.tenantNamed(c.name))
	}
	c.end()
}
