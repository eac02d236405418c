package gateway

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/idempotency"
	"github.com/callgate/callgate/internal/signature"
)

// nowhere takes an answer and keeps nothing of it but the header.
type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (n *nowhere) WriteHeader(int)             {}

// leads makes requests that all differ, as a sender does.
func leads(tb testing.TB) func() *http.Request {
	tb.Helper()
	signer, err := signature.NewSigner(signature.Config{Scheme: "nextphone", Secrets: []string{testSecret}})
	if err != nil {
		tb.Fatal(err)
	}
	notes, count := bytes.Repeat([]byte("The kitchen pipe leaks, please call back. "), 40), 0
	return func() *http.Request {
		count++
		body := fmt.Appendf(nil, `{"lead":{"name":"Mike Johnson","phone":"+15559876543","email":"mjohnson@email.com",`+
			`"source":"AI Receptionist","call_id":"call_%012d","notes":"%s"}}`, count, notes)
		r := httptest.NewRequest(http.MethodPost, "/webhooks/demo", bytes.NewReader(body))
		r.Header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {"bench"}, "Accept": {"*/*"}}
		m := signature.Message{Method: r.Method, URL: "http://localhost/webhooks/demo", Header: r.Header, Body: body}
		if err := signer.Sign(&m, "", time.Now()); err != nil {
			tb.Fatal(err)
		}
		return r
	}
}

// BenchmarkStage is each stage by itself, with the stages before it done.
func BenchmarkStage(b *testing.B) {
	rt, next, w := testRoute(b), leads(b), &nowhere{http.Header{}}
	refused := func(b *testing.B, f *refusal) {
		if f != nil {
			b.Fatal(f.outcome, f.cause)
		}
	}
	stages := []struct {
		name string
		run  func(*testing.B, *Request)
	}{
		{"tenant", func(b *testing.B, rq *Request) {
			if rq.plan = rt.plan(rq.r); rq.plan == nil {
				b.Fatal("no tenant")
			}
		}},
		{"body", func(b *testing.B, rq *Request) { refused(b, rq.readBody(w)) }},
		{"verify", func(b *testing.B, rq *Request) { refused(b, rq.verify(time.Now())) }},
		{"limit", func(b *testing.B, rq *Request) {
			if ok, _ := rt.State.Tenants.Allow(rq.plan.LimiterKey, *rq.plan.Limit); !ok {
				b.Fatal("limited")
			}
		}},
		{"identify", func(b *testing.B, rq *Request) { refused(b, rq.readCall()) }},
		{"reserve and commit", func(b *testing.B, rq *Request) {
			key := idempotency.NewKey(rt.Name, rq.plan.Tenant, rq.eventID)
			reservation, _, _ := rt.State.Answers.TryAcquire(key, [16]byte(rq.sum[:16]), false)
			if reservation == nil {
				b.Fatal("a copy")
			}
			rec := newRecorder(w, true, rq.plan.Idempotency.MaxReplayBody)
			answer := rec.answer(http.StatusOK)
			reservation.Commit(&answer, time.Hour)
			rec.free()
		}},
		{"forward headers", func(b *testing.B, rq *Request) {
			if err := rq.handOn(); err != nil {
				b.Fatal(err)
			}
		}},
		{"record", func(b *testing.B, rq *Request) {
			if _, err := rq.record(); err != nil {
				b.Fatal(err)
			}
		}},
	}
	const size = 256 // requests that are made ready at a time with the clock stopped
	batch := make([]*Request, size)
	for i, s := range stages {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for done := 0; done < b.N; done += size {
				b.StopTimer()
				ready := batch[:min(size, b.N-done)]
				for k := range ready {
					ready[k] = rt.NewRequest(next())
					for _, before := range stages[:i] {
						before.run(b, ready[k])
					}
				}
				b.StartTimer()
				for _, rq := range ready {
					s.run(b, rq)
				}
			}
		})
	}
}
