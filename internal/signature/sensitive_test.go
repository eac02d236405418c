package signature

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestSensitive: what is logged of a request, without what the table names, holds no secret and lets nothing pass.
func TestSensitive(t *testing.T) {
	for _, s := range setups() {
		v := mustNew(t, s.verify)
		m := signed(t, s.signer, message())
		log := m.clone()
		found := SensitiveOf(s.name, v)
		for _, h := range found.Headers {
			if http.CanonicalHeaderKey(h) != h {
				t.Errorf("%s: %s is not canonical", s.name, h)
			}
			log.Header.Del(h)
		}
		for n, vs := range log.Header {
			if strings.Contains(strings.Join(vs, " "), secret) {
				t.Errorf("%s: the secret is in %s", s.name, n)
			}
		}
		if inBody[s.name] {
			continue
		}
		if _, err := v.Verify(log, noon); err == nil {
			t.Errorf("%s: what would be logged is a request that can be sent again", s.name)
		}
		u, err := url.Parse(m.URL)
		if err != nil {
			t.Fatal(err)
		}
		for n := range u.Query() {
			if !strings.Contains(message().URL, n+"=") && !slices.Contains(found.Query, n) {
				t.Errorf("%s: signing sets the parameter %s", s.name, n)
			}
		}
		for _, h := range carriers(v) {
			if !slices.Contains(found.Headers, h) {
				t.Errorf("%s: %s is missing", s.name, h)
			}
		}
	}
	own := Config{Scheme: "api_key", Secrets: []string{"k"}, Header: "X-Partner-Token"}
	if got := SensitiveOf("apikey", mustNew(t, own)); !slices.Contains(got.Headers, "X-Partner-Token") {
		t.Errorf("the operator's own header: %v", got)
	}
	if got := SensitiveOf("no such scheme", nil); len(got.Headers)+len(got.Query) != 0 {
		t.Errorf("%v", got)
	}
}

// TestSensitiveTable: it has every scheme, no other, and the union of all.
func TestSensitiveTable(t *testing.T) {
	all := AllSensitive()
	if !slices.IsSorted(all.Headers) || !slices.Contains(all.Query, "bodySHA256") {
		t.Errorf("%v", all)
	}
	for _, i := range Schemes() {
		s, ok := sensitive[i.Name]
		if bodyOrConfig := inBody[i.Name] || slices.Contains([]string{"hmac", "ed25519", "rsa", "none", "client_certificate"}, i.Name); ok == bodyOrConfig {
			t.Errorf("%s is in the table: %v", i.Name, ok)
		}
		for _, h := range s.Headers {
			if !slices.Contains(all.Headers, h) {
				t.Errorf("%s: %s is not among all", i.Name, h)
			}
		}
	}
	for name := range sensitive {
		if i, ok := Lookup(name); !ok || i.Name != name {
			t.Errorf("there is no scheme %s", name)
		}
	}
}
