package adminapi

import (
	"context"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/caddymodule"
	"github.com/callgate/callgate/internal/operate"
)

// service is that of the configuration in force. It is asked for anew with each request: the admin endpoint of a
// configuration that failed to start stays in place, and serves the one before.
func service() (*operate.Service, error) {
	if v, err := caddy.ActiveContext().AppIfConfigured("callgate"); err == nil {
		if a, ok := v.(*caddymodule.App); ok {
			if s, ok := a.Operate(); ok {
				return s, nil
			}
		}
	}
	return nil, operate.NoStore()
}

// actor is whoever has access to the admin endpoint. They may do everything: they could load another configuration.
func actor() operate.Actor { return operate.Actor{Via: "admin", May: operate.Everything} }

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
		return answer(w, func(s *operate.Service) (T, error) { return op(s, r.Context(), actor(), l) })
	}
}

func acting[S, T any](op func(*operate.Service, context.Context, operate.Actor, S) (T, error)) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		var sel S
		if err := readPosted(w, r, &sel); err != nil {
			return err
		}
		return answer(w, func(s *operate.Service) (T, error) { return op(s, r.Context(), actor(), sel) })
	}
}

func asking[T any](op func(*operate.Service, context.Context, operate.Actor) (T, error)) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		if err := readQuery(r, noQuery); err != nil {
			return err
		}
		return answer(w, func(s *operate.Service) (T, error) { return op(s, r.Context(), actor()) })
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
	return answer(w, func(s *operate.Service) (*operate.EventDetail, error) {
		switch content {
		case "", "0":
			return s.Event(r.Context(), actor(), id)
		case "1":
			return s.RevealEvent(r.Context(), actor(), id)
		}
		return nil, badRequest("content is 1 to see what the caller said, or left out")
	})
}

func pause(w http.ResponseWriter, r *http.Request, name string) error {
	var p struct {
		Reason string `json:"reason"`
	}
	if err := readPosted(w, r, &p); err != nil {
		return err
	}
	return answer(w, func(s *operate.Service) (*operate.PauseState, error) {
		return s.Pause(r.Context(), actor(), name, p.Reason)
	})
}

func resume(w http.ResponseWriter, r *http.Request, name string) error {
	if err := readPosted(w, r, new(struct{})); err != nil {
		return err
	}
	return answer(w, func(s *operate.Service) (*operate.PauseState, error) { return s.Resume(r.Context(), actor(), name) })
}
