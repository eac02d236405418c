package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/strictjson"
)

func init() {
	caddy.RegisterModule(new(Admin))
}

// Admin serves Callgate's part of Caddy's admin API, under /callgate/. It lives at Caddy's admin endpoint and under its
// access rules, and answers in JSON:
//
//	GET, POST /callgate/events                         events, newest first
//	GET       /callgate/events/{id}                    one event with its deliveries and their attempts
//	GET, POST /callgate/deliveries                     deliveries, newest first
//	GET       /callgate/destinations                   how each destination stands
//	GET       /callgate/stats                          the store and the destinations
//	GET       /callgate/tail                           new events and attempts as they come, as server-sent events
//	POST      /callgate/replay                         sends dead or delivered ones again
//	POST      /callgate/erase                          deletes events with all that belongs to them
//	POST      /callgate/destinations/{name}/pause      keeps deliveries waiting
//	POST      /callgate/destinations/{name}/resume     lets them go again
//
// Listings, replay and erase take a filter of destination, tenant, state (pending, delivered or dead), reason (a part of
// it), source, event_type, event, delivery, call_id, caller, from and to (RFC 3339 or a date; from is included, to is
// not): in the query of a GET and in the JSON object of a POST. Caddy logs the URIs of admin requests, so a caller's
// number is taken from a POST only. Listings are continued with before, the member next of the page before, and have
// limit rows, 100 unless told and at most 500.
//
// Replay and erase count only with "dry_run": true. Without any filter they need "all": true. A replay that names no
// state is of dead deliveries. What callers said is in no answer but that of an event with ?content=1.
type Admin struct {
	ctx caddy.Context
}

// CaddyModule returns the Caddy module information.
func (*Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.callgate", New: func() caddy.Module { return new(Admin) }}
}

// Provision keeps the context, which ends with the configuration.
func (a *Admin) Provision(ctx caddy.Context) error {
	a.ctx = ctx
	return nil
}

const adminPrefix = "/callgate/"

// Routes implements caddy.AdminRouter.
func (a *Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: adminPrefix, Handler: caddy.AdminHandlerFunc(a.serve)}}
}

// serve finds the handler of a request.
func (a *Admin) serve(w http.ResponseWriter, r *http.Request) error {
	path := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), adminPrefix), "/")
	for i := range path {
		var err error
		if path[i], err = url.PathUnescape(path[i]); err != nil {
			return badRequest("the path cannot be read; escape names in it as in any URL")
		}
	}
	w.Header().Set("Cache-Control", "no-store")
	const get, post = http.MethodGet, http.MethodPost
	switch what := path[0]; {
	case len(path) == 1 && what == "events":
		return withMethod(r, a.events, w, get, post)
	case len(path) == 2 && what == "events":
		return withMethod(r, func(w http.ResponseWriter, r *http.Request) error { return a.event(w, r, path[1]) }, w, get)
	case len(path) == 1 && what == "deliveries":
		return withMethod(r, a.deliveries, w, get, post)
	case len(path) == 1 && what == "destinations":
		return withMethod(r, a.destinations, w, get)
	case len(path) == 1 && what == "stats":
		return withMethod(r, a.stats, w, get)
	case len(path) == 1 && what == "tail":
		return withMethod(r, a.tail, w, get)
	case len(path) == 1 && what == "replay":
		return withMethod(r, a.replay, w, post)
	case len(path) == 1 && what == "erase":
		return withMethod(r, a.erase, w, post)
	case len(path) == 3 && what == "destinations" && (path[2] == "pause" || path[2] == "resume"):
		return withMethod(r, func(w http.ResponseWriter, r *http.Request) error {
			return a.setPaused(w, r, path[1], path[2] == "pause")
		}, w, post)
	}
	return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("there is no such resource under " + adminPrefix)}
}

func withMethod(r *http.Request, h caddy.AdminHandlerFunc, w http.ResponseWriter, methods ...string) error {
	for _, m := range methods {
		if r.Method == m {
			return h(w, r)
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	return caddy.APIError{
		HTTPStatus: http.StatusMethodNotAllowed,
		Err:        fmt.Errorf("this resource is requested with %s", strings.Join(methods, " or ")),
	}
}

// openDispatcher is the dispatcher of the configuration in force. It is asked for anew with each request: the admin
// endpoint of a configuration that failed to start stays in place, and serves the one before.
func openDispatcher() (*dispatcher, error) {
	if v, err := caddy.ActiveContext().AppIfConfigured("callgate"); err == nil {
		if a, ok := v.(*App); ok {
			if d := a.dispatcher.Load(); d != nil {
				return d, nil
			}
		}
	}
	return nil, caddy.APIError{
		HTTPStatus: http.StatusServiceUnavailable,
		Err:        errors.New("no store is open: the configuration that runs has no destination, no route that delivers or spools, and no store in its callgate option, or it is just starting"),
	}
}

func badRequest(format string, args ...any) error {
	return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf(format, args...)}
}

// storeError gives an error of the store its status.
func storeError(err error) error {
	status := http.StatusInternalServerError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		status, err = http.StatusNotFound, errors.New("not found: there is no such event or delivery; it may have been erased, or be past its retention")
	case errors.Is(err, store.ErrClosed), errors.Is(err, delivery.ErrClosed):
		status, err = http.StatusServiceUnavailable, errors.New("the store is being closed; try again when the gateway is up")
	case errors.Is(err, store.ErrUnavailable), errors.Is(err, store.ErrFull):
		status = http.StatusServiceUnavailable
	}
	return caddy.APIError{HTTPStatus: status, Err: err}
}

// maxAdminBody is more than any filter needs.
const maxAdminBody = 64 << 10

// readAdminJSON reads the object of a POST. A web page can send other content types to an admin endpoint without being
// asked, so they are refused.
func readAdminJSON(w http.ResponseWriter, r *http.Request, into any) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAdminBody))
	if err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return caddy.APIError{
				HTTPStatus: http.StatusRequestEntityTooLarge, Err: fmt.Errorf("the body is larger than %d bytes", maxAdminBody),
			}
		}
		return badRequest("the body could not be read to its end")
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return caddy.APIError{
			HTTPStatus: http.StatusUnsupportedMediaType, Err: errors.New("the body has to be JSON, with Content-Type: application/json"),
		}
	}
	if err := strictjson.Decode(text, into); err != nil {
		return badRequest("%w", err)
	}
	return nil
}

// readAdminQuery reads the query of a request, in which every parameter may stand once.
func readAdminQuery(r *http.Request, known func(name string) (into *string)) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return badRequest("the query of the URL cannot be read")
	}
	for name, values := range q {
		into := known(name)
		if into == nil {
			return badRequest("there is no query parameter %.100q here", name)
		}
		if len(values) != 1 {
			return badRequest("query parameter %s is given more than once", name)
		}
		*into = values[0]
	}
	return nil
}

// noQuery is for resources that take no parameters.
func noQuery(string) *string { return nil }

func writeAdminJSON(w http.ResponseWriter, v any) error {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// Interface guards
var (
	_ caddy.AdminRouter = (*Admin)(nil)
	_ caddy.Provisioner = (*Admin)(nil)
)
