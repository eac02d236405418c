// Package adminapi puts what operators see and do at Caddy's admin endpoint. The resources are those of
// internal/operateapi; what is here is who asks.
package adminapi

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/internal/operateapi"
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
//	GET       /callgate/overview                       how each destination does in an hour, a day or a week, and what needs a person
//	GET       /callgate/stats                          the store and the destinations
//	GET       /callgate/cluster                        the gateways that share the store, and who delivers where
//	GET       /callgate/rotations                      which of several secrets was used last, and when
//	GET       /callgate/ready                          whether calls should be sent here: 503 if not, and why
//	GET       /callgate/tail                           new events and attempts as they come, as server-sent events
//	POST      /callgate/preview                        what becomes of a payload; nothing is sent or stored
//	POST      /callgate/audit                          records of the audit log, oldest first
//	GET       /callgate/audit/verify                   whether the audit log lies in the store as it was written
//	GET       /callgate/audit/records/{seq}/proof      the proof that one record is in the log
//	POST      /callgate/audit/checkpoint               signs what the log holds now, and hands it out
//	POST      /callgate/audit/export                   the log as callgate audit verify reads it
//	POST      /callgate/audit/prune                    takes the lines of old records away
//	POST      /callgate/replay                         sends dead or delivered ones again
//	POST      /callgate/retry                          sends waiting ones now
//	POST      /callgate/cancel                         gives waiting ones up
//	POST      /callgate/erase                          deletes events with all that belongs to them
//	GET       /callgate/jobs                           what is done to everything that matches a filter, the last first
//	POST      /callgate/jobs                           begins to replay, retry or cancel everything that matches
//	POST      /callgate/jobs/erase                     begins to erase everything that matches
//	GET       /callgate/jobs/{id}                      how far one of these is
//	POST      /callgate/jobs/{id}/stop                 stops one of these; what is done stays done
//	POST      /callgate/destinations/{name}/pause      keeps deliveries waiting
//	POST      /callgate/destinations/{name}/resume     lets them go again
//	GET       /callgate/documents/{kind}               tenants or destinations that live in the store, by name
//	GET       /callgate/documents/{kind}/{name}        a version of one, without its secrets
//	POST      /callgate/documents/{kind}/{name}        checks one and keeps it as a new version
//	GET       /callgate/documents/{kind}/{name}/versions  its versions, the last first
//	GET       /callgate/documents/{kind}/{name}/diff   what differs between two versions
//	POST      /callgate/documents/{kind}/{name}/publish   puts the last version into force
//	POST      /callgate/documents/{kind}/{name}/rollback  publishes what an earlier version says
//	POST      /callgate/documents/{kind}/{name}/remove    takes it out of force
//	GET       /callgate/builder/kit                    what somebody needs to build a destination: filters, sources, examples
//	POST      /callgate/builder/begin                  a draft of a curl command, a webhook document, an example or a destination
//	POST      /callgate/builder/sample                 the variables of a call with their values
//	POST      /callgate/builder/preview                what a draft would send for a call, and what is wrong with it
//	POST      /callgate/builder/test                   sends one request as a draft would, marked as a test
//	POST      /callgate/builder/lines                  a draft as lines of a Caddyfile and as JSON
//	POST      /callgate/builder/fields                 the fields of the account that a draft writes to
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
// Preview takes a source, and perhaps a tenant, a route, destinations and header (names with lists of values), and the
// payload as body, in base64; of up to 8 MiB.
//
// Replay, retry, cancel and erase count only with "dry_run": true. Without any filter they need "all": true. A replay that
// names no state is of dead deliveries; with a rate, such as "5/s", they fall due one after the other.
//
// The audit log is asked for with after or newest, from and to, kind (several with commas), by, tenant, event, delivery,
// destination and outcome, and continued with after, the member next of the page before; limit is 100 unless told and at most
// 1000. An export begins with the record first, and has with since the sizes of older checkpoints; prune takes before.
//
// What callers said is in no answer but that of content, which takes a reason that is recorded and logged. It is refused
// over TCP, which every process of the machine can use, and over a unix socket that others than its owner can use: let the
// admin endpoint listen on one with the mode 0600 or less, or use Caddy's remote administration with certificates, or the
// directive callgate_dashboard. Who acts is recorded as the owner of that socket, as the subject of the certificate, or else
// as socket or local. Every POST is of JSON and says so, also one without a body: a web page can send
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

// serve answers a request, or gives its error in the form that Caddy writes.
func (a *Admin) serve(w http.ResponseWriter, r *http.Request) error {
	api := operateapi.API{
		Prefix: adminPrefix, Service: service, Ready: ready, Actor: actor, Ended: a.ctx, Exiting: caddy.Exiting,
	}
	err := api.Serve(w, r)
	if e, ok := errors.AsType[*operateapi.Error](err); ok {
		return caddy.APIError{HTTPStatus: e.Status, Err: e.Err}
	}
	return err
}

// Interface guards
var (
	_ caddy.AdminRouter = (*Admin)(nil)
	_ caddy.Provisioner = (*Admin)(nil)
)
