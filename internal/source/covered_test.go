package source_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/source"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

const (
	limit   = 1 << 20
	address = "https://hooks.example.com/in?tenant=acme"
)

// strangers are headers that tell events apart, or name them, for some sender, and that its signature does not cover:
// those of other senders than the one at hand, too.
var strangers = []string{
	"X-Github-Delivery", "X-Github-Event", "X-Github-Hook-Id", "X-Shopify-Webhook-Id", "X-Shopify-Topic", "X-Shopify-Event-Id",
	"X-Zendesk-Webhook-Invocation-Id", "I-Twilio-Idempotency-Token", "Webhook-Id", "Svix-Id", "X-Event-Id", "Idempotency-Key",
	"X-Request-Id", "X-Hubspot-Signature", "X-Hubspot-Signature-Version", "Svix-Timestamp", "Webhook-Timestamp", "X-Forwarded-For", "Accept-Language",
}

// sender signs what a preset's sender sends.
type sender struct {
	preset   source.Preset
	parser   source.Parser
	signer   signature.Signer
	verifier signature.Verifier
}

func newSender(t testing.TB, p source.Preset, c signature.Config) *sender {
	t.Helper()
	s := &sender{preset: p}
	var err error
	if s.parser, err = source.New(p.Name, source.Options{}); err != nil {
		t.Fatal(err)
	}
	seed := bytes.Repeat([]byte{1}, 32)
	info, _ := signature.Lookup(c.Scheme)
	key := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("secret"), 5))
	c.Secrets = []string{key}
	if !info.NeedsSecret {
		c.Secrets = []string{base64.StdEncoding.EncodeToString(seed)}
	}
	if s.signer, err = signature.NewSigner(c); err != nil {
		t.Fatal(err)
	}
	if !info.NeedsSecret {
		c.Secrets, c.PublicKeys = nil, []string{base64.StdEncoding.EncodeToString(ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey))}
	}
	if s.verifier, err = signature.New(c); err != nil {
		t.Fatal(err)
	}
	return s
}

// seen is what the gateway makes of a request.
type seen struct {
	key               string
	named             bool
	record, eventType string
}

// see goes the gateway's way with a message.
func (s *sender) see(m *signature.Message) (seen, error) {
	r, err := s.verifier.Verify(m, noon)
	if err != nil {
		return seen{}, err
	}
	req, err := source.Open(m, &r, limit)
	if err != nil {
		return seen{}, err
	}
	id, err := s.parser.Identify(&req)
	if err != nil {
		return seen{}, err
	}
	c, err := s.parser.Parse(&req)
	if err != nil {
		return seen{}, err
	}
	record, err := json.Marshal(c)
	key, named := source.EventID(m, &r, &req, id, source.IDFrom{}, r.Digest(m))
	return seen{key, named, string(record), id.EventType}, err
}

func clone(m *signature.Message) *signature.Message {
	return &signature.Message{Method: m.Method, URL: m.URL, Header: m.Header.Clone(), Body: bytes.Clone(m.Body)}
}

var types = map[string]string{
	".json": "application/json", ".xml": "text/xml", ".form": "application/x-www-form-urlencoded", ".multipart": "multipart/form-data; boundary=xYz",
}

// presetsWithSamples signs each sample of each preset as its sender does.
func presetsWithSamples(t *testing.T, run func(t *testing.T, s *sender, m *signature.Message)) {
	samples, err := filepath.Glob("testdata/payloads/*")
	if err != nil || len(samples) == 0 {
		t.Fatal(err)
	}
	for _, p := range source.Presets() {
		configs := []signature.Config{{Scheme: p.Scheme}}
		switch p.Name {
		case "generic":
			configs = []signature.Config{
				{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig"}}, {Scheme: "bearer"}, {Scheme: "api_key"},
				{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig", Signed: "{method}{url}{body}"}},
			}
		case "vapi":
			configs = append(configs, signature.Config{Scheme: "vapi-hmac"}, signature.Config{Scheme: "vapi-bearer"})
		case "hubspot":
			configs = append(configs, signature.Config{Scheme: "hubspot-v2"}, signature.Config{Scheme: "hubspot-v1"})
		}
		found := 0
		for _, c := range configs {
			s := newSender(t, p, c)
			for _, file := range samples {
				kind, known := types[filepath.Ext(file)]
				if !known || !strings.HasPrefix(filepath.Base(file), p.Name+"-") {
					continue
				}
				body, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				m := &signature.Message{Method: "POST", URL: address, Body: body, Header: http.Header{"Content-Type": {kind}}}
				if err := s.signer.Sign(m, "msg_1", noon); err != nil {
					continue // a form where the scheme signs JSON
				}
				found++
				t.Run(p.Name+"/"+c.Scheme+"/"+filepath.Base(file), func(t *testing.T) { run(t, s, m) })
			}
		}
		if found == 0 {
			t.Errorf("%s: no sample could be signed", p.Name)
		}
	}
}

// TestNothingUnsignedCounts: of what a signature does not cover nothing changes which event a request is, what type it is
// of, or what its call says. It may be refused.
func TestNothingUnsignedCounts(t *testing.T) {
	presetsWithSamples(t, func(t *testing.T, s *sender, m *signature.Message) {
		want, err := s.see(m)
		if err != nil {
			t.Fatal(err)
		}
		same := func(what string, change func(*signature.Message)) {
			t.Helper()
			c := clone(m)
			change(c)
			got, err := s.see(c)
			if err == nil && got != want {
				t.Errorf("%s: got %+v, want %+v", what, got, want)
			}
		}
		for _, h := range strangers {
			for _, v := range []string{"forged", "ping", "v1", ""} {
				same("header "+h, func(m *signature.Message) {
					if _, there := m.Header[h]; !there {
						m.Header.Set(h, v)
					}
				})
			}
		}
		for h := range m.Header {
			same("no "+h, func(m *signature.Message) { m.Header.Del(h) })
			same("another "+h, func(m *signature.Message) { m.Header.Set(h, "forged") })
		}
		for _, kind := range []string{"", "text/plain", "application/json", "application/x-www-form-urlencoded", "text/xml; charset=latin1", "multipart/form-data; boundary=zz", "application/jwt"} {
			same("Content-Type "+kind, func(m *signature.Message) { m.Header.Set("Content-Type", kind) })
		}
		for _, e := range []string{"gzip", "br", "identity"} {
			same("Content-Encoding "+e, func(m *signature.Message) { m.Header.Set("Content-Encoding", e) })
		}
		for _, method := range []string{"GET", "PUT", "DELETE", "PATCH"} {
			same("method "+method, func(m *signature.Message) { m.Method = method })
		}
		for _, u := range []string{
			"https://hooks.example.com/in", address + "&caller_phone=%2B15550001111&event_id=forged", "https://hooks.example.com/other?CallSid=forged",
			"https://HOOKS.example.com:443/in?tenant=acme", strings.Replace(m.URL, "tenant", "%74enant", 1),
		} {
			same("URL "+u, func(m *signature.Message) { m.URL = u })
		}
		r, _ := s.verifier.Verify(m, noon)
		if r.Weak || r.Payload != nil {
			return
		}
		same("white space", func(m *signature.Message) { m.Body = append(m.Body, ' ') })
		same("empty body", func(m *signature.Message) { m.Body = nil })
	})
}

// TestMovedBytesAreOneEvent: Twilio signs names and values without anything between, and others URL and body. Whatever an
// observer moves, the request is the same event.
func TestMovedBytesAreOneEvent(t *testing.T) {
	moved := 0
	presetsWithSamples(t, func(t *testing.T, s *sender, m *signature.Message) {
		want, err := s.see(m)
		if err != nil {
			t.Fatal(err)
		}
		all := []*signature.Message{}
		step := 1 // where the parts are apart, a few places will do
		if r, err := s.verifier.Verify(m, noon); err != nil || !r.Joined {
			step += len(m.Body) / 16
		}
		for at := 1; at < len(m.Body); at += step { // bytes of the body to the URL
			c := clone(m)
			c.URL, c.Body = m.URL+string(m.Body[:at]), m.Body[at:]
			all = append(all, c)
		}
		whole := clone(m)
		whole.URL, whole.Body = m.URL+string(m.Body), nil
		all = append(all, whole)
		if text := string(m.Body); m.Header.Get("Content-Type") == types[".form"] {
			for at, b := range text { // a name ends elsewhere
				if b != '=' || at == 0 {
					continue
				}
				for _, x := range []string{text[:at-1] + "=" + text[at-1:at] + text[at+1:], text[:at] + text[at+1:]} {
					c := clone(m)
					c.Body = []byte(x)
					all = append(all, c)
				}
			}
		}
		for _, c := range all {
			for _, method := range []string{"POST", "GET"} {
				c.Method = method
				r, err := s.verifier.Verify(c, noon)
				if err != nil || r.Token {
					continue
				}
				got, err := s.see(c)
				if err == nil && got.key != want.key {
					t.Errorf("%s %s %.60s: %s, and %s before", method, c.URL, c.Body, got.key, want.key)
				}
				moved++
			}
		}
	})
	if moved < 20 {
		t.Errorf("only %d requests with bytes moved were verified: the test looks at nothing", moved)
	}
}

// TestEmptyBodies: one signature of an empty body is that of all, so no query is believed beside it. Where the URL is
// signed, or the sender shows a token, it is.
func TestEmptyBodies(t *testing.T) {
	for name, x := range map[string]struct {
		preset string
		c      signature.Config
		method string
		want   error
	}{
		"nextphone":              {"nextphone", signature.Config{Scheme: "nextphone"}, "GET", source.ErrUncovered},
		"github":                 {"github", signature.Config{Scheme: "github"}, "POST", source.ErrUncovered},
		"stripe":                 {"stripe", signature.Config{Scheme: "stripe"}, "DELETE", source.ErrUncovered},
		"standard-webhooks":      {"standard-webhooks", signature.Config{Scheme: "standard-webhooks"}, "GET", source.ErrUncovered},
		"vonage":                 {"vonage", signature.Config{Scheme: "vonage"}, "GET", source.ErrUncovered},
		"telnyx":                 {"telnyx", signature.Config{Scheme: "telnyx"}, "POST", source.ErrUncovered},
		"hubspot POST":           {"hubspot", signature.Config{Scheme: "hubspot"}, "POST", source.ErrUncovered},
		"hubspot GET":            {"hubspot", signature.Config{Scheme: "hubspot"}, "GET", nil},
		"twilio GET":             {"twilio", signature.Config{Scheme: "twilio"}, "GET", nil},
		"twilio POST":            {"twilio", signature.Config{Scheme: "twilio"}, "POST", nil},
		"generic, URL signed":    {"generic", signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig", Signed: "{method} {url}\n{body}"}}, "GET", nil},
		"generic, method signed": {"generic", signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig", Signed: "{method}\n{body}"}}, "GET", source.ErrUncovered},
		"bearer":                 {"generic", signature.Config{Scheme: "bearer"}, "GET", nil},
		"vapi-secret":            {"vapi", signature.Config{Scheme: "vapi-secret"}, "POST", nil},
	} {
		p, _ := source.Find(x.preset)
		s := newSender(t, p, x.c)
		m := &signature.Message{Method: x.method, URL: address + "&caller_phone=%2B15559876543&CallSid=CA1", Header: http.Header{"Content-Type": {"text/plain"}}}
		if err := s.signer.Sign(m, "msg_1", noon); err != nil {
			t.Fatal(name, err)
		}
		got, err := s.see(m)
		if !errors.Is(err, x.want) || err == nil && !strings.Contains(got.record, "acme") && x.preset != "vapi" {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		if err == nil { // another query is another event, or none
			m.URL = address + "&caller_phone=%2B15550001111&CallSid=CA2"
			if !strings.Contains(name, "bearer") && !strings.Contains(name, "vapi") {
				if other, err := s.see(m); err == nil {
					t.Errorf("%s: another query was accepted: %+v", name, other)
				}
				continue
			}
			if other, err := s.see(m); err != nil || other.key == got.key {
				t.Errorf("%s: another query: %+v, %v", name, other, err)
			}
		}
	}
}

// TestOpenExpands: whether a body is gzip shows in it, and not in a header that anybody can leave out.
func TestOpenExpands(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(`{"event_id":"e-1"}` + strings.Repeat(" ", 1000)))
	w.Close()
	p, _ := source.Find("generic")
	s := newSender(t, p, signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig"}})
	m := &signature.Message{Method: "POST", URL: address, Body: b.Bytes(), Header: http.Header{}}
	if err := s.signer.Sign(m, "", noon); err != nil {
		t.Fatal(err)
	}
	for _, e := range []string{"", "gzip", "x-gzip", "identity"} {
		m.Header.Set("Content-Encoding", e)
		if got, err := s.see(m); err != nil || got.key != "e-1" {
			t.Errorf("%q: %+v, %v", e, got, err)
		}
	}
	r, err := s.verifier.Verify(m, noon)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := source.Open(m, &r, 1000); !errors.Is(err, source.ErrTooLarge) {
		t.Errorf("beyond the limit: %v", err)
	}
	for e, want := range map[string]error{"br": source.ErrEncoding, "gzip": source.ErrMalformed} {
		c := clone(m)
		c.Body = []byte(`{}`)
		c.Header.Set("Content-Encoding", e)
		if _, err := source.Open(c, &r, limit); !errors.Is(err, want) {
			t.Errorf("%s: %v", e, err)
		}
	}
	cut := clone(m)
	cut.Body = cut.Body[:len(cut.Body)-9]
	if _, err := source.Open(cut, &r, limit); !errors.Is(err, source.ErrMalformed) {
		t.Errorf("cut short: %v", err)
	}
}

// TestWhereTheIDIsFrom: the operator's choice counts, where it is signed.
func TestWhereTheIDIsFrom(t *testing.T) {
	path, err := source.NewJSONPathID("$.ids.mine")
	if err != nil {
		t.Fatal(err)
	}
	p, _ := source.Find("generic")
	own := signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig", Signed: "{id}\n{body}", IDHeader: "X-Id"}}
	for name, x := range map[string]struct {
		c    signature.Config
		from source.IDFrom
		body string
		want string // empty for the digest
	}{
		"signed id":          {own, source.IDFrom{}, `{"event_id":"b"}`, "msg_1"},
		"signed header":      {own, source.IDFrom{Header: "X-Id"}, `{"event_id":"b"}`, "msg_1"},
		"unsigned header":    {signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig"}}, source.IDFrom{Header: "X-Id"}, `{"event_id":"b"}`, ""},
		"header and token":   {signature.Config{Scheme: "bearer"}, source.IDFrom{Header: "X-Id"}, `{"event_id":"b"}`, "h-1"},
		"path":               {own, source.IDFrom{Path: path}, `{"event_id":"b","ids":{"mine":"m"}}`, "m"},
		"path to nothing":    {own, source.IDFrom{Path: path}, `{"event_id":"b"}`, ""},
		"digest":             {own, source.IDFrom{Digest: true}, `{"event_id":"b"}`, ""},
		"body":               {signature.Config{Scheme: "bearer"}, source.IDFrom{}, `{"event_id":"b"}`, "b"},
		"nothing":            {signature.Config{Scheme: "bearer"}, source.IDFrom{}, `{"x":"b"}`, ""},
		"bytes can be moved": {signature.Config{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig", Signed: "{url}{body}"}}, source.IDFrom{}, `{"event_id":"b"}`, ""},
	} {
		s := newSender(t, p, x.c)
		m := &signature.Message{Method: "POST", URL: address, Body: []byte(x.body), Header: http.Header{}}
		if err := s.signer.Sign(m, "msg_1", noon); err != nil {
			t.Fatal(err)
		}
		if m.Header.Get("X-Id") == "" {
			m.Header.Set("X-Id", "h-1")
		}
		r, err := s.verifier.Verify(m, noon)
		if err != nil {
			t.Fatal(err)
		}
		req, err := source.Open(m, &r, limit)
		if err != nil {
			t.Fatal(err)
		}
		id, err := s.parser.Identify(&req)
		if err != nil {
			t.Fatal(err)
		}
		got, named := source.EventID(m, &r, &req, id, x.from, r.Digest(m))
		if named != (x.want != "") {
			t.Errorf("%s: %q is said to be an id: %v", name, got, named)
		}
		if x.want == "" && (len(got) != len("sha256:")+64 || !strings.HasPrefix(got, "sha256:")) || x.want != "" && got != x.want {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestIDHeadersAreSigned: what a preset calls the header of the event's id is one that its scheme signs.
func TestIDHeadersAreSigned(t *testing.T) {
	for _, p := range source.Presets() {
		if p.EventIDHeader == "" {
			continue
		}
		if s := newSender(t, p, signature.Config{Scheme: p.Scheme}); !signature.SignsHeader(s.verifier, p.EventIDHeader) {
			t.Errorf("%s: %s is not signed", p.Name, p.EventIDHeader)
		}
	}
}
