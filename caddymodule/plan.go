package caddymodule

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/ratelimit"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

// plan is all that a request of one tenant on one route needs, worked out when the configuration is loaded.
type plan struct {
	tenant   string
	preset   source.Preset
	scheme   string
	verifier signature.Verifier
	parser   source.Parser

	maxBody   int64
	limited   bool
	limit     ratelimit.Limit
	eventID   eventIDFrom
	idem      Idempotency
	breaker   *breaker.Breaker
	require   []string
	signer    signature.Signer
	vars      map[string]string
	publicURL string
	deliver   []target
	test      bool

	// signsURL says that the verifier looks at the URL, and limiterKey is the tenant's on this route.
	signsURL   bool
	limiterKey string
}

// eventIDFrom is where the id of an event is found: at most one of the fields is set.
type eventIDFrom struct {
	header string
	path   *source.JSONPathID
	body   bool
}

const (
	defaultMaxBody = 1 << 20
	maxMaxBody     = 1 << 30
)

// newPlan works a policy out for a tenant.
func (h *Handler) newPlan(tenant string, p Policy) (*plan, error) {
	pl := &plan{tenant: tenant, preset: h.preset, maxBody: p.MaxBody, require: p.Require, vars: p.Vars}
	pl.limiterKey = h.Name + "\x00" + tenant
	if pl.maxBody == 0 {
		pl.maxBody = defaultMaxBody
	}
	if pl.maxBody < 0 || pl.maxBody > maxMaxBody {
		return nil, fmt.Errorf("max_body must lie between 1 byte and 1 GiB")
	}
	if err := pl.setKeys(h.app, p); err != nil {
		return nil, err
	}
	parser, err := h.parser(p.Region)
	if err != nil {
		return nil, err
	}
	pl.parser = parser
	if pl.limit, pl.limited, err = p.RateLimit.limit(); err != nil {
		return nil, err
	}
	if pl.idem, err = p.Idempotency.withDefaults(); err != nil {
		return nil, err
	}
	if pl.eventID, err = p.EventID.compile(); err != nil {
		return nil, err
	}
	if pl.publicURL, err = checkPublicURL(p.PublicURL); err != nil {
		return nil, err
	}
	if err := pl.setTargets(h, p); err != nil {
		return nil, err
	}
	if p.Sign != nil {
		signer, err := p.Sign.Signer()
		if err != nil {
			return nil, err
		}
		pl.signer = signature.Again(pl.verifier, signer)
	}
	if p.Breaker == nil || !p.Breaker.Off {
		if pl.breaker, err = h.breakerFor(tenant, p.Breaker); err != nil {
			return nil, err
		}
	}
	return pl, nil
}

// setTargets finds the destinations and compiles their conditions.
func (pl *plan) setTargets(h *Handler, p Policy) error {
	pl.test = p.Test
	for _, d := range p.Deliver {
		if _, ok := h.app.durable.snapshot.Destinations[d.To]; !ok {
			return fmt.Errorf("deliver: %w", noDestination(d.To, namesOf(h.app.Destinations)))
		}
		t := target{to: d.To}
		if d.If != "" {
			var err error
			if t.condition, err = condition.Compile(d.If); err != nil {
				return fmt.Errorf("deliver %s: %w", d.To, err)
			}
		}
		pl.deliver = append(pl.deliver, t)
	}
	if len(pl.deliver) > 0 {
		h.app.needed = true
		h.app.noteVars(pl.tenant, pl.vars)
		queue := 1000
		if p.RateLimit != nil && p.RateLimit.BurstQueue != 0 {
			queue = p.RateLimit.BurstQueue
		}
		pl.limit.Burst += queue
	}
	return nil
}

// setKeys makes the verifier. There is no way to be without one.
func (pl *plan) setKeys(a *App, p Policy) error {
	var k guest.Keys
	var err error
	if k.Secrets, err = secret.ResolveList("secret", p.Secrets); err != nil {
		return err
	}
	if k.PublicKeys, err = secret.ResolveList("public_key", p.PublicKeys); err != nil {
		return err
	}
	verify := p.verify
	if verify == nil {
		if pl.preset.Scheme == "" {
			return fmt.Errorf("the source's preset names no signature scheme; say which one with verify")
		}
		if verify, err = a.presetVerifier(pl.preset.Scheme); err != nil {
			return err
		}
	}
	pl.scheme, pl.signsURL = "guest", true
	if s, ok := verify.(guest.Described); ok {
		pl.scheme, pl.signsURL = s.SchemeName(), s.SignsURL()
	}
	if pl.verifier, err = verify.Verifier(k); err != nil {
		return fmt.Errorf("verify %s: %w", pl.scheme, err)
	}
	return nil
}

func (e *EventID) compile() (from eventIDFrom, err error) {
	if e == nil {
		return from, nil
	}
	given := 0
	if e.Header != "" {
		given++
		if strings.ContainsAny(e.Header, "_. ") {
			return from, fmt.Errorf("event_id header %q: Caddy drops headers with underscores and dots in their names", e.Header)
		}
		from.header = e.Header
	}
	if e.JSONPath != "" {
		given++
		if from.path, err = source.NewJSONPathID(e.JSONPath); err != nil {
			return from, fmt.Errorf("event_id jsonpath: %w", err)
		}
	}
	if e.Body {
		given++
		from.body = true
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

// overloadStatus answers what a tenant's own excess deserves. Many senders never send again what was answered with a
// 4xx; to them a full bucket is told as 503, which they retry.
func (pl *plan) overloadStatus() int {
	if pl.preset.RetriesClientErrors {
		return 429
	}
	return 503
}

// breakerFor finds the breaker of the route or, if so configured, of the tenant on the route.
func (h *Handler) breakerFor(tenant string, b *Breaker) (*breaker.Breaker, error) {
	s, err := b.settings()
	if err != nil {
		return nil, err
	}
	k := breakerKey{route: h.Name, settings: s}
	if b != nil && b.PerTenant {
		k.tenant = tenant
	}
	if have, ok := h.breakers[k]; ok {
		return have, nil
	}
	br, err := acquireBreaker(k, h.logger)
	if err != nil {
		return nil, err
	}
	if h.breakers == nil {
		h.breakers = make(map[breakerKey]*breaker.Breaker)
	}
	h.breakers[k] = br
	return br, nil
}

// parser makes the parser for a region once: hundreds of tenants share a few.
func (h *Handler) parser(region string) (source.Parser, error) {
	if p, ok := h.parsers[region]; ok {
		return p, nil
	}
	s := h.sourceConfig
	p, err := source.New(h.preset.Name, source.Options{
		Region: region, OwnNumbers: s.OwnNumbers, UrgentWords: s.UrgentWords, Map: s.Call.internal(),
	})
	if err != nil {
		return nil, err
	}
	if h.parsers == nil {
		h.parsers = make(map[string]source.Parser)
	}
	h.parsers[region] = p
	return p, nil
}
