package gateway

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/idempotency"
)

// once carries the request out unless it is a copy. What is carried out takes a token of the tenant's rate; copies have a
// bucket of their own, of the same size, so that neither a sender that repeats itself nor somebody who sends a captured
// request again keeps the tenant's next event out.
func (rq *Request) once(w http.ResponseWriter, next Handler) (*refusal, error) {
	p := rq.plan
	if p.Idempotency.Off || p.Test { // whoever tries something out wants to see what becomes of it now
		if refused := rq.charge(p.LimiterKey); refused != nil {
			return refused, nil
		}
		return rq.carryOut(w, next)
	}
	key := idempotency.NewKey(rq.route.Name, p.Tenant, rq.eventID)
	body := [16]byte(rq.sum[:16])

	reservation, found, waitFor := rq.route.State.Answers.TryAcquire(key, body, p.Idempotency.Strict)
	if found != nil || waitFor != nil {
		if refused := rq.charge(p.CopiesKey); refused != nil {
			return refused, nil
		}
	}
	if waitFor != nil { // only a copy of a request in flight pays for a timer
		began := time.Now()
		ctx, cancel := context.WithTimeout(rq.r.Context(), p.Idempotency.Wait)
		var err error
		reservation, found, err = rq.route.State.Answers.Acquire(ctx, key, body, p.Idempotency.Strict)
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
	if refused := rq.charge(p.LimiterKey); refused != nil {
		return refused, nil
	}
	reservation.Owner = p.LimiterKey
	rq.reservation = reservation
	return rq.carryOut(w, next)
}

// charge takes a token of the tenant's rate from one of its buckets.
func (rq *Request) charge(bucket string) *refusal {
	if rq.plan.Limit == nil {
		return nil
	}
	if ok, wait := rq.route.State.Tenants.Allow(bucket, *rq.plan.Limit); !ok {
		return rq.overRate(wait)
	}
	return nil
}

// exhausted refuses a request before it is read if it will be refused whether it is a copy or not.
func (rq *Request) exhausted() *refusal {
	p, buckets := rq.plan, rq.route.State.Tenants
	if p.Limit == nil {
		return nil
	}
	ok, wait := buckets.Ready(p.LimiterKey, *p.Limit)
	if !ok && !p.Idempotency.Off {
		var sooner time.Duration
		ok, sooner = buckets.Ready(p.CopiesKey, *p.Limit)
		wait = min(wait, sooner)
	}
	if ok {
		return nil
	}
	return rq.overRate(wait)
}

func (rq *Request) overRate(wait time.Duration) *refusal {
	return &refusal{
		outcome: rateLimited, status: rq.route.overloadStatus(), retryAfter: wait,
		message: "this tenant's rate limit is exceeded; send again later",
	}
}

// remember keeps the answer for copies of the request. Where the sender waits for what the answer says, and the request has
// no id, it is for the copies that wait for it now: the same question asked again, by another caller or at another moment of
// the call, wants an answer of its own.
func (rq *Request) remember(a *idempotency.Answer) {
	if rq.reservation == nil {
		return
	}
	if !rq.named && rq.senderWaits() {
		rq.reservation.Share(a)
		return
	}
	if rq.reservation.Commit(a, rq.plan.Idempotency.TTL) > 0 {
		rq.route.warnOfForgotten(rq.plan.Tenant)
	}
}

// replay answers a copy like the first request of its event.
func (rq *Request) replay(w http.ResponseWriter, found *idempotency.Found) *refusal {
	if found.OtherBody {
		if rq.plan.Idempotency.Strict {
			return &refusal{outcome: keyReused, message: "an earlier request with this event id had another body"}
		}
		if counts, ok := rq.route.lines().Line(rq.lineKind(replayed)); ok {
			rq.route.Log.Warn("event id came again with another body; answered as a copy",
				append(suppressed(counts), zap.String("route", rq.route.Name), zap.String("tenant", rq.plan.Tenant),
					zap.String("client_ip", rq.route.Server.ClientIP(rq.r)), zap.String("request_id", rq.route.Server.RequestID(rq.r)))...)
		}
	}
	rq.outcome = replayed
	h := w.Header()
	if found.Answer == nil {
		found.Answer = duplicate(found.Was)
	}
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

// duplicate answers a copy whose first answer had to make room: with its status, and a body that says what became of it.
func duplicate(status int) *idempotency.Answer {
	a := &idempotency.Answer{Status: status}
	if status != http.StatusNoContent && status != http.StatusResetContent {
		a.Header = map[string][]string{"Content-Type": {"application/json"}, "Content-Length": {strconv.Itoa(len(duplicateBody))}}
		a.Body = []byte(duplicateBody)
	}
	return a
}

const duplicateBody = `{"status":"duplicate"}` + "\n"
