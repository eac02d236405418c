package standin

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// Receiver takes any request, records it, and answers as scripted.
type Receiver struct {
	*httptest.Server
	// Arrived gets every request before it is answered; it holds 1024 and drops more.
	Arrived chan Recorded

	t         testing.TB
	mu        sync.Mutex
	script    []Reply
	otherwise Reply
	requests  []Recorded
}

// Reply is one scripted answer.
type Reply struct {
	// Status is the HTTP status; 0 means 200.
	Status int
	Header http.Header
	Body   string
	// Hold delays the answer until the channel is closed, or the client has gone.
	Hold <-chan struct{}
	// Hangup closes the connection in place of an answer. Cut closes it in the middle of the body.
	Hangup, Cut bool
}

// NewReceiver starts a receiver that answers 200 until it is told otherwise. It is closed with the test.
func NewReceiver(t testing.TB) *Receiver {
	r := &Receiver{t: t, Arrived: make(chan Recorded, 1024)}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// NewTLSReceiver is NewReceiver with TLS; Certificate and Client of the httptest.Server fit it.
func NewTLSReceiver(t testing.TB) *Receiver {
	r := &Receiver{t: t, Arrived: make(chan Recorded, 1024)}
	r.Server = httptest.NewTLSServer(r)
	t.Cleanup(r.Close)
	return r
}

// Script sets the next answers, in order.
func (r *Receiver) Script(replies ...Reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.script = append(r.script, replies...)
}

// Otherwise sets the answer for requests beyond the script.
func (r *Receiver) Otherwise(reply Reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.otherwise = reply
}

// Requests returns what has arrived so far.
func (r *Receiver) Requests() []Recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Recorded(nil), r.requests...)
}

// ServeHTTP records the request and answers.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	got := record(req, readBody(r.t, req))
	r.mu.Lock()
	r.requests = append(r.requests, got)
	reply := r.otherwise
	if len(r.script) > 0 {
		reply, r.script = r.script[0], r.script[1:]
	}
	r.mu.Unlock()
	select {
	case r.Arrived <- got:
	default:
	}
	if reply.Hold != nil {
		select {
		case <-reply.Hold:
		case <-req.Context().Done():
			return
		}
	}
	if reply.Hangup {
		panic(http.ErrAbortHandler)
	}
	for k, v := range reply.Header {
		w.Header()[k] = v
	}
	if reply.Cut {
		w.Header().Set("Content-Length", "1000000")
	}
	if reply.Status == 0 {
		reply.Status = http.StatusOK
	}
	w.WriteHeader(reply.Status)
	_, _ = w.Write([]byte(reply.Body))
	if reply.Cut {
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}
