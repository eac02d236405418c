package gateway

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	logtest "go.uber.org/zap/zaptest/observer"

	"github.com/callgate/callgate/internal/idempotency"
	"github.com/callgate/callgate/internal/ratelimit"
)

// again makes a copy of a request, as it comes over the wire once more.
func again(r *http.Request, body []byte) *http.Request {
	c := httptest.NewRequest(r.Method, r.URL.String(), bytes.NewReader(body))
	c.Header, c.RemoteAddr = r.Header.Clone(), r.RemoteAddr
	return c
}

// bodyOfRequest takes the body out of a request and puts it back.
func bodyOfRequest(tb testing.TB, r *http.Request) []byte {
	tb.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r.Body); err != nil {
		tb.Fatal(err)
	}
	r.Body = bodyOf(b.Bytes())
	return b.Bytes()
}

// serve sends a request through a route whose receiver counts.
func serve(tb testing.TB, rt *Route, r *http.Request, carriedOut *int) *httptest.ResponseRecorder {
	tb.Helper()
	w := httptest.NewRecorder()
	err := rt.NewRequest(r).Serve(w, HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		*carriedOut++
		w.WriteHeader(http.StatusCreated)
		_, err := w.Write([]byte("done"))
		return err
	}))
	if err != nil {
		tb.Fatal(err)
	}
	return w
}

func TestCopiesDoNotSpendTheTenantsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt, next, carriedOut := testRoute(t), leads(t), 0
		rt.Plans["demo"].Limit = &ratelimit.Limit{PerSecond: 100, Burst: 200}
		captured := next()
		body := bodyOfRequest(t, captured)
		refused := 0
		for i := range 401 {
			switch w := serve(t, rt, again(captured, body), &carriedOut); {
			case w.Code == http.StatusServiceUnavailable && i > 200:
				refused++ // copies are bounded too
			case w.Code != http.StatusCreated || w.Body.String() != "done":
				t.Fatalf("copy %d: %d %s", i, w.Code, w.Body)
			}
		}
		if carriedOut != 1 || refused != 200 {
			t.Fatalf("carried out %d times, %d copies refused", carriedOut, refused)
		}
		if w := serve(t, rt, next(), &carriedOut); w.Code != http.StatusCreated || carriedOut != 2 {
			t.Fatalf("the next event after 400 copies: %d %s", w.Code, w.Body)
		}
		for range 198 {
			serve(t, rt, next(), &carriedOut)
		}
		if w := serve(t, rt, next(), &carriedOut); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Fatalf("the 201st event: %d %s", w.Code, w.Body)
		}
	})
}

func TestWhatCannotBeReadSpendsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt, next, carriedOut := testRoute(t), leads(t), 0
		p := rt.Plans["demo"]
		p.Limit, p.Require = &ratelimit.Limit{PerSecond: 1, Burst: 3}, []string{"params.policy"}
		for i, want := range []int{400, 400, 400, 503, 503} {
			if w := serve(t, rt, next(), &carriedOut); w.Code != want {
				t.Fatalf("request %d: %d %s", i, w.Code, w.Body)
			}
		}
	})
}

func TestACopyWithoutItsAnswerIsStillACopy(t *testing.T) {
	rt, next, carriedOut := testRoute(t), leads(t), 0
	limits := idempotency.Limits{Entries: 1, Bytes: 1, Keys: 1000}
	rt.State.Answers = idempotency.New(limits, nil)
	first := next()
	body := bodyOfRequest(t, first)
	serve(t, rt, again(first, body), &carriedOut)
	serve(t, rt, next(), &carriedOut)
	w := serve(t, rt, again(first, body), &carriedOut)
	if w.Code != http.StatusCreated || w.Body.String() != `{"status":"duplicate"}`+"\n" || carriedOut != 2 ||
		w.Header().Get("Idempotency-Replayed") != "true" || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("answered %d %q %v, carried out %d", w.Code, w.Body, w.Header(), carriedOut)
	}
}

func TestForgottenEventsAreTold(t *testing.T) {
	rt, next, carriedOut := testRoute(t), leads(t), 0
	core, logs := logtest.New(zapcore.WarnLevel)
	rt.Log = zap.New(core)
	rt.State.Answers = idempotency.New(idempotency.Limits{Entries: 1, Bytes: 1, Keys: 1000, OwnerKeys: 5}, nil)
	for range 5 {
		serve(t, rt, next(), &carriedOut)
	}
	if logs.Len() != 0 {
		t.Fatalf("warned: %v", logs.All())
	}
	for range 50 {
		serve(t, rt, next(), &carriedOut)
	}
	if logs.Len() != 1 || logs.All()[0].ContextMap()["tenant"] != "demo" {
		t.Fatalf("%d lines: %v", logs.Len(), logs.All())
	}
	if s := rt.State.Answers.Size(); s.Dropped != 50 {
		t.Fatalf("%+v", s)
	}
}

// forged is a request with a signature of nobody's.
func forged(from string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhooks/demo", bytes.NewReader([]byte(`{"phone":"+14155550100"}`)))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Nextphone-Signature", fmt.Sprintf("%064d", 0))
	r.RemoteAddr = from
	return r
}

func TestRefusalsAreLoggedOnceAndThenCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt, carriedOut := testRoute(t), 0
		core, logs := logtest.New(zapcore.InfoLevel)
		rt.Log = zap.New(core)
		for range 1000 {
			serve(t, rt, forged("192.0.2.1:4000"), &carriedOut)
			serve(t, rt, forged("[2001:db8::1]:4000"), &carriedOut)
			serve(t, rt, forged("[2001:db8::ffff:2]:4001"), &carriedOut) // of the same /64
		}
		missing := forged("192.0.2.1:4001")
		missing.Header.Del("X-Nextphone-Signature")
		serve(t, rt, missing, &carriedOut)

		lines := logs.TakeAll()
		if len(lines) != 3 {
			t.Fatalf("%d lines for 3,001 refusals of 3 kinds", len(lines))
		}
		for i, reason := range []string{"signature_invalid", "signature_invalid", "signature_missing"} {
			f := lines[i].ContextMap()
			if lines[i].Message != "request refused" || f["reason"] != reason || f["request_id"] != "req-1" || f["status"] != int64(403) ||
				f["tenant"] != "demo" || f["client_ip"] == "" {
				t.Errorf("line %d: %v", i, f)
			}
		}
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		lines = logs.TakeAll()
		counted := make(map[string]uint64)
		for _, l := range lines {
			f := l.ContextMap()
			if f["reason"] != "signature_invalid" || f["route"] != "test" || l.Level != zapcore.WarnLevel {
				t.Errorf("told %v", f)
			}
			counted[f["network"].(string)] = f["suppressed"].(uint64)
		}
		if len(lines) != 2 || counted["192.0.2.1"] != 999 || counted["2001:db8::"] != 1999 {
			t.Fatalf("counted %v", counted)
		}
	})
}

func TestALineNamesTheMissingField(t *testing.T) {
	rt, next, carriedOut := testRoute(t), leads(t), 0
	core, logs := logtest.New(zapcore.InfoLevel)
	rt.Log = zap.New(core)
	rt.Plans["demo"].Require = []string{"params.policy"}
	serve(t, rt, next(), &carriedOut)
	if f := logs.All()[0].ContextMap(); f["reason"] != "field_missing" || f["field"] != "params.policy" {
		t.Fatalf("logged %v", f)
	}
}

func TestNetwork(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "192.0.2.1:80": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::", "[2001:db8:1:2:3::]:443": "2001:db8:1:2::", "fe80::1%eth0": "fe80::",
		"": "invalid IP", "unix": "invalid IP", "@": "invalid IP",
	} {
		if got := network(in).String(); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// BenchmarkRefused is what a stranger's request with a bad signature costs, with a log that writes JSON.
func BenchmarkRefused(b *testing.B) {
	rt, w := testRoute(b), &nowhere{http.Header{}}
	rt.Log = zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(discard{}), zapcore.InfoLevel))
	r := forged("192.0.2.1:4000")
	body := bodyOfRequest(b, r)
	b.ReportAllocs()
	for b.Loop() {
		r.Body = bodyOf(body)
		clear(w.header)
		if err := rt.NewRequest(r).Serve(w, nil); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
