package caddymodule

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

const tracedConfig = `{
	callgate {
		store sqlite STORE
		destination crm http %s {
			pass_through
		}
	}
}
http:// {
	bind SOCKET
	TRACING
	callgate nextphone ` + testSecret + ` {
		name NAME
		deliver crm
	}
	respond 404
}`

// Every attempt is told to the collector: one under the configuration before a reload, one under that after it, and one that
// ends while the gateway stops. Without tracing nothing is.
func TestAttemptsAreTracedOverReloadsAndUntilTheEnd(t *testing.T) {
	var attempts, stores atomic.Int64
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		attempts.Add(int64(bytes.Count(body, []byte("callgate.delivery"))))
		stores.Add(int64(bytes.Count(body, []byte("callgate.store"))))
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	for line, want := range map[string]int64{"tracing": 3, "": 0} {
		attempts.Store(0)
		stores.Store(0)
		c := newCRM(t)
		t.Run("with "+line, func(t *testing.T) {
			g := runGateway(t, strings.Replace(fmt.Sprintf(tracedConfig, c.URL), "TRACING", line, 1))
			for n := range 3 {
				if n == 1 {
					g.client.CloseIdleConnections()
					g.start() // which reloads
				}
				if res, body := g.sendReloaded("/", fmt.Sprintf(`{"lead":{"phone":"+15559876543","call_id":"c-%d"}}`, n)); res.StatusCode != http.StatusOK {
					t.Fatalf("%d %s", res.StatusCode, body)
				}
				c.next(t)
			}
		}) // which stops it
		if attempts.Load() != want || stores.Load() != want {
			t.Errorf("with %q the collector was told of %d attempts and %d stored events, want %d", line, attempts.Load(), stores.Load(), want)
		}
	}
}
