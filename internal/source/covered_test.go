package source_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
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
	if c.Scheme == "basic" {
		c.Secrets = []string{"acme:" + key}
	}
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
	samples, err := filepath.Glob("samples/payloads/*")
	if err != nil || len(samples) == 0 {
		t.Fatal(err)
	}
	for _, p := range source.Presets() {
		configs := []signature.Config{{Scheme: p.Scheme}}
		switch p.Name {
		case "generic":
			configs = []signature.Config{
				{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig"}}, {Scheme: "bearer"}, {Scheme: "api_key"},
				{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig", Signed: "{body}.{header:X-Nonce}"}},
				{Scheme: "ed25519", HMAC: &signature.HMACConfig{Header: "X-Sig", Encoding: "base64"}},
				{Scheme: "jwt", HashClaim: "h"}, {Scheme: "api_key", Query: "token"},
				{Scheme: "hmac", HMAC: &signature.HMACConfig{Header: "X-Sig", Signed: "{method}{url}{body}"}},
			}
		case "ringcentral": // whose token may have any header
			configs = []signature.Config{{Scheme: "bearer"}, {Scheme: "api_key"}}
		case "jotform", "calltrackingmetrics": // which can be given an address alone
			configs = []signature.Config{{Scheme: "api_key", Query: "token"}}
		case "sinch":
			configs = append(configs, signature.Config{Scheme: "sinch-webhook"})
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
