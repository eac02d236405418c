package caddymodule

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/internal/signature"
)

// acmeAndGlobex is a route whose tenants are found in the path, with more lines for it.
func acmeAndGlobex(lines string) string {
	return `{
	callgate {
		tenant acme {
			secret acme-` + testSecret + `
		}
		tenant globex {
			secret globex-` + testSecret + `
		}
	}
}
:80 {
	callgate /calls/* nextphone {
		name NAME
		tenant {path.1}
		` + lines + `
	}
	test_receiver
}`
}

func of(t testing.TB, tenant, body string) *http.Request {
	c := nextphone
	c.Secrets = []string{tenant + "-" + testSecret}
	return signed(t, c, "http://h/calls/"+tenant, body)
}

func TestOneTenantsFailuresDoNotStopAnother(t *testing.T) {
	for lines, want := range map[string]int{
		"":                         http.StatusOK,
		"breaker {\nfailures 3\n}": http.StatusOK,
		"breaker {\nper_tenant\n}": http.StatusOK,
		"breaker {\nshared\n}":     http.StatusServiceUnavailable,
	} {
		g := newGateway(t, acmeAndGlobex(lines))
		g.respond = func(w http.ResponseWriter, r *http.Request) error {
			if r.URL.Path == "/calls/globex" {
				return caddyhttp.Error(http.StatusInternalServerError, nil)
			}
			w.WriteHeader(http.StatusOK)
			return nil
		}
		for i := range 5 {
			g.do(of(t, "globex", `{"phone":"+1415555010`+string(rune('0'+i))+`"}`))
		}
		if res := g.do(of(t, "globex", `{"phone":"+14155550199"}`)); code(t, res) != "breaker_open" {
			t.Errorf("%q: after five failures the tenant itself gets %d", lines, res.StatusCode)
		}
		if res := g.do(of(t, "acme", `{"phone":"+14155550100"}`)); res.StatusCode != want {
			t.Errorf("%q: the other tenant gets %d, want %d", lines, res.StatusCode, want)
		}
	}
}

func TestABreakerIsNotBothSharedAndPerTenant(t *testing.T) {
	_, err := provision(acmeAndGlobex("breaker {\nshared\nper_tenant\n}"))
	if err == nil || !strings.Contains(err.Error(), "exclude each other") {
		t.Fatal(err)
	}
}

func TestUnknownTenantsCanBeHidden(t *testing.T) {
	plain, hiding := newGateway(t, acmeAndGlobex("")), newGateway(t, acmeAndGlobex("hide_tenants"))
	const body = `{"phone":"+14155550100"}`
	unsigned := func(path string) *http.Request {
		return httptest.NewRequest(http.MethodPost, "http://h"+path, strings.NewReader(body))
	}
	wrong := func(path string) *http.Request { // whoever has the secret of one asks for others
		r := of(t, "globex", body)
		r.URL.Path = path
		return r
	}
	garbled := func(path string) *http.Request {
		r := unsigned(path)
		r.Header.Set("X-Nextphone-Signature", "no signature")
		return r
	}
	large := func(path string) *http.Request {
		r := of(t, "globex", strings.Repeat(" ", 2<<20))
		r.URL.Path = path
		return r
	}
	get := func(path string) *http.Request { return httptest.NewRequest("BREW", "http://h"+path, nil) }
	for name, request := range map[string]func(string) *http.Request{
		"unsigned": unsigned, "wrong": wrong, "garbled": garbled, "large": large, "method": get,
	} {
		known, unknown := hiding.do(request("/calls/acme")), hiding.do(request("/calls/nobody"))
		a, b := code(t, known), code(t, unknown)
		if a != b || a == "" || known.StatusCode != unknown.StatusCode || known.Header.Get("Allow") != unknown.Header.Get("Allow") {
			t.Errorf("%s: %d %s for a known tenant, %d %s for an unknown one", name, known.StatusCode, a, unknown.StatusCode, b)
		}
		if name == "wrong" && (a != "signature_invalid" || known.StatusCode != http.StatusForbidden) {
			t.Errorf("a wrong signature is answered with %d %s", known.StatusCode, a)
		}
		if res := plain.do(request("/calls/nobody")); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d without hide_tenants", name, res.StatusCode)
		}
	}
	if res := hiding.do(of(t, "acme", body)); res.StatusCode != http.StatusOK || hiding.calls.Load() != 1 {
		t.Fatalf("a signed request: %d", res.StatusCode)
	}
}

// Every scheme can verify for nobody.
func TestEverySchemeHidesTenants(t *testing.T) {
	for _, s := range signature.Schemes() {
		verify := "verify " + s.Name + map[string]string{
			"hmac": " {\nheader X-Sig\n}", "ed25519": " {\nheader X-Sig\n}", "rsa": " {\nheader X-Sig\n}",
			"jwt": " {\nhash_claim h\n}", "body_token": " {\npath key\n}",
		}[s.Name]
		keys := "secret dGhpcyBpcyBhIHNlY3JldCBvZiB0aGUgdGVzdHM="
		switch {
		case s.Name == "none" || s.Name == "client_certificate": // which no secret of a tenant's goes with
			continue
		case s.Name == "basic":
			keys = "secret acme:pass"
		case s.Name == "rsa":
			keys = "public_key " + rsaKey(t)
		case s.NeedsPublicKey && !s.NeedsSecret:
			keys = "public_key Gb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE="
		}
		_, err := provision(strings.ReplaceAll(`{
	callgate {
		tenant acme {
			`+keys+`
		}
	}
}
:80 {
	callgate generic {
		name NAME
		tenant {path.0}
		hide_tenants
		`+verify+`
	}
	respond ok
}`, "NAME", "hiding-"+s.Name))
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

// rsaKey is a public key.
func rsaKey(t *testing.T) string {
	t.Helper()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(&private.PublicKey))
}

func TestHideTenantsWantsTenants(t *testing.T) {
	_, err := provision(strings.Replace(acmeAndGlobex("hide_tenants"), "tenant {path.1}", "tenant acme", 1))
	if err == nil || !strings.Contains(err.Error(), "hide_tenants has no effect") {
		t.Fatal(err)
	}
}

func TestARouteTakesTheMethodsOfItsSource(t *testing.T) {
	route := func(source, lines string) *harness {
		return newGateway(t, ":80 {\n\tcallgate "+source+" "+testSecret+" {\n\t\tname NAME\n\t\t"+lines+"\n\t}\n\ttest_receiver\n}")
	}
	for _, c := range []struct{ source, lines, allowed string }{
		{"nextphone", "", "POST, GET, PUT, PATCH, DELETE"},
		{"retell", "", "POST"},
		{"github", "", "POST"},
		{"twilio", "", "POST, GET"},
		{"github", "methods put POST", "PUT, POST"},
		{"nextphone", "methods POST", "POST"},
	} {
		g := route(c.source, c.lines)
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "post"} {
			r := httptest.NewRequest("GET", "http://h/", strings.NewReader(`{"phone":"+14155550100"}`))
			r.Method = method
			res := g.do(r) // unsigned
			want := http.StatusMethodNotAllowed
			for m := range strings.SplitSeq(c.allowed, ", ") {
				if m == method {
					want = http.StatusForbidden
				}
			}
			if res.StatusCode != want || want == http.StatusMethodNotAllowed && res.Header.Get("Allow") != c.allowed {
				t.Errorf("%s %s, %s: %d, Allow %q", c.source, c.lines, method, res.StatusCode, res.Header.Get("Allow"))
			}
		}
	}
	if _, err := provision(":80 {\n\tcallgate github s {\n\t\tmethods \"PO ST\"\n\t}\n\trespond ok\n}"); err == nil {
		t.Error("a method that is none was taken")
	}
}

// What a tenant sends pushes out no other tenant's events, and a copy is still known for one when its answer is gone.
func TestATenantsTrafficLeavesOthersCopiesCopies(t *testing.T) {
	g := runGateway(t, strings.NewReplacer(
		"callgate {\n", "callgate {\n\t\tidempotency_cache {\n\t\t\tentries 10\n\t\t\tkeys 200\n\t\t}\n",
		":80 {", "http:// {\n\tbind SOCKET").Replace(acmeAndGlobex("rate_limit off")))
	carriedOut := 0
	f := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		carriedOut++
		_, err := w.Write([]byte("done"))
		return err
	})
	receive.Store(&f)
	do := func(tenant, body string) (*http.Response, string) {
		r := of(t, tenant, body)
		r.RequestURI = ""
		res, err := g.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res, text(t, res)
	}
	if res, answer := do("acme", `{"phone":"+14155550100"}`); res.StatusCode != http.StatusOK || answer != "done" {
		t.Fatal(res.StatusCode, answer)
	}
	before := currentShared().Answers.Size().Dropped
	for i := range 1000 {
		do("globex", fmt.Sprintf(`{"phone":"+14155550100","n":%d}`, i))
	}
	res, answer := do("acme", `{"phone":"+14155550100"}`)
	if res.StatusCode != http.StatusOK || answer != `{"status":"duplicate"}`+"\n" || res.Header.Get("Idempotency-Replayed") != "true" || carriedOut != 1001 {
		t.Fatalf("the copy: %d %q, %d carried out", res.StatusCode, answer, carriedOut)
	}
	if s := currentShared().Answers.Size(); s.Keys > 200 || s.Dropped-before < 800 {
		t.Fatalf("%+v, %d dropped before", s, before)
	}
}

func TestMoreKeysForATenantThanForAll(t *testing.T) {
	_, err := provision("{\ncallgate {\nidempotency_cache {\nkeys 10\ntenant_keys 11\n}\n}\n}\n:80 {\nrespond ok\n}")
	if err == nil || !strings.Contains(err.Error(), "tenant_keys 11 is more than the 10 keys") {
		t.Fatal(err)
	}
}
