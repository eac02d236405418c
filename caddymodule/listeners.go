package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/internal/outbound"
)

// PlainListener is the first address at which a server of the app serves plain HTTP to other machines; empty if there is
// none. What a file descriptor leads to cannot be seen, and passes.
func PlainListener(app *caddyhttp.App, s *caddyhttp.Server) (string, error) {
	httpPort := caddyhttp.DefaultHTTPPort
	if app != nil && app.HTTPPort != 0 {
		httpPort = app.HTTPPort
	}
	for _, listen := range s.Listen {
		at, err := caddy.ParseNetworkAddress(listen)
		if err != nil {
			return "", err
		}
		// As Caddy does: with policies for TLS all is TLS, but the port of plain HTTP.
		if len(s.TLSConnPolicies) > 0 && int(at.StartPort) != httpPort {
			continue
		}
		if at.IsUnixNetwork() || at.IsFdNetwork() || outbound.Loopback(at.Host) {
			continue
		}
		return listen, nil
	}
	return "", nil
}
