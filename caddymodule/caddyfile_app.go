package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
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
//			min_free off | <size>
//		}]
//		retention         <duration>
//		window            <duration>
//		encryption_key    <key>...
//		drain_timeout     <duration>
//		admin_content     on | off
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
//			keys    <number>
//			tenant_keys <number>
//		}
//		limiter_keys      <number>
//		unverified_memory <size>
//	}
//
// Policy lines, which can stand in source, in tenant and in the directive callgate, are:
//
//	secret       <secret>...
//	public_key   <key>...
//	verify       <scheme> [{ <options> }]
//	methods      <method>...
//	max_body     <size>
//	min_body_rate off | <size>
//	receiver_timeout off | <duration>
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
//		per_tenant | shared
//	}
//	require      <field>...
//	sign         <scheme> <secret> [{ <options> }]
//	keep_token
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
	seen := make(grammar.Once)
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
			if err = seen.First(d); err == nil {
				err = a.unmarshalDurable(d)
			}
		case "admin_content":
			var state string
			if err = seen.First(d); err == nil {
				err = grammar.OneOf(d, &state, "on", "off")
			}
			a.AdminContent = state == "on"
		case "destination":
			err = a.unmarshalDestination(d)
		case "idempotency_cache":
			if err = seen.First(d); err == nil {
				a.IdempotencyCache = new(CacheLimits)
				err = a.IdempotencyCache.unmarshal(d)
			}
		case "unverified_memory":
			if err = seen.First(d); err == nil {
				a.UnverifiedMemory, err = grammar.Size(d)
			}
		case "limiter_keys":
			if err = seen.First(d); err == nil {
				a.LimiterKeys, err = grammar.Positive(d)
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
	return grammar.Block(d, nil, func(name string) (known bool, err error) {
		switch name {
		case "entries":
			c.Entries, err = grammar.Positive(d)
		case "memory":
			c.Memory, err = grammar.Size(d)
		case "keys":
			c.Keys, err = grammar.Positive(d)
		case "tenant_keys":
			c.TenantKeys, err = grammar.Positive(d)
		default:
			return false, nil
		}
		return true, err
	})
}

func (a *App) unmarshalSource(d *caddyfile.Dispenser) error {
	name, err := grammar.BlockName(d)
	if err != nil {
		return err
	}
	if _, twice := a.Sources[name]; twice {
		return d.Errf("source '%s' is defined twice", name)
	}
	s := new(Source)
	err = grammar.Block(d, nil, func(line string) (known bool, err error) {
		switch line {
		case "preset":
			if err = grammar.OneArg(d, &s.Preset); err == nil && !isPreset(s.Preset) {
				err = d.Errf("unknown preset '%s'; presets are %s", s.Preset, presetNames())
			}
		case "own_numbers":
			s.OwnNumbers, err = grammar.SomeArgs(d)
		case "urgent_words":
			s.UrgentWords, err = grammar.SomeArgs(d)
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
	return grammar.Block(d, nil, func(field string) (bool, error) {
		place := ""
		if err := grammar.OneArg(d, &place); err != nil {
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
	name, err := grammar.BlockName(d)
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
	err = grammar.Block(d, []string{"source"}, func(line string) (bool, error) {
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
	name, err := grammar.BlockName(d)
	if err != nil {
		return err
	}
	if _, twice := t.Sources[name]; twice {
		return d.Errf("source '%s' is given twice", name)
	}
	p := new(Policy)
	if err := grammar.Block(d, nil, func(string) (bool, error) { return true, p.unmarshalLine(d) }); err != nil {
		return err
	}
	if t.Sources == nil {
		t.Sources = make(map[string]*Policy)
	}
	t.Sources[name] = p
	return nil
}
