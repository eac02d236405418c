package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/store"
)

const (
	kindTenant      = manage.Tenant
	kindDestination = manage.Destination
)

// compiled is a document worked out, or one that is gone: with neither a tenant nor destinations.
type compiled struct {
	kind, name   string
	tenant       *liveTenant
	destinations map[string]*liveDestination // by the names under which they are known
	warnings     *notices
	end          func()
}

// liveTenant is a tenant that came from a document.
type liveTenant struct {
	name         string
	settings     *Tenant
	vars         map[string]string
	plans        map[*routeCompiler]*gateway.Plan
	owned        map[*routeCompiler][]string // what verifies its requests, see secretOwners
	destinations map[string]*liveDestination
	warnings     *notices
	end          func()
}

// says reports whether the tenant itself says that it delivers to a destination.
func (t *liveTenant) says(to string) bool {
	says := func(p *Policy) bool {
		return p != nil && slices.ContainsFunc(p.Deliver, func(d Deliver) bool { return d.To == to })
	}
	if says(&t.settings.Policy) {
		return true
	}
	for _, p := range t.settings.Sources {
		if says(p) {
			return true
		}
	}
	return false
}

func (t *liveTenant) warn(text string) { t.warnings.add(text) }

// compile works a document out, in the way in which a configuration is loaded and with its messages, and changes nothing.
// Whoever does not keep the result calls its end. The caller holds mu.
func (l *live) compile(doc *store.Document) (*compiled, error) {
	secrets, err := manage.ReadSecrets(doc.Secrets)
	if err != nil {
		return nil, err
	}
	t := &liveTenant{
		name: doc.Name, vars: make(map[string]string), plans: make(map[*routeCompiler]*gateway.Plan),
		owned: make(map[*routeCompiler][]string), warnings: new(notices), end: func() {},
	}
	c := &compiled{kind: doc.Kind, name: doc.Name, warnings: t.warnings, end: func() {}}
	t.settings = new(Tenant)
	l.compiling.Store(t)
	defer l.compiling.Store(nil)
	f := &tenantFile{path: doc.Kind + " " + doc.Name, names: []string{doc.Name}}
	switch doc.Kind {
	case kindDestination:
		err = l.compileDestination(c, f, doc, secrets)
	case kindTenant:
		c.tenant = t
		err = l.compileTenant(c, f, doc, secrets)
	default:
		err = fmt.Errorf("there is no kind of document %q", doc.Kind)
	}
	t.warnings.stop()
	if err != nil {
		l.disown(t, l.tenantNamed(doc.Name))
		c.end()
		return nil, err
	}
	return c, nil
}

// context is one for what a document loads, which ends before the configuration does. It costs more than all the rest of a
// tenant, so that there is none where nothing is loaded.
func (c *compiled) context(loads bool) caddy.Context {
	none := caddy.Context{Context: context.Background()}
	if !loads {
		return none
	}
	ctx, cancel := caddy.NewContext(none)
	c.end = sync.OnceFunc(cancel)
	if c.tenant != nil {
		c.tenant.end = c.end
	}
	return ctx
}

// loads reports whether a tenant names modules.
func (t *Tenant) loads() bool {
	if len(t.Destinations) > 0 || t.VerifyRaw != nil {
		return true
	}
	for _, p := range t.Sources {
		if p != nil && p.VerifyRaw != nil {
			return true
		}
	}
	return false
}

func (l *live) compileDestination(c *compiled, f *tenantFile, doc *store.Document, own manage.Secrets) error {
	if err := checkDestinationName(doc.Name); err != nil {
		return err
	}
	d, members, err := parseSettings[Destination](asDestination(doc.Body), "destination")
	f.members = members
	if err != nil {
		return f.at("", err)
	}
	if err := CheckUnits(d, l.logger(l.app.run.logger)); err != nil {
		return f.at("", err)
	}
	one, err := l.destination(c.context(true), doc.Name, d, own)
	if err != nil {
		return f.at("", err)
	}
	if w, ok := d.module.(guest.Wholesaler); !ok || w.SendsAll() {
		return f.at("", errors.New("to: what sends the provider's whole body stands in the configuration or with a tenant, since what routes keep of it was settled when the configuration was loaded; say what to send with body or document"))
	}
	one.end = c.end
	c.destinations = map[string]*liveDestination{doc.Name: one}
	return nil
}

// asDestination is a destination's document: a NextPhone webhook document says what is sent by HTTP.
func asDestination(body []byte) []byte {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil || members["to"] != nil || members["http_method"] == nil && members["body_template"] == nil {
		return body
	}
	return slices.Concat([]byte(`{"to":{"type":"http","document":`), bytes.TrimSpace(body), []byte("}}"))
}

// destination works out one destination of a document, which has its own fence.
func (l *live) destination(ctx caddy.Context, name string, d *Destination, own manage.Secrets) (*liveDestination, error) {
	s := l.secretsFor(own)
	if err := s.destination(d); err != nil {
		return nil, err
	}
	config, err := l.app.run.compileDestination(ctx, name, d)
	if err == nil {
		err = l.app.checkDocument(d.lacks(""))
	}
	return &liveDestination{config: config, secrets: s}, err
}

func (l *live) compileTenant(c *compiled, f *tenantFile, doc *store.Document, own manage.Secrets) error {
	settings, members, err := parseTenant(doc.Body)
	f.members = members
	if err != nil {
		return f.at("", err)
	}
	f.tenant, c.tenant.settings = settings, settings
	if settings.Name != "" && settings.Name != doc.Name {
		return f.at("", fmt.Errorf("name: the document is that of tenant %s", doc.Name))
	}
	settings.Name = doc.Name
	ctx := c.context(settings.loads())
	if err := l.provisionTenant(ctx, settings, own); err != nil {
		return f.at("", err)
	}
	c.destinations = make(map[string]*liveDestination)
	for _, name := range namesOf(settings.Destinations) {
		full := ownName(doc.Name, name)
		if settings.Destinations[name] == nil {
			settings.Destinations[name] = new(Destination)
		}
		err := checkDestinationName(name)
		if err == nil {
			c.destinations[full], err = l.destination(ctx, full, settings.Destinations[name], own)
		}
		if err != nil {
			return f.at("", fmt.Errorf("destinations: %s: %w", name, err))
		}
	}
	c.tenant.destinations = c.destinations
	for _, rc := range l.compilers {
		if err := l.compilePlan(rc, c.tenant, f); err != nil {
			return err
		}
	}
	if len(c.tenant.plans) == 0 {
		c.tenant.warn("no route takes this tenant's requests")
	}
	if len(c.tenant.vars) == 0 {
		c.tenant.vars = settings.Vars
	}
	return nil
}

// provisionTenant resolves the secrets of a document and does what is done for a tenant of the configuration.
func (l *live) provisionTenant(ctx caddy.Context, t *Tenant, own manage.Secrets) error {
	s := l.secretsFor(own)
	if err := s.policy(&t.Policy); err != nil {
		return err
	}
	for _, src := range namesOf(t.Sources) {
		if t.Sources[src] != nil {
			if err := s.policy(t.Sources[src]); err != nil {
				return err
			}
		}
	}
	if err := CheckUnits(t, l.logger(l.app.run.logger)); err != nil {
		return err
	}
	if err := l.app.provisionTenant(ctx, t.Name, t); err != nil {
		return err
	}
	return l.app.checkDocument(t.lacks(""))
}

// compilePlan works out a tenant's plan on a route, unless the route is another tenant's alone.
func (l *live) compilePlan(rc *routeCompiler, t *liveTenant, f *tenantFile) error {
	if of := rc.h.Tenant; rc.constant() && of != t.name {
		return nil
	}
	p, err := rc.tenantPlan(t.name, rc.base)
	if err != nil {
		if own, ok := errors.AsType[*ofTenant](err); ok {
			err = own.err
		}
		err = ofDocument(err)
		return f.at(rc.h.Source, err)
	}
	if p != nil {
		t.plans[rc] = p
	}
	return nil
}

// ofDocument says what is missing of a document in its own words: who writes one need not know what a line of a route is.
func ofDocument(err error) error {
	const add = `add "secrets": ["{secret.hook}"], and the value of hook to the document's secrets`
	switch {
	case errors.Is(err, errNoOwnSecret):
		return errors.New("secrets: the document names none, so what was signed for another tenant of this route would be accepted for this one too; " +
			add + ". If the sender has one secret for all tenants, shared_secret is for whoever has the configuration to write, on the source or the route")
	case errors.Is(err, errNoKeys):
		return errors.New("secrets: the document names none, and there is nothing else to verify the tenant's requests with; " + add + `, or "public_keys" if the sender signs with a key of its own`)
	}
	return err
}

func (l *live) tenantNamed(name string) *liveTenant {
	if l == nil {
		return nil
	}
	t, _ := l.tenants.Load(name)
	known, _ := t.(*liveTenant)
	return known
}

// constant reports whether all requests of the route are of one tenant.
func (c *routeCompiler) constant() bool { return !bytes.ContainsAny([]byte(c.h.Tenant), "{}") }
