package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/dustin/go-humanize"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("callgate", parseGlobalOption)
}

func parseGlobalOption(d *caddyfile.Dispenser, before any) (any, error) {
	if before != nil {
		d.Next() // to the option's name, so that the error tells its place
		return nil, d.Err("callgate is configured twice; write one block")
	}
	a := new(App)
	if err := a.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: "callgate", Value: caddyconfig.JSON(a, nil)}, nil
}

// UnmarshalCaddyfile sets up the app from Caddyfile tokens. Syntax:
//
//	callgate {
//		store             sqlite [<file>] [{
//			max_size <size>
//			tenant_max_size <size> [<tenant>...]
//			tenant_max_events <number> [<tenant>...]
//			min_free off | <size>
//		}]
//		retention         <duration> [dead <duration>]
//		window            <duration>
//		encryption_key    <key>...
//		drain_timeout     <duration>
//		alert {
//			url          <url>
//			dead_letter
//			breaker_open
//			paused
//			success_rate <percentage>
//			latency      <duration>
//			retries      <number>x
//			window       <duration>
//			cooldown     <duration>
//		}
//		source <name> {
//			preset       <name>
//			own_numbers  <number>...
//			urgent_words <word>...
//			call {
//				<field or params.name> <jsonpath or form field>
//			}
//			<policy lines>
//		}
//		tenant <name> {
//			source <name> {
//				<policy lines>
//			}
//			<policy lines>
//		}
//		tenants           <file pattern>...
//		destination <name> <kind> {
//			<see unmarshalDestination>
//		}
//		idempotency_cache {
//			entries <number>
//			memory  <size>
//		}
//		limiter_keys      <number>
//	}
//
// Policy lines, which can stand in source, in tenant and in the directive callgate, are:
//
//	secret       <secret>...
//	public_key   <key>...
//	verify       <scheme> [{ <options> }]
//	max_body     <size>
//	rate_limit   off | <number>/<s|m|h> [burst <number>] [burst_queue <number>]
//	idempotency  off | strict | {
//		strict
//		ttl             <duration>
//		wait            <duration>
//		max_replay_body <size>
//	}
//	event_id     header <name> | jsonpath <path> | body
//	breaker      off | {
//		failures     <number>
//		ratio        <ratio> [of <number of requests>]
//		window       <duration>
//		open_for     <duration>
//		probes       <number>
//		per_tenant
//	}
//	require      <field>...
//	sign         <scheme> <secret> [{ <options> }]
//	deliver      <destination> [<CEL condition>]
//	test
//	vars {
//		<name> <value>
//	}
//	public_url   <url>
//	region       <country code>
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the option's name
	if d.NextArg() {
		return d.ArgErr()
	}
	seen := make(once)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		var err error
		switch d.Val() {
		case "source":
			err = a.unmarshalSource(d)
		case "tenant":
			err = a.unmarshalTenant(d)
		case "tenants":
			files := d.RemainingArgs()
			if len(files) == 0 {
				return d.ArgErr()
			}
			a.TenantFiles = append(a.TenantFiles, files...)
		case "store", "retention", "window", "encryption_key", "drain_timeout", "alert":
			if err = seen.first(d); err == nil {
				err = a.unmarshalDurable(d)
			}
		case "destination":
			err = a.unmarshalDestination(d)
		case "idempotency_cache":
			if err = seen.first(d); err == nil {
				a.IdempotencyCache = new(CacheLimits)
				err = a.IdempotencyCache.unmarshal(d)
			}
		case "limiter_keys":
			if err = seen.first(d); err == nil {
				a.LimiterKeys, err = positive(d)
			}
		default:
			err = d.Errf("unrecognized subdirective '%s'", d.Val())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *CacheLimits) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	return block(d, nil, func(name string) (known bool, err error) {
		switch name {
		case "entries":
			c.Entries, err = positive(d)
		case "memory":
			c.Memory, err = size(d)
		default:
			return false, nil
		}
		return true, err
	})
}

func (a *App) unmarshalSource(d *caddyfile.Dispenser) error {
	name, err := blockName(d)
	if err != nil {
		return err
	}
	if _, twice := a.Sources[name]; twice {
		return d.Errf("source '%s' is defined twice", name)
	}
	s := new(Source)
	err = block(d, nil, func(line string) (known bool, err error) {
		switch line {
		case "preset":
			if err = oneArg(d, &s.Preset); err == nil && !isPreset(s.Preset) {
				err = d.Errf("unknown preset '%s'; presets are %s", s.Preset, presetNames())
			}
		case "own_numbers":
			s.OwnNumbers, err = someArgs(d)
		case "urgent_words":
			s.UrgentWords, err = someArgs(d)
		case "call":
			s.Call = new(Mapping)
			err = s.Call.unmarshal(d)
		default:
			err = s.Policy.unmarshalLine(d)
		}
		return true, err
	})
	if err != nil {
		return err
	}
	if a.Sources == nil {
		a.Sources = make(map[string]*Source)
	}
	a.Sources[name] = s
	return nil
}

func (m *Mapping) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	m.Fields = make(map[string]string)
	return block(d, nil, func(field string) (bool, error) {
		place := ""
		if err := oneArg(d, &place); err != nil {
			return true, err
		}
		name, isParam := strings.CutPrefix(field, "params.")
		switch {
		case !isParam:
			m.Fields[field] = place
		case m.Params == nil:
			m.Params = map[string]string{name: place}
		default:
			m.Params[name] = place
		}
		return true, nil
	})
}

func (a *App) unmarshalTenant(d *caddyfile.Dispenser) error {
	name, err := blockName(d)
	if err != nil {
		return err
	}
	if err := checkTenantName(name); err != nil {
		return d.WrapErr(err)
	}
	if _, twice := a.Tenants[name]; twice {
		return d.Errf("tenant '%s' is defined twice", name)
	}
	t := new(Tenant)
	err = block(d, []string{"source"}, func(line string) (bool, error) {
		if line == "source" {
			return true, t.unmarshalSource(d)
		}
		return true, t.Policy.unmarshalLine(d)
	})
	if err != nil {
		return err
	}
	if a.Tenants == nil {
		a.Tenants = make(map[string]*Tenant)
	}
	a.Tenants[name] = t
	return nil
}

func (t *Tenant) unmarshalSource(d *caddyfile.Dispenser) error {
	name, err := blockName(d)
	if err != nil {
		return err
	}
	if _, twice := t.Sources[name]; twice {
		return d.Errf("source '%s' is given twice", name)
	}
	p := new(Policy)
	if err := block(d, nil, func(string) (bool, error) { return true, p.unmarshalLine(d) }); err != nil {
		return err
	}
	if t.Sources == nil {
		t.Sources = make(map[string]*Policy)
	}
	t.Sources[name] = p
	return nil
}

// once refuses a line that is given twice in a block.
type once map[string]bool

func (o once) first(d *caddyfile.Dispenser) error {
	if d.Val() == "deliver" {
		return nil // one line for each destination
	}
	if o[d.Val()] {
		return d.Errf("%s is given twice", d.Val())
	}
	o[d.Val()] = true
	return nil
}

// blockName reads the one argument before a block.
func blockName(d *caddyfile.Dispenser) (string, error) {
	var name string
	return name, oneArg(d, &name)
}

// oneArg reads exactly one argument.
func oneArg(d *caddyfile.Dispenser, into *string) error {
	if !d.Args(into) || d.NextArg() {
		return d.ArgErr()
	}
	if *into == "" {
		return d.Errf("an empty value where one is needed")
	}
	return nil
}

func someArgs(d *caddyfile.Dispenser) ([]string, error) {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return nil, d.ArgErr()
	}
	return args, nil
}

// size reads a number of bytes, such as 512KiB or 1MB.
func size(d *caddyfile.Dispenser) (int64, error) {
	var s string
	if err := oneArg(d, &s); err != nil {
		return 0, err
	}
	return parseSize(d, s)
}

// sizeOrOff reads a size, or "off" or "0" for none.
func sizeOrOff(d *caddyfile.Dispenser) (int64, error) {
	var s string
	if err := oneArg(d, &s); err != nil || s == "off" || s == "0" {
		return 0, err
	}
	return parseSize(d, s)
}

func parseSize(d *caddyfile.Dispenser, s string) (int64, error) {
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > 1<<40 {
		return 0, d.Errf("'%s' is not a size such as 512KiB or 1MiB", s)
	}
	return int64(n), nil
}
