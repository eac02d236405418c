package caddymodule

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/internal/condition"
)

// unmarshalLine reads one line of a policy, whose first word is the current token.
func (p *Policy) unmarshalLine(d *caddyfile.Dispenser) (err error) {
	switch d.Val() {
	case "secret":
		p.Secrets, err = someArgs(d)
	case "public_key":
		p.PublicKeys, err = someArgs(d)
	case "verify":
		err = p.unmarshalVerify(d)
	case "max_body":
		p.MaxBody, err = size(d)
	case "rate_limit":
		p.RateLimit, err = unmarshalRateLimit(d)
	case "idempotency":
		p.Idempotency = new(Idempotency)
		err = p.Idempotency.unmarshal(d)
	case "event_id":
		p.EventID = new(EventID)
		err = p.EventID.unmarshal(d)
	case "breaker":
		p.Breaker = new(Breaker)
		err = p.Breaker.unmarshal(d)
	case "require":
		if p.Require, err = someArgs(d); err == nil {
			if bad := checkRequired(p.Require); bad != nil {
				err = d.WrapErr(bad)
			}
		}
	case "sign":
		p.Sign = new(Sign)
		err = p.Sign.unmarshal(d)
	case "deliver":
		err = p.unmarshalDeliver(d)
	case "shared_secret":
		p.SharedSecret = true
		if d.NextArg() {
			err = d.ArgErr()
		}
	case "test":
		p.Test = true
		if d.NextArg() {
			err = d.ArgErr()
		}
	case "vars":
		err = p.unmarshalVars(d)
	case "public_url":
		if err = oneArg(d, &p.PublicURL); err == nil {
			if _, bad := checkPublicURL(p.PublicURL); bad != nil {
				err = d.WrapErr(bad)
			}
		}
	case "region":
		err = oneArg(d, &p.Region)
	default:
		err = d.Errf("unrecognized subdirective '%s'", d.Val())
	}
	return err
}

// unmarshalVerify reads the scheme, a guest module.
func (p *Policy) unmarshalVerify(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	scheme := d.Val()
	if err := knownGuest(d, "callgate.verifiers", "signature scheme"); err != nil {
		return err
	}
	mod, err := caddyfile.UnmarshalModule(d, "callgate.verifiers."+scheme)
	if err != nil {
		return err
	}
	p.VerifyRaw = caddyconfig.JSONModuleObject(mod, "scheme", scheme, nil)
	return nil
}

func unmarshalRateLimit(d *caddyfile.Dispenser) (*RateLimit, error) {
	r := new(RateLimit)
	if !d.Args(&r.Rate) {
		return nil, d.ArgErr()
	}
	for d.NextArg() {
		into := map[string]*int{"burst": &r.Burst, "burst_queue": &r.BurstQueue}[d.Val()]
		if into == nil {
			return nil, d.Errf("expected burst or burst_queue, not '%s'", d.Val())
		}
		if *into != 0 || !d.NextArg() {
			return nil, d.ArgErr()
		}
		n, err := strconv.Atoi(d.Val())
		if err != nil || n < 1 {
			return nil, d.Errf("'%s' is not a whole number of at least 1", d.Val())
		}
		*into = n
	}
	if _, err := r.compile(); err != nil {
		return nil, d.WrapErr(err)
	}
	return r, nil
}

// unmarshalDeliver reads one destination and perhaps a condition. The line can be repeated.
func (p *Policy) unmarshalDeliver(d *caddyfile.Dispenser) error {
	var t Deliver
	if !d.Args(&t.To) {
		return d.ArgErr()
	}
	rest := d.RemainingArgs()
	if len(rest) > 1 {
		return d.Errf("a line delivers to one destination, and its condition is one argument; put it in backquotes")
	}
	if len(rest) == 1 {
		t.If = rest[0]
		if _, err := condition.Compile(t.If); err != nil {
			return d.WrapErr(err)
		}
	}
	p.Deliver = append(p.Deliver, t)
	return nil
}

func (i *Idempotency) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		switch d.Val() {
		case "off":
			i.Off = true
		case "strict":
			i.Strict = true
		default:
			return d.Errf("expected off, strict or a block, not '%s'", d.Val())
		}
		if d.NextArg() {
			return d.ArgErr()
		}
	}
	return block(d, nil, func(line string) (known bool, err error) {
		if i.Off {
			return true, d.Err("idempotency off takes no block")
		}
		switch line {
		case "strict":
			if d.NextArg() {
				err = d.ArgErr()
			}
			i.Strict = true
		case "ttl":
			i.TTL, err = duration(d)
		case "wait":
			i.Wait, err = duration(d)
		case "max_replay_body":
			i.MaxReplayBody, err = size(d)
		default:
			return false, nil
		}
		return true, err
	})
}

func (e *EventID) unmarshal(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	switch d.Val() {
	case "header":
		if err := oneArg(d, &e.Header); err != nil {
			return err
		}
	case "jsonpath":
		if err := oneArg(d, &e.JSONPath); err != nil {
			return err
		}
	case "body":
		if d.NextArg() {
			return d.ArgErr()
		}
		e.Body = true
	default:
		return d.Errf("expected header, jsonpath or body, not '%s'", d.Val())
	}
	if _, err := e.compile(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (b *Breaker) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		if d.Val() != "off" {
			return d.Errf("expected off or a block, not '%s'", d.Val())
		}
		b.Off = true
		if d.NextArg() {
			return d.ArgErr()
		}
	}
	return block(d, nil, func(line string) (known bool, err error) {
		if b.Off {
			return true, d.Err("breaker off takes no block")
		}
		switch line {
		case "failures":
			b.Failures, err = positive(d)
		case "ratio":
			err = b.unmarshalRatio(d)
		case "window":
			b.Window, err = duration(d)
		case "open_for":
			b.OpenFor, err = duration(d)
		case "probes":
			b.Probes, err = positive(d)
		case "per_tenant":
			if d.NextArg() {
				err = d.ArgErr()
			}
			b.PerTenant = true
		default:
			return false, nil
		}
		return true, err
	})
}

// unmarshalRatio reads "50%", "0.5" or "50% of 20".
func (b *Breaker) unmarshalRatio(d *caddyfile.Dispenser) error {
	var text string
	if !d.Args(&text) {
		return d.ArgErr()
	}
	number, percent := strings.CutSuffix(text, "%")
	ratio, err := strconv.ParseFloat(number, 64)
	if percent {
		ratio /= 100
	}
	if err != nil || !(ratio > 0 && ratio <= 1) {
		return d.Errf("'%s' is not a ratio such as 50%% or 0.5", text)
	}
	b.Ratio = ratio
	if !d.NextArg() {
		return nil
	}
	if d.Val() != "of" {
		return d.Errf("expected of, not '%s'", d.Val())
	}
	b.MinRequests, err = positive(d)
	return err
}

func (p *Policy) unmarshalVars(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	p.Vars = make(map[string]string)
	return block(d, nil, func(name string) (bool, error) {
		value := ""
		if !d.Args(&value) || d.NextArg() {
			return true, d.ArgErr()
		}
		p.Vars[name] = value
		return true, nil
	})
}

// positive reads a whole number of at least 1.
func positive(d *caddyfile.Dispenser) (int, error) {
	var s string
	if err := oneArg(d, &s); err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 1e9 {
		return 0, d.Errf("'%s' is not a whole number of at least 1", s)
	}
	return n, nil
}

// duration reads a time such as 500ms, 10s or 3d.
func duration(d *caddyfile.Dispenser) (caddy.Duration, error) {
	var s string
	if err := oneArg(d, &s); err != nil {
		return 0, err
	}
	v, err := caddy.ParseDuration(s)
	if err != nil || v <= 0 {
		return 0, d.Errf("'%s' is not a duration such as 500ms, 10s or 3d", s)
	}
	return caddy.Duration(v), nil
}
