package caddymodule

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/redact"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

const (
	defaultMaxBody = 1 << 20
	maxMaxBody     = 1 << 30

	defaultMinBodyRate     = 1 << 10
	defaultReceiverTimeout = time.Minute
)

// newPlan works a policy out for a tenant.
func (c *routeCompiler) newPlan(tenant string, p Policy) (pl *gateway.Plan, err error) {
	pl = &gateway.Plan{Tenant: tenant, Preset: c.preset, MaxBody: p.MaxBody, Require: p.Require, Vars: p.Vars}
	pl.LimiterKey = c.h.Name + "\x00" + tenant
	pl.CopiesKey = pl.LimiterKey + "\x00copies"
	if pl.MaxBody == 0 {
		pl.MaxBody = cmp.Or(c.preset.MaxBody, defaultMaxBody)
	}
	if pl.MaxBody < 0 || pl.MaxBody > maxMaxBody {
		return nil, fmt.Errorf("max_body must lie between 1 byte and 1 GiB")
	}
	c.run.noteBody(c.h.Name, pl.MaxBody)
	if pl.Methods, err = c.methods(p); err != nil {
		return nil, err
	}
	if pl.MinBodyRate = p.MinBodyRate; pl.MinBodyRate == 0 {
		pl.MinBodyRate = defaultMinBodyRate
	}
	if pl.ReceiverTimeout = time.Duration(p.ReceiverTimeout); pl.ReceiverTimeout == 0 {
		pl.ReceiverTimeout = defaultReceiverTimeout
	}
	if err := setKeys(pl, c.run, p); err != nil {
		return nil, err
	}
	if err := c.setAddresses(pl, p); err != nil {
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
	if len(p.Deliver) == 0 && !p.Test && c.h.Forward == "" && c.run.unanswered[c.h.Name] {
		c.warn(tenant, "nothing is delivered, and no handler after the route could answer, so each request is answered with an error; "+
			"add deliver, forward, or a handler such as reverse_proxy")
	}
	if pl.Parser, err = c.parser(p.Region); err != nil {
		return nil, err
	}
	if pl.Limit, err = p.RateLimit.compile(); err != nil {
		return nil, err
	}
	if pl.Idempotency, err = p.Idempotency.compile(); err != nil {
		return nil, err
	}
	if pl.EventID, err = p.EventID.compile(); err != nil {
		return nil, err
	}
	if name := pl.EventID.Header; name != "" && pl.Scheme != "guest" && !signature.SignsHeader(pl.Verifier, name) {
		return nil, fmt.Errorf("event_id header %s: %s does not sign it, so that whoever has seen one request could send it again under "+
			"a new id; take the id from the body with event_id jsonpath, or leave event_id out", name, pl.Scheme)
	}
	if pl.PublicURL, err = checkPublicURL(p.PublicURL); err != nil {
		return nil, err
	}
	if err := c.setTargets(pl, p); err != nil {
		return nil, err
	}
	if err := c.setStored(pl, p); err != nil {
		return nil, err
	}
	if p.Sign != nil {
		signer, err := p.Sign.Signer()
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

// setHandshake makes ready what the sender's handshake is answered with.
func setHandshake(pl *gateway.Plan, verify guest.Verifier, p Policy, secrets []string) (err error) {
	pl.SyncEvents = p.SyncEvents
	if p.HandshakeToken != "" {
		if pl.HandshakeToken, err = secret.Resolve(p.HandshakeToken); err != nil {
			return fmt.Errorf("handshake_token: %w", err)
		}
	}
	if pl.Preset.Name != "zoom" {
		return nil
	}
	for _, text := range secrets {
		v, err := verify.Verifier(guest.Keys{Secrets: []string{text}})
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		pl.Secrets = append(pl.Secrets, gateway.Secret{Text: text, Verifier: v})
	}
	return nil
}

// methods are those that are let in.
func (c *routeCompiler) methods(p Policy) ([]string, error) {
	if len(p.Methods) == 0 {
		return c.preset.Methods(), nil
	}
	allowed := make([]string, len(p.Methods))
	for i, m := range p.Methods {
		allowed[i] = strings.ToUpper(m)
		if strings.Trim(allowed[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
			return nil, fmt.Errorf("methods: %q is not an HTTP method such as POST", m)
		}
	}
	return allowed, nil
}

// nobody is the plan for requests of unknown tenants: verified as the route's own policy says, with keys of nobody.
func (c *routeCompiler) nobody(base Policy) (*gateway.Plan, error) {
	p := Policy{verify: base.verify, RemoteIP: base.RemoteIP, Methods: base.Methods, MaxBody: base.MaxBody, MinBodyRate: base.MinBodyRate, PublicURL: base.PublicURL, Breaker: &Breaker{Off: true}}
	scheme := c.preset.Scheme
	if s, ok := base.verify.(guest.Described); ok {
		scheme = s.SchemeName()
	}
	var err error
	if p.Secrets, p.PublicKeys, err = signature.KeysOfNobody(scheme); err != nil {
		return nil, fmt.Errorf("hide_tenants: %w", err)
	}
	pl, err := c.newPlan("", p)
	if err != nil {
		return nil, fmt.Errorf("hide_tenants: %w", err)
	}
	return pl, nil
}

// setTargets finds the destinations and compiles their conditions.
func (c *routeCompiler) setTargets(pl *gateway.Plan, p Policy) error {
	pl.Test, pl.DropAudio = p.Test, true
	for _, d := range p.Deliver {
		to, dest := c.app.destinationFor(pl.Tenant, d.To)
		if dest == nil {
			if err := c.run.live.mayComeLater(c.app, d.To); err != nil {
				return fmt.Errorf("deliver: %w", err)
			}
		} else if w, ok := dest.module.(guest.Wholesaler); !ok || w.SendsAll() {
			pl.DropAudio = false
		}
		t := gateway.Target{To: to}
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

var errNoKeys = errors.New("none is written: add a line secret or public_key to the route, the tenant or the source, such as secret {env.NAME}")

// setKeys makes the verifier. There is no way to be without one.
func setKeys(pl *gateway.Plan, run *instance, p Policy) error {
	var k guest.Keys
	var err error
	if k.Secrets, err = secret.ResolveList("secret", p.Secrets, run.leftOut); err != nil {
		return err
	}
	if k.PublicKeys, err = secret.ResolveList("public_key", p.PublicKeys, run.leftOut); err != nil {
		return err
	}
	verify := p.verify
	if verify == nil {
		if pl.Preset.Scheme == "" {
			return fmt.Errorf("the source's preset names no signature scheme; say which one with verify, such as verify hmac { header X-Signature }, " +
				"or verify api_key { query token } for a sender that can be given an address and nothing else")
		}
		if verify, err = run.presetVerifier(pl.Preset.Scheme); err != nil {
			return err
		}
	}
	if err := setHandshake(pl, verify, p, k.Secrets); err != nil {
		return err
	}
	pl.Scheme, pl.SignsURL = "guest", true
	if s, ok := verify.(guest.Described); ok {
		pl.Scheme, pl.SignsURL = s.SchemeName(), s.SignsURL()
	}
	if pl.Verifier, err = verify.Verifier(k); err != nil {
		err = fmt.Errorf("verify %s: %w", pl.Scheme, err)
		if len(k.Secrets)+len(k.PublicKeys) == 0 {
			err = fmt.Errorf("%w; %w", err, errNoKeys)
		}
		return err
	}
	redact.Add(signature.SensitiveOf(pl.Scheme, pl.Verifier))
	if len(k.Secrets) == 0 || len(k.PublicKeys) == 0 { // with both, their numbers do not tell which it was
		pl.Uses = usesOf(pl.LimiterKey, slices.Concat(k.Secrets, k.PublicKeys))
	}
	if pl.KeepToken = p.KeepToken; signature.TakesToken(pl.Verifier) {
		run.tokens = pl.Scheme
	}
	return nil
}

func (e *EventID) compile() (from source.IDFrom, err error) {
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
	if len(e.JSONPaths) > 0 {
		given++
		if from.Path, err = source.NewJSONPathID(e.JSONPaths...); err != nil {
			return from, fmt.Errorf("event_id jsonpath: %w", err)
		}
	}
	if e.Body {
		given++
		from.Digest = true
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

// breakerFor finds the breaker of the route or of the tenant on the route.
func (c *routeCompiler) breakerFor(tenant string, b *Breaker) (*breaker.Breaker, error) {
	s, err := b.settings()
	if err != nil {
		return nil, err
	}
	k := breakerKey{route: c.h.Name, settings: s}
	if b == nil {
		b = new(Breaker)
	}
	if b.PerTenant || !b.Shared && strings.Contains(c.h.Tenant, "{") {
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
	if err != nil && c.h != nil {
		return nil, fmt.Errorf("source %s: %w", c.h.Source, err)
	}
	if err != nil {
		return nil, err
	}
	if c.parsers == nil {
		c.parsers = make(map[string]source.Parser)
	}
	c.parsers[region] = p
	return p, nil
}
