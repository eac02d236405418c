package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/scheme"
)

// unmarshalDestination reads a destination, of all tenants or of one. Syntax:
//
//	destination <name> <kind> [<arguments of the kind>...] {
//		on              <event type pattern>...
//		rate            off | <number>/<time> [burst <number>]
//		rate_group      <name>
//		shards          <number>
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
//		region       <country>
//		keep_excerpt
//		sign            <scheme> <secret> [{ <options> }]
//		<lines of the kind>
//	}
func unmarshalDestination(d *caddyfile.Dispenser, into *map[string]*Destination) error {
	var name string
	if !d.NextArg() {
		return grammar.Missing(d)
	}
	name = d.Val()
	if _, twice := (*into)[name]; twice {
		return d.Errf("destination '%s' is defined twice", name)
	}
	if !d.NextArg() {
		return d.Errf("destination '%s' has no kind; say what it is, such as http or hubspot", name)
	}
	if err := grammar.KnownGuest(d, "callgate.destinations", "kind of destination"); err != nil {
		return err
	}
	tokens := []caddyfile.Token{d.Token()} // what the kind's module gets to read
	for d.NextArg() {
		tokens = append(tokens, d.Token())
	}
	dest := new(Destination)
	lines, seen := dest.lines(), make(grammar.Once)
	opened := false
	var brace caddyfile.Token
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if brace.Text == "" { // at the first line
			d.Prev()
			brace = d.Token()
			d.Next()
		}
		if line, known := lines[d.Val()]; known {
			if err := seen.First(d); err != nil {
				return err
			}
			if err := line(d); err != nil {
				return err
			}
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
	if _, _, _, err := dest.terms(); err != nil {
		return d.WrapErr(err)
	}
	var err error
	if dest.ToRaw, err = grammar.GuestAmong(tokens, lines.Names(), "callgate.destinations", "type"); err != nil {
		return err
	}
	if *into == nil {
		*into = make(map[string]*Destination)
	}
	(*into)[name] = dest
	return nil
}

// lines are those that all kinds of destinations have.
func (t *Destination) lines() grammar.Lines {
	return grammar.Lines{
		"on": grammar.List(&t.On),
		"rate": func(d *caddyfile.Dispenser) error {
			return grammar.Rate(d, &t.Rate, map[string]*int{"burst": &t.Burst})
		},
		"rate_group":      grammar.Text(&t.RateGroup),
		"shards":          grammar.Count(&t.Shards),
		"concurrency":     grammar.Count(&t.Concurrency),
		"timeout":         grammar.Time(&t.Timeout),
		"retry":           t.unmarshalRetry,
		"retry_after_max": grammar.Time(&t.RetryAfterMax),
		"batch_wait":      grammar.Time(&t.BatchWait),
		"breaker": func(d *caddyfile.Dispenser) error {
			t.Breaker = new(Breaker)
			return t.Breaker.unmarshal(d)
		},
		"fields":       grammar.List(&t.Fields),
		"drop":         grammar.List(&t.Drop),
		"mask":         grammar.List(&t.Mask),
		"hash":         grammar.List(&t.Hash),
		"hash_key":     grammar.Text(&t.HashKey),
		"region":       grammar.Text(&t.Region),
		"keep_excerpt": grammar.Flag(&t.KeepExcerpt),
		"sign": func(d *caddyfile.Dispenser) error {
			t.Sign = new(scheme.Sign)
			return t.Sign.Unmarshal(d)
		},
	}
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
		e := new(Exponential)
		t.Exponential = e
		return grammar.Block(d, grammar.Lines{
			"first": grammar.Time(&e.First), "max": grammar.Time(&e.Max), "attempts": grammar.Count(&e.Attempts),
		})
	}
	t.Retry, err = grammar.Waits(d, args)
	return err
}
