package adminapi

import (
	"context"
	"errors"
	"net"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/operate"
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

// notRunning says that no configuration can be asked. While a process ends there is none any longer.
func notRunning() error {
	why := "no configuration with callgate runs, or it is just starting"
	if caddy.Exiting() {
		why = "the gateway is stopping"
	}
	return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: errors.New(why)}
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

// actor is whoever has access to the admin endpoint. They may do everything, since they could load another
// configuration, but read what callers said: that a process of the machine can ask for something over TCP is no reason
// to decrypt for it what is stored.
func actor(r *http.Request) operate.Actor {
	a := operate.Actor{Via: "admin", May: func(c operate.Capability) bool { return c != operate.Reveal || mayReveal(r) }}
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

// answer carries an operation out and writes what it gives.
func answer[T any](w http.ResponseWriter, do func(*operate.Service) (T, error)) error {
	s, err := service()
	if err != nil {
		return err
	}
	v, err := do(s)
	if err != nil {
		return err
	}
	return writeJSON(w, v)
}

// listing, acting and asking make handlers of operations of the same form.
func listing[T any](op func(*operate.Service, context.Context, operate.Actor, operate.Listing) (T, error)) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		l, err := readListing(w, r)
		if err != nil {
			return err
		}
		return answer(w, func(s *operate.Service) (T, error) { return op(s, r.Context(), actor(r), l) })
	}
}

func acting[S, T any](op func(*operate.Service, context.Context, operate.Actor, S) (T, error)) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		var sel S
		if err := readPosted(w, r, &sel); err != nil {
			return err
		}
		return answer(w, func(s *operate.Service) (T, error) { return op(s, r.Context(), actor(r), sel) })
	}
}

func asking[T any](op func(*operate.Service, context.Context, operate.Actor) (T, error)) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := readQuery(r, noQuery); err != nil {
			return err
		}
		return answer(w, func(s *operate.Service) (T, error) { return op(s, r.Context(), actor(r)) })
	}
}

func event(w http.ResponseWriter, r *http.Request, id string) error {
	var content string
	err := readQuery(r, func(name string) *string {
		if name == "content" {
			return &content
		}
		return nil
	})
	if err != nil {
		return err
	}
	if content != "" {
		return badRequest("what the caller said is asked for with a reason: POST it as JSON to /callgate/events/{id}/content")
	}
	return answer(w, func(s *operate.Service) (*operate.EventDetail, error) { return s.Event(r.Context(), actor(r), id) })
}

func content(w http.ResponseWriter, r *http.Request, id string) error {
	var p struct {
		Reason string `json:"reason"`
	}
	if err := readPosted(w, r, &p); err != nil {
		return err
	}
	if !mayReveal(r) {
		return caddy.APIError{HTTPStatus: http.StatusForbidden, Err: errors.New("what callers said is not shown over TCP, which every process of the machine can use: have the admin endpoint listen on a unix socket (admin unix//run/callgate/admin.sock), or set admin_content on in the global option callgate")}
	}
	return answer(w, func(s *operate.Service) (*operate.EventDetail, error) {
		return s.RevealEvent(r.Context(), actor(r), id, p.Reason)
	})
}

// ready answers 503 where no calls should be sent to, with the reason in the member error. max_queue_age in the query is
// how long the oldest delivery may wait.
func ready(w http.ResponseWriter, r *http.Request) error {
	var in operate.ReadyInput
	err := readQuery(r, func(name string) *string {
		if name == "max_queue_age" {
			return &in.MaxQueueAge
		}
		return nil
	})
	if err != nil {
		return err
	}
	a := app()
	if a == nil {
		return notRunning()
	}
	state, err := a.Ready().Ready(r.Context(), actor(r), in)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	if !state.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	return writeJSON(w, state)
}

// preview shows what becomes of a payload, also where no store is open.
func preview(w http.ResponseWriter, r *http.Request) error {
	var in operate.PreviewInput
	if err := readQuery(r, noQuery); err != nil {
		return err
	}
	if err := readJSON(w, r, maxPreview, &in); err != nil {
		return err
	}
	a := app()
	if a == nil {
		return notRunning()
	}
	p, err := a.Ready().Preview(r.Context(), actor(r), in)
	if err != nil {
		return err
	}
	return writeJSON(w, p)
}

func pause(w http.ResponseWriter, r *http.Request, name string) error {
	var p struct {
		Reason string `json:"reason"`
	}
	if err := readPosted(w, r, &p); err != nil {
		return err
	}
	return answer(w, func(s *operate.Service) (*operate.PauseState, error) {
		return s.Pause(r.Context(), actor(r), name, p.Reason)
	})
}

func resume(w http.ResponseWriter, r *http.Request, name string) error {
	if err := readPosted(w, r, new(struct{})); err != nil {
		return err
	}
	return answer(w, func(s *operate.Service) (*operate.PauseState, error) { return s.Resume(r.Context(), actor(r), name) })
}
