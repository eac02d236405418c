package caddymodule

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

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
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	if !knownSource(h, handler.Source) {
		return nil, h.Errf("unknown source '%s': define it in the global callgate option, or use one of %s", handler.Source, presetNames())
	}
	if err := nameRoute(h, handler, matcher, place); err != nil {
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
	return block(d, nil, func(line string) (known bool, err error) {
		switch line {
		case "name":
			err = oneArg(d, &h.Name)
		case "tenant":
			err = oneArg(d, &h.Tenant)
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
			err = oneArg(d, &h.Convert)
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
