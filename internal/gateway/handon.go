package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/forward"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/signature"
)

// guarded runs the next handler under the breaker.
func (rq *Request) guarded(w http.ResponseWriter, next Handler) (refused *refusal, err error) {
	if rq.route.Convert != nil {
		if err := rq.convert(); err != nil {
			return &refusal{outcome: convertFailed, cause: err, message: "the call could not be converted for the receiver"}, nil
		}
	} else if err := rq.handOn(); err != nil {
		return &refusal{outcome: signFailed, cause: err, message: "the request could not be signed for the receiver"}, nil
	}
	if b := rq.plan.Breaker; b != nil {
		done, wait := b.Allow()
		if done == nil {
			return &refusal{
				outcome: breakerOpen, retryAfter: wait,
				message: "the receiver keeps failing and is given time to recover; send again later",
			}, nil
		}
		defer func() { done(rq.verdict()) }()
	}
	noted, unnoted := rq.auditForward()
	if unnoted != nil {
		rq.outcome = unnoted.outcome // and so nothing is known of the receiver
		rq.trouble = true
		return unnoted, nil
	}
	rec := newRecorder(w, rq.reservation != nil, rq.plan.Idempotency.MaxReplayBody)
	defer rec.free()
	began := time.Now()
	rq.outcome = upstreamFailed // also if it panics
	status := 0
	defer func() { noted.done(status) }()
	r := rq.within(rec)
	err = next.ServeHTTP(rec, r)
	rec.lift()
	rq.waited = time.Since(began)
	rq.route.Meter.Took(StageNext, rq.waited)

	status = rec.status
	switch {
	case err != nil:
		status = rq.route.statusOf(err)
		_, rq.trouble = outbound.OwnTrouble(err)
	case status == 0:
		// net/http would answer 200, and the sender would take a call for delivered that nobody has.
		err, status = &Error{http.StatusBadGateway, errNobodyAnswered}, http.StatusBadGateway
	}
	switch {
	case rec.late() && (status == statusClientGone || !rec.answered()):
		err, status = &Error{http.StatusGatewayTimeout, errReceiverLate}, http.StatusGatewayTimeout
	case status == statusClientGone && rq.r.Context().Err() != nil:
		rq.outcome = clientGone
	case status < 400:
		rq.outcome = forwarded
	case status < 500 && status != statusClientGone:
		rq.outcome = upstreamRefused
	}
	if rq.reservation != nil && err == nil && status >= 200 && status < 300 && rq.r.Context().Err() == nil {
		answer := rec.answer(status)
		rq.remember(&answer)
	}
	return nil, err
}

var errNobodyAnswered = errors.New("no handler after callgate answered the request, so nobody has it: " +
	"see that the matcher of reverse_proxy, or of what else should answer, matches what this route lets in")

// statusClientGone is what reverse_proxy writes for a client that has gone, as nginx does; nobody reads it.
const statusClientGone = forward.StatusClientGone

// errReceiverLate is why the receiver was not waited for any longer.
var errReceiverLate = errors.New("the receiver did not begin to answer within receiver_timeout")

// within is the request with the plan's bound on the time until the receiver begins to answer. A receiver of the route's own
// is told it.
func (rq *Request) within(rec *recorder) *http.Request {
	if rq.plan.ReceiverTimeout <= 0 || rq.route.Receiver != nil {
		return rq.r
	}
	rec.ctx, rec.cancel = context.WithCancelCause(rq.r.Context())
	cancel := rec.cancel // the recorder may be another request's when the timer runs
	rec.timer = time.AfterFunc(rq.plan.ReceiverTimeout, func() { cancel(errReceiverLate) })
	return rq.r.WithContext(rec.ctx)
}

// impatience is how long a sender waits at least before its going away says something of the receiver.
const impatience = 3 * time.Second

// verdict is what the request says about the receiver's health.
func (rq *Request) verdict() breaker.Outcome {
	switch {
	case rq.outcome == clientGone && rq.waited >= impatience:
		return breaker.Failure // it did not answer while anybody waited
	case rq.r.Context().Err() != nil:
		return breaker.Neither // the client went away
	case rq.trouble:
		return breaker.Neither
	case rq.outcome == upstreamFailed:
		return breaker.Failure
	default:
		return breaker.Success
	}
}

// statusOf is the status that the server will answer an error with.
func (rt *Route) statusOf(err error) int {
	if own, ok := errors.AsType[*Error](err); ok {
		return own.Status
	}
	return rt.Server.StatusOf(err)
}

// ownPrefix is of the headers that receivers may trust because only this handler sets them.
const ownPrefix = "X-Callgate-"

// stripOwnHeaders removes headers that a stranger might have sent to pass for us.
func stripOwnHeaders(h http.Header) {
	for name := range h {
		if len(name) >= len(ownPrefix) && strings.EqualFold(name[:len(ownPrefix)], ownPrefix) {
			delete(h, name)
		}
	}
}

// handOn makes the request what the receiver is to get: headers that say what is known of it and, if wanted, a
// signature of our own.
func (rq *Request) handOn() error {
	h := rq.r.Header
	if !rq.plan.KeepToken {
		signature.StripToken(rq.plan.Verifier, h)
	}
	rq.sent = [4]string{rq.plan.Tenant, rq.route.Source, headerText(rq.eventID), headerText(rq.identity.EventType)}
	for i, name := range [...]string{
		"X-Callgate-Tenant", "X-Callgate-Source", "X-Callgate-Event-Id", "X-Callgate-Event-Type",
	} {
		if rq.sent[i] != "" {
			h[name] = rq.sent[i : i+1 : i+1]
		}
	}
	if rq.plan.Signer == nil {
		return nil
	}
	m, called := &rq.message, rq.route.publicURL(rq.r, rq.plan.PublicURL)
	if rq.hadTokenInURL() {
		called = rq.result.URL
	}
	m.Method, m.URL, m.Header, m.Body = rq.r.Method, called, h, rq.body
	if err := rq.plan.Signer.Sign(m, rq.eventID, time.Now()); err != nil {
		return err
	}
	takeQuery(rq.r, called, m.URL)
	if len(m.Body) != len(rq.body) || (len(m.Body) > 0 && &m.Body[0] != &rq.body[0]) {
		// Some schemes put the signature into the body.
		rq.setBody(m.Body)
		h.Set("Content-Length", strconv.Itoa(len(m.Body)))
	}
	return nil
}

// takeQuery gives a request the query that was signed, if the scheme has changed it: Twilio's puts a hash of the body
// there. Otherwise the query stays, which need not be the sender's any more.
func takeQuery(r *http.Request, called, signed string) {
	if _, query, ok := strings.Cut(signed, "?"); ok && signed != called {
		r.URL.RawQuery = query
	}
}

// headerText makes text from a request fit for a header or a log line.
func headerText(s string) string {
	if strings.IndexFunc(s, unprintable) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if unprintable(r) {
			return ' '
		}
		return r
	}, s)
}

func unprintable(r rune) bool { return r < ' ' || r == 0x7f }
