package delivery

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/callgate/callgate/internal/destination"
)

// Each delivery of a batch has a span of its own, in the trace of its own event, and its receiver is told of that one.
func TestEachDeliveryOfABatchHasASpan(t *testing.T) {
	in(t, func(t *testing.T) {
		kept := tracetest.NewInMemoryExporter()
		provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(kept))
		f := newFake(func(_ context.Context, items []destination.Item) []destination.Result {
			time.Sleep(time.Second)
			return []destination.Result{ok, refusing}[:len(items)]
		})
		f.batch = 2
		r := newRig(t, Options{}, nil)
		defer r.close()
		detach := r.engine.Attach(&Snapshot{
			Destinations: map[string]Config{"crm": {Destination: f, BatchWait: time.Second}}, Tracer: provider.Tracer("test"),
		})
		defer detach()
		traceOf := func(n int) string { return fmt.Sprintf("%032d", n) }
		for n := 1; n <= 2; n++ {
			e := newEvent(n, "", "")
			e.Header["Traceparent"] = []string{"00-" + traceOf(n) + "-b7ad6b7169203331-01"}
			if _, err := r.engine.Accept(t.Context(), e, []string{"crm"}); err != nil {
				t.Fatal(err)
			}
		}
		after(10 * time.Second)
		calls, spans := f.calls(), kept.GetSpans()
		if len(calls) != 1 || len(calls[0].items) != 2 || len(spans) != 2 {
			t.Fatalf("%d spans of the calls %+v", len(spans), calls)
		}
		for i, s := range spans {
			own := s.SpanContext
			if own.TraceID().String() != traceOf(i+1) || s.Parent.SpanID().String() != "b7ad6b7169203331" {
				t.Errorf("span %d is in the trace %s below %s", i, own.TraceID(), s.Parent.SpanID())
			}
			if told := calls[0].items[i].Traceparent; told != "00-"+own.TraceID().String()+"-"+own.SpanID().String()+"-01" {
				t.Errorf("the receiver is told %s of span %s", told, own.SpanID())
			}
			if took := s.EndTime.Sub(s.StartTime); took != time.Second {
				t.Errorf("span %d took %s", i, took)
			}
		}
		if spans[0].Status.Code == codes.Error || spans[1].Status.Code != codes.Error || spans[1].Status.Description != refusing.Reason {
			t.Errorf("the spans ended with %+v and %+v", spans[0].Status, spans[1].Status)
		}
	})
}
