package signature

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"crypto"
)

// TestPlivo: the first signature was computed by Plivo's own library for Python.
func TestPlivo(t *testing.T) {
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	const body = "CallUUID=cu-1&From=15550100123&To=15550100999&CallStatus=completed&Direction=inbound&Duration=62"
	const u = "https://hooks.example.com/plivo?tenant=acme"
	c := Config{Scheme: "plivo", Secrets: []string{"plivo-token"}}
	v := mustNew(t, c)
	m := &Message{Method: "POST", URL: u, Header: form.Clone(), Body: []byte(body)}
	m.Header.Set("X-Plivo-Signature-V3", "AAAA,4vKkFg+lS2wY2aJyvbjokeRbj587AwyTX42A8+UQQhU=")
	m.Header.Set("X-Plivo-Signature-V3-Nonce", "nonce-1")
	r, err := v.Verify(m, noon)
	if err != nil || r.Covers != CoversURL|CoversParams || !r.Joined || r.ID != "" || r.URL != u {
		t.Fatalf("%+v, %v", r, err)
	}
	if err := Precheck(v, m.Header, noon); err != nil {
		t.Error(err)
	}
	other := m.clone() // in another order, and under another nonce: one event
	other.Body = []byte("Duration=62&To=15550100999&CallUUID=cu-1&From=15550100123&CallStatus=completed&Direction=inbound")
	s, err := NewSigner(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sign(other, "nonce-2", noon); err != nil {
		t.Fatal(err)
	}
	if again, err := v.Verify(other, noon); err != nil || again.Digest(other) != r.Digest(m) {
		t.Errorf("%+v, %v", again, err)
	}
	for what, x := range map[string]struct {
		change func(*Message)
		want   error
	}{
		"another value":  {func(m *Message) { m.Body = []byte(strings.Replace(body, "62", "63", 1)) }, ErrInvalid},
		"another query":  {func(m *Message) { m.URL = strings.Replace(u, "acme", "acmf", 1) }, ErrInvalid},
		"another nonce":  {func(m *Message) { m.Header.Set("X-Plivo-Signature-V3-Nonce", "nonce-2") }, ErrInvalid},
		"no nonce":       {func(m *Message) { m.Header.Del("X-Plivo-Signature-V3-Nonce") }, ErrMissing},
		"no signature":   {func(m *Message) { m.Header.Del("X-Plivo-Signature-V3") }, ErrMissing},
		"none in base64": {func(m *Message) { m.Header.Set("X-Plivo-Signature-V3", "x,y") }, ErrMalformed},
		"JSON":           {func(m *Message) { m.Header.Set("Content-Type", "application/json"); m.Body = []byte(`{"a":1}`) }, ErrMalformed},
		"garbled form":   {func(m *Message) { m.Body = []byte("a=%zz") }, ErrMalformed},
		"many signatures": {func(m *Message) {
			m.Header.Set("X-Plivo-Signature-V3", strings.Repeat("4vKkFg+lS2wY2aJyvbjokeRbj587AwyTX42A8+UQQhU=,", 17))
		}, ErrMalformed},
		"of the main account": {func(m *Message) {
			m.Header["X-Plivo-Signature-Ma-V3"] = m.Header["X-Plivo-Signature-V3"]
			delete(m.Header, "X-Plivo-Signature-V3")
		}, nil},
	} {
		c := m.clone()
		x.change(c)
		if _, err := v.Verify(c, noon); !errors.Is(err, x.want) {
			t.Errorf("%s: %v, want %v", what, err, x.want)
		}
	}
	// What the library for Python makes of other requests, written down by hand from it.
	for _, x := range []struct{ method, url, body, text string }{
		{"POST", "https://a.example/p", "b=2&a=1", "https://a.example/p?a1b2"},
		{"POST", "https://a.example/p?z=%20y&c=d", "b=2&a=1", "https://a.example/p?c=d&z= y.a1b2"},
		{"POST", "https://a.example/p?c=d", "", "https://a.example/p?c=d"},
		{"GET", "https://a.example/p?b=2&a=1", "", "https://a.example/p?a=1&b=2"},
		{"GET", "https://a.example/p", "", "https://a.example/p"},
		{"POST", "https://a.example/p", "a=2&a=1&A=0", "https://a.example/p?A0a1a2"},
	} {
		text, err := plivoText(&Message{Method: x.method, URL: x.url, Header: form, Body: []byte(x.body)})
		if err != nil || string(text) != x.text {
			t.Errorf("%s %s %s: %s, %v", x.method, x.url, x.body, text, err)
		}
	}
	if got := SensitiveOf("plivo", v); len(got.Headers) != 2 {
		t.Errorf("%v", got)
	}
}

// TestSinch: the example of Sinch's documentation.
func TestSinch(t *testing.T) {
	v := mustNew(t, Config{Scheme: "sinch", Secrets: []string{"BeIukql3pTKJ8RGL5zo0DA=="}})
	m := &Message{
		Method: "POST", URL: "https://callbacks.yourdomain.com/sinch/callback/ace", Body: []byte(`{"event":"ace","callid":"822aa4b7-05b4-4d83-87c7-1f835ee0b6f6_257","timestamp":"2014-09-24T10:59:41Z","version":1}`),
		Header: http.Header{
			"Authorization": {"application 669E367E-6BBA-48AB-AF15-266871C28135:Tg6fMyo8mj9pYfWQ9ssbx3Tc1BNC87IEygAfLbJqZb4="},
			"X-Timestamp":   {"2014-09-24T10:59:41Z"}, "Content-Type": {"application/json"},
		},
	}
	at := time.Date(2014, 9, 24, 10, 59, 41, 0, time.UTC)
	if r, err := v.Verify(m, at); err != nil || !r.Timestamp.Equal(at) {
		t.Errorf("%+v, %v", r, err)
	}
	for what, change := range map[string]func(*Message){
		"path":         func(m *Message) { m.URL += "x" },
		"method":       func(m *Message) { m.Method = "PUT" },
		"content type": func(m *Message) { m.Header.Set("Content-Type", "text/plain") },
		"body":         func(m *Message) { m.Body[2] ^= 1 },
	} {
		c := m.clone()
		change(c)
		if _, err := v.Verify(c, at); !errors.Is(err, ErrInvalid) {
			t.Errorf("another %s: %v", what, err)
		}
	}
	for _, a := range []string{"application Tg6fMyo8mj9pYfWQ9ssbx3Tc1BNC87IEygAfLbJqZb4=", "Bearer a:Tg6fMyo8mj9pYfWQ9ssbx3Tc1BNC87IEygAfLbJqZb4=", "application :Tg6fMyo8mj9pYfWQ9ssbx3Tc1BNC87IEygAfLbJqZb4=", "application a:b"} {
		c := m.clone()
		c.Header.Set("Authorization", a)
		if _, err := v.Verify(c, at); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", a, err)
		}
	}
}

// TestJustCall: JustCall's published example. What is not signed can be changed, and the Result says so.
func TestJustCall(t *testing.T) {
	v := mustNew(t, Config{Scheme: "justcall", Secrets: []string{"x", "ea39089c40790e9dc7a080ec95e849b8fa0fa5fb"}})
	at := time.Date(2024, 3, 21, 17, 8, 22, 0, time.UTC)
	m := &Message{
		Body: []byte(`{"type":"call.completed","webhook_url":"https://webhook.site/3bcea770-370a-4b09-8b66-426f687e08a4","data":{}}`),
		Header: http.Header{
			"X-Justcall-Signature":         {"56761bae5b27a784a3ddd2af828bc5def7176bc0a8650199b04c737bd39bbecf"},
			"X-Justcall-Request-Timestamp": {"2024-03-21 17:08:22"},
		},
	}
	if r, err := v.Verify(m, at); err != nil || !r.Token || !r.Weak || r.Covers != 0 || r.ID != "" || r.Secret != 1 || !r.Timestamp.Equal(at) {
		t.Errorf("%+v, %v", r, err)
	}
	for what, x := range map[string]struct {
		body string
		want error
	}{
		"another type":    {strings.Replace(string(m.Body), "completed", "missed", 1), ErrInvalid},
		"another address": {strings.Replace(string(m.Body), "3bcea770", "3bcea771", 1), ErrInvalid},
		"no JSON":         {"x", ErrMalformed},
	} {
		if _, err := v.Verify(&Message{Header: m.Header, Body: []byte(x.body)}, at); !errors.Is(err, x.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := v.Verify(m, at.Add(6*time.Minute)); !errors.Is(err, ErrTimestamp) {
		t.Errorf("later: %v", err)
	}
}

// TestGoHighLevel: the newer signature decides alone where it is there, and the older one counts only where its key is given.
func TestGoHighLevel(t *testing.T) {
	body := []byte(`{"type":"InboundMessage","webhookId":"wh-1"}`)
	sum := sha256.Sum256(body)
	old := base64.StdEncoding.EncodeToString(must(rsa.SignPKCS1v15(rand.Reader, rsaPrivate, crypto.SHA256, sum[:])))
	now := base64.StdEncoding.EncodeToString(ed25519.Sign(private, body))
	wrong := base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte("x")))
	both := mustNew(t, Config{Scheme: "gohighlevel", PublicKeys: []string{public, rsaPublicPEM}})
	newer := mustNew(t, Config{Scheme: "gohighlevel", PublicKeys: []string{public}})
	own := mustNew(t, Config{Scheme: "highlevel"})
	for what, x := range map[string]struct {
		v        Verifier
		now, old string
		want     error
	}{
		"newer":                    {newer, now, "", nil},
		"newer, and the older":     {both, now, old, nil},
		"older":                    {both, "", old, nil},
		"older, without its key":   {newer, "", old, ErrMissing},
		"newer is wrong":           {both, wrong, old, ErrInvalid},
		"newer is malformed":       {both, "AAAA", old, ErrMalformed},
		"older is wrong":           {both, "", wrong, ErrInvalid},
		"neither":                  {both, "", "", ErrMissing},
		"under the vendor's key":   {own, now, "", ErrInvalid}, // of which nobody here has the other half
		"older, the vendor's keys": {own, "", old, ErrMissing},
	} {
		m := &Message{Body: body, Header: http.Header{}}
		if x.now != "" {
			m.Header.Set("X-GHL-Signature", x.now)
		}
		if x.old != "" {
			m.Header.Set("X-WH-Signature", x.old)
		}
		if r, err := x.v.Verify(m, noon); !errors.Is(err, x.want) || err == nil && r.Covers != CoversBody {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
	if _, err := New(Config{Scheme: "gohighlevel", PublicKeys: []string{"AAAA"}}); !errors.Is(err, ErrConfig) {
		t.Error(err)
	}
}
