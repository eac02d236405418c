package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/internal/signature"
)

// numbered is a body unlike any other.
func numbered(n int) string {
	return fmt.Sprintf(`{"lead":{"phone":"+15559876543","notes":"call %d"}}`, n)
}

func TestATenantsRateIsLimitedAfterItsSignatureHolds(t *testing.T) {
	for source, want := range map[string]int{
		"nextphone": 503, // never retries a 4xx
		"stripe":    429,
	} {
		t.Run(source, func(t *testing.T) {
			g := newGateway(t, strings.ReplaceAll(fmt.Sprintf(oneRoute, "rate_limit 60/m burst 3"), "callgate nextphone", "callgate "+source))
			synctest.Test(t, func(t *testing.T) {
				send := func(n int, secret string) *http.Response {
					return g.do(signed(t, signature.Config{Scheme: source, Secrets: []string{secret}}, "http://gate.test/hook/acme", numbered(n)))
				}
				for n := range 20 {
					send(100+n, "a stranger's") // costs the tenant nothing
				}
				for n := range 3 {
					if res := send(n, testSecret); res.StatusCode != 200 {
						t.Fatalf("request %d: status %d", n, res.StatusCode)
					}
				}
				res := send(4, testSecret)
				if c := code(t, res); res.StatusCode != want || c != "rate_limited" || res.Header.Get("Retry-After") != "1" {
					t.Errorf("answered %d %s, Retry-After %q", res.StatusCode, c, res.Header.Get("Retry-After"))
				}
				time.Sleep(time.Second)
				if res := send(4, testSecret); res.StatusCode != 200 {
					t.Errorf("a second later: status %d", res.StatusCode)
				}
			})
		})
	}
}

func TestAddressesAreLimitedBeforeAnythingElse(t *testing.T) {
	g := newRoute(t, "address_limit 1/s burst 2")
	synctest.Test(t, func(t *testing.T) {
		send := func(addr string) *http.Response {
			r := httptest.NewRequest("POST", "http://gate.test/hook/nobody", strings.NewReader("x"))
			r.RemoteAddr = addr
			return g.do(r)
		}
		for n := range 2 {
			if c := code(t, send(fmt.Sprintf("[2001:db8::%d]:99", n))); c != "unknown_tenant" {
				t.Fatalf("request %d: %s", n, c)
			}
		}
		if res := send("[2001:db8::beef]:99"); code(t, res) != "address_limited" || res.StatusCode != 503 {
			t.Errorf("another address of the same /64 was let in, status %d", res.StatusCode)
		}
		if c := code(t, send("[2001:db8:1::1]:99")); c != "unknown_tenant" {
			t.Errorf("another network was answered %s", c)
		}
	})
}

func TestTheBreakerOpensOnFailuresAndClosesAfterAProbe(t *testing.T) {
	for name, failure := range map[string]caddyhttp.HandlerFunc{
		"5xx":     func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(500); return nil },
		"refused": func(http.ResponseWriter, *http.Request) error { return caddyhttp.Error(502, errors.New("refused")) },
		"timeout": func(http.ResponseWriter, *http.Request) error { return caddyhttp.Error(504, errors.New("timeout")) },
		"broken off": func(http.ResponseWriter, *http.Request) error {
			panic(http.ErrAbortHandler)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newRoute(t, "breaker {\nfailures 3\nopen_for 30s\n}")
				healthy := false
				g.respond = func(w http.ResponseWriter, r *http.Request) error {
					if healthy {
						w.WriteHeader(200)
						return nil
					}
					return failure(w, r)
				}
				n := 0
				send := func() *http.Response {
					n++
					defer func() { _ = recover() }()
					return g.do(lead(t, "http://gate.test/hook/acme", numbered(n)))
				}
				for range 3 {
					send()
				}
				res := send()
				if c := code(t, res); res.StatusCode != 503 || c != "breaker_open" || res.Header.Get("Retry-After") != "30" {
					t.Fatalf("answered %d %s, Retry-After %q", res.StatusCode, c, res.Header.Get("Retry-After"))
				}
				if g.calls.Load() != 3 {
					t.Errorf("the receiver was asked %d times", g.calls.Load())
				}
				healthy = true
				time.Sleep(31 * time.Second)
				for range 3 {
					if res := send(); res.StatusCode != 200 {
						t.Errorf("after it recovered: status %d", res.StatusCode)
					}
				}
			})
		})
	}
}

func TestClientErrorsAndLeavingClientsDoNotOpenTheBreaker(t *testing.T) {
	g := newRoute(t, "breaker {\nfailures 2\n}")
	g.respond = func(w http.ResponseWriter, r *http.Request) error { w.WriteHeader(404); return nil }
	for n := range 10 {
		if res := g.do(lead(t, "http://gate.test/hook/acme", numbered(n))); res.StatusCode != 404 {
			t.Fatalf("request %d: status %d", n, res.StatusCode)
		}
	}
	g.respond = func(w http.ResponseWriter, r *http.Request) error { return caddyhttp.Error(502, r.Context().Err()) }
	for n := range 10 {
		r := lead(t, "http://gate.test/hook/acme", numbered(100+n))
		ctx, cancel := caddy.NewContext(caddy.Context{Context: r.Context()})
		cancel()
		if res := g.do(r.WithContext(ctx)); code(t, res) == "breaker_open" {
			t.Fatalf("the breaker opened after %d clients went away", n)
		}
	}
}

const twoTenants = `{
	callgate {
		source partner {
			preset nextphone
			secret shared-secret
			shared_secret
			max_body 1MiB
			vars {
				a source
				b source
				c source
			}
		}
		tenant one {
			secret first old
			max_body 200B
			vars {
				c tenant
			}
		}
		tenant two {
			source partner {
				secret second
				require email
			}
		}
		tenant three
		tenant elsewhere {
			source retell {
				secret key_0123456789
			}
		}
	}
}
http:// {
	callgate partner {
		name NAME
		tenant {header.X-Tenant}
		vars {
			b route
		}
	}
	test_receiver
}`

func TestPlaceholdersSayWhatIsKnownOfACall(t *testing.T) {
	g := newRoute(t, "")
	g.respond = func(w http.ResponseWriter, r *http.Request) error {
		repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		_, err := w.Write([]byte(repl.ReplaceAll("{callgate.tenant}|{callgate.source}|{callgate.event_type}|{callgate.form}|"+
			"{callgate.call.first_name}|{callgate.call.phone}|{callgate.call.notes}|{callgate.call.nothing}|{callgate.vars.owner_name}", "-")))
		return err
	}
	body := `{"lead":{"first_name":"Mike","phone":"(555) 987-6543","notes":"line\r\nSet-Cookie: x {env.HOME}"}}`
	want := "acme|nextphone|lead|raw|Mike|+15559876543|line  Set-Cookie: x {env.HOME}|-|ABC Plumbing"
	if got := text(t, g.do(lead(t, "http://gate.test/hook/acme", body))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNothingOfAnUnverifiedRequestIsInPlaceholders(t *testing.T) {
	g := newGateway(t, strings.Replace(fmt.Sprintf(oneRoute, "pass_errors"), "test_receiver",
		`handle_errors {
			respond "{err.status_code} {callgate.outcome} {callgate.tenant} [{callgate.call.first_name}{callgate.event_id}]"
		}`, 1))
	r := lead(t, "http://gate.test/hook/acme", leadBody)
	r.Header.Set("X-Nextphone-Signature", strings.Repeat("0", 64))
	res := g.do(r)
	if got := text(t, res); got != "403 signature_invalid acme []" {
		t.Errorf("the error route answered %q", got)
	}
}

func TestTheReceiverGetsASignatureOfOurOwn(t *testing.T) {
	for name, c := range map[string]struct {
		line   string
		verify signature.Config
	}{
		"python form": {"sign nextphone dispatch-secret python", signature.Config{Scheme: "nextphone", Forms: []string{"python"}}},
		"js form":     {"sign nextphone dispatch-secret js", signature.Config{Scheme: "nextphone", Forms: []string{"js"}}},
		"github":      {"sign github dispatch-secret", signature.Config{Scheme: "github"}},
		"stripe":      {"sign stripe dispatch-secret", signature.Config{Scheme: "stripe"}},
		"bearer":      {"sign bearer dispatch-secret", signature.Config{Scheme: "bearer"}},
		"aircall":     {"sign aircall dispatch-secret", signature.Config{Scheme: "aircall"}},
		"hmac": {"sign hmac dispatch-secret {\nheader X-Sig\nsigned {method}.{body}\nencoding base64\n}",
			signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig", Signed: "{method}.{body}", Encoding: "base64"}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRoute(t, c.line)
			if res := g.do(lead(t, "http://gate.test/hook/acme", `{ "lead": {"phone":"+15559876543","name":"Zoë"} }`)); res.StatusCode != 200 {
				t.Fatalf("status %d: %s", res.StatusCode, text(t, res))
			}
			got := g.last.Load()
			c.verify.Secrets = []string{"dispatch-secret"}
			v, err := signature.New(c.verify)
			if err != nil {
				t.Fatal(err)
			}
			m := signature.Message{Method: got.method, URL: "http://gate.test" + got.uri, Header: got.header, Body: []byte(got.body)}
			if _, err := v.Verify(&m, time.Now()); err != nil {
				t.Errorf("what the receiver got does not verify: %v", err)
			}
			if got.length != int64(len(got.body)) {
				t.Errorf("length %d of %d bytes", got.length, len(got.body))
			}
		})
	}
}

func TestTheURLThatWasSignedIsTheSenders(t *testing.T) {
	const config = `{
	servers {
		trusted_proxies static 10.0.0.0/8
	}
}
http:// {
	rewrite * /internal{uri}
	callgate hubspot ` + testSecret + ` {
		name NAME
		%s
	}
	test_receiver
}`
	for name, c := range map[string]struct {
		line, remote, signedURL string
		header                  map[string]string
		ok                      bool
	}{
		"as requested":       {"", "192.0.2.1:1", "http://gate.test/hook?a=b", nil, true},
		"public_url":         {"public_url https://hooks.example.com/in", "192.0.2.1:1", "https://hooks.example.com/in/hook?a=b", nil, true},
		"trusted proxy":      {"", "10.0.0.1:1", "https://hooks.example.com/hook?a=b", map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hooks.example.com"}, true},
		"untrusted proxy":    {"", "192.0.2.1:1", "https://hooks.example.com/hook?a=b", map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hooks.example.com"}, false},
		"the rewritten path": {"", "192.0.2.1:1", "http://gate.test/internal/hook?a=b", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, fmt.Sprintf(config, c.line))
			body := `[{"eventId":1,"subscriptionType":"contact.creation"}]`
			r := httptest.NewRequest("POST", "http://gate.test/hook?a=b", strings.NewReader(body))
			r.RemoteAddr = c.remote
			signer, err := signature.NewSigner(signature.Config{Scheme: "hubspot", Secrets: []string{testSecret}})
			if err != nil {
				t.Fatal(err)
			}
			m := signature.Message{Method: "POST", URL: c.signedURL, Header: r.Header, Body: []byte(body)}
			if err := signer.Sign(&m, "", time.Now()); err != nil {
				t.Fatal(err)
			}
			for k, v := range c.header {
				r.Header.Set(k, v)
			}
			if res := g.do(r); (res.StatusCode == 200) != c.ok {
				t.Errorf("status %d: %s", res.StatusCode, text(t, res))
			}
		})
	}
}

// TestMatchersSeeTheCall has a route behind the gateway that only urgent calls take.
func TestMatchersSeeTheCall(t *testing.T) {
	config := strings.Replace(fmt.Sprintf(oneRoute, ""), "callgate nextphone", "route {\ncallgate nextphone", 1)
	g := newGateway(t, strings.Replace(config, "test_receiver", "@urgent expression `{callgate.call.urgent} == \"true\" && {callgate.tenant} == \"acme\"`\n"+
		"respond @urgent \"on call: {callgate.call.phone}\"\ntest_receiver\n}", 1))
	for notes, want := range map[string]string{"EMERGENCY, it burns": "on call: +15559876543", "a quote": "received 1"} {
		body := fmt.Sprintf(`{"lead":{"phone":"+15559876543","notes":%q}}`, notes)
		if got := text(t, g.do(lead(t, "http://gate.test/hook/acme", body))); got != want {
			t.Errorf("%s: %q, want %q", notes, got, want)
		}
	}
}
