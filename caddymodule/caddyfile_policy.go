package caddymodule

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/scheme"
	"github.com/callgate/callgate/internal/condition"
)

// unmarshalLine reads one line of a policy, whose first word is the current token.
func (p *Policy) unmarshalLine(d *caddyfile.Dispenser) (err error) {
	switch d.Val() {
	case "secret":
		p.Secrets, err = grammar.SomeArgs(d)
	case "public_key":
		p.PublicKeys, err = grammar.SomeArgs(d)
	case "verify":
		err = p.unmarshalVerify(d)
	case "methods":
		p.Methods, err = grammar.SomeArgs(d)
	case "max_body":
		p.MaxBody, err = grammar.Size(d)
	case "min_body_rate":
		if p.MinBodyRate, err = grammar.SizeOrOff(d); err == nil && p.MinBodyRate == 0 {
			p.MinBodyRate = -1
		}
	case "receiver_timeout":
		p.ReceiverTimeout, err = grammar.DurationOrOff(d)
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
		p.Require, err = grammar.SomeArgs(d)
	case "sign":
		p.Sign = new(scheme.Sign)
		err = p.Sign.Unmarshal(d)
	case "keep_token":
		err = grammar.Word(d, &p.KeepToken)
	case "deliver":
		err = p.unmarshalDeliver(d)
	case "test":
		err = grammar.Word(d, &p.Test)
	case "vars":
		err = p.unmarshalVars(d)
	case "public_url":
		if err = grammar.OneArg(d, &p.PublicURL); err == nil {
			if _, bad := checkPublicURL(p.PublicURL); bad != nil {
				err = d.WrapErr(bad)
			}
		}
	case "region":
		err = grammar.OneArg(d, &p.Region)
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
	if err := grammar.KnownGuest(d, "callgate.verifiers", "signature scheme"); err != nil {
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
	return grammar.Block(d, nil, func(line string) (known bool, err error) {
		if i.Off {
			return true, d.Err("idempotency off takes no block")
		}
		switch line {
		case "strict":
			err = grammar.Word(d, &i.Strict)
		case "ttl":
			i.TTL, err = grammar.Duration(d)
		case "wait":
			i.Wait, err = grammar.Duration(d)
		case "max_replay_body":
			i.MaxReplayBody, err = grammar.Size(d)
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
		if err := grammar.OneArg(d, &e.Header); err != nil {
			return err
		}
	case "jsonpath":
		if err := grammar.OneArg(d, &e.JSONPath); err != nil {
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
	return grammar.Block(d, nil, func(line string) (known bool, err error) {
		if b.Off {
			return true, d.Err("breaker off takes no block")
		}
		switch line {
		case "failures":
			b.Failures, err = grammar.Positive(d)
		case "ratio":
			err = b.unmarshalRatio(d)
		case "window":
			b.Window, err = grammar.Duration(d)
		case "open_for":
			b.OpenFor, err = grammar.Duration(d)
		case "probes":
			b.Probes, err = grammar.Positive(d)
		case "per_tenant":
			err = grammar.Word(d, &b.PerTenant)
		case "shared":
			err = grammar.Word(d, &b.Shared)
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
	b.MinRequests, err = grammar.Positive(d)
	return err
}

func (p *Policy) unmarshalVars(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	p.Vars = make(map[string]string)
	return grammar.Block(d, nil, func(name string) (bool, error) {
		value := ""
		if !d.Args(&value) || d.NextArg() {
			return true, d.ArgErr()
		}
		p.Vars[name] = value
		return true, nil
	})
}
