// Package tracing makes the spans of OpenTelemetry that show a call's way: verifying it, storing it, and each attempt to
// deliver it. The attempts belong to the trace that the call came in with, by the traceparent that is stored with it, so
// that a trace goes on after a restart.
//
// Spans have names, ids, statuses and times in them, and nothing that a caller said.
package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Scope is the name under which spans are made.
const Scope = "github.com/callgate/callgate"

// header is where the W3C's trace context has the trace and the span.
const header = "traceparent"

// Traced reports whether what ctx belongs to is being traced. Where it is not that costs a look into ctx.
func Traced(ctx context.Context) bool { return trace.SpanFromContext(ctx).IsRecording() }

// Step records a step, from its beginning until now, below the span that ctx belongs to. failed says why it failed; empty
// if it did not. Callers ask Traced first, so that attributes are made only where they are wanted.
func Step(ctx context.Context, name string, began time.Time, failed string, attributes ...attribute.KeyValue) {
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer(Scope)
	_, span := tracer.Start(ctx, name, trace.WithTimestamp(began), trace.WithAttributes(attributes...))
	if failed != "" {
		span.SetStatus(codes.Error, failed)
	}
	span.End()
}

// Traceparent is the trace context that what follows belongs to, for storing; empty where nothing is traced.
func Traceparent(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[header]
}

// Resume begins a span below the one that a stored traceparent names, or a trace of its own where there is none or it is
// not valid. The second result is the traceparent for what follows from it: the same one as before where there is none.
func Resume(tracer trace.Tracer, traceparent, name string, at time.Time, attributes ...attribute.KeyValue) (trace.Span, string) {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{header: traceparent})
	ctx, span := tracer.Start(ctx, name, trace.WithTimestamp(at), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(attributes...))
	if follows := Traceparent(ctx); follows != "" {
		traceparent = follows
	}
	return span, traceparent
}
