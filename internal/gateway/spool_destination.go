package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/store"
)

// Spooled is the destination that sends stored requests through the rest of their route.
type Spooled struct {
	Route *Route
	// Rest is what comes after the route.
	Rest Handler
	// Prepare makes a request what it was when it came to the server.
	Prepare func(http.ResponseWriter, *http.Request) *http.Request
}

// MaxBatch implements destination.Destination.
func (*Spooled) MaxBatch() int { return 1 }

// Preview implements destination.Destination. The request is the stored one.
func (s *Spooled) Preview(items []destination.Item) ([]destination.Request, error) {
	return nil, errors.New("a spooled request is sent through its route as it was stored")
}

// Deliver implements destination.Destination.
func (s *Spooled) Deliver(ctx context.Context, items []destination.Item) []destination.Result {
	results := make([]destination.Result, len(items))
	for i := range items {
		results[i] = s.deliver(ctx, &items[i])
	}
	return results
}

func (s *Spooled) deliver(ctx context.Context, item *destination.Item) (result destination.Result) {
	keep := s.Route.Store(ctx)
	if keep == nil {
		return destination.Result{Own: true, Unsent: true, Reason: "the gateway is starting"}
	}
	ev, err := keep.Event(ctx, item.EventID)
	if err != nil {
		return destination.Result{Own: errors.Is(err, store.ErrUnavailable), Unsent: true, Reason: "the stored request could not be read: " + err.Error()}
	}
	w := newSink()
	r, err := storedRequest(ctx, ev, item, func(r *http.Request) *http.Request {
		return s.Prepare(w, r)
	})
	if err != nil {
		return destination.Result{Outcome: destination.Dead, Reason: err.Error()}
	}
	if err := s.Route.signAgain(r, ev); err != nil {
		return destination.Result{Reason: "the stored request could not be signed: " + err.Error()}
	}
	defer func() {
		if p := recover(); p != nil { // the answer broke off
			result = destination.Result{Unhealthy: true, Reason: "the receiver's answer broke off"}
		}
	}()
	outbound.NoteSent(ctx, r, nil) // whether it came to the receiver is not known here
	if err := s.Rest.ServeHTTP(w, r); err != nil {
		status := s.Route.statusOf(err)
		if reason, own := outbound.OwnTrouble(err); own {
			return destination.Result{Status: status, Own: true, Unsent: true, Reason: reason}
		}
		return destination.Result{Status: status, Unhealthy: status >= 500, Reason: fmt.Sprintf("the receiver could not be reached (%d)", status)}
	}
	if w.code == statusClientGone && ctx.Err() != nil { // it is we who have gone, and no receiver says that
		return destination.Result{Reason: "given up, since the gateway stops or reloads"}
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
