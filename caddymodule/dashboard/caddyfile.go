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
//		viewer | operator | builder | auditor | eraser | admin | reveal   user | group <name...> {
//			tenants <name...>
//		}
//	}
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the directive's name
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	return grammar.Block(d, h.lines(), access.RoleNames()...)
}

// lines are those of the block.
func (h *Handler) lines() grammar.Lines {
	l := grammar.Lines{
		"user": grammar.Text(&h.User), "groups": grammar.Text(&h.Groups), "prefix": grammar.Text(&h.Prefix),
		"viewer": h.grant, "operator": h.grant, "builder": h.grant, "auditor": h.grant, "eraser": h.grant, "admin": h.grant,
		"reveal": h.grant,
	}
	return l
}

// grant reads the line of a role.
func (h *Handler) grant(d *caddyfile.Dispenser) error {
	g := Grant{Role: d.Val()}
	args, err := grammar.SomeArgs(d)
	if err != nil {
		return err
	}
	if len(args) < 2 || !slices.Contains([]string{"user", "group"}, args[0]) {
		return d.Errf("%s is given to users or groups: %s user alice, or %s group dispatch", g.Role, g.Role, g.Role)
	}
	if args[0] == "user" {
		g.Users = args[1:]
	} else {
		g.Groups = args[1:]
	}
	if err := grammar.Block(d, grammar.Lines{"tenants": grammar.List(&g.Tenants)}); err != nil {
		return err
	}
	h.Grants = append(h.Grants, g)
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
