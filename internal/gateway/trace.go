package gateway

import (
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/callgate/callgate/internal/tracing"
)

// traceVerify records how the signature was checked, where the server traces the request.
func (rq *Request) traceVerify(began time.Time, refused *refusal) {
	if !rq.traced {
		return
	}
	tracing.Step(rq.r.Context(), "callgate.verify", began, reasonOf(refused),
		attribute.String("callgate.route", rq.route.Name), attribute.String("callgate.tenant", rq.plan.Tenant),
		attribute.String("callgate.scheme", rq.plan.Scheme))
}

// traceStore records that the event of a traced request was stored.
func (rq *Request) traceStore(began time.Time, id string, destinations int, refused *refusal) {
	tracing.Step(rq.r.Context(), "callgate.store", began, reasonOf(refused),
		attribute.String("callgate.route", rq.route.Name), attribute.String("callgate.tenant", rq.plan.Tenant),
		attribute.String("callgate.event", id), attribute.Int("callgate.destinations", destinations))
}

// noteTrace has what is stored belong to the trace of the request, whatever headers the server hands traces on with.
func (rq *Request) noteTrace(h http.Header) {
	if !rq.traced {
		return
	}
	if v := tracing.Traceparent(rq.r.Context()); v != "" {
		h.Set("Traceparent", v)
	}
}

func reasonOf(refused *refusal) string {
	if refused == nil {
		return ""
	}
	return refused.outcome.String()
}
