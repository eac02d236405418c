package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/scheme"
)

// unmarshalDestination reads a destination. Syntax:
//
//	destination <name> <kind> [<arguments of the kind>...] {
//		on              <event type pattern>...
//		rate            <number>/<time> [burst <number>]
//		concurrency     <number>
//		timeout         <duration>
//		retry           <duration>... | exponential [{
//			first    <duration>
//			max      <duration>
//			attempts <number>
//		}]
//		retry_after_max <duration>
//		batch_wait      <duration>
//		breaker         off | { ... }
//		fields          <field>...
//		drop            <field>...
//		mask            <field>...
//		hash            <field>...
//		hash_key        <secret>
//		keep_excerpt
//		sign            <scheme> <secret> [{ <options> }]
//		<lines of the kind>
//	}
func (a *App) unmarshalDestination(d *caddyfile.Dispenser) error {
	name := ""
	if !d.Args(&name) {
		return d.ArgErr()
	}
	if _, twice := a.Destinations[name]; twice {
		return d.Errf("destination '%s' is defined twice", name)
	}
	if !d.NextArg() {
		return d.Errf("destination '%s' has no kind; say what it is, such as http or hubspot", name)
	}
	kind := d.Val()
	if err := grammar.KnownGuest(d, "callgate.destinations", "kind of destination"); err != nil {
		return err
	}
	tokens := []caddyfile.Token{d.Token()} // what the kind's module gets to read
	for d.NextArg() {
		tokens = append(tokens, d.Token())
	}
	dest := new(Destination)
	seen := make(grammar.Once)
	opened := false
	var brace caddyfile.Token
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if brace.Text == "" { // at the first line
			d.Prev()
			brace = d.Token()
			d.Next()
		}
		known, err := dest.unmarshalLine(d, seen)
		if err != nil {
			return err
		}
		if known {
			continue
		}
		if !opened {
			// The block's own braces go along: whether a brace belongs to what stands before it depends on its file and on
			// the imports that it came through too, which nobody but the parser can give to a token.
			opened = true
			tokens = append(tokens, brace)
		}
		tokens = append(tokens, d.NextSegment()...)
	}
	if opened {
		tokens = append(tokens, d.Token())
	}
	if _, _, err := dest.terms(); err != nil {
		return d.WrapErr(err)
	}
	inner := caddyfile.NewDispenser(tokens)
	inner.Next()
	mod, err := caddyfile.UnmarshalModule(inner, "callgate.destinations."+kind)
	if err != nil {
		return err
	}
	dest.ToRaw = caddyconfig.JSONModuleObject(mod, "type", kind, nil)
	if a.Destinations == nil {
		a.Destinations = make(map[string]*Destination)
	}
	a.Destinations[name] = dest
	return nil
}

// unmarshalLine reads a line that all kinds of destinations have; known is false for any other.
func (t *Destination) unmarshalLine(d *caddyfile.Dispenser, seen grammar.Once) (known bool, err error) {
	lists := map[string]*[]string{"on": &t.On, "fields": &t.Fields, "drop": &t.Drop, "mask": &t.Mask, "hash": &t.Hash}
	durations := map[string]*caddy.Duration{
		"timeout": &t.Timeout, "retry_after_max": &t.RetryAfterMax, "batch_wait": &t.BatchWait,
	}
	name := d.Val()
	known = true
	switch name {
	case "on", "fields", "drop", "mask", "hash", "timeout", "retry_after_max", "batch_wait",
		"rate", "concurrency", "retry", "breaker", "hash_key", "keep_excerpt", "sign":
		if err := seen.First(d); err != nil {
			return true, err
		}
	default:
		return false, nil
	}
	switch {
	case lists[name] != nil:
		*lists[name], err = grammar.SomeArgs(d)
	case durations[name] != nil:
		*durations[name], err = grammar.Duration(d)
	case name == "rate":
		err = t.unmarshalRate(d)
	case name == "concurrency":
		t.Concurrency, err = grammar.Positive(d)
	case name == "retry":
		err = t.unmarshalRetry(d)
	case name == "breaker":
		t.Breaker = new(Breaker)
		err = t.Breaker.unmarshal(d)
	case name == "hash_key":
		err = grammar.OneArg(d, &t.HashKey)
	case name == "keep_excerpt":
		t.KeepExcerpt = true
		if d.NextArg() {
			err = d.ArgErr()
		}
	case name == "sign":
		t.Sign = new(scheme.Sign)
		err = t.Sign.Unmarshal(d)
	}
	return known, err
}

func (t *Destination) unmarshalRate(d *caddyfile.Dispenser) (err error) {
	if !d.Args(&t.Rate) {
		return d.ArgErr()
	}
	if !d.NextArg() {
		return nil
	}
	if d.Val() != "burst" {
		return d.Errf("expected burst, not '%s'", d.Val())
	}
	t.Burst, err = grammar.Positive(d)
	return err
}

func (t *Destination) unmarshalRetry(d *caddyfile.Dispenser) error {
	args, err := grammar.SomeArgs(d)
	if err != nil {
		return err
	}
	if args[0] == "exponential" {
		if len(args) > 1 {
			return d.ArgErr()
		}
		t.Exponential = new(Exponential)
		return t.Exponential.unmarshal(d)
	}
	for _, a := range args {
		v, err := caddy.ParseDuration(a)
		if err != nil || v < 0 {
			return d.Errf("'%s' is not a duration such as 0s, 30s or 5m", a)
		}
		t.Retry = append(t.Retry, caddy.Duration(v))
	}
	return nil
}

func (e *Exponential) unmarshal(d *caddyfile.Dispenser) error {
	return grammar.Block(d, nil, func(name string) (known bool, err error) {
		switch name {
		case "first":
			e.First, err = grammar.Duration(d)
		case "max":
			e.Max, err = grammar.Duration(d)
		case "attempts":
			e.Attempts, err = grammar.Positive(d)
		default:
			return false, nil
		}
		return true, err
	})
}
