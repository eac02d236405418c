package gateway

import (
	"net/http"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/idempotency"
	"github.com/callgate/callgate/internal/ratelimit"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

const testSecret = "a-secret-of-the-tests"

// bare is a server without proxies and rewriting.
type bare struct{}

func (bare) ClientIP(r *http.Request) string  { return r.RemoteAddr }
func (bare) Trusted(*http.Request) bool       { return false }
func (bare) OriginalURI(*http.Request) string { return "" }
func (bare) RequestID(*http.Request) string   { return "req-1" }
func (bare) Upstream(*http.Request) string    { return "receiver.example:443" }
func (bare) StatusOf(error) int               { return http.StatusInternalServerError }
func (bare) Count(Outcome)                    {}
func (bare) Took(Stage, time.Duration)        {}

// testRoute is a route of one tenant with all that a tenant usually has.
func testRoute(tb testing.TB) *Route {
	tb.Helper()
	preset, ok := source.Find("nextphone")
	if !ok {
		tb.Fatal("no preset nextphone")
	}
	verifier, err := signature.New(signature.Config{Scheme: preset.Scheme, Secrets: []string{testSecret}})
	if err != nil {
		tb.Fatal(err)
	}
	parser, err := source.New(preset.Name, source.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return &Route{
		Name: "test", Source: "nextphone", Preset: preset, Server: bare{}, Meter: bare{}, Log: zap.NewNop(),
		State: &State{
			Answers:   idempotency.New(idempotency.Limits{Entries: 100_000, Bytes: 64 << 20, Keys: 100_000}, nil),
			Tenants:   ratelimit.New(100_000, nil),
			Addresses: ratelimit.New(100_000, nil),
		},
		TenantOf: func(r *http.Request) string { return r.URL.Path[len("/webhooks/"):] },
		Plans: map[string]*Plan{"demo": {
			Tenant: "demo", Preset: preset, Scheme: preset.Scheme, Verifier: verifier, Parser: parser, MaxBody: 1 << 20,
			Limit:       &ratelimit.Limit{PerSecond: 1e8, Burst: 1e8},
			Idempotency: Idempotency{TTL: time.Hour, Wait: time.Second, MaxReplayBody: 64 << 10},
			Breaker:     breaker.New(breaker.Settings{}.WithDefaults(), nil),
			LimiterKey:  "test\x00demo",
			CopiesKey:   "test\x00demo\x00copies",
		}},
	}
}
