package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	caddytracing "github.com/caddyserver/caddy/v2/modules/caddyhttp/tracing"
	"go.opentelemetry.io/otel/trace"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/tracing"
)

// tracer is a handler of Caddy's tracing that no request takes. It keeps the exporter, which all such handlers of the
// process share, until the attempts of a configuration have ended.
type tracer struct{ caddytracing.Tracing }

// startTracing has attempts traced where the requests are: they are made without a request, and after a restart before the
// first one has come.
func (in *instance) startTracing(snapshot *delivery.Snapshot) error {
	if !in.traced {
		return nil
	}
	t := &tracer{caddytracing.Tracing{SpanName: "callgate"}}
	if err := t.Provision(in.ctx); err != nil {
		return fmt.Errorf("tracing: %w", err)
	}
	in.tracing = t
	provider, err := t.provider(in.ctx)
	if err != nil {
		return fmt.Errorf("tracing: %w", err)
	}
	snapshot.Tracer = provider.Tracer(tracing.Scope)
	return nil
}

// provider is what makes the spans. Caddy hands it out only with the span of a request, so it gets one, of a trace that its
// sender has not sampled and that is not exported therefore.
func (t *tracer) provider(ctx context.Context) (provider trace.TracerProvider, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
	w := unanswered{}
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, new(caddyhttp.Server))
	err = t.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		provider = trace.SpanFromContext(r.Context()).TracerProvider()
		return nil
	}))
	if err == nil && provider == nil {
		err = errors.New("its handler gives no tracer")
	}
	return provider, err
}

// unanswered is a ResponseWriter that nobody answers through.
type unanswered struct{}

func (unanswered) Header() http.Header         { return http.Header{} }
func (unanswered) Write(p []byte) (int, error) { return len(p), nil }
func (unanswered) WriteHeader(int)             {}
