package keywrap

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/standin"
)

const token = "hvs.CAESIJ0"

var dataKey = []byte("0123456789abcdef0123456789abcdef")

func start(t testing.TB, cfg standin.TransitConfig, change ...func(*Options)) (*standin.Transit, *Transit) {
	t.Helper()
	cfg.Token = token
	server := standin.NewTransit(t, cfg)
	o := Options{Address: server.URL, Key: "callgate", Token: func() (string, error) { return token + "\n", nil }}
	for _, f := range change {
		f(&o)
	}
	tr, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return server, tr
}

func wrap(t testing.TB, tr *Transit, tenant string) string {
	t.Helper()
	text, err := tr.Wrap(t.Context(), tenant, dataKey)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func unwraps(t testing.TB, tr *Transit, text string) {
	t.Helper()
	if key, err := tr.Unwrap(t.Context(), "acme", text); err != nil || !bytes.Equal(key, dataKey) {
		t.Errorf("unwrapped %q, %v", key, err)
	}
}

func TestWrapAndRewrap(t *testing.T) {
	server, tr := start(t, standin.TransitConfig{})
	text := wrap(t, tr, "acme")
	if !strings.HasPrefix(text, "callgate vault:v1:") || strings.Contains(text, base64.StdEncoding.EncodeToString(dataKey)) {
		t.Errorf("wrapped as %q", text)
	}
	unwraps(t, tr, text)
	if again, err := tr.Rewrap(t.Context(), "acme", text); err != nil || again != text {
		t.Errorf("wrapped with the newest version, and rewrapped as %q, %v", again, err)
	}
	server.Rotate("callgate")
	again, err := tr.Rewrap(t.Context(), "acme", text)
	if err != nil || !strings.HasPrefix(again, "callgate vault:v2:") {
		t.Errorf("rewrapped as %q, %v", again, err)
	}
	server.MinDecryption("callgate", 2)
	unwraps(t, tr, again)
	if _, err := tr.Unwrap(t.Context(), "acme", text); err == nil || errors.Is(err, seal.ErrAway) || !strings.Contains(err.Error(), "too old") || !strings.Contains(err.Error(), "min_decryption_version") {
		t.Errorf("a version that is not decrypted any more: %v", err)
	}
	if n := server.Asked("decrypt"); n != 3 {
		t.Errorf("%d keys were unwrapped, and rewrapping needs none", n)
	}
	for _, r := range server.Requests() {
		if r.Method != http.MethodPost || r.Header.Get("X-Vault-Request") != "true" || r.Header.Get("X-Vault-Namespace") != "" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v", r.Method, r.URI, r.Header)
		}
	}

	// The configuration names another key: what the first has wrapped is read, and wrapped by the other.
	o := tr.o
	o.Key = "other"
	other, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	unwraps(t, other, again)
	moved, err := other.Rewrap(t.Context(), "acme", again)
	if err != nil || !strings.HasPrefix(moved, "other vault:v1:") {
		t.Errorf("rewrapped as %q, %v", moved, err)
	}
	unwraps(t, tr, moved)
}

func TestNamespaceMountAndTLS(t *testing.T) {
	server, tr := start(t, standin.TransitConfig{Namespace: "team/calls", Mount: "keys/transit", TLS: true}, func(o *Options) {
		o.Namespace, o.Mount = "team/calls", "/keys/transit/"
	})
	if _, err := tr.Wrap(t.Context(), "acme", dataKey); !errors.Is(err, seal.ErrAway) {
		t.Errorf("an authority that nobody knows: %v", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	o := tr.o
	o.TLS = &tls.Config{RootCAs: roots}
	tr, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	unwraps(t, tr, wrap(t, tr, "acme"))
	o.Namespace = ""
	if tr, err = New(o); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Wrap(t.Context(), "acme", dataKey); !errors.Is(err, seal.ErrAway) || !strings.Contains(err.Error(), "namespace") {
		t.Errorf("without its namespace: %v", err)
	}
}

// TestRefused has the engine say no in every way: what is said of it tells what to do, holds no secret, and says whether
// other keys are concerned.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*standin.Transit)
		away  bool
		says  string
	}{
		"sealed":        {func(s *standin.Transit) { s.Seal(true) }, true, "unseal"},
		"another token": {func(s *standin.Transit) { s.Renew("hvs.new") }, true, "transit/decrypt/callgate"},
		"a quota": {func(s *standin.Transit) {
			s.Fail(standin.Reply{Status: 429, Body: `{"errors":["rate limit quota exceeded"]}`})
		}, true, "quota"},
		"standby": {func(s *standin.Transit) {
			s.Fail(standin.Reply{Status: 307, Header: http.Header{"Location": {"https://other:8200"}}})
		}, true, "active"},
		"a fault":          {func(s *standin.Transit) { s.Fail(standin.Reply{Status: 500, Body: `{"errors":["internal error"]}`}) }, true, "internal error"},
		"a proxy's answer": {func(s *standin.Transit) { s.Fail(standin.Reply{Status: 502, Body: "<html>Bad Gateway</html>"}) }, true, "502"},
		"not JSON":         {func(s *standin.Transit) { s.Fail(standin.Reply{Status: 200, Body: "<html>"}) }, false, "something else"},
		"no plaintext":     {func(s *standin.Transit) { s.Fail(standin.Reply{Status: 200, Body: `{"data":{"plaintext":"%"}}`}) }, false, "something else"},
		"control bytes": {func(s *standin.Transit) {
			s.Fail(standin.Reply{Status: 400, Body: `{"errors":["a\u001b[31m` + strings.Repeat("x", 5000) + `"]}`})
		}, false, "a [31mx"},
		"gone": {func(s *standin.Transit) { s.Close() }, true, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			server, tr := start(t, standin.TransitConfig{})
			text := wrap(t, tr, "acme")
			c.spoil(server)
			_, err := tr.Unwrap(t.Context(), "acme", text)
			if err == nil || errors.Is(err, seal.ErrAway) != c.away || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
			if s := err.Error(); strings.Contains(s, token) || strings.ContainsAny(s, "\x1b\n") || len(s) > 900 || strings.Contains(s, "vault:v1") {
				t.Errorf("the error shows too much: %s", s)
			}
		})
	}
	server, tr := start(t, standin.TransitConfig{Deny: []string{"create encrypt/callgate"}})
	if _, err := tr.Wrap(t.Context(), "acme", dataKey); err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("a key that the token may not make: %v", err)
	}
	server.Make("callgate", true)
	if _, err := tr.Wrap(t.Context(), "acme", dataKey); err == nil || errors.Is(err, seal.ErrAway) || !strings.Contains(err.Error(), "derived") {
		t.Errorf("a derived key: %v", err)
	}
}

func TestHangingServerIsNotWaitedFor(t *testing.T) {
	server, tr := start(t, standin.TransitConfig{}, func(o *Options) { o.Timeout = 50 * time.Millisecond })
	text := wrap(t, tr, "acme")
	server.Hang(true)
	if _, err := tr.Unwrap(t.Context(), "acme", text); !errors.Is(err, seal.ErrAway) {
		t.Error(err)
	}
	server.Hang(false)
	unwraps(t, tr, text)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.Unwrap(ctx, "acme", text); err == nil {
		t.Error("asked for nobody")
	}
}

// A token that is renewed in its file is found there; one that cannot be read is told of.
func TestTokenIsReadEachTime(t *testing.T) {
	now, readable := token, error(nil)
	server, tr := start(t, standin.TransitConfig{}, func(o *Options) { o.Token = func() (string, error) { return now, readable } })
	text := wrap(t, tr, "acme")
	server.Renew("hvs.second")
	if _, err := tr.Unwrap(t.Context(), "acme", text); err == nil {
		t.Error("the old token is valid")
	}
	now = "hvs.second"
	unwraps(t, tr, text)
	readable = errors.New("no such file")
	if _, err := tr.Unwrap(t.Context(), "acme", text); !errors.Is(err, seal.ErrAway) || !strings.Contains(err.Error(), "no such file") {
		t.Error(err)
	}
	o := tr.o
	o.Token = nil
	agent, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server.Renew("")
	unwraps(t, agent, text)
}

// TestEachTenantHasItsKey destroys one tenant's key in the engine.
func TestEachTenantHasItsKey(t *testing.T) {
	server, tr := start(t, standin.TransitConfig{Deny: []string{"delete keys/callgate-locked", "update keys/callgate-locked/config"}}, func(o *Options) { o.PerTenant = true })
	texts := map[string]string{}
	for _, tenant := range []string{"acme", "globex", "locked", "", "Praxis Dr. Müller", "ends.", "x-ends.", "a/../b", strings.Repeat("n", 300)} {
		texts[tenant] = wrap(t, tr, tenant)
		unwraps(t, tr, texts[tenant])
	}
	keys := server.Keys()
	if len(keys) != len(texts) || !slices.Contains(keys, "callgate-acme") {
		t.Errorf("keys %q", keys)
	}
	if err := tr.Shred(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	if err := tr.Shred(t.Context(), "acme"); err != nil {
		t.Errorf("again: %v", err)
	}
	if _, err := tr.Unwrap(t.Context(), "acme", texts["acme"]); err == nil || errors.Is(err, seal.ErrAway) || !strings.Contains(err.Error(), "encryption key not found") {
		t.Errorf("what it has wrapped: %v", err)
	}
	unwraps(t, tr, texts["globex"])
	if err := tr.Shred(t.Context(), "locked"); err == nil || !strings.Contains(err.Error(), "delete transit/keys/callgate-locked") {
		t.Errorf("a token that may not: %v", err)
	}
	unwraps(t, tr, wrap(t, tr, "acme"))
	o := tr.o
	o.PerTenant = false
	one, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	before := len(server.Requests())
	if err := one.Shred(t.Context(), "globex"); err != nil || len(server.Requests()) != before {
		t.Error("a key that is not the tenant's alone is deleted", err)
	}
}

func TestOptions(t *testing.T) {
	right := Options{Address: "https://vault.example.com:8200/", Key: "callgate"}
	if tr, err := New(right); err != nil || tr.base != "https://vault.example.com:8200/v1/transit/" || tr.Lifetime() != DefaultLifetime {
		t.Errorf("%+v, %v", tr, err)
	}
	for name, c := range map[string]struct {
		change func(*Options)
		want   error
	}{
		"plain http":      {func(o *Options) { o.Address = "http://vault.example.com:8200" }, ErrAddress},
		"a private one":   {func(o *Options) { o.Address = "http://10.0.0.7:8200" }, ErrAddress},
		"an agent":        {func(o *Options) { o.Address = "http://127.0.0.1:8100" }, nil},
		"a path":          {func(o *Options) { o.Address = "https://vault.example.com/v1" }, ErrAddress},
		"a password":      {func(o *Options) { o.Address = "https://a:b@vault.example.com" }, ErrAddress},
		"nothing":         {func(o *Options) { o.Address = "" }, ErrAddress},
		"no key":          {func(o *Options) { o.Key = "" }, ErrName},
		"a path as key":   {func(o *Options) { o.Key = "../sys/seal" }, ErrName},
		"a dot at end":    {func(o *Options) { o.Key = "callgate." }, ErrName},
		"a path as mount": {func(o *Options) { o.Mount = "team/transit" }, nil},
		"a way out":       {func(o *Options) { o.Mount = "../sys" }, ErrMount},
	} {
		o := right
		c.change(&o)
		if _, err := New(o); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// FuzzUnwrap gives what a database file may have been made to hold: no path but that of a key is asked for.
func FuzzUnwrap(f *testing.F) {
	server, tr := start(f, standin.TransitConfig{})
	f.Add(wrap(f, tr, "acme"))
	f.Add("../../sys/seal vault:v1:abc")
	f.Add("callgate? x")
	f.Fuzz(func(t *testing.T, text string) {
		before := len(server.Requests())
		key, err := tr.Unwrap(t.Context(), "acme", text)
		if err == nil && !bytes.Equal(key, dataKey) {
			t.Fatal("unwrapped something else")
		}
		for _, r := range server.Requests()[before:] {
			if rest, ok := strings.CutPrefix(r.URI, "/v1/transit/decrypt/"); !ok || strings.ContainsAny(rest, "/?#%") {
				t.Fatalf("asked for %s", r.URI)
			}
		}
	})
}
