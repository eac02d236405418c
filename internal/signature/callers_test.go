package signature

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net/http"
	"slices"
	"testing"
	"time"
)

// TestTokenInBody: the token is checked, and is in nothing that is handed on or kept.
func TestTokenInBody(t *testing.T) {
	c := Config{Scheme: "body_token", Secrets: []string{"old", "s3cret"}, Path: "$.auth.key"}
	v := mustNew(t, c)
	for _, x := range []struct {
		body, left string
		want       error
	}{
		{`{"lead_id":"L1", "auth":{"key":"s3cret","n":1}}`, `{"lead_id":"L1", "auth":{"key":null,"n":1}}`, nil},
		{`{"auth":{"key":"first"},"auth":{"k\u0065y":"s3cret"},"a":1}`, `{"auth":{"key":null},"auth":{"k\u0065y":null},"a":1}`, nil},
		{`{"auth":{"key":"wrong"}}`, "", ErrInvalid},
		{`{"auth":{"key":""}}`, "", ErrMissing},
		{`{"auth":{"key":null}}`, "", ErrMissing},
		{`{"key":"s3cret"}`, "", ErrMissing},
		{`{"auth":{"key":["s3cret"]}}`, "", ErrMalformed},
		{`auth.key=s3cret`, "", ErrMalformed},
	} {
		m := &Message{Body: []byte(x.body)}
		r, err := v.Verify(m, noon)
		if !errors.Is(err, x.want) || string(r.Payload) != x.left || string(m.Body) != x.body {
			t.Errorf("%s: %+v %s, %v", x.body, r, r.Payload, err)
		}
		if err == nil && (!r.Token || !r.Dropped || r.Secret != 1 || r.Covers != 0) {
			t.Errorf("%s: %+v", x.body, r)
		}
	}
	a, b := &Message{Body: []byte(`{"auth":{"key":"old"},"a":1}`)}, &Message{Body: []byte(`{"auth":{"key":"s3cret"},"a":1}`)}
	ra, err := v.Verify(a, noon)
	rb, err2 := v.Verify(b, noon)
	if err != nil || err2 != nil || ra.Digest(a) != rb.Digest(b) {
		t.Error("the same event is another one under another token")
	}
}

// TestTokenInQuery: the token is taken out of the URL, in whichever spelling it came.
func TestTokenInQuery(t *testing.T) {
	v := mustNew(t, Config{Scheme: "api_key", Secrets: []string{"s3cret+/="}, Query: "token"})
	const base = "https://hooks.example.com/in"
	for _, x := range []struct {
		url, left string
		want      error
	}{
		{base + "?token=s3cret%2B%2F%3D", base, nil},
		{base + "?a=1&token=s3cret%2b/%3D&b=2", base + "?a=1&b=2", nil},
		{base + "?%74oken=s3cret%2B%2F%3D#x", base + "#x", nil},
		{base + "?token=wrong", "", ErrInvalid},
		{base + "?token=", "", ErrMissing},
		{base, "", ErrMissing},
		{base + "?Token=s3cret%2B%2F%3D", "", ErrMissing},
		{base + "?token=s3cret%2B%2F%3D&token=x", "", ErrMalformed},
		{base + "?token=%zz", "", ErrMalformed},
	} {
		m := &Message{Method: "GET", URL: x.url}
		r, err := v.Verify(m, noon)
		if !errors.Is(err, x.want) || r.URL != x.left {
			t.Errorf("%s: %+v, %v", x.url, r, err)
		}
		if early := PrecheckMessage(v, m, noon); (early == nil) != (x.want == nil) {
			t.Errorf("%s: before the body: %v", x.url, early)
		}
		if q, ok := r.Query(m); err == nil && (!r.Token || !ok || len(q) > len("a=1&b=2")) {
			t.Errorf("%s: the query is %q, %v", x.url, q, ok)
		}
	}
	m := &Message{URL: base + "?token=other&a=1"}
	s, err := NewSigner(Config{Scheme: "api_key", Secrets: []string{"s3cret+/="}, Query: "token"})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sign(m, "", noon); err != nil || m.URL != base+"?a=1&token=s3cret%2B%2F%3D" {
		t.Errorf("%s, %v", m.URL, err)
	}
	if got := SensitiveOf("api_key", v); !slices.Contains(got.Query, "token") {
		t.Errorf("%v may be logged", got)
	}
}

func TestBasic(t *testing.T) {
	v := mustNew(t, Config{Scheme: "basic", Secrets: []string{"acme:pass:word"}})
	for value, want := range map[string]error{
		"Basic YWNtZTpwYXNzOndvcmQ=": nil, "basic YWNtZTpwYXNzOndvcmQ=": nil, "Basic YWNtZTpwYXNz": ErrInvalid, // acme:pass
		"Bearer YWNtZTpwYXNzOndvcmQ=": ErrMalformed, "Basic ": ErrInvalid, "": ErrMissing,
	} {
		m := &Message{Header: http.Header{"Authorization": {value}}}
		if r, err := v.Verify(m, noon); !errors.Is(err, want) || err == nil && !r.Token {
			t.Errorf("%q: %+v, %v", value, r, err)
		}
	}
	h := http.Header{"Authorization": {"Basic x"}}
	if StripToken(v, h); len(h) != 0 || !TakesToken(v) {
		t.Error("the password is handed on")
	}
}

// TestNone: it lets everything in, and says that it knows nothing.
func TestNone(t *testing.T) {
	r, err := mustNew(t, Config{Scheme: "none"}).Verify(&Message{Method: "GET", URL: "https://a.example/?a=1"}, noon)
	if q, ok := r.Query(&Message{URL: "https://a.example/?a=1"}); err != nil || !r.Token || !r.Weak || r.Covers != 0 || q != "a=1" || !ok {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := NewSigner(Config{Scheme: "none", Secrets: []string{"k"}}); !errors.Is(err, ErrConfig) {
		t.Errorf("%v", err)
	}
}

// certificate makes one, signed by the parent, or by itself.
func certificate(t *testing.T, c *x509.Certificate, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c.SerialNumber, c.BasicConstraintsValid = big.NewInt(noon.Unix()), true
	if c.NotBefore.IsZero() {
		c.NotBefore, c.NotAfter = noon.Add(-time.Hour), noon.Add(time.Hour)
	}
	if c.KeyUsage = x509.KeyUsageDigitalSignature; c.IsCA {
		c.KeyUsage = x509.KeyUsageCertSign
	}
	if parent == nil {
		parent, parentKey = c, key
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)))), key
}

func TestClientCertificates(t *testing.T) {
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	ca, caKey := certificate(t, &x509.Certificate{IsCA: true, Subject: pkix.Name{CommonName: "CA"}}, nil, nil)
	between, betweenKey := certificate(t, &x509.Certificate{IsCA: true, Subject: pkix.Name{CommonName: "Between"}}, ca, caKey)
	other, otherKey := certificate(t, &x509.Certificate{IsCA: true, Subject: pkix.Name{CommonName: "CA"}}, nil, nil)
	leaf := func(c x509.Certificate, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
		one, _ := certificate(t, &c, parent, key)
		return one
	}
	crm := x509.Certificate{DNSNames: []string{"CRM.example.com"}, ExtKeyUsage: client}
	good, deep := leaf(crm, ca, caKey), leaf(crm, between, betweenKey)
	pinned := leaf(x509.Certificate{Subject: pkix.Name{CommonName: "self"}}, nil, nil)
	caPEM := asPEM("CERTIFICATE", ca.Raw)
	byIssuer := mustNew(t, Config{Scheme: "mtls", PublicKeys: []string{caPEM}, Names: []string{"crm.example.com", "legacy"}})
	byItself := mustNew(t, Config{Scheme: "client_certificate", PublicKeys: []string{std64.EncodeToString(pinned.Raw)}})
	for what, x := range map[string]struct {
		v     Verifier
		shown []*x509.Certificate
		want  error
	}{
		"of the issuer":        {byIssuer, []*x509.Certificate{good}, nil},
		"through another":      {byIssuer, []*x509.Certificate{deep, between}, nil},
		"without the other":    {byIssuer, []*x509.Certificate{deep}, ErrInvalid},
		"by its common name":   {byIssuer, []*x509.Certificate{leaf(x509.Certificate{Subject: pkix.Name{CommonName: "legacy"}, ExtKeyUsage: client}, ca, caKey)}, nil},
		"CN beside DNS names":  {byIssuer, []*x509.Certificate{leaf(x509.Certificate{Subject: pkix.Name{CommonName: "legacy"}, DNSNames: []string{"x.example"}, ExtKeyUsage: client}, ca, caKey)}, ErrInvalid},
		"of another issuer":    {byIssuer, []*x509.Certificate{leaf(crm, other, otherKey)}, ErrInvalid},
		"another name":         {byIssuer, []*x509.Certificate{leaf(x509.Certificate{DNSNames: []string{"x.example.com"}, ExtKeyUsage: client}, ca, caKey)}, ErrInvalid},
		"a server's":           {byIssuer, []*x509.Certificate{leaf(x509.Certificate{DNSNames: crm.DNSNames, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, ca, caKey)}, ErrInvalid},
		"expired":              {byIssuer, []*x509.Certificate{leaf(x509.Certificate{DNSNames: crm.DNSNames, ExtKeyUsage: client, NotBefore: noon.Add(-2 * time.Hour), NotAfter: noon.Add(-time.Hour)}, ca, caKey)}, ErrTimestamp},
		"none":                 {byIssuer, nil, ErrMissing},
		"pinned":               {byItself, []*x509.Certificate{pinned}, nil},
		"not the pinned":       {byItself, []*x509.Certificate{good, pinned}, ErrInvalid},
		"the issuer's own":     {byIssuer, []*x509.Certificate{ca}, ErrInvalid},
		"pinned for an issuer": {byIssuer, []*x509.Certificate{pinned}, ErrInvalid},
	} {
		m := &Message{Certificates: x.shown}
		r, err := x.v.Verify(m, noon)
		if !errors.Is(err, x.want) || err == nil && !r.Token {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
		if early := PrecheckMessage(x.v, m, noon); (early == nil) != (err == nil) {
			t.Errorf("%s: before the body: %v", what, early)
		}
	}
	for what, c := range map[string]Config{
		"an issuer without names": {PublicKeys: []string{caPEM}},
		"names without an issuer": {PublicKeys: []string{asPEM("CERTIFICATE", pinned.Raw)}, Names: []string{"a"}},
		"no certificate":          {PublicKeys: []string{public}},
		"nothing":                 {},
	} {
		c.Scheme = "client_certificate"
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
