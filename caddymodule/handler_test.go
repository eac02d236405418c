package caddymodule

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/signature"
)

const oneRoute = `{
	callgate {
		tenant acme {
			secret ` + testSecret + `
			vars {
				owner_name "ABC Plumbing"
			}
		}
	}
}
http:// {
	callgate nextphone {
		name NAME
		tenant {path.1}
		%s
	}
	test_receiver
}`

const leadBody = `{"lead":{"first_name":"Mike","phone":"+15559876543","notes":"water heater"}}`

func newRoute(t testing.TB, lines string) *harness {
	t.Helper()
	return newGateway(t, fmt.Sprintf(oneRoute, lines))
}

func TestASignedCallReachesTheReceiverAsItWasSent(t *testing.T) {
	g := newRoute(t, "")
	for _, form := range []string{"raw", "js", "python"} {
		body := fmt.Sprintf(`{ "lead": {"phone": "+15559876543", "notes": "Müller \u00fc \/ %s", "n": 15000.00} }`, form)
		r := signed(t, signature.Config{Scheme: "nextphone", Forms: []string{form}}, "http://gate.test/hook/acme?x=1", body)
		r.Header.Set("X-Callgate-Tenant", "somebody-else")
		forged := strings.ToLower("X-Callgate-Source") // as net/http never writes it
		r.Header[forged] = []string{"forged"}
		res := g.do(r)
		if res.StatusCode != 200 || res.Header.Get("X-Receiver") != "yes" {
			t.Fatalf("form %s: status %d, body %s", form, res.StatusCode, text(t, res))
		}
		got := g.last.Load()
		if got.body != body || got.uri != "/hook/acme?x=1" || got.length != int64(len(body)) {
			t.Errorf("form %s: the receiver got %+v", form, got)
		}
		for name, want := range map[string]string{
			"X-Callgate-Tenant": "acme", "X-Callgate-Source": "nextphone", "X-Callgate-Event-Type": "lead",
		} {
			if v := got.header.Values(name); len(v) != 1 || v[0] != want {
				t.Errorf("form %s: the receiver got %s %q, want %q", form, name, v, want)
			}
		}
		if _, came := got.header[forged]; came {
			t.Error("a header with our prefix came through from outside")
		}
		if id := got.header.Get("X-Callgate-Event-Id"); !strings.HasPrefix(id, "sha256:") {
			t.Errorf("event id %q is not the body's hash", id)
		}
	}
}

func TestRefusedRequestsGetTheAnswerOfTheContract(t *testing.T) {
	const at = "http://gate.test/hook/acme"
	large := `{"lead":{"phone":"+15559876543","notes":"` + strings.Repeat("x", 5000) + `"}}`
	for name, c := range map[string]struct {
		lines   string
		request func(t *testing.T) *http.Request
		status  int
		code    string
	}{
		"missing signature": {"", func(t *testing.T) *http.Request {
			r := lead(t, at, leadBody)
			r.Header.Del("X-Nextphone-Signature")
			return r
		}, 403, "signature_missing"},
		"empty signature": {"", func(t *testing.T) *http.Request {
			r := lead(t, at, leadBody)
			r.Header.Set("X-Nextphone-Signature", "")
			return r
		}, 403, "signature_missing"},
		"wrong secret": {"", func(t *testing.T) *http.Request {
			return signed(t, signature.Config{Scheme: "nextphone", Secrets: []string{"other"}}, at, leadBody)
		}, 403, "signature_invalid"},
		"tampered body": {"", func(t *testing.T) *http.Request {
			r := lead(t, at, leadBody)
			r.Body = io.NopCloser(strings.NewReader(strings.Replace(leadBody, "Mike", "Mika", 1)))
			return r
		}, 403, "signature_invalid"},
		"no signature at all in the header": {"", func(t *testing.T) *http.Request {
			r := lead(t, at, leadBody)
			r.Header.Set("X-Nextphone-Signature", "nonsense")
			return r
		}, 403, "signature_invalid"},
		"old timestamp": {"verify stripe", func(t *testing.T) *http.Request {
			r := httptest.NewRequest("POST", at, strings.NewReader(leadBody))
			signRequest(t, signature.Config{Scheme: "stripe"}, r, leadBody, time.Now().Add(-time.Hour))
			return r
		}, 403, "timestamp_out_of_tolerance"},
		"timestamp ahead": {"verify stripe", func(t *testing.T) *http.Request {
			r := httptest.NewRequest("POST", at, strings.NewReader(leadBody))
			signRequest(t, signature.Config{Scheme: "stripe"}, r, leadBody, time.Now().Add(time.Hour))
			return r
		}, 403, "timestamp_out_of_tolerance"},
		"unknown tenant": {"", func(t *testing.T) *http.Request {
			return lead(t, "http://gate.test/hook/nobody", leadBody)
		}, 404, "unknown_tenant"},
		"no tenant": {"", func(t *testing.T) *http.Request { return lead(t, "http://gate.test/", leadBody) }, 404, "unknown_tenant"},
		"too large, declared": {"max_body 4KiB", func(t *testing.T) *http.Request {
			return lead(t, at, large)
		}, 413, "too_large"},
		"too large, chunked": {"max_body 4KiB", func(t *testing.T) *http.Request {
			r := lead(t, at, large)
			r.ContentLength = -1
			return r
		}, 413, "too_large"},
		"shorter than declared": {"", func(t *testing.T) *http.Request {
			r := lead(t, at, leadBody)
			r.ContentLength += 10
			return r
		}, 400, "malformed"},
		"not the JSON it says it is": {"", func(t *testing.T) *http.Request { return lead(t, at, `{"lead":`) }, 400, "malformed"},
		"missing phone": {"require phone", func(t *testing.T) *http.Request {
			return lead(t, at, `{"lead":{"first_name":"Mike"}}`)
		}, 400, "field_missing"},
		"unreplaced phone": {"require email phone", func(t *testing.T) *http.Request {
			return lead(t, at, `{"lead":{"email":"mike@example.com","phone":"{{caller_number}}"}}`)
		}, 400, "field_missing"},
		"unreadable encoding": {"", func(t *testing.T) *http.Request {
			r := lead(t, at, leadBody)
			r.Header.Set("Content-Encoding", "br")
			return r
		}, 415, "malformed"},
		"not the gzip it says it is": {"", func(t *testing.T) *http.Request {
			r := lead(t, at, leadBody)
			r.Header.Set("Content-Encoding", "gzip")
			return r
		}, 400, "malformed"},
		"a bomb": {"max_body 4KiB", func(t *testing.T) *http.Request {
			r := lead(t, at, compress(t, large+strings.Repeat(" ", 100_000)))
			r.Header.Set("Content-Encoding", "gzip")
			return r
		}, 413, "too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRoute(t, c.lines)
			res := g.do(c.request(t))
			if got := code(t, res); res.StatusCode != c.status || got != c.code {
				t.Errorf("answered %d %s, want %d %s", res.StatusCode, got, c.status, c.code)
			}
			if res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("Content-Type %q", res.Header.Get("Content-Type"))
			}
			if n := g.calls.Load(); n != 0 {
				t.Errorf("the receiver was asked %d times", n)
			}
		})
	}
}

func compress(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAMissingFieldIsNamedAndItsNeighboursAreNot(t *testing.T) {
	g := newRoute(t, "require phone")
	res := g.do(lead(t, "http://gate.test/hook/acme", `{"lead":{"first_name":"Mike","email":"mike@example.com"}}`))
	body := text(t, res)
	if !strings.Contains(body, "phone") || strings.Contains(body, "ike") {
		t.Errorf("answer %s", body)
	}
}

func TestACompressedBodyIsVerifiedAndHandedOnAsItCame(t *testing.T) {
	g := newRoute(t, "require phone")
	body := compress(t, leadBody)
	r := lead(t, "http://gate.test/hook/acme", body)
	r.Header.Set("Content-Encoding", "gzip")
	if res := g.do(r); res.StatusCode != 200 {
		t.Fatalf("status %d: %s", res.StatusCode, text(t, res))
	}
	if got := g.last.Load(); got.body != body || got.header.Get("Content-Encoding") != "gzip" {
		t.Error("the receiver did not get the body as it was sent")
	}
}

func TestAChunkedBodyIsHandedOnWithItsLength(t *testing.T) {
	g := newRoute(t, "")
	r := lead(t, "http://gate.test/hook/acme", leadBody)
	r.ContentLength, r.TransferEncoding = -1, []string{"chunked"}
	if res := g.do(r); res.StatusCode != 200 {
		t.Fatalf("status %d: %s", res.StatusCode, text(t, res))
	}
	if got := g.last.Load(); got.length != int64(len(leadBody)) || got.header.Get("Transfer-Encoding") != "" {
		t.Errorf("the receiver got %+v", got)
	}
}

func TestWhatNobodySaidToBeJSONIsTheReceiversToJudge(t *testing.T) {
	g := newRoute(t, "verify github")
	for name, c := range map[string]struct{ kind, body string }{
		"text": {"text/plain", "hello"}, "bytes": {"", "\x00\x01"},
	} {
		r := httptest.NewRequest("POST", "http://gate.test/hook/acme?call="+url.QueryEscape(name), strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		signRequest(t, signature.Config{Scheme: "github"}, r, c.body, time.Now())
		if res := g.do(r); res.StatusCode != 200 {
			t.Errorf("%s: status %d: %s", name, res.StatusCode, text(t, res))
		}
	}
	if n := g.calls.Load(); n != 2 {
		t.Errorf("%d of 2 arrived", n)
	}
}

// A signature of an empty body is one for all of them, and says nothing of the query.
func TestAnEmptyBodyVouchesForNoQuery(t *testing.T) {
	g := newRoute(t, "verify github")
	for _, kind := range []string{"application/x-www-form-urlencoded", "text/plain", "application/json", ""} {
		for _, method := range []string{"POST", "GET", "DELETE"} {
			r := httptest.NewRequest(method, "http://gate.test/hook/acme?caller_phone=%2B15559876543", nil)
			r.Header.Set("Content-Type", kind)
			signRequest(t, signature.Config{Scheme: "github"}, r, "", time.Now())
			if res := g.do(r); res.StatusCode != 403 || code(t, res) != "signature_invalid" {
				t.Errorf("%s %s: status %d", method, kind, res.StatusCode)
			}
		}
	}
	if n := g.calls.Load(); n != 0 {
		t.Errorf("%d arrived", n)
	}
}

// An empty 200 would tell the sender that its call has arrived.
func TestACallThatNobodyAnswersIsNotTakenForDelivered(t *testing.T) {
	const config = `http:// {
		callgate /calls/* nextphone ` + testSecret + ` {
			name NAME
		}
		%s
	}`
	for routes, want := range map[string]int{
		"reverse_proxy /cals/* localhost:1":       502, // a slip in the path
		"encode\nrespond /calls/* 204":            204,
		"encode\nrespond /calls/* 200":            200,
		"handle /calls/* {\nrespond ok\n}":        200,
		"header X-Seen yes\nrespond /calls/* 200": 200,
	} {
		g := newGateway(t, fmt.Sprintf(config, routes))
		for range 2 { // the second would be answered like the first
			if res := g.do(lead(t, "/calls/a", `{"lead":{"phone":"+15551234567"}}`)); res.StatusCode != want {
				t.Errorf("with %q: status %d instead of %d", routes, res.StatusCode, want)
			}
		}
	}
}

// Caddy removes such headers before any handler sees the request, which looks like a sender that does not sign.
func TestHeadersThatCaddyDropsAreWarnedOf(t *testing.T) {
	g := newGateway(t, "http:// {\ncallgate generic "+testSecret+" {\nname NAME\nverify hmac {\nheader X_Signature\n}\n}\ntest_receiver\n}")
	r := signed(t, signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X_Signature"}}, "/", leadBody)
	if res := g.do(r); code(t, res) != "signature_missing" {
		t.Errorf("status %d: Caddy lets such headers through now, so the warning is wrong", res.StatusCode)
	}
}
