package dashboard

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/internal/access"
)

func init() {
	httpcaddyfile.RegisterDirective("callgate_dashboard", parse)
	// After basic_auth and forward_auth, and so after plugins that put themselves beside them. callgate is before.
	httpcaddyfile.RegisterDirectiveOrder("callgate_dashboard", httpcaddyfile.After, "encode")
}

// parse is what RegisterHandlerDirective would do, and takes the prefix from the matcher.
func parse(h httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
	if !h.Next() {
		return nil, h.ArgErr()
	}
	matchers, err := h.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	handler := new(Handler)
	if err := handler.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	if handler.Prefix == "" {
		if handler.Prefix, err = prefixOf(h, matchers); err != nil {
			return nil, err
		}
	}
	return h.NewRoute(matchers, handler), nil
}

// prefixOf is the path that a matcher is for.
func prefixOf(h httpcaddyfile.Helper, matchers caddy.ModuleMap) (string, error) {
	var paths []string
	if raw := matchers["path"]; raw == nil {
		return "", nil
	} else if err := json.Unmarshal(raw, &paths); err != nil {
		return "", err
	}
	prefix, ok := strings.CutSuffix(paths[0], "/*")
	if len(paths) != 1 || !ok || strings.Contains(prefix, "*") {
		return "", h.Err("the matcher does not say below which path the dashboard lies; match one path with /* at its end, as in callgate_dashboard /callgate/*, or add a line such as prefix /callgate")
	}
	return prefix, nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	callgate_dashboard [<matcher>] {
//		user   <placeholder>
//		groups <placeholder>
//		prefix <path>
//		viewer user | group <name...> [{
//			tenants <name...>
//		}]
//		operator user | group <name...> [{
//			tenants <name...>
//		}]
//		builder user | group <name...> [{
//			tenants <name...>
//		}]
//		auditor user | group <name...> [{
//			tenants <name...>
//		}]
//		eraser user | group <name...> [{
//			tenants <name...>
//		}]
//		admin user | group <name...> [{
//			tenants <name...>
//		}]
//		reveal user | group <name...> [{
//			tenants <name...>
//		}]
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the directive's name
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	return grammar.Block(d, grammar.Lines{
		"user":     grammar.Text(&h.User),
		"groups":   grammar.Text(&h.Groups),
		"prefix":   grammar.Text(&h.Prefix),
		"viewer":   granted(&h.Viewer),
		"operator": granted(&h.Operator),
		"builder":  granted(&h.Builder),
		"auditor":  granted(&h.Auditor),
		"eraser":   granted(&h.Eraser),
		"admin":    granted(&h.Admin),
		"reveal":   granted(&h.Reveal),
	}, access.RoleNames()...)
}

// granted is the line of a role, which is repeated for others who have it.
func granted(to *[]Grant) grammar.Line {
	return func(d *caddyfile.Dispenser) error {
		g, err := grant(d)
		*to = append(*to, g)
		return err
	}
}

// grant reads the line of a role.
func grant(d *caddyfile.Dispenser) (g Grant, err error) {
	role := d.Val()
	args, err := grammar.SomeArgs(d)
	if err != nil {
		return g, err
	}
	if len(args) < 2 || !slices.Contains([]string{"user", "group"}, args[0]) {
		return g, d.Errf("%s is given to users or groups: %s user alice, or %s group dispatch", role, role, role)
	}
	if args[0] == "user" {
		g.Users = args[1:]
	} else {
		g.Groups = args[1:]
	}
	return g, grammar.Block(d, grammar.Lines{"tenants": grammar.List(&g.Tenants)})
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
