package caddymodule

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

const (
	defaultMaxBody = 1 << 20
	maxMaxBody     = 1 << 30
)

// newPlan works a policy out for a tenant.
func (c *routeCompiler) newPlan(tenant string, p Policy) (*gateway.Plan, error) {
	pl := &gateway.Plan{Tenant: tenant, Preset: c.preset, MaxBody: p.MaxBody, Require: p.Require, Vars: p.Vars}
	pl.LimiterKey = c.h.Name + "\x00" + tenant
	if pl.MaxBody == 0 {
		pl.MaxBody = defaultMaxBody
	}
	if pl.MaxBody < 0 || pl.MaxBody > maxMaxBody {
		return nil, fmt.Errorf("max_body must lie between 1 byte and 1 GiB")
	}
	if err := setKeys(pl, p); err != nil {
		return nil, err
	}
	if err := checkRequired(p.Require); err != nil {
		return nil, err
	}
	warning, err := checkVars(p.Vars)
	if err != nil {
		return nil, err
	}
	c.warn(tenant, warning)
	if len(p.Deliver) == 0 && !p.Test && c.run.unanswered[c.h.Name] {
		c.warn(tenant, "nothing is delivered, and no handler after the route could answer, so each request is answered with an error; "+
			"add deliver, or a handler such as reverse_proxy")
	}
	parser, err := c.parser(p.Region)
	if err != nil {
		return nil, err
	}
	pl.Parser = parser
	if pl.Limit, err = p.RateLimit.compile(); err != nil {
		return nil, err
	}
	if pl.Idempotency, err = p.Idempotency.compile(); err != nil {
		return nil, err
	}
	if pl.EventID, err = p.EventID.compile(); err != nil {
		return nil, err
	}
	if pl.PublicURL, err = checkPublicURL(p.PublicURL); err != nil {
		return nil, err
	}
	if err := c.setTargets(pl, p); err != nil {
		return nil, err
	}
	if p.Sign != nil {
		signer, err := p.Sign.signer(resolveSecret)
		if err != nil {
			return nil, err
		}
		pl.Signer = signature.Again(pl.Verifier, signer)
	}
	if p.Breaker == nil || !p.Breaker.Off {
		if pl.Breaker, err = c.breakerFor(tenant, p.Breaker); err != nil {
			return nil, err
		}
	}
	return pl, nil
}

// setTargets finds the destinations and compiles their conditions.
func (c *routeCompiler) setTargets(pl *gateway.Plan, p Policy) error {
	pl.Test = p.Test
	for _, d := range p.Deliver {
		if _, ok := c.run.durable.snapshot.Destinations[d.To]; !ok {
			return fmt.Errorf("deliver: %w", c.run.unknownDestination(d.To))
		}
		t := gateway.Target{To: d.To}
		if d.If != "" {
			var err error
			if t.Condition, err = condition.Compile(d.If); err != nil {
				return fmt.Errorf("deliver %s: %w", d.To, err)
			}
		}
		pl.Deliver = append(pl.Deliver, t)
	}
	if len(pl.Deliver) > 0 {
		c.run.needed = true
		c.run.noteVars(pl.Tenant, pl.Vars)
		queue := 1000
		if p.RateLimit != nil && p.RateLimit.BurstQueue != 0 {
			queue = p.RateLimit.BurstQueue
		}
		if pl.Limit != nil {
			pl.Limit.Burst += queue
		}
	}
	return nil
}

// setKeys makes the verifier. There is no way to be without one.
func setKeys(pl *gateway.Plan, p Policy) error {
	var k Keys
	var err error
	if k.Secrets, err = resolveSecrets("secret", p.Secrets); err != nil {
		return err
	}
	if k.PublicKeys, err = resolveSecrets("public_key", p.PublicKeys); err != nil {
		return err
	}
	verify := p.verify
	pl.Scheme = pl.Preset.Scheme
	if s, ok := verify.(*SchemeVerifier); ok {
		pl.Scheme = s.scheme
	} else if verify != nil {
		pl.Scheme = "guest"
	}
	if verify == nil {
		if pl.Scheme == "" {
			return fmt.Errorf("the source's preset names no signature scheme; say which one with verify")
		}
		verify = &SchemeVerifier{scheme: pl.Scheme}
	}
	info, known := signature.Lookup(pl.Scheme)
	pl.SignsURL = !known || info.SignsURL || pl.Scheme == "hmac" || strings.HasPrefix(pl.Scheme, "vapi")
	if pl.Verifier, err = verify.Verifier(k); err != nil {
		return fmt.Errorf("verify %s: %w", pl.Scheme, err)
	}
	return nil
}

func (e *EventID) compile() (from gateway.EventIDFrom, err error) {
	if e == nil {
		return from, nil
	}
	given := 0
	if e.Header != "" {
		given++
		if strings.ContainsAny(e.Header, "_. ") {
			return from, fmt.Errorf("event_id header %q: Caddy drops headers with underscores and dots in their names", e.Header)
		}
		from.Header = e.Header
	}
	if e.JSONPath != "" {
		given++
		if from.Path, err = source.NewJSONPathID(e.JSONPath); err != nil {
			return from, fmt.Errorf("event_id jsonpath: %w", err)
		}
	}
	if e.Body {
		given++
		from.Body = true
	}
	if given != 1 {
		return from, fmt.Errorf("event_id is one of header, jsonpath and body")
	}
	return from, nil
}

func checkPublicURL(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	u, err := url.Parse(s)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || strings.ContainsAny(s, "?#") {
		return "", fmt.Errorf("public_url must be the address that senders use, such as https://hooks.example.com, without query and fragment")
	}
	return strings.TrimSuffix(s, "/"), nil
}

// breakerFor finds the breaker of the route or, if so configured, of the tenant on the route.
func (c *routeCompiler) breakerFor(tenant string, b *Breaker) (*breaker.Breaker, error) {
	s, err := b.settings()
	if err != nil {
		return nil, err
	}
	k := breakerKey{route: c.h.Name, settings: s}
	if b != nil && b.PerTenant {
		k.tenant = tenant
	}
	if have, ok := c.h.breakers[k]; ok {
		return have, nil
	}
	br, err := acquireBreaker(k, c.logger)
	if err != nil {
		return nil, err
	}
	if c.h.breakers == nil {
		c.h.breakers = make(map[breakerKey]*breaker.Breaker)
	}
	c.h.breakers[k] = br
	return br, nil
}

// parser makes the parser for a region once: hundreds of tenants share a few.
func (c *routeCompiler) parser(region string) (source.Parser, error) {
	if p, ok := c.parsers[region]; ok {
		return p, nil
	}
	s := c.source
	p, err := source.New(c.preset.Name, source.Options{
		Region: region, OwnNumbers: s.OwnNumbers, UrgentWords: s.UrgentWords, Map: s.Call.internal(),
	})
	if err != nil {
		return nil, err
	}
	if c.parsers == nil {
		c.parsers = make(map[string]source.Parser)
	}
	c.parsers[region] = p
	return p, nil
}
