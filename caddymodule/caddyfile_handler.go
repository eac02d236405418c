package caddymodule

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/internal/source"
)

func init() {
	httpcaddyfile.RegisterDirective("callgate", parseDirective)
	// After request_body and the rewriting directives, and before everything that answers.
	httpcaddyfile.RegisterDirectiveOrder("callgate", httpcaddyfile.Before, "basic_auth")
}

// parseDirective is what RegisterHandlerDirective would do, and gives the route a name that stays the same when other
// routes come and go: idempotency keys and breakers belong to it.
func parseDirective(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matcher := ""
	if h.NextArg() {
		if v := h.Val(); v == "*" || strings.HasPrefix(v, "/") || strings.HasPrefix(v, "@") {
			matcher = v
		}
	}
	h.Reset()
	h.Next()
	place := strings.TrimPrefix(h.Err("").Error(), ", at ") // with the imports that lead there
	matchers, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	handler := new(Handler)
	refs := new(references)
	if err := handler.unmarshal(h.Dispenser, refs); err != nil {
		return nil, err
	}
	app := defined(h)
	if err := refs.check(app.mayDeliverTo, namesOf(app.Sources)); err != nil {
		return nil, err
	}
	if err := nameRoute(h, handler, matcher, place); err != nil {
		return nil, err
	}
	return h.NewRoute(matchers, handler), nil
}

// defined is the global option, of which the names of destinations and sources are wanted.
func defined(h httpcaddyfile.Helper) *App {
	global, _ := h.Option("callgate").(httpcaddyfile.App)
	app := new(App)
	if err := json.Unmarshal(global.Value, app); err != nil {
		return new(App) // there is no global option
	}
	return app
}

func isPreset(name string) bool {
	_, ok := source.Find(name)
	return ok
}

// named is a route that has its name.
type named struct{ place, config string }

// nameRoute names a route after its source and matcher, and numbers routes that would have one name. A route that was given
// a name may be there twice, from a snippet that several sites import: it is one route then.
func nameRoute(h httpcaddyfile.Helper, handler *Handler, matcher, place string) error {
	const key = "callgate.routes"
	names, _ := h.State[key].(map[string]named)
	if names == nil {
		names = make(map[string]named)
		h.State[key] = names
	}
	if handler.Name == "" {
		name := handler.Source
		if matcher != "" && matcher != "*" {
			name += " " + matcher
		}
		handler.Name = name
		for n := 2; names[handler.Name].place != ""; n++ {
			handler.Name = fmt.Sprintf("%s (%d)", name, n)
		}
	}
	config, err := json.Marshal(handler)
	if err != nil {
		return err
	}
	if other := names[handler.Name]; other.place != "" && other.config != string(config) {
		return fmt.Errorf("two callgate routes that differ are named '%s', at %s and %s; give one of them another name", handler.Name, other.place, place)
	}
	names[handler.Name] = named{place, string(config)}
	return nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	callgate [<matcher>] <source> [<secret>...] {
//		name          <name>
//		tenant        <placeholder or name>
//		address_limit <number>/<time> [burst <number>]
//		hide_tenants
//		forward       <receiver>
//		spool         [<duration>...]
//		convert       <destination>
//		pass_errors
//		<policy lines>
//	}
//
// The policy lines are those of the global option callgate. Secrets after the source are short for a secret line.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return h.unmarshal(d, new(references))
}

func (h *Handler) unmarshal(d *caddyfile.Dispenser, refs *references) error {
	d.Next() // consume directive name
	if !d.NextArg() {
		return grammar.Missing(d)
	}
	refs.sources = append(refs.sources, here(d, "callgate", d.Val()))
	d.Prev()
	args, err := grammar.SomeArgs(d)
	if err != nil {
		return err
	}
	h.Source, h.Secrets = args[0], args[1:]
	if len(h.Secrets) == 0 {
		if err := grammar.NoneLost(d); err != nil {
			return err
		}
	}
	lines := h.Policy.lines(refs).With(grammar.Lines{
		"name":   grammar.Text(&h.Name),
		"tenant": grammar.Text(&h.Tenant),
		"address_limit": func(d *caddyfile.Dispenser) (err error) {
			if h.AddressLimit, err = unmarshalRateLimit(d); err == nil && h.AddressLimit.BurstQueue != 0 {
				err = d.WrapErr(errAddressQueue)
			}
			return err
		},
		"forward": func(d *caddyfile.Dispenser) error {
			args, err := grammar.SomeArgs(d)
			if err != nil {
				return err
			}
			if len(args) > 1 {
				return d.WrapErr(errForwardSeveral)
			}
			h.Forward = args[0]
			return nil
		},
		"spool": func(d *caddyfile.Dispenser) (err error) {
			h.Spool = true
			h.SpoolRetry, err = grammar.Waits(d, d.RemainingArgs())
			return err
		},
		"convert": func(d *caddyfile.Dispenser) error {
			err := grammar.OneArg(d, &h.Convert)
			refs.destinations = append(refs.destinations, here(d, "convert", h.Convert))
			return err
		},
		"pass_errors":  grammar.Flag(&h.PassErrors),
		"hide_tenants": grammar.Flag(&h.HideTenants),
	})
	if len(h.Secrets) > 0 { // after the source
		lines["secret"] = func(d *caddyfile.Dispenser) error { return d.Errf("secret is given twice") }
	}
	return grammar.Block(d, lines, repeatedPolicyLines...)
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*Handler)(nil)
	_ caddyfile.Unmarshaler = (*App)(nil)
)
