package caddymodule

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/idempotency"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

// request is one request on its way through the handler. It outlives the handler in the request's replacer, which
// access logs read, so it is not reused.
type request struct {
	h       *Handler
	r       *http.Request
	repl    *caddy.Replacer
	plan    *plan
	outcome outcome

	body    []byte
	payload []byte // the body as parsers see it: out of its envelope, expanded
	sum     [sha256.Size]byte
	result  signature.Result

	verified bool
	identity source.Identity
	eventID  string

	call    *call.Call
	callErr error

	// reservation is what answers are remembered through; nil if they need not be.
	reservation *idempotency.Reservation

	// What is handed to others by address lives here, so that a request is one piece of memory.
	reader  body
	message signature.Message
	parsing source.Request
	sent    [4]string // values of the headers that the receiver gets
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	rq := &request{h: h, r: r, repl: r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)}
	rq.repl.Map(rq.placeholder)
	stripOwnHeaders(r.Header)
	defer func() { h.counters.count(rq.outcome) }() // also when the receiver's answer breaks off, which panics

	refused, err := rq.admit(w)
	if refused == nil && err == nil {
		refused, err = rq.once(w, next)
	}
	if refused != nil {
		rq.outcome = refused.outcome
		err = rq.refuse(w, refused)
	}
	return err
}

// admit goes through all that comes before the event's id is reserved.
func (rq *request) admit(w http.ResponseWriter) (*refusal, error) {
	h, r := rq.h, rq.r
	if h.addressLimited {
		if ok, wait := h.shared.addresses.Allow(h.addressKey(r), h.addressLimit); !ok {
			return h.addressRefusal(wait), nil
		}
	}
	if rq.plan = rq.findPlan(); rq.plan == nil {
		return &refusal{outcome: unknownTenant, message: "no such tenant"}, nil
	}
	began := time.Now()
	if refused := rq.readBody(w); refused != nil {
		return refused, nil
	}
	read := time.Now()
	stageTimers.body.Observe(read.Sub(began).Seconds())

	if refused := rq.verify(read); refused != nil {
		return refused, nil
	}
	verified := time.Now()
	stageTimers.verify.Observe(verified.Sub(read).Seconds())

	if rq.plan.limited {
		if ok, wait := h.shared.tenants.Allow(rq.plan.limiterKey, rq.plan.limit); !ok {
			return &refusal{
				outcome: rateLimited, status: rq.plan.overloadStatus(), retryAfter: wait,
				message: "this tenant's rate limit is exceeded; send again later",
			}, nil
		}
	}
	refused := rq.readCall()
	stageTimers.parse.Observe(time.Since(verified).Seconds())
	return refused, nil
}

func (rq *request) findPlan() *plan {
	h := rq.h
	if h.single != nil {
		return h.single
	}
	name := h.tenantOf.name(rq.r, rq.repl)
	if p, ok := h.plans[name]; ok {
		return p
	}
	return h.plans[strings.ToLower(name)] // hosts are written in any case
}

func (rq *request) verify(now time.Time) *refusal {
	m := &rq.message
	m.Method, m.Header, m.Body = rq.r.Method, rq.r.Header, rq.body
	if rq.plan.signsURL || signature.Blank(rq.body) {
		m.URL = publicURL(rq.r, rq.plan.publicURL)
	}
	var err error
	if rq.result, err = rq.plan.verifier.Verify(m, now); err != nil {
		return signatureRefusal(err)
	}
	rq.verified = true
	return nil
}

func signatureRefusal(err error) *refusal {
	f := &refusal{outcome: signatureInvalid, cause: err, message: "the signature is not valid for this body and secret"}
	switch {
	case errors.Is(err, signature.ErrMissing):
		f.outcome, f.message = signatureMissing, "the request is not signed"
	case errors.Is(err, signature.ErrBody):
		return malformed(err)
	case errors.Is(err, signature.ErrTimestamp):
		f.outcome, f.message = timestampOutOfTolerance, "the signature's timestamp is too far from now; check the sender's clock"
	}
	return f
}

// once carries the request out unless it is a copy.
func (rq *request) once(w http.ResponseWriter, next caddyhttp.Handler) (*refusal, error) {
	if rq.plan.idem.Off {
		return rq.carryOut(w, next)
	}
	key := idempotency.NewKey(rq.h.Name, rq.plan.tenant, rq.eventID)
	body := [16]byte(rq.sum[:16])

	began := time.Now()
	reservation, found, waitFor := rq.h.shared.answers.TryAcquire(key, body, rq.plan.idem.Strict)
	if waitFor != nil { // only a copy of a request in flight pays for a timer
		ctx, cancel := context.WithTimeout(rq.r.Context(), time.Duration(rq.plan.idem.Wait))
		var err error
		reservation, found, err = rq.h.shared.answers.Acquire(ctx, key, body, rq.plan.idem.Strict)
		cancel()
		stageTimers.wait.Observe(time.Since(began).Seconds())
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
func (rq *request) remember(a *idempotency.Answer) {
	if rq.reservation != nil {
		rq.reservation.Commit(a, time.Duration(rq.plan.idem.TTL))
	}
}

// guarded runs the next handler under the breaker.
func (rq *request) guarded(w http.ResponseWriter, next caddyhttp.Handler) (refused *refusal, err error) {
	if rq.h.convertTo != nil {
		if err := rq.convert(); err != nil {
			return &refusal{outcome: convertFailed, cause: err, message: "the call could not be converted for the receiver"}, nil
		}
	} else if err := rq.handOn(); err != nil {
		return &refusal{outcome: signFailed, cause: err, message: "the request could not be signed for the receiver"}, nil
	}
	if b := rq.plan.breaker; b != nil {
		done, wait := b.Allow()
		if done == nil {
			return &refusal{
				outcome: breakerOpen, retryAfter: wait,
				message: "the receiver keeps failing and is given time to recover; send again later",
			}, nil
		}
		defer func() { done(rq.verdict()) }()
	}
	rec := newRecorder(w, rq.reservation != nil, rq.plan.idem.MaxReplayBody)
	defer rec.free()
	began := time.Now()
	rq.outcome = upstreamFailed // also if it panics
	err = next.ServeHTTP(rec, rq.r)
	stageTimers.next.Observe(time.Since(began).Seconds())

	status := rec.status
	if err == nil && status == 0 {
		// net/http would answer 200, and the sender would take a call for delivered that nobody has.
		err = caddyhttp.Error(http.StatusBadGateway, errNobodyAnswered)
	}
	if err != nil {
		status = statusOf(err)
	}
	switch {
	case status < 400:
		rq.outcome = forwarded
	case status < 500:
		rq.outcome = upstreamRefused
	}
	if rq.reservation != nil && err == nil && status >= 200 && status < 300 && rq.r.Context().Err() == nil {
		rq.remember(rec.answer(status))
	}
	return nil, err
}

var errNobodyAnswered = errors.New("no handler after callgate answered the request, so nobody has it: " +
	"see that the matcher of reverse_proxy, or of what else should answer, matches what this route lets in")

// verdict is what the request says about the receiver's health.
func (rq *request) verdict() breaker.Outcome {
	switch {
	case rq.r.Context().Err() != nil:
		return breaker.Neither // the client went away
	case rq.outcome == upstreamFailed:
		return breaker.Failure
	default:
		return breaker.Success
	}
}

// statusOf is the status that Caddy will answer an error of a handler with.
func statusOf(err error) int {
	var he caddyhttp.HandlerError
	if errors.As(err, &he) && he.StatusCode != 0 {
		return he.StatusCode
	}
	return http.StatusInternalServerError
}
