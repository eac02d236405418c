package gateway

import (
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/callgate/callgate/internal/forward"
)

// receiving stands where the next handler would, on a route that has its receiver itself.
type receiving struct{ rq *Request }

// ServeHTTP implements Handler.
func (v receiving) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	rq := v.rq
	x := forward.Exchange{Request: r, Body: rq.going, Trusted: rq.route.Server.Trusted(r)}
	if limit := rq.plan.ReceiverTimeout; limit > 0 {
		x.By = time.Now().Add(limit)
	}
	return rq.route.receive(w, x)
}

// receive hands a request on to the route's receiver.
func (rt *Route) receive(w http.ResponseWriter, x forward.Exchange) error {
	err := rt.Receiver.Forward(w, x)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, forward.ErrLate):
		return &Error{http.StatusGatewayTimeout, errReceiverLate}
	default:
		return &Error{forward.StatusOf(err), err}
	}
}

// Receive hands a stored request on to the route's receiver.
func (rt *Route) Receive(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	return rt.receive(w, forward.Exchange{Request: r, Body: body, Trusted: rt.Server.Trusted(r)})
}

// upstream is the host and port that the request was handed on to; "" if that is not known.
func (rq *Request) upstream() string {
	if rq.route.Receiver != nil {
		return rq.route.Receiver.Address()
	}
	return rq.route.Server.Upstream(rq.r)
}
