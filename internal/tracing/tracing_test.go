package tracing

import (
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"
)

func TestResumeGoesOnWithTheTraceThatWasStored(t *testing.T) {
	const traceID, spanID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for name, c := range map[string]struct {
		stored   string
		goesOn   bool
		exported int
	}{
		"sampled":     {"00-" + traceID + "-" + spanID + "-01", true, 1},
		"not sampled": {"00-" + traceID + "-" + spanID + "-00", true, 0},
		"none":        {"", false, 1},
		"not valid":   {"00-" + traceID + "-0000000000000000-01", false, 1},
		"no context":  {"what a stranger\nwrote", false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			kept := tracetest.NewInMemoryExporter()
			provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept))
			at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			span, follows := Resume(provider.Tracer(Scope), c.stored, "attempt", at)
			span.End()
			own := span.SpanContext()
			if goesOn := own.TraceID().String() == traceID; goesOn != c.goesOn {
				t.Errorf("the trace is %s", own.TraceID())
			}
			flags := "01"
			if c.exported == 0 {
				flags = "00"
			}
			if want := "00-" + own.TraceID().String() + "-" + own.SpanID().String() + "-" + flags; follows != want {
				t.Errorf("what follows is told %s, want %s", follows, want)
			}
			spans := kept.GetSpans()
			if len(spans) != c.exported {
				t.Fatalf("%d spans", len(spans))
			}
			if len(spans) == 1 && (spans[0].StartTime != at || c.goesOn && spans[0].Parent.SpanID().String() != spanID) {
				t.Errorf("%+v", spans[0])
			}
		})
	}
}

func TestWithoutTracingTheStoredTraceIsHandedOn(t *testing.T) {
	const stored = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if _, follows := Resume(noop.NewTracerProvider().Tracer(Scope), stored, "attempt", time.Now()); follows != stored {
		t.Errorf("%s became %s", stored, follows)
	}
	if Traced(t.Context()) || Traceparent(t.Context()) != "" {
		t.Error("what nobody traces is traced")
	}
	if n := testing.AllocsPerRun(100, func() { Traced(t.Context()) }); n != 0 {
		t.Errorf("asking whether it is traced allocates %v times", n)
	}
}
