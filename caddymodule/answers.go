package caddymodule

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/callgate/callgate/internal/idempotency"
)

// outcome is what became of a request.
type outcome uint8

// The outcomes. Those of refused requests are also the codes of their answers.
const (
	pending outcome = iota
	forwarded
	upstreamRefused
	upstreamFailed
	replayed
	signatureMissing
	signatureInvalid
	timestampOutOfTolerance
	unknownTenant
	bodyTooLarge
	malformedBody
	fieldMissing
	rateLimited
	addressLimited
	inFlight
	keyReused
	breakerOpen
	signFailed
	convertFailed
	accepted
	tested
	storeUnavailable
	storeFull
	outcomes
)

// outcomeTable has for each outcome its name, the status of its answer where the request is refused, and whether it
// is a security event. Many senders never retry a 4xx, so overload is a 503.
var outcomeTable = [outcomes]struct {
	name     string
	status   int
	security bool
}{
	pending:                 {name: "pending"},
	forwarded:               {name: "forwarded"},
	upstreamRefused:         {name: "upstream_refused"},
	upstreamFailed:          {name: "upstream_failed"},
	replayed:                {name: "replayed"},
	signatureMissing:        {"signature_missing", http.StatusForbidden, true},
	signatureInvalid:        {"signature_invalid", http.StatusForbidden, true},
	timestampOutOfTolerance: {"timestamp_out_of_tolerance", http.StatusForbidden, true},
	unknownTenant:           {"unknown_tenant", http.StatusNotFound, true},
	bodyTooLarge:            {"too_large", http.StatusRequestEntityTooLarge, true},
	malformedBody:           {"malformed", http.StatusBadRequest, true},
	fieldMissing:            {"field_missing", http.StatusBadRequest, false},
	rateLimited:             {"rate_limited", http.StatusServiceUnavailable, true},
	addressLimited:          {"address_limited", http.StatusServiceUnavailable, true},
	inFlight:                {"in_flight", http.StatusServiceUnavailable, false},
	keyReused:               {"event_id_reused", http.StatusUnprocessableEntity, true},
	breakerOpen:             {"breaker_open", http.StatusServiceUnavailable, false},
	signFailed:              {"sign_failed", http.StatusInternalServerError, false},
	convertFailed:           {"convert_failed", http.StatusBadRequest, false},
	accepted:                {name: "accepted"},
	tested:                  {name: "tested"},
	storeUnavailable:        {"store_unavailable", http.StatusServiceUnavailable, false},
	storeFull:               {"store_full", http.StatusServiceUnavailable, false},
}

func (o outcome) String() string { return outcomeTable[o].name }

// counters count the requests of a source by outcome.
type counters [outcomes]prometheus.Counter

func newCounters(source string) (c counters) {
	for o := range c {
		c[o] = metrics.requests.WithLabelValues(source, outcome(o).String())
	}
	return c
}

func (c *counters) count(o outcome) { c[o].Inc() }

// refusal is an answer that the gateway gives itself. Its message never holds a secret or a part of the request.
type refusal struct {
	outcome    outcome
	status     int // 0: that of the outcome
	message    string
	retryAfter time.Duration
	cause      error
}

// refuse answers a refused request and logs it.
func (rq *request) refuse(w http.ResponseWriter, f *refusal) error {
	if f.status == 0 {
		f.status = outcomeTable[f.outcome].status
	}
	rq.log(f)
	h := w.Header()
	if f.retryAfter > 0 {
		h.Set("Retry-After", retryAfter(f.retryAfter))
	}
	if rq.h.PassErrors {
		return caddyhttp.Error(f.status, errors.New(f.outcome.String()+": "+f.message))
	}
	type detail struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	id, _ := rq.repl.GetString("http.request.uuid")
	body, err := json.Marshal(struct {
		Error     detail `json:"error"`
		RequestID string `json:"request_id"`
	}{detail{f.outcome.String(), f.message}, id})
	if err != nil {
		return err
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(f.status)
	_, err = w.Write(append(body, '\n'))
	return ignoreGone(rq.r, err)
}

// ignoreGone drops the error of writing to a client that is no longer there.
func ignoreGone(r *http.Request, err error) error {
	if r.Context().Err() != nil {
		return nil
	}
	return err
}

// retryAfter is a wait in whole seconds, rounded up, and at least one: RFC 9110, section 10.2.3.
func retryAfter(d time.Duration) string {
	return strconv.FormatInt(int64(math.Max(1, math.Ceil(d.Seconds()))), 10)
}

// log writes a refused request down. It holds who sent it and why it was refused, and nothing of what was sent: an
// address, names from the configuration and reasons that never quote the request.
func (rq *request) log(f *refusal) {
	level := zapcore.InfoLevel
	if outcomeTable[f.outcome].security {
		level = zapcore.WarnLevel
	}
	c := rq.h.logger.Check(level, "request refused")
	if c == nil {
		return
	}
	fields := append(make([]zap.Field, 0, 8),
		zap.Stringer("reason", f.outcome),
		zap.Int("status", f.status),
		zap.String("client_ip", clientIP(rq.r)),
		zap.String("route", rq.h.Name),
		zap.String("source", rq.h.Source))
	if rq.plan != nil {
		fields = append(fields, zap.String("tenant", rq.plan.tenant), zap.String("scheme", rq.plan.scheme))
	}
	if f.cause != nil {
		fields = append(fields, zap.NamedError("cause", f.cause))
	}
	c.Write(fields...)
}

// replay answers a copy like the first request of its event.
func (rq *request) replay(w http.ResponseWriter, found *idempotency.Found) *refusal {
	if found.OtherBody {
		if rq.plan.idem.Strict {
			return &refusal{outcome: keyReused, message: "an earlier request with this event id had another body"}
		}
		rq.h.logger.Warn("event id came again with another body; answered as a copy",
			zap.String("route", rq.h.Name), zap.String("tenant", rq.plan.tenant), zap.String("client_ip", clientIP(rq.r)))
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
