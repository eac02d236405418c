package caddymodule

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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

func TestTheTenantsPolicyWins(t *testing.T) {
	g := newGateway(t, twoTenants)
	for _, c := range []struct {
		tenant, secret, body string
		status               int
		code                 string
	}{
		{"one", "first", numbered(1), 200, ""},
		{"one", "old", numbered(2), 200, ""}, // while secrets are changed
		{"one", "shared-secret", numbered(3), 403, "signature_invalid"},
		{"one", "first", `{"phone":"+15559876543","x":"` + strings.Repeat("x", 200) + `"}`, 413, "too_large"},
		{"two", "second", numbered(4), 400, "field_missing"},
		{"two", "second", `{"email":"mike@example.com","n":1}`, 200, ""},
		{"two", "first", numbered(5), 403, "signature_invalid"},
		{"three", "shared-secret", `{"phone":"+15559876543","x":"` + strings.Repeat("x", 200) + `"}`, 200, ""},
		{"elsewhere", "shared-secret", numbered(6), 404, "unknown_tenant"},
		{"ONE", "first", numbered(7), 200, ""}, // as hosts are
	} {
		r := signed(t, signature.Config{Scheme: "nextphone", Secrets: []string{c.secret}}, "http://gate.test/", c.body)
		r.Header.Set("X-Tenant", c.tenant)
		res := g.do(r)
		if got := code(t, res); res.StatusCode != c.status || got != c.code {
			t.Errorf("%s with %s: %d %s, want %d %s", c.tenant, c.secret, res.StatusCode, got, c.status, c.code)
		}
	}
}

func TestVariablesOfAllLayersAreJoined(t *testing.T) {
	g := newGateway(t, twoTenants)
	g.respond = func(w http.ResponseWriter, r *http.Request) error {
		repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		_, err := w.Write([]byte(repl.ReplaceAll("{callgate.vars.a} {callgate.vars.b} {callgate.vars.c}", "-")))
		return err
	}
	r := signed(t, signature.Config{Scheme: "nextphone", Secrets: []string{"first"}}, "http://gate.test/", numbered(1))
	r.Header.Set("X-Tenant", "one")
	if got := text(t, g.do(r)); got != "source route tenant" {
		t.Errorf("got %q", got)
	}
}

func TestOneEventOfTwoTenantsIsTwoEvents(t *testing.T) {
	g := newGateway(t, strings.Replace(twoTenants, "secret first old", "secret shared-secret", 1))
	for _, tenant := range []string{"one", "three"} {
		r := signed(t, signature.Config{Scheme: "nextphone", Secrets: []string{"shared-secret"}}, "http://gate.test/", numbered(1))
		r.Header.Set("X-Tenant", tenant)
		if res := g.do(r); res.Header.Get("Idempotency-Replayed") != "" || res.StatusCode != 200 {
			t.Errorf("%s: status %d, taken for a copy", tenant, res.StatusCode)
		}
	}
}

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

func TestTenantsAreReadFromFiles(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config := strings.Replace(twoTenants, "tenant three", "tenants "+dir+"/*.json\ntenant three", 1)
	write("clinic.json", `{"secrets":["from-a-file"],"rate_limit":{"rate":"5/s"},"vars":{"owner_name":"Dr. Who"}}`)
	write("other.json", `{"name":"named","sources":{"partner":{"secrets":["from-a-block"]}}}`)
	g := newGateway(t, config)
	for tenant, secret := range map[string]string{"clinic": "from-a-file", "named": "from-a-block"} {
		r := signed(t, signature.Config{Scheme: "nextphone", Secrets: []string{secret}}, "http://gate.test/", numbered(1))
		r.Header.Set("X-Tenant", tenant)
		if res := g.do(r); res.StatusCode != 200 {
			t.Errorf("%s: status %d", tenant, res.StatusCode)
		}
	}
	for name, content := range map[string]string{
		"two.json":  `{"name":"clinic","secrets":["x"]}`,  // twice, in files
		"one.json":  `{"secrets":["x"]}`,                  // also in the Caddyfile
		"bad.json":  `{"secrets":["x"],"rate_limits":{}}`, // an unknown member
		"more.json": `{"secrets":["x"]}{"secrets":["x"]}`, // two in one
		"type.json": `{"secrets":"the-secret-itself"}`,    // the wrong type
		"rate.json": `{"secrets":["x"],"rate_limit":{"rate":"many"}}`,
	} {
		write(name, content)
		_, err := provision(strings.ReplaceAll(config, "NAME", "files-"+name))
		if err == nil {
			t.Errorf("%s was accepted", name)
		} else if strings.Contains(err.Error(), "the-secret-itself") {
			t.Errorf("the error quotes a secret: %v", err)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzTenantFile(f *testing.F) {
	f.Add([]byte(`{"name":"a","secrets":["x"],"sources":{"retell":{"secrets":["y"],"idempotency":{"ttl":"1h"}}}}`))
	f.Add([]byte(`{"verify":{"scheme":"hmac","header":"X"},"rate_limit":{"rate":"5/s","burst":-1},"breaker":{"ratio":1e308}}`))
	f.Add([]byte(`{"sources":{"a":null}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		tenant, err := parseTenant(b)
		if err != nil {
			return
		}
		// Whatever was read can be asked for its settings.
		for _, p := range append([]Policy{tenant.Policy}, tenant.Policy.over(tenant.Policy)) {
			if l, on, err := p.RateLimit.limit(); err == nil && on && (!(l.PerSecond > 0) || l.Burst < 1) {
				t.Errorf("limit %+v", l)
			}
			if i, err := p.Idempotency.withDefaults(); err == nil && (i.TTL <= 0 || i.Wait <= 0 || i.MaxReplayBody <= 0) {
				t.Errorf("idempotency %+v", i)
			}
			_, _ = p.Breaker.settings()
			_, _ = p.EventID.compile()
			_, _ = checkPublicURL(p.PublicURL)
		}
	})
}
