// Package adminapi puts what operators see and do at Caddy's admin endpoint. It translates HTTP and no more: what is
// done is internal/operate's.
package adminapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/internal/operate"
)

func init() {
	caddy.RegisterModule(new(Admin))
}

// Admin serves Callgate's part of Caddy's admin API, under /callgate/. It lives at Caddy's admin endpoint and under its
// access rules, and answers in JSON:
//
//	GET, POST /callgate/events                         events, newest first
//	GET       /callgate/events/{id}                    one event with its deliveries and their attempts
//	POST      /callgate/events/{id}/content            the same with what the caller said
//	GET, POST /callgate/deliveries                     deliveries, newest first
//	GET       /callgate/destinations                   how each destination stands
//	GET       /callgate/stats                          the store and the destinations
//	GET       /callgate/ready                          whether calls should be sent here: 503 if not, and why
//	GET       /callgate/tail                           new events and attempts as they come, as server-sent events
//	POST      /callgate/replay                         sends dead or delivered ones again
//	POST      /callgate/retry                          sends waiting ones now
//	POST      /callgate/cancel                         gives waiting ones up
//	POST      /callgate/erase                          deletes events with all that belongs to them
//	POST      /callgate/destinations/{name}/pause      keeps deliveries waiting
//	POST      /callgate/destinations/{name}/resume     lets them go again
//	POST      /callgate/audit                          records of the audit log, oldest first
//	POST      /callgate/audit/tail                     its newest ones and then new ones as they come, a line each
//	GET       /callgate/audit/verify                   whether it is as it was written, and how it stands
//	GET       /callgate/audit/records/{seq}/proof      the proof that one record is in it
//	POST      /callgate/audit/checkpoint               signs what it holds now and hands that out
//	POST      /callgate/audit/export                   all of it, in a format: jsonl, csv or fhir
//	POST      /callgate/audit/prune                    takes the lines of old records away
//
// Listings, replay, retry, cancel and erase take a filter of destination, tenant, state (pending, delivered or dead), reason (a part of
// it), source, event_type, event, delivery, call_id, caller, field with value (a field that a find_by line names), from and to (RFC 3339 or a date; from is included, to is
// not): in the query of a GET and in the JSON object of a POST. Caddy logs the URIs of admin requests, so a caller's
// number is taken from a POST only. Listings are continued with before, the member next of the page before, and have
// limit rows, 100 unless told and at most 500.
//
// Replay, retry, cancel and erase count only with "dry_run": true. Without any filter they need "all": true. A replay that
// names no state is of dead deliveries; with a rate, such as "5/s", they fall due one after the other.
//
// The audit log is asked for with after or newest, from and to, kind (several with commas), by, tenant, event, delivery,
// destination and outcome, and continued with after, the member next of the page before; limit is 100 unless told and at most
// 1000. An export begins with the record first, and has with since the sizes of older checkpoints; prune takes before.
//
// What callers said is in no answer but that of content, which takes a reason for the log and is refused over TCP unless
// the configuration says admin_content on. Every POST is of JSON and says so, also one without a body: a web page can send
// other content types to an admin endpoint without being asked.
//
// In the answers one name means one thing: id is the gateway's id of what it stands in, event_id that of the event which a
// delivery or an attempt belongs to, and provider_event_id the sender's id of an event. states counts the deliveries of an
// event by state. attempts is how many attempts at a delivery were made since it was accepted or last replayed, attempt the
// number of one of them, and history all of them, oldest first, those that a replay made with its number as replay.
// waits_for says what a pending delivery waits for: configuration, resume, hold, gateway, schedule, breaker, retry_after or
// turn; and wait_reason why, such as which name the configuration does not know. sent is what an attempt sent, by the names
// of its fields, its size and a keyed hash.
// The commands print the same with --json.
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
	err := a.route(w, r)
	if e, ok := errors.AsType[*operate.Error](err); ok {
		return caddy.APIError{HTTPStatus: statusOf(e), Err: e}
	}
	return err
}

// statusOf is the status of an operation's error.
func statusOf(e *operate.Error) int {
	switch e.Kind {
	case operate.ErrBadRequest:
		return http.StatusBadRequest
	case operate.ErrForbidden:
		return http.StatusForbidden
	case operate.ErrNotFound:
		return http.StatusNotFound
	case operate.ErrUnavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func (a *Admin) route(w http.ResponseWriter, r *http.Request) error {
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
		return withMethod(r, listing((*operate.Service).Events), w, get, post)
	case len(path) == 2 && what == "events":
		return withMethod(r, func(w http.ResponseWriter, r *http.Request) error { return event(w, r, path[1]) }, w, get)
	case len(path) == 3 && what == "events" && path[2] == "content":
		return withMethod(r, func(w http.ResponseWriter, r *http.Request) error { return content(w, r, path[1]) }, w, post)
	case len(path) == 1 && what == "deliveries":
		return withMethod(r, listing((*operate.Service).Deliveries), w, get, post)
	case len(path) == 1 && what == "destinations":
		return withMethod(r, asking((*operate.Service).Destinations), w, get)
	case len(path) == 1 && what == "stats":
		return withMethod(r, asking((*operate.Service).Statistics), w, get)
	case len(path) == 1 && what == "ready":
		return withMethod(r, ready, w, get)
	case len(path) == 1 && what == "tail":
		return withMethod(r, a.tail, w, get)
	case len(path) == 1 && what == "replay":
		return withMethod(r, acting((*operate.Service).Replay), w, post)
	case len(path) == 1 && what == "retry":
		return withMethod(r, acting((*operate.Service).SendNow), w, post)
	case len(path) == 1 && what == "cancel":
		return withMethod(r, acting((*operate.Service).Cancel), w, post)
	case len(path) == 1 && what == "erase":
		return withMethod(r, acting((*operate.Service).Erase), w, post)
	case len(path) == 3 && what == "destinations" && path[2] == "pause":
		return withMethod(r, func(w http.ResponseWriter, r *http.Request) error { return pause(w, r, path[1]) }, w, post)
	case len(path) == 3 && what == "destinations" && path[2] == "resume":
		return withMethod(r, func(w http.ResponseWriter, r *http.Request) error { return resume(w, r, path[1]) }, w, post)
	case what == "audit":
		if h, method := a.audit(path[1:]); h != nil {
			return withMethod(r, h, w, method)
		}
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

// Interface guards
var (
	_ caddy.AdminRouter = (*Admin)(nil)
	_ caddy.Provisioner = (*Admin)(nil)
)
