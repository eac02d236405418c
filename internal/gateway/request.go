package gateway

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/idempotency"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
	"github.com/callgate/callgate/internal/tracing"
)

// Request is one request on its way. It outlives its answer, since access logs ask it for placeholders, so it is not
// reused.
type Request struct {
	route   *Route
	r       *http.Request
	plan    *Plan
	outcome Outcome
	traced  bool // the server traces the request

	body    []byte
	going   []byte // the body of r, which is what the receiver gets
	held    int64  // what the body holds of the budget for unverified ones
	whole   bool   // all of the body was read
	payload []byte // the body as parsers see it: out of its envelope, expanded
	sum     [sha256.Size]byte
	result  signature.Result
	leftOut string // the member of the body that a recording was taken out of

	verified bool
	waited   time.Duration // for the receiver
	trouble  bool          // the gateway's own, so that nothing is known of the receiver
	identity source.Identity
	eventID  string
	named    bool // the event has an id: eventID is no digest of what the request says

	call    *call.Call
	callErr error

	// events are those of a request that has several; none where it is one event itself.
	events []*Request

	// reservation is what answers are remembered through; nil if they need not be.
	reservation *idempotency.Reservation

	// What is handed to others by address lives here, so that a request is one piece of memory.
	reader  body
	message signature.Message
	parsing source.Request
	sent    [4]string // values of the headers that the receiver gets
}

// NewRequest begins the way of a request.
func (rt *Route) NewRequest(r *http.Request) *Request {
	return &Request{route: rt, r: r, traced: tracing.Traced(r.Context())}
}

// faultyWait is how long the sender to a tenant with a mistake in its settings is asked to wait: somebody has to mend it.
const faultyWait = time.Minute

// Serve answers the request or has next answer it, or the route's own receiver. What it returns is an *Error of the gateway's
// own or an error of next, and left to the server to answer; everything else is answered.
func (rq *Request) Serve(w http.ResponseWriter, next Handler) error {
	if rq.route.Receiver != nil {
		next = receiving{rq}
	}
	tidyConnection(rq.r.Header)
	stripOwnHeaders(rq.r.Header)
	defer func() { rq.route.Meter.Count(rq.outcome) }() // also when the receiver's answer breaks off, which panics

	refused, err := rq.admit(w)
	if rq.outcome == handshaken {
		return nil
	}
	if refused != nil && !rq.verified {
		rq.chargeStranger(refused.outcome)
	}
	if refused == nil && err == nil {
		var done bool
		if done, refused = rq.shake(w); done {
			return nil
		}
	}
	if refused == nil && err == nil {
		refused, err = rq.once(w, next)
	}
	rq.tell(refused)
	if refused != nil {
		rq.outcome = refused.outcome
		err = rq.refuse(w, refused)
	}
	return err
}

// admit goes through all that comes before the event's id is reserved.
func (rq *Request) admit(w http.ResponseWriter) (*refusal, error) {
	rt := rq.route
	if rt.AddressLimit != nil {
		if ok, wait := rt.State.Addresses.Allow(rt.addressKey(rq.r), *rt.AddressLimit); !ok {
			return rt.addressRefusal(wait), nil
		}
	}
	if refused := rq.checkStranger(); refused != nil {
		return refused, nil
	}
	if rt.PathTenant && !plainPath(rq.r.URL) {
		return &refusal{
			outcome: malformedBody,
			message: "the path has dot segments, encoded slashes or backslashes, which could be read as another tenant's; send to the path as it was given out",
		}, nil
	}
	if rq.plan = rt.plan(rq.r); rq.plan == nil {
		if rt.isFaulty(rq.r) {
			return &refusal{outcome: tenantFaulty, retryAfter: faultyWait, message: "this tenant's settings have a mistake; send again later"}, nil
		}
		if rq.plan = rt.Nobody; rq.plan == nil {
			return &refusal{outcome: unknownTenant, message: "no such tenant"}, nil
		}
	}
	if refused := rq.checkAddress(); refused != nil {
		return refused, nil
	}
	if rq.greet(w) {
		return nil, nil
	}
	if refused := rq.checkMethod(w); refused != nil {
		return refused, nil
	}
	began := time.Now()
	// Before a byte of the body is waited for: most of what strangers send is not signed at all.
	rq.present()
	if err := signature.PrecheckMessage(rq.plan.Verifier, &rq.message, began); err != nil {
		return signatureRefusal(err), nil
	}
	refused := rq.readBody(w)
	defer rq.release()
	if refused != nil {
		return refused, nil
	}
	read := time.Now()
	rt.Meter.Took(StageBody, read.Sub(began))

	refused = rq.verify(read)
	rq.traceVerify(read, refused)
	if refused != nil {
		return refused, nil
	}
	verified := time.Now()
	rt.Meter.Took(StageVerify, verified.Sub(read))

	if refused := rq.exhausted(); refused != nil {
		return refused, nil
	}
	if refused = rq.readCall(); refused == nil {
		rq.dropAudio()
	}
	rt.Meter.Took(StageParse, time.Since(verified))
	if refused != nil { // nobody knows whether it is a copy
		if limited := rq.charge(rq.plan.LimiterKey); limited != nil {
			refused = limited
		}
	}
	return refused, nil
}

// checkMethod refuses methods that the sender does not use.
func (rq *Request) checkMethod(w http.ResponseWriter) *refusal {
	allowed := rq.plan.Methods
	if len(allowed) == 0 {
		allowed = onlyPost
	}
	if slices.Contains(allowed, rq.r.Method) {
		return nil
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return &refusal{outcome: methodNotAllowed, message: "this route does not take requests with this method"}
}

var onlyPost = []string{http.MethodPost}

func (rq *Request) verify(now time.Time) *refusal {
	m := &rq.message
	if m.Body = rq.body; m.URL == "" && signature.Blank(rq.body) {
		m.URL = rq.route.publicURL(rq.r, rq.plan.PublicURL)
	}
	var err error
	rq.result, err = rq.plan.Verifier.Verify(m, now)
	if err == nil && rq.plan == rq.route.Nobody {
		rq.result, err = signature.Result{}, signature.ErrInvalid
	}
	if err != nil {
		return signatureRefusal(err)
	}
	rq.verified = true
	rq.plan.Uses.note(rq.result.Secret, now)
	if !rq.plan.DropAudio || len(rq.body) <= light {
		rq.release()
	} // else there may be a recording in it, which counts for as long as it is in memory
	rq.dropToken()
	if rq.result.Differs || rq.result.Dropped && !rq.plan.KeepToken {
		// What was signed and what came could be read as two different calls. From here on there is the signed one only. And
		// a token in the body is nobody's business who gets it next.
		rq.body = rq.result.Payload
		rq.r.Header.Set("Content-Length", strconv.Itoa(len(rq.body)))
		rq.setBody(rq.body)
	}
	return nil
}

// present is what is known of the message before its body is there.
func (rq *Request) present() {
	m := &rq.message
	m.Method, m.Header = rq.r.Method, rq.r.Header
	if rq.plan.SignsURL {
		m.URL = rq.route.publicURL(rq.r, rq.plan.PublicURL)
	}
	if rq.r.TLS != nil {
		m.Certificates = rq.r.TLS.PeerCertificates
	}
}

// dropToken takes a token out of the query, since the URL is stored, and the receiver gets it.
func (rq *Request) dropToken() {
	if !rq.hadTokenInURL() {
		return
	}
	rq.r.URL.RawQuery, _ = rq.result.Query(&rq.message)
	rq.r.URL.ForceQuery = false
	rq.r.RequestURI = rq.r.URL.RequestURI()
}

// hadTokenInURL reports whether a token was taken out of the URL.
func (rq *Request) hadTokenInURL() bool {
	return rq.result.Token && rq.result.URL != "" && !rq.plan.KeepToken
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

// carryOut does what the route is for.
func (rq *Request) carryOut(w http.ResponseWriter, next Handler) (*refusal, error) {
	switch {
	case rq.plan.Test:
		return rq.preview(w)
	case rq.isAsync():
		return rq.accept(w)
	case rq.route.Spool && !rq.senderWaits():
		return rq.spool(w, next)
	default:
		return rq.guarded(w, next)
	}
}
