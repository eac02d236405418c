package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// spoolPrefix begins the names of the destinations that spooled requests wait for. No configured destination has it.
const spoolPrefix = "spool:"

// spool tries the receiver and, when it fails or its breaker is open, stores the request, answers 200, and leaves it to
// the dispatcher to send it through the same route until the receiver takes it.
func (rq *request) spool(w http.ResponseWriter, next caddyhttp.Handler) (*refusal, error) {
	held := &heldWriter{ResponseWriter: w}
	own := w.Header().Clone()
	var came *http.Request
	// Handlers after this one change the request in its place, and will do so again when it is sent again.
	refused, err := rq.guardedHeld(held, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		u := *r.URL
		came = &http.Request{Method: r.Method, URL: &u, RequestURI: r.RequestURI, Host: r.Host, Header: r.Header.Clone()}
		return next.ServeHTTP(w, r)
	}))
	failed := refused != nil && refused.outcome == breakerOpen || rq.outcome == upstreamFailed
	if !failed || held.passed || rq.r.Context().Err() != nil {
		return refused, err
	}
	clear(w.Header()) // of what a failed receiver had to say of itself
	maps.Copy(w.Header(), own)
	rq.setBody(rq.body) // the receiver may have read a part of it
	if came != nil {
		r := rq.r
		r.Method, r.URL, r.RequestURI, r.Host, r.Header = came.Method, came.URL, came.RequestURI, came.Host, came.Header
	}
	a, unstored := rq.persist([]string{spoolPrefix + rq.h.Name}, spooledHeader(rq.r))
	if unstored != nil {
		if refused == nil && err == nil {
			return unstored, nil // the receiver's own answer was held back, and is gone
		}
		return refused, err
	}
	return nil, rq.answerAccepted(w, a)
}

// guardedHeld is guarded for an answer that may be held back. If that breaks off, which panics, nobody has seen it begin.
func (rq *request) guardedHeld(held *heldWriter, next caddyhttp.Handler) (refused *refusal, err error) {
	defer func() {
		if !held.held || held.passed {
			return
		}
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		}
	}()
	return rq.guarded(held, next)
}

// heldWriter holds back an answer that says that the receiver failed, because the sender shall not get it.
type heldWriter struct {
	http.ResponseWriter
	passed, held bool
}

// WriteHeader implements http.ResponseWriter.
func (h *heldWriter) WriteHeader(status int) {
	switch {
	case status >= 500 && !h.passed:
		h.held = true
	case !h.held:
		h.passed = h.passed || status >= 200
		h.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (h *heldWriter) Write(p []byte) (int, error) {
	if h.held {
		return len(p), nil
	}
	h.passed = true
	return h.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController. A held answer is not flushed through it.
func (h *heldWriter) Unwrap() http.ResponseWriter {
	if h.held {
		return nil
	}
	return h.ResponseWriter
}

// resumeSpools finds, for each route that spools, what comes after it in its server, so that stored requests go the
// same way: with the load balancing, health checks and TLS settings that the user gave the route.
//
// The destinations are added to a snapshot of their own: requests may be looking at the configuration's already.
func (a *App) resumeSpools(snapshot *delivery.Snapshot) error {
	if len(a.spools) == 0 {
		return nil
	}
	snapshot.Destinations = maps.Clone(snapshot.Destinations)
	v, err := a.ctx.App("http")
	if err != nil {
		return err
	}
	app := v.(*caddyhttp.App)
	for _, h := range a.spools {
		var rest caddyhttp.Handler
		var server *caddyhttp.Server
		for _, s := range app.Servers {
			if r := routesAfter(s.Routes, h, nothingAnswered); r != nil {
				rest, server = r, s
			}
		}
		if rest == nil {
			return fmt.Errorf("route %s: spool: the route is in a place from which its requests cannot be sent again; put it in a site or in a handle or route block of one", h.Name)
		}
		h.rest = rest
		snapshot.Destinations[spoolPrefix+h.Name] = delivery.Config{
			Destination: &spoolDestination{h: h, server: server},
			Schedule:    h.spoolSchedule,
			Concurrency: 4,
		}
		countFromZero(spoolPrefix + h.Name)
	}
	return nil
}

// nothingAnswered ends a route in which no handler answered.
var nothingAnswered caddyhttp.Handler = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
	return caddyhttp.Error(http.StatusNotFound, errors.New("no handler of the route answered the stored request"))
})

// routesAfter is the chain of handlers after h in a list of routes, which end with last; nil if h is not there.
func routesAfter(routes caddyhttp.RouteList, h *Handler, last caddyhttp.Handler) caddyhttp.Handler {
	for i, route := range routes {
		for j, mh := range route.Handlers {
			after := func() caddyhttp.Handler {
				next := routes[i+1:].Compile(last)
				if route.Terminal {
					next = nothingAnswered
				}
				for _, later := range slices.Backward(route.Handlers[j+1:]) {
					inner := next
					next = caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
						return later.ServeHTTP(w, r, inner)
					})
				}
				return next
			}
			if mh == caddyhttp.MiddlewareHandler(h) {
				return after()
			}
			if sub, ok := mh.(*caddyhttp.Subroute); ok {
				if rest := routesAfter(sub.Routes, h, after()); rest != nil {
					return rest
				}
			}
		}
	}
	return nil
}

// spoolDestination sends stored requests through the rest of their route.
type spoolDestination struct {
	h      *Handler
	server *caddyhttp.Server
}

// MaxBatch implements destination.Destination.
func (*spoolDestination) MaxBatch() int { return 1 }

// Preview implements destination.Destination. The request is the stored one.
func (s *spoolDestination) Preview(items []destination.Item) ([]destination.Request, error) {
	return nil, errors.New("a spooled request is sent through its route as it was stored")
}

// Deliver implements destination.Destination.
func (s *spoolDestination) Deliver(ctx context.Context, items []destination.Item) []destination.Result {
	results := make([]destination.Result, len(items))
	for i := range items {
		results[i] = s.deliver(ctx, &items[i])
	}
	return results
}

func (s *spoolDestination) deliver(ctx context.Context, item *destination.Item) (result destination.Result) {
	d := s.h.app.dispatcher.Load()
	if d == nil {
		return destination.Result{Reason: "the gateway is starting"}
	}
	ev, err := d.store.Event(ctx, item.EventID)
	if err != nil {
		return destination.Result{Reason: "the stored request could not be read: " + err.Error()}
	}
	w := newSink()
	r, err := storedRequest(ctx, ev, item, func(r *http.Request) *http.Request {
		return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, s.server)
	})
	if err != nil {
		return destination.Result{Outcome: destination.Dead, Reason: err.Error()}
	}
	if err := s.h.signAgain(r, ev); err != nil {
		return destination.Result{Reason: "the stored request could not be signed: " + err.Error()}
	}
	defer func() {
		if p := recover(); p != nil { // the answer broke off
			result = destination.Result{Unhealthy: true, Reason: "the receiver's answer broke off"}
		}
	}()
	if err := s.h.rest.ServeHTTP(w, r); err != nil {
		status := statusOf(err)
		return destination.Result{Status: status, Unhealthy: status >= 500, Reason: fmt.Sprintf("the receiver could not be reached (%d)", status)}
	}
	result = outbound.ResultFrom(&outbound.Answer{Status: w.status(), Header: w.header}, nil, time.Now())
	result.Pause = false // a route is not a destination that somebody resumes
	return result
}

// sink takes an answer that nobody reads.
type sink struct {
	header http.Header
	code   int
}

func newSink() *sink { return &sink{header: make(http.Header)} }

func (s *sink) Header() http.Header { return s.header }

func (s *sink) WriteHeader(code int) {
	if s.code == 0 && code >= 200 {
		s.code = code
	}
}

func (s *sink) Write(p []byte) (int, error) {
	s.WriteHeader(http.StatusOK)
	return len(p), nil
}

// Flush implements http.Flusher.
func (*sink) Flush() {}

func (s *sink) status() int {
	if s.code == 0 {
		return http.StatusOK
	}
	return s.code
}
