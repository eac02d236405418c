package delivery

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/tracing"
)

// trace begins a span for each item and has the receiver's own spans go below it; nil where nothing is traced.
func (a *attempt) trace(items []destination.Item) []trace.Span {
	tracer := a.terms.snapshot.Tracer
	if tracer == nil {
		return nil
	}
	at := a.lane.e.o.Now()
	spans := make([]trace.Span, len(items))
	for i := range items {
		item := &items[i]
		spans[i], item.Traceparent = tracing.Resume(tracer, item.Traceparent, "callgate.attempt", at,
			attribute.String("callgate.destination", a.lane.name), attribute.String("callgate.tenant", item.Tenant),
			attribute.String("callgate.event", item.EventID), attribute.String("callgate.delivery", item.DeliveryID),
			attribute.Int("callgate.attempt", item.Attempt))
	}
	return spans
}

// endSpan ends the span of an attempt. The reason quotes nothing of the call, and neither does the span.
func (a *attempt) endSpan(span trace.Span, done *Attempted) {
	span.SetAttributes(attribute.String("callgate.outcome", done.Outcome.String()), attribute.String("callgate.state", string(done.State)))
	if done.Status != 0 {
		span.SetAttributes(attribute.Int("http.response.status_code", done.Status))
	}
	if done.Outcome != destination.Delivered {
		span.SetStatus(codes.Error, done.Reason)
	}
	span.End(trace.WithTimestamp(a.lane.e.o.Now()))
}
