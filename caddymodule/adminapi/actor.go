package adminapi

import (
	"errors"
	"net"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/operate"
	"github.com/callgate/callgate/internal/operateapi"
)

// app is that of the configuration in force, or nil. It is asked for anew with each request: the admin endpoint of a
// configuration that failed to start stays in place, and serves the one before.
func app() *caddymodule.App {
	v, err := caddy.ActiveContext().AppIfConfigured("callgate")
	if err != nil {
		return nil
	}
	a, _ := v.(*caddymodule.App)
	return a
}

func service() (*operate.Service, error) {
	if a := app(); a != nil {
		if s, ok := a.Operate(); ok {
			return s, nil
		}
	}
	if caddy.Exiting() {
		return nil, notRunning()
	}
	return nil, operate.NoStore()
}

func ready() (*operate.Service, error) {
	if a := app(); a != nil {
		return a.Ready(), nil
	}
	return nil, notRunning()
}

// notRunning says that no configuration can be asked. While a process ends there is none any longer.
func notRunning() error {
	why := "no configuration with callgate runs, or it is just starting"
	if caddy.Exiting() {
		why = "the gateway is stopping"
	}
	return &operateapi.Error{Status: http.StatusServiceUnavailable, Err: errors.New(why)}
}

// actor is whoever has access to the admin endpoint. They may do everything, since they could load another
// configuration, but read what callers said: that a process of the machine can ask for something is no reason to decrypt
// for it what is stored. That is for a remote administrator, whom Caddy knows by their certificate, and for the one user to
// whom the permissions of a unix socket leave it.
//
// Caddy hands a request on without its connection, so that it cannot be asked which user is at the other end of a socket.
// Where only its owner can connect, that is them.
func actor(r *http.Request) operate.Actor {
	a := operate.Actor{Name: "local", Via: "admin"}
	known := false
	switch at := r.Context().Value(http.LocalAddrContextKey).(type) {
	case *net.UnixAddr:
		a.Name = "socket"
		if owner := ownerOf(at.Name); owner != "" {
			a.Name, known = "socket of "+owner, true
		}
	default:
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			a.Name, known = r.TLS.PeerCertificates[0].Subject.String(), true
		}
	}
	a.May = func(c operate.Capability) bool { return c != operate.Reveal || known }
	a.Why = func(c operate.Capability) string {
		if c != operate.Reveal {
			return ""
		}
		return "what callers said is shown only to somebody who is known: have the admin endpoint listen on a unix socket that only its owner can use (admin unix//run/callgate/admin.sock|0600), use Caddy's remote administration, or a site with callgate_dashboard and the capability reveal"
	}
	return a
}
