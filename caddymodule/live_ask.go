package caddymodule

import (
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination"
)

// mayComeLater reports whether a destination that the configuration does not have can be delivered to. A route's may be
// published at any time; a document's has to be there.
func (l *live) mayComeLater(a *App, name string) error {
	if l == nil {
		return a.unknownDestination(name)
	}
	if err := checkDestinationName(name); err != nil {
		return err
	}
	t := l.compiled()
	if t == nil || !t.says(name) {
		return nil
	}
	if _, ok := l.destinations.Load(name); ok {
		return nil
	}
	known := namesOf(a.Destinations)
	l.destinations.Range(func(k, _ any) bool {
		known = append(known, k.(string))
		return true
	})
	return noDestination(name, slices.DeleteFunc(known, func(n string) bool { return checkDestinationName(n) != nil }))
}

// tenantNames are those of the tenants in force.
func (l *live) tenantNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		if l != nil {
			l.tenants.Range(func(k, _ any) bool { return yield(k.(string)) })
		}
	}
}

// vars are a tenant's variables, and whether there is such a tenant.
func (l *live) vars(tenant string) (map[string]string, bool) {
	if l == nil {
		return nil, false
	}
	if t, ok := l.tenants.Load(tenant); ok {
		return t.(*liveTenant).vars, true
	}
	return nil, false
}

// faulty are the tenants whose documents have a mistake.
func (l *live) faulty() (list []TenantFault) {
	if l != nil {
		l.faults.Range(func(_, v any) bool {
			list = append(list, v.(TenantFault))
			return true
		})
	}
	return list
}

// config is what is said of a destination; the zero value if there is none.
func (l *live) config(name string) delivery.Config {
	if l != nil {
		if d, ok := l.destinations.Load(name); ok {
			return d.(*liveDestination).config
		}
	}
	return delivery.Config{}
}

// hasDestination reports whether a destination is in force, of a tenant by TENANT/NAME.
func (l *live) hasDestination(name string) bool {
	if l == nil {
		return false
	}
	_, ok := l.destinations.Load(name)
	return ok
}

// destinationNames are the names that a tenant knows destinations by.
func (l *live) destinationNames(tenant string) (names []string) {
	if l == nil {
		return nil
	}
	l.destinations.Range(func(k, _ any) bool {
		if of, own, ok := strings.Cut(k.(string), "/"); !ok {
			names = append(names, of)
		} else if of == tenant {
			names = append(names, own)
		}
		return true
	})
	return names
}

// render makes the requests that a destination would send, without any secret.
func (l *live) render(name string, item destination.Item) ([]destination.Request, error) {
	if l != nil {
		if v, ok := l.destinations.Load(name); ok {
			d := v.(*liveDestination)
			requests, err := preview(&d.config, item)
			return requests, d.secrets.scrub(requests, err)
		}
	}
	return nil, errors.New("there is no such destination yet; what is for it waits until it is published")
}
