package caddymodule

import (
	"slices"
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
//		require           hipaa
//		store             sqlite [<file>] [{
//			max_size <size>
//			tenant_max_size <size> [<tenant>...]
//			tenant_max_events <number> [<tenant>...]
//			min_free off | <size>
//		}]
//		retention         <duration> [dead <duration>]
//		window            <duration>
//		encryption_key    <key>...
//		data_keys [{
//			transit     <url>
//			key         <name>
//			key_per_tenant
//			mount       <path>
//			namespace   <namespace>
//			token       <token>
//			ca          <file>
//			client_cert <certificate file> <key file>
//			timeout     <duration>
//			keep        <duration>
//			wrap_with   transit | encryption_key
//		}]
//		drain_timeout     <duration>
//		audit {
//			key        <key>
//			keep       <duration>
//			checkpoint <duration> webhook <url> | syslog <address> | file <file> | log
//			witness    <url> <public key>
//			record_first
//		}
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
//		metrics {
//			per_tenant
//		}
//		source <name> {
//			preset       <name>
//			split        <jsonpath>
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
//			destination <name> <kind> {
//				<see unmarshalDestination>
//			}
//			<policy lines>
//		}
//		tenants           <file pattern>...
//		destination <name> <kind> {
//			<see unmarshalDestination>
//		}
//		manage [{
//			secret        <name> <value> [<host>...]
//			allow_private
//		}]
//		idempotency_cache {
//			entries <number>
//			memory  <size>
//			keys    <number>
//			tenant_keys <number>
//		}
//		limiter_keys      <number>
//		memory            small
//		unverified_memory <size>
//	}
//
// Policy lines, which can stand in source, in tenant and in the directive callgate, are:
//
//	secret       <secret>...
//	public_key   <key>...
//	shared_secret
//	verify       <scheme> [{ <options> }]
//	remote_ip    <range>...|private_ranges
//	methods      <method>...
//	max_body     <size>
//	min_body_rate off | <size>
//	receiver_timeout off | <duration>
//	rate_limit   off | <number>/<time> [burst <number>] [burst_queue <number>]
//	idempotency  off | strict | {
//		strict
//		ttl             <duration>
//		wait            <duration>
//		max_replay_body <size>
//	}
//	event_id     header <name> | jsonpath <path>... | body
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
//	sync_events  <event type>...
//	find_by      <field>...
//	store_fields [<field>...] [{
//		fields   <field>...
//		drop     <field>...
//		mask     <field>...
//		hash     <field>...
//		hash_key <key>
//	}]
//	handshake_token <token>
//	test
//	vars {
//		<name> <value>
//	}
//	public_url   <url>
//	region       <country code>
func (a *App) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the option's name
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	refs := new(references)
	err := grammar.Block(d, grammar.Lines{
		"require":        grammar.Choice(&a.Require, requireHIPAA),
		"store":          a.unmarshalStore,
		"retention":      a.unmarshalRetention,
		"window":         grammar.Time(&a.Window),
		"encryption_key": grammar.List(&a.EncryptionKeys),
		"data_keys":      a.unmarshalDataKeys,
		"drain_timeout":  grammar.Time(&a.DrainTimeout),
		"alert":          a.unmarshalAlert,
		"audit":          a.unmarshalAudit,
		"metrics":        a.unmarshalMetrics,
		"source":         func(d *caddyfile.Dispenser) error { return a.unmarshalSource(d, refs) },
		"tenant":         func(d *caddyfile.Dispenser) error { return a.unmarshalTenant(d, refs) },
		"tenants":        grammar.More(&a.TenantFiles),
		"destination":    func(d *caddyfile.Dispenser) error { return unmarshalDestination(d, &a.Destinations) },
		"manage": func(d *caddyfile.Dispenser) error {
			a.Manage = new(Manage)
			return a.Manage.unmarshal(d)
		},
		"idempotency_cache": func(d *caddyfile.Dispenser) error {
			a.IdempotencyCache = new(CacheLimits)
			return a.IdempotencyCache.unmarshal(d)
		},
		"memory":            grammar.Choice(&a.Memory, memorySmall),
		"unverified_memory": grammar.Bytes(&a.UnverifiedMemory),
		"limiter_keys":      grammar.Count(&a.LimiterKeys),
	}.With(gone), "source", "tenant", "tenants", "destination")
	if err != nil {
		return err
	}
	a.TenantFilesDigest = grammar.Digest(a.TenantFiles...)
	return refs.check(a.mayDeliverTo, namesOf(a.Sources))
}

// mayDeliverTo are the names that a deliver line may say: those of all tenants' destinations, and of those that a tenant has
// for itself. Tenant files are looked into only where that is not enough.
func (a *App) mayDeliverTo(name string) (known []string, ok bool) {
	if a.Manage != nil {
		return nil, true // it may be published later
	}
	known = namesOf(a.Destinations)
	for _, t := range a.Tenants {
		known = append(known, namesOf(t.Destinations)...)
	}
	if slices.Contains(known, name) {
		return known, true
	}
	files, err := readTenantFiles(a.TenantFiles, func(string) {})
	if err != nil {
		return known, false // which is told when the configuration is loaded
	}
	for _, f := range files {
		if f.tenant != nil {
			known = append(known, namesOf(f.tenant.Destinations)...)
		}
	}
	slices.Sort(known)
	known = slices.Compact(known)
	return known, slices.Contains(known, name)
}

func (c *CacheLimits) unmarshal(d *caddyfile.Dispenser) error {
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	return grammar.Block(d, grammar.Lines{
		"entries": grammar.Count(&c.Entries), "memory": grammar.Bytes(&c.Memory),
		"keys": grammar.Count(&c.Keys), "tenant_keys": grammar.Count(&c.TenantKeys),
	})
}

func (a *App) unmarshalSource(d *caddyfile.Dispenser, refs *references) error {
	name, err := grammar.BlockName(d)
	if err != nil {
		return err
	}
	if _, twice := a.Sources[name]; twice {
		return d.Errf("source '%s' is defined twice", name)
	}
	s := new(Source)
	err = grammar.Block(d, s.Policy.lines(refs).With(grammar.Lines{
		"preset":       s.unmarshalPreset,
		"split":        grammar.Text(&s.Split),
		"own_numbers":  grammar.List(&s.OwnNumbers),
		"urgent_words": grammar.List(&s.UrgentWords),
		"call": func(d *caddyfile.Dispenser) error {
			s.Call = new(Mapping)
			return s.Call.unmarshal(d)
		},
	}), repeatedPolicyLines...)
	if err != nil {
		return err
	}
	if a.Sources == nil {
		a.Sources = make(map[string]*Source)
	}
	a.Sources[name] = s
	return nil
}

func (s *Source) unmarshalPreset(d *caddyfile.Dispenser) error {
	if err := grammar.OneArg(d, &s.Preset); err != nil {
		return err
	}
	if !isPreset(s.Preset) {
		return d.Errf("unknown preset '%s'; presets are %s%s", s.Preset, presetNames(), grammar.Suggestion(s.Preset, presets()))
	}
	return nil
}

func (m *Mapping) unmarshal(d *caddyfile.Dispenser) error {
	m.Fields = make(map[string]string)
	return grammar.Free(d, func(field string) error {
		place := ""
		if err := grammar.OneArg(d, &place); err != nil {
			return err
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
		return nil
	})
}

func (a *App) unmarshalTenant(d *caddyfile.Dispenser, refs *references) error {
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
	err = grammar.Block(d, t.Policy.lines(refs).With(grammar.Lines{
		"source":      func(d *caddyfile.Dispenser) error { return t.unmarshalSource(d, refs) },
		"destination": func(d *caddyfile.Dispenser) error { return unmarshalDestination(d, &t.Destinations) },
	}), append(repeatedPolicyLines, "source", "destination")...)
	if err != nil {
		return err
	}
	if a.Tenants == nil {
		a.Tenants = make(map[string]*Tenant)
	}
	a.Tenants[name] = t
	return nil
}

func (t *Tenant) unmarshalSource(d *caddyfile.Dispenser, refs *references) error {
	name, err := grammar.BlockName(d)
	if err != nil {
		return err
	}
	refs.sources = append(refs.sources, here(d, "source", name))
	if _, twice := t.Sources[name]; twice {
		return d.Errf("source '%s' is given twice", name)
	}
	p := new(Policy)
	if err := grammar.Block(d, p.lines(refs), repeatedPolicyLines...); err != nil {
		return err
	}
	if t.Sources == nil {
		t.Sources = make(map[string]*Policy)
	}
	t.Sources[name] = p
	return nil
}

// gone are lines of earlier versions, with what to do instead.
var gone = grammar.Lines{
	"admin_content": func(d *caddyfile.Dispenser) error {
		return d.Err("admin_content is no more: over TCP, where every process of the machine could ask for it, the admin endpoint never shows what callers said. Take the line out, and have the admin endpoint listen on a unix socket (admin unix//run/callgate/admin.sock|0600), or give those who may see it the capability reveal in callgate_dashboard")
	},
}
