package caddymodule

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
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
	matchers, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	handler := new(Handler)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	if !knownSource(h, handler.Source) {
		return nil, h.Errf("unknown source '%s': define it in the global callgate option, or use one of %s", handler.Source, presetNames())
	}
	if err := nameRoute(h, handler, matcher); err != nil {
		return nil, err
	}
	return h.NewRoute(matchers, handler), nil
}

// knownSource reports whether a source is a preset or defined by the global option.
func knownSource(h httpcaddyfile.Helper, name string) bool {
	if isPreset(name) {
		return true
	}
	app, _ := h.Option("callgate").(httpcaddyfile.App)
	var defined struct {
		Sources map[string]json.RawMessage `json:"sources"`
	}
	if err := json.Unmarshal(app.Value, &defined); err != nil {
		return false // there is no global option
	}
	_, ok := defined.Sources[name]
	return ok
}

func isPreset(name string) bool {
	_, ok := source.Find(name)
	return ok
}

// nameRoute names a route after its source and matcher, and numbers routes that would have one name.
func nameRoute(h httpcaddyfile.Helper, handler *Handler, matcher string) error {
	const key = "callgate.routes"
	names, _ := h.State[key].(map[string]bool)
	if names == nil {
		names = make(map[string]bool)
		h.State[key] = names
	}
	if handler.Name != "" {
		if names[handler.Name] {
			return h.Errf("two callgate routes are named '%s'", handler.Name)
		}
		names[handler.Name] = true
		return nil
	}
	name := handler.Source
	if matcher != "" && matcher != "*" {
		name += " " + matcher
	}
	handler.Name = name
	for n := 2; names[handler.Name]; n++ {
		handler.Name = fmt.Sprintf("%s (%d)", name, n)
	}
	names[handler.Name] = true
	return nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	callgate [<matcher>] <source> [<secret>...] {
//		name          <name>
//		tenant        <placeholder or name>
//		address_limit <number>/<s|m|h> [burst <number>]
//		spool         [<duration>...]
//		convert       <destination>
//		pass_errors
//		<policy lines>
//	}
//
// The policy lines are those of the global option callgate. Secrets after the source are short for a secret line.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive name
	if !d.Args(&h.Source) {
		return d.ArgErr()
	}
	h.Secrets = d.RemainingArgs()
	return grammar.Block(d, nil, func(line string) (known bool, err error) {
		switch line {
		case "name":
			err = grammar.OneArg(d, &h.Name)
		case "tenant":
			err = grammar.OneArg(d, &h.Tenant)
		case "address_limit":
			if h.AddressLimit, err = unmarshalRateLimit(d); err == nil && h.AddressLimit.BurstQueue != 0 {
				err = d.WrapErr(errAddressQueue)
			}
		case "spool":
			h.Spool = true
			for _, a := range d.RemainingArgs() {
				v, err := caddy.ParseDuration(a)
				if err != nil || v < 0 {
					return true, d.Errf("'%s' is not a duration such as 0s, 30s or 5m", a)
				}
				h.SpoolRetry = append(h.SpoolRetry, caddy.Duration(v))
			}
		case "convert":
			err = grammar.OneArg(d, &h.Convert)
		case "pass_errors":
			if d.NextArg() {
				err = d.ArgErr()
			}
			h.PassErrors = true
		case "secret":
			if len(h.Secrets) > 0 { // after the source
				return true, d.Errf("secret is given twice")
			}
			fallthrough
		default:
			err = h.Policy.unmarshalLine(d)
		}
		return true, err
	})
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*Handler)(nil)
	_ caddyfile.Unmarshaler = (*App)(nil)
)
