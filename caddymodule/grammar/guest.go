package grammar

import (
	"encoding/json"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Guest reads the name of a guest module, which is the next argument, with what follows it, and gives the module's
// settings as JSON; key is the member that says which module it is. what calls it in errors: "kind of store".
func Guest(d *caddyfile.Dispenser, namespace, key, what string) (json.RawMessage, error) {
	if !d.NextArg() {
		return nil, Missing(d)
	}
	name := d.Val()
	if err := KnownGuest(d, namespace, what); err != nil {
		return nil, err
	}
	return unmarshalGuest(d.NewFromNextSegment(), namespace, name, key)
}

// GuestAmong is Guest for tokens of which some lines have been taken out, whose names are given. Its first token is the
// module's name.
func GuestAmong(tokens []caddyfile.Token, taken []string, namespace, key string) (json.RawMessage, error) {
	d := caddyfile.NewDispenser(tokens)
	d.SetContext(alsoLines, taken)
	return unmarshalGuest(d, namespace, tokens[0].Text, key)
}

// unmarshalGuest is caddyfile.UnmarshalModule for a Dispenser that has its context already.
func unmarshalGuest(d *caddyfile.Dispenser, namespace, name, key string) (json.RawMessage, error) {
	info, err := caddy.GetModule(namespace + "." + name)
	if err != nil {
		return nil, d.WrapErr(err)
	}
	mod, ok := info.New().(caddyfile.Unmarshaler)
	if !ok {
		return nil, d.Errf("module %s can be configured in JSON only", info.ID)
	}
	if err := mod.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	return caddyconfig.JSONModuleObject(mod, key, name, nil), nil
}

// KnownGuest refuses the name of a guest module that this gateway has not, which is the current token, and says which it has.
func KnownGuest(d *caddyfile.Dispenser, namespace, what string) error {
	var have []string
	for _, m := range caddy.GetModules(namespace) {
		if m.ID.Name() == d.Val() {
			return nil
		}
		have = append(have, m.ID.Name())
	}
	if glued(d) {
		return errGlued(d)
	}
	return d.Errf("unknown %s '%s'; this gateway has %s%s", what, d.Val(), strings.Join(have, ", "), Suggestion(d.Val(), have))
}
