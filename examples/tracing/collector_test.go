//go:build unix

package tracing_test

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// span is what of a span the test looks at.
type span struct {
	name, trace, id, parent string
	failed                  bool
	attributes              map[string]string
}

// spans is a stand-in of an OpenTelemetry collector: it takes OTLP over HTTP and keeps what it gets.
type spans struct {
	*httptest.Server
	mu  sync.Mutex
	all []span
}

func newCollector(t *testing.T) *spans {
	t.Helper()
	c := new(spans)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent collector.ExportTraceServiceRequest
		if err != nil || r.URL.Path != "/v1/traces" || proto.Unmarshal(body, &sent) != nil {
			w.WriteHeader(http.StatusBadRequest)
			t.Errorf("the collector got %s with %d bytes, %v", r.URL.Path, len(body), err)
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, resource := range sent.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				for _, s := range scope.Spans {
					c.all = append(c.all, read(s))
				}
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(c.Close)
	return c
}

func read(s *tracepb.Span) span {
	v := span{
		name: s.Name, trace: hex.EncodeToString(s.TraceId), id: hex.EncodeToString(s.SpanId), parent: hex.EncodeToString(s.ParentSpanId),
		failed: s.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR, attributes: map[string]string{},
	}
	for _, a := range s.Attributes {
		if text := a.Value.GetStringValue(); text != "" {
			v.attributes[a.Key] = text
		} else {
			v.attributes[a.Key] = strconv.FormatInt(a.Value.GetIntValue(), 10)
		}
	}
	return v
}

// named are the spans of a name that have come so far.
func (c *spans) named(name string) (list []span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.all {
		if s.name == name {
			list = append(list, s)
		}
	}
	return list
}
