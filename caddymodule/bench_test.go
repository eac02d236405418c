package caddymodule

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/internal/signature"
)

// benchRoute is a route with all that a tenant usually has: a signature, a rate limit, idempotency and a breaker.
const benchRoute = `{
	"source": "nextphone", "name": "NAME", "tenant": "{http.request.uri.path.1}",
	"rate_limit": {"rate": "100000000/s", "burst": 100000000} MORE
}`

// benchHandler provisions a route. more is put at the end of its JSON.
func benchHandler(tb testing.TB, more string) *Handler {
	tb.Helper()
	tb.Setenv("CALLGATE_BENCH_SECRET", testSecret)
	ctx, err := provision("{\n callgate {\n tenant demo {\n secret {env.CALLGATE_BENCH_SECRET}\n }\n }\n}")
	if err != nil {
		tb.Fatal(err)
	}
	raw := strings.NewReplacer("NAME", fmt.Sprintf("bench-%d", gateways.Add(1)), "MORE", more).Replace(benchRoute)
	h, err := ctx.LoadModuleByID("http.handlers.callgate", []byte(raw))
	if err != nil {
		tb.Fatal(err)
	}
	return h.(*Handler)
}

// benchLeads makes requests that all differ, as a sender does. A NextPhone lead has no id, so its event is told by the
// hash of its body.
type benchLeads struct {
	signer signature.Signer
	server *caddyhttp.Server
	body   []byte
	number int // where the number of the lead stands in body
	count  int
}

func newBenchLeads(tb testing.TB) *benchLeads {
	tb.Helper()
	signer, err := signature.NewSigner(signature.Config{Scheme: "nextphone", Secrets: []string{testSecret}})
	if err != nil {
		tb.Fatal(err)
	}
	const start = `{"lead":{"name":"Mike Johnson","phone":"+15559876543","email":"mjohnson@email.com","company":"",` +
		`"source":"AI Receptionist","created_at":"2026-01-01T00:00:42Z","call_id":"call_`
	const digits, notes, end = "000000000000", `","notes":"`, `"}}`
	words := strings.Repeat("The kitchen pipe leaks, please call back. ", 60)
	text := start + digits + notes + words[:2048-len(start)-len(digits)-len(notes)-len(end)] + end
	return &benchLeads{signer: signer, server: new(caddyhttp.Server), body: []byte(text), number: len(start)}
}

// sent is a request as it comes from net/http, before Caddy has seen it.
type sent struct {
	header http.Header
	body   []byte
}

// next signs another lead.
func (l *benchLeads) next(tb testing.TB) sent {
	l.count++
	copy(l.body[l.number:], fmt.Sprintf("%012d", l.count))
	s := sent{body: bytes.Clone(l.body), header: http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"bench"}, "Content-Length": {"2048"},
		"Accept-Encoding": {"gzip"}, "Accept": {"*/*"},
	}}
	m := signature.Message{Method: http.MethodPost, URL: "http://localhost/webhooks/demo", Header: s.header, Body: s.body}
	if err := l.signer.Sign(&m, "", time.Now()); err != nil {
		tb.Fatal(err)
	}
	return s
}

// prepare does what net/http and Caddy's server do before the first handler runs.
func (l *benchLeads) prepare(w http.ResponseWriter, s sent) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/demo", bytes.NewReader(s.body))
	r.Header = s.header
	return caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, l.server)
}

// nowhere takes an answer and keeps nothing of it but the header.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(int)             {}

// benchBatch is how many requests are made ready at a time with the clock stopped.
const benchBatch = 256

// inBatches runs what ready returns, and counts neither the time nor the memory of getting it ready.
func inBatches[T any](b *testing.B, ready func() T, run func(T)) {
	b.Helper()
	b.ReportAllocs()
	batch := make([]T, benchBatch)
	b.ResetTimer()
	for done := 0; done < b.N; done += len(batch) {
		b.StopTimer()
		batch = batch[:min(benchBatch, b.N-done)]
		for i := range batch {
			batch[i] = ready()
		}
		b.StartTimer()
		for i := range batch {
			run(batch[i])
		}
	}
}

// benchNext is a next handler that only counts, and answers 200.
type benchNext int

func (n *benchNext) ServeHTTP(w http.ResponseWriter, _ *http.Request) error {
	*n++
	w.WriteHeader(http.StatusOK)
	return nil
}

// BenchmarkPipeline is the whole handler from its first to its last line, with a next handler that does nothing. What
// net/http and Caddy do to get a request ready is not in it; BenchmarkPreparation shows that.
func BenchmarkPipeline(b *testing.B) {
	for _, c := range []struct{ name, more string }{
		{"defaults", ""},
		{"require phone", `, "require": ["phone"]`},
		{"verify only", `, "idempotency": {"off": true}, "breaker": {"off": true}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			h, l, w, next := benchHandler(b, c.more), newBenchLeads(b), &nowhere{http.Header{}}, new(benchNext)
			inBatches(b, func() *http.Request { return l.prepare(w, l.next(b)) }, func(r *http.Request) {
				if err := h.ServeHTTP(w, r, next); err != nil {
					b.Fatal(err)
				}
			})
			if int(*next) != b.N {
				b.Fatalf("%d of %d requests were handed on", *next, b.N)
			}
		})
	}
}

// BenchmarkReplay is a copy of an event that was answered before.
func BenchmarkReplay(b *testing.B) {
	h, l, w, next := benchHandler(b, ""), newBenchLeads(b), &nowhere{http.Header{}}, new(benchNext)
	lead := l.next(b)
	if err := h.ServeHTTP(w, l.prepare(w, lead), next); err != nil {
		b.Fatal(err)
	}
	again := func() *http.Request { return l.prepare(w, sent{lead.header.Clone(), lead.body}) }
	inBatches(b, again, func(r *http.Request) {
		if err := h.ServeHTTP(w, r, next); err != nil {
			b.Fatal(err)
		}
	})
	if *next != 1 {
		b.Fatalf("%d copies were handed on", *next-1)
	}
}

// BenchmarkPreparation is what the other benchmarks leave out.
func BenchmarkPreparation(b *testing.B) {
	l, w := newBenchLeads(b), &nowhere{http.Header{}}
	inBatches(b, func() sent { return l.next(b) }, func(s sent) { l.prepare(w, s) })
}

// maxPipelineAllocations is what the handler may allocate for a request, the answer that it remembers included. It only
// ever goes down.
const maxPipelineAllocations = 20

func TestPipelineAllocations(t *testing.T) {
	if underRaceDetector() {
		t.Skip("the race detector makes sync.Pool allocate at random")
	}
	h, l, w, next := benchHandler(t, ""), newBenchLeads(t), &nowhere{http.Header{}}, new(benchNext)
	const n = 2000
	requests := make([]*http.Request, 2*n)
	for i := range requests {
		requests[i] = l.prepare(w, l.next(t))
	}
	serve := func(rs []*http.Request) {
		for _, r := range rs {
			if err := h.ServeHTTP(w, r, next); err != nil {
				t.Fatal(err)
			}
		}
	}
	serve(requests[:n]) // fills the pools and grows the maps
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	serve(requests[n:])
	runtime.ReadMemStats(&after)
	if *next != 2*n {
		t.Fatalf("%d of %d requests were handed on", *next, 2*n)
	}
	// The quotient is rounded down: now and then a map grows.
	if got := (after.Mallocs - before.Mallocs) / n; got > maxPipelineAllocations {
		t.Errorf("the handler allocates %d times for a request, %d are allowed", got, maxPipelineAllocations)
	}
}

func underRaceDetector() bool {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return false
	}
	for _, s := range info.Settings {
		if s.Key == "-race" {
			return s.Value == "true"
		}
	}
	return false
}
