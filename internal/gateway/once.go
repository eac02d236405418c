package gateway

import (
	"context"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/idempotency"
)

// once carries the request out unless it is a copy.
func (rq *Request) once(w http.ResponseWriter, next Handler) (*refusal, error) {
	if rq.plan.Idempotency.Off {
		return rq.carryOut(w, next)
	}
	key := idempotency.NewKey(rq.route.Name, rq.plan.Tenant, rq.eventID)
	body := [16]byte(rq.sum[:16])

	began := time.Now()
	reservation, found, waitFor := rq.route.State.Answers.TryAcquire(key, body, rq.plan.Idempotency.Strict)
	if waitFor != nil { // only a copy of a request in flight pays for a timer
		ctx, cancel := context.WithTimeout(rq.r.Context(), rq.plan.Idempotency.Wait)
		var err error
		reservation, found, err = rq.route.State.Answers.Acquire(ctx, key, body, rq.plan.Idempotency.Strict)
		cancel()
		rq.route.Meter.Took(StageWait, time.Since(began))
		if err != nil {
			return &refusal{
				outcome: inFlight, retryAfter: time.Second,
				message: "the first request with this event is still being carried out; send again later",
			}, nil
		}
	}
	if found != nil {
		return rq.replay(w, found), nil
	}
	defer reservation.Release() // in case of a panic too; after a commit it does nothing
	rq.reservation = reservation
	return rq.carryOut(w, next)
}

// remember keeps the answer for copies of the request.
func (rq *Request) remember(a *idempotency.Answer) {
	if rq.reservation != nil {
		rq.reservation.Commit(a, rq.plan.Idempotency.TTL)
	}
}

// replay answers a copy like the first request of its event.
func (rq *Request) replay(w http.ResponseWriter, found *idempotency.Found) *refusal {
	if found.OtherBody {
		if rq.plan.Idempotency.Strict {
			return &refusal{outcome: keyReused, message: "an earlier request with this event id had another body"}
		}
		rq.route.Log.Warn("event id came again with another body; answered as a copy",
			zap.String("route", rq.route.Name), zap.String("tenant", rq.plan.Tenant), zap.String("client_ip", rq.route.Server.ClientIP(rq.r)))
	}
	rq.outcome = replayed
	h := w.Header()
	for name, values := range found.Header {
		h[name] = values
	}
	h.Set("Idempotency-Replayed", "true")
	if found.Truncated {
		h.Del("Content-Length")
	}
	w.WriteHeader(found.Status)
	if len(found.Body) > 0 {
		_, _ = w.Write(found.Body) // a client that is gone will come again
	}
	return nil
}
