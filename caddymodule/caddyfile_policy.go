package caddymodule

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/scheme"
	"github.com/callgate/callgate/internal/condition"
)

// repeatedPolicyLines are the lines of a policy that can be given several times.
var repeatedPolicyLines = []string{"deliver"}

// lines are the lines of a policy. What they name is added to refs.
func (p *Policy) lines(refs *references) grammar.Lines {
	return grammar.Lines{
		"secret":     grammar.List(&p.Secrets),
		"public_key": grammar.List(&p.PublicKeys),
		"verify": func(d *caddyfile.Dispenser) (err error) {
			p.VerifyRaw, err = grammar.Guest(d, "callgate.verifiers", "scheme", "signature scheme")
			return err
		},
		"remote_ip": func(d *caddyfile.Dispenser) (err error) {
			if p.RemoteIP, err = grammar.SomeArgs(d); err != nil {
				return err
			}
			_, err = ranges(p.RemoteIP)
			return grammar.Located(d, err)
		},
		"methods":  grammar.List(&p.Methods),
		"max_body": grammar.Bytes(&p.MaxBody),
		"min_body_rate": func(d *caddyfile.Dispenser) (err error) {
			if p.MinBodyRate, err = grammar.SizeOrOff(d); err == nil && p.MinBodyRate == 0 {
				p.MinBodyRate = -1
			}
			return err
		},
		"receiver_timeout": func(d *caddyfile.Dispenser) (err error) {
			p.ReceiverTimeout, err = grammar.DurationOrOff(d)
			return err
		},
		"rate_limit": func(d *caddyfile.Dispenser) (err error) {
			p.RateLimit, err = unmarshalRateLimit(d)
			return err
		},
		"idempotency": func(d *caddyfile.Dispenser) error {
			p.Idempotency = new(Idempotency)
			return p.Idempotency.unmarshal(d)
		},
		"event_id": func(d *caddyfile.Dispenser) error {
			p.EventID = new(EventID)
			return p.EventID.unmarshal(d)
		},
		"breaker": func(d *caddyfile.Dispenser) error {
			p.Breaker = new(Breaker)
			return p.Breaker.unmarshal(d)
		},
		"require": func(d *caddyfile.Dispenser) (err error) {
			if p.Require, err = grammar.SomeArgs(d); err != nil {
				return err
			}
			return grammar.Located(d, checkRequired(p.Require))
		},
		"sync_events": func(d *caddyfile.Dispenser) (err error) {
			p.SyncEvents, err = grammar.SomeArgs(d)
			return err
		},
		"find_by": func(d *caddyfile.Dispenser) (err error) {
			if p.FindBy, err = grammar.SomeArgs(d); err != nil {
				return err
			}
			return grammar.Located(d, checkFields("find_by", p.FindBy))
		},
		"store_fields": func(d *caddyfile.Dispenser) error {
			p.StoreFields = new(StoreFields)
			return p.StoreFields.unmarshal(d)
		},
		"handshake_token": grammar.Text(&p.HandshakeToken),
		"shared_secret":   grammar.Flag(&p.SharedSecret),
		"keep_token":      grammar.Flag(&p.KeepToken),
		"sign": func(d *caddyfile.Dispenser) error {
			p.Sign = new(scheme.Sign)
			return p.Sign.Unmarshal(d)
		},
		"deliver":    func(d *caddyfile.Dispenser) error { return p.unmarshalDeliver(d, refs) },
		"test":       grammar.Flag(&p.Test),
		"vars":       p.unmarshalVars,
		"public_url": p.unmarshalPublicURL,
		"region":     grammar.Text(&p.Region),
	}
}

func (p *Policy) unmarshalPublicURL(d *caddyfile.Dispenser) error {
	if err := grammar.OneArg(d, &p.PublicURL); err != nil {
		return err
	}
	_, err := checkPublicURL(p.PublicURL)
	return grammar.Located(d, err)
}

func unmarshalRateLimit(d *caddyfile.Dispenser) (*RateLimit, error) {
	r := new(RateLimit)
	if err := grammar.Rate(d, &r.Rate, map[string]*int{"burst": &r.Burst, "burst_queue": &r.BurstQueue}); err != nil {
		return nil, err
	}
	if _, err := r.compile(); err != nil {
		return nil, d.WrapErr(err)
	}
	return r, nil
}

// unmarshalDeliver reads one destination and perhaps a condition. The line can be repeated.
func (p *Policy) unmarshalDeliver(d *caddyfile.Dispenser, refs *references) error {
	var t Deliver
	args, err := grammar.SomeArgs(d)
	if err != nil {
		return err
	}
	t.To = args[0]
	refs.destinations = append(refs.destinations, here(d, "deliver", t.To))
	rest := args[1:]
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
	if i.Off {
		return noBlock(d, "idempotency off")
	}
	return grammar.Block(d, grammar.Lines{
		"strict": grammar.Flag(&i.Strict), "ttl": grammar.Time(&i.TTL), "wait": grammar.Time(&i.Wait), "max_replay_body": grammar.Bytes(&i.MaxReplayBody),
	})
}

// noBlock refuses a block.
func noBlock(d *caddyfile.Dispenser, what string) error {
	if d.NextBlock(d.Nesting()) {
		return d.Errf("%s takes no block", what)
	}
	return nil
}

func (e *EventID) unmarshal(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return grammar.Missing(d)
	}
	switch d.Val() {
	case "header":
		if err := grammar.OneArg(d, &e.Header); err != nil {
			return err
		}
	case "jsonpath":
		paths, err := grammar.SomeArgs(d)
		if err != nil {
			return err
		}
		if e.JSONPath = paths[0]; len(paths) > 1 {
			e.JSONPath, e.JSONPaths = "", paths
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
	if b.Off {
		return noBlock(d, "breaker off")
	}
	return grammar.Block(d, grammar.Lines{
		"failures":   grammar.Count(&b.Failures),
		"ratio":      b.unmarshalRatio,
		"window":     grammar.Time(&b.Window),
		"open_for":   grammar.Time(&b.OpenFor),
		"probes":     grammar.Count(&b.Probes),
		"per_tenant": grammar.Flag(&b.PerTenant),
		"shared":     grammar.Flag(&b.Shared),
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
	p.Vars = make(map[string]string)
	return grammar.Free(d, func(name string) error {
		value := ""
		if !d.Args(&value) {
			return grammar.Missing(d)
		}
		if d.NextArg() {
			return d.ArgErr()
		}
		p.Vars[name] = value
		return nil
	})
}
