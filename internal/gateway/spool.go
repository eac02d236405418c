package gateway

import (
	"maps"
	"net/http"
)

// SpoolPrefix begins the names of the destinations that spooled requests wait for, before the name of their route. No
// configured destination has it.
const SpoolPrefix = "spool:"

// spool tries the receiver and, when it fails, its breaker is open, or the sender did not wait for it, stores the request, answers 200, and leaves it to
// the dispatcher to send it through the same route until the receiver takes it.
func (rq *Request) spool(w http.ResponseWriter, next Handler) (*refusal, error) {
	held := &heldWriter{ResponseWriter: w}
	own := w.Header().Clone()
	var came *http.Request
	// Handlers after this one change the request in its place, and will do so again when it is sent again.
	refused, err := rq.guardedHeld(held, HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		u := *r.URL
		came = &http.Request{Method: r.Method, URL: &u, RequestURI: r.RequestURI, Host: r.Host, Header: r.Header.Clone()}
		return next.ServeHTTP(w, r)
	}))
	failed := refused != nil && refused.outcome == breakerOpen || rq.outcome == upstreamFailed || rq.outcome == clientGone
	if !failed || held.passed {
		return refused, err
	}
	clear(w.Header()) // of what a failed receiver had to say of itself
	maps.Copy(w.Header(), own)
	rq.setReader(bodyOf(rq.body), rq.body) // the receiver may have read a part of the other, and its client may read it still
	if came != nil {
		r := rq.r
		r.Method, r.URL, r.RequestURI, r.Host, r.Header = came.Method, came.URL, came.RequestURI, came.Host, came.Header
	}
	a, unstored := rq.persist([]string{SpoolPrefix + rq.route.Name}, rq.route.spooledHeader(rq.r))
	if unstored != nil {
		if refused == nil && err == nil {
			return unstored, nil // the receiver's own answer was held back, and is gone
		}
		return refused, err
	}
	return nil, rq.answerAccepted(w, a)
}

// guardedHeld is guarded for an answer that may be held back. If that breaks off, which panics, nobody has seen it begin.
func (rq *Request) guardedHeld(held *heldWriter, next Handler) (refused *refusal, err error) {
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
	case (status >= 500 || status == statusClientGone) && !h.passed:
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
