package caddymodule

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// Tenant is one customer of the platform: a clinic, a contractor. What it says wins over sources and routes.
type Tenant struct {
	// Name identifies the tenant. It is given in tenant files only, where the file's name without .json is the
	// default; elsewhere it is the key under which the tenant stands.
	Name string `json:"name,omitempty"`

	// Sources hold the tenant's policy for single sources, by their names. A tenant that has any is known on the
	// routes of these sources only.
	Sources map[string]*Policy `json:"sources,omitempty"`

	// Destinations are systems of the tenant's own, by names, with credentials of its own. A deliver line that names crm,
	// wherever it stands, means for this tenant's calls the tenant's crm if there is one, and else the one of all tenants.
	// Everywhere else it is known as TENANT/NAME, such as acme/crm: to pause, stats, filters, logs and metrics. The name of
	// a tenant that has any holds neither slash nor colon.
	Destinations map[string]*Destination `json:"destinations,omitempty"`

	Policy
}

func (t *Tenant) provision(ctx caddy.Context, name string) error {
	if err := checkTenantName(name); err != nil {
		return err
	}
	if len(t.Destinations) > 0 && strings.ContainsAny(name, "/:") {
		return fmt.Errorf("destinations: the name of a tenant with destinations of its own holds neither slash nor colon; they are known as %s/NAME", name)
	}
	if err := t.Policy.provision(ctx); err != nil {
		return err
	}
	for src, p := range t.Sources {
		if p == nil {
			t.Sources[src] = new(Policy)
			continue
		}
		if err := p.provision(ctx); err != nil {
			return fmt.Errorf("source %s: %w", src, err)
		}
	}
	return nil
}

// policies are the tenant's layers for a source, the stronger last; ok is false if the tenant does not use the source.
func (t *Tenant) policies(src string) (layers []Policy, ok bool) {
	if len(t.Sources) == 0 {
		return []Policy{t.Policy}, true
	}
	p, ok := t.Sources[src]
	if !ok {
		return nil, false
	}
	return []Policy{t.Policy, *p}, true
}

const maxTenantName = 128

// checkTenantName refuses what could not stand in a header, a log line and a placeholder as it is.
func checkTenantName(name string) error {
	if name == "" || len(name) > maxTenantName {
		return fmt.Errorf("a tenant's name has 1 to %d characters", maxTenantName)
	}
	if i := strings.IndexFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '{' || r == '}' }); i >= 0 {
		return fmt.Errorf("tenant %q: a name consists of visible ASCII characters without braces", name)
	}
	return nil
}
