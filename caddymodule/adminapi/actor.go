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
	return nil, operate.NoStore()
}

func ready() (*operate.Service, error) {
	if a := app(); a != nil {
		return a.Ready(), nil
	}
	return nil, &operateapi.Error{
		Status: http.StatusServiceUnavailable, Err: errors.New("no configuration with callgate runs, or it is just starting"),
	}
}

// actor is whoever has access to the admin endpoint. They may do everything, since they could load another
// configuration, but read what callers said: that a process of the machine can ask for something over TCP is no reason
// to decrypt for it what is stored.
func actor(r *http.Request) operate.Actor {
	a := operate.Actor{Via: "admin", May: func(c operate.Capability) bool { return c != operate.Reveal || mayReveal(r) }}
	a.Why = func(operate.Capability) string {
		return "what callers said is not shown over TCP, which every process of the machine can use: have the admin endpoint listen on a unix socket (admin unix//run/callgate/admin.sock), or set admin_content on in the global option callgate"
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		a.Name = r.TLS.PeerCertificates[0].Subject.String()
	}
	return a
}

// mayReveal reports whether a request comes through a unix socket, whose permissions say who may, or from a remote
// administrator, whom Caddy knows by their certificate; or else whether the configuration allows it for everybody.
func mayReveal(r *http.Request) bool {
	if at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && at.Network() == "unix" {
		return true
	}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return true
	}
	a := app()
	return a != nil && a.AdminContent
}
