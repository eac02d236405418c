package grammar

import (
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// KnownGuest refuses the name of a guest module that this gateway has not, which is the current token, and says which it has.
func KnownGuest(d *caddyfile.Dispenser, namespace, what string) error {
	var have []string
	for _, m := range caddy.GetModules(namespace) {
		if m.ID.Name() == d.Val() {
			return nil
		}
		have = append(have, m.ID.Name())
	}
	return d.Errf("unknown %s '%s'; this gateway has %s", what, d.Val(), strings.Join(have, ", "))
}
