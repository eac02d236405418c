package signature

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// absent stands for a header that is not there, unlike one that is empty.
const absent = "-"

// fuzzHeaders gives verifiers headers and bodies that are signed with a key that they do not know: they have to
// refuse all of them, with one of the errors that are promised, and leave the message alone.
//
// A header that is absent is left out: which way some schemes go depends on which of their headers is there. So each
// header that was signed is a seed without the others too, as older senders have it.
func fuzzHeaders(f *testing.F, schemes ...string) {
	type target struct {
		info Info
		v    Verifier
	}
	var targets []target
	for _, s := range setups() {
		for _, name := range schemes {
			if s.name != name {
				continue
			}
			info, _ := Lookup(name)
			targets = append(targets, target{info, mustNew(f, s.wrong)})
			m := signed(f, s.signer, message())
			h := make([]string, 4)
			for i, n := range info.Headers {
				if i < len(h) {
					h[i] = m.Header.Get(n)
				}
			}
			f.Add(uint8(len(targets)-1), h[0], h[1], h[2], h[3], m.URL, "application/json", m.Body)
			for i := range h {
				alone := []string{absent, absent, absent, absent}
				alone[i] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
				if h[i] != "" {
					alone[i] = h[i]
				}
				if strings.HasPrefix(name, "hubspot-v") && i == 0 {
					alone[1] = strings.TrimPrefix(name, "hubspot-")
				}
				f.Add(uint8(len(targets)-1), alone[0], alone[1], alone[2], alone[3], m.URL, "application/x-www-form-urlencoded", []byte("a=1&b=%20"))
			}
		}
	}
	f.Add(uint8(0), "t=1767268800,v1=00,v1=", "1767268800", "msg_1", "hmac;1;1767268800000;AAAA,hmac;1;;", "https://a.example:1/?a=%2", "application/x-www-form-urlencoded", []byte("a=%41&b=+&a"))
	f.Fuzz(func(t *testing.T, which uint8, h0, h1, h2, h3, url, kind string, body []byte) {
		x := targets[int(which)%len(targets)]
		m := &Message{Method: "POST", URL: url, Header: http.Header{"Content-Type": {kind}}, Body: body}
		for i, n := range x.info.Headers {
			if v := []string{h0, h1, h2, h3, absent, absent, absent}[i]; v != absent {
				m.Header[http.CanonicalHeaderKey(n)] = []string{v}
			}
		}
		before, forms := m.clone(), made.Load()
		r, err := x.v.Verify(m, noon)
		if n := made.Load() - forms; n > 2 {
			t.Fatalf("%s: %d forms of one body were made", x.info.Name, n) // each takes what FuzzWork allows it
		}
		if err == nil {
			t.Fatalf("%s: accepted %+v", x.info.Name, r)
		}
		if !errors.Is(err, ErrMissing) && !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrTimestamp) && !errors.Is(err, ErrMalformed) {
			t.Fatalf("%s: %v", x.info.Name, err)
		}
		if !bytes.Equal(m.Body, before.Body) || m.URL != before.URL || len(m.Header) != len(before.Header) {
			t.Fatalf("%s: the message was changed", x.info.Name)
		}
	})
}

func FuzzHMACHeader(f *testing.F) {
	fuzzHeaders(f, "nextphone", "github", "stripe", "slack", "shopify", "retell", "elevenlabs", "callrail", "bland", "calendly",
		"zendesk", "intercom", "synthflow", "hmac")
}

func FuzzStandardWebhooksHeader(f *testing.F) {
	fuzzHeaders(f, "standard-webhooks", "standard-webhooks-v1a", "svix")
}

func FuzzQuoHeader(f *testing.F) { fuzzHeaders(f, "quo") }

func FuzzTwilioHeader(f *testing.F) { fuzzHeaders(f, "twilio", "signalwire", "signalwire-sha256") }

func FuzzHubspotHeader(f *testing.F) { fuzzHeaders(f, "hubspot", "hubspot-v2", "hubspot-v1") }

func FuzzTelnyxHeader(f *testing.F) { fuzzHeaders(f, "telnyx", "ed25519", "rsa") }

func FuzzJWT(f *testing.F) { fuzzHeaders(f, "dialpad", "vonage", "livekit", "jwt") }

func FuzzVendorHeaders(f *testing.F) {
	fuzzHeaders(f, "gohighlevel", "justcall", "sinch", "sinch-webhook", "ultravox")
}

func FuzzTokens(f *testing.F) {
	fuzzHeaders(f, "bearer", "api_key", "basic", "aircall", "body_token", "google-ads", "vapi", "vapi-secret", "vapi-bearer", "vapi-hmac")
}

// FuzzQuoLegacy reaches the older header, which is looked at only when the newer one is missing.
func FuzzQuoLegacy(f *testing.F) {
	v := mustNew(f, Config{Scheme: "quo", Secrets: []string{other}})
	f.Add("hmac;1;1767268800000;0000000000000000000000000000000000000000000=,hmac;1;1767268800000;AAAA", []byte(`{"a": 1}`))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		forms := made.Load()
		defer func() {
			if n := made.Load() - forms; n > 2 {
				t.Errorf("%d forms of one body were made", n)
			}
		}()
		if r, err := v.Verify(&Message{Header: http.Header{"Openphone-Signature": {header}}, Body: body}, noon); err == nil {
			t.Fatalf("accepted %+v", r)
		}
	})
}

// FuzzHMACConfig: what Validate accepts can sign, and verify what it signed.
func FuzzHMACConfig(f *testing.F) {
	f.Add("X-Sig", "sha256=", "{timestamp}.{body}", "X-Time", "", "", "", "", uint8(0))
	f.Add("x-sig", "", "v0:{id}:{timestamp}{method}{url}{json:call.call_id}{body}", "", "t", "v1", ",", "x-id", uint8(13))
	f.Add("x-sig", "v1,", "{svix-id}.{timestamp}.{body}", "svix-timestamp", "", "", " ", "svix-id", uint8(22))
	f.Fuzz(func(t *testing.T, header, prefix, template, tsHeader, tsKey, sigKey, sep, idHeader string, pick uint8) {
		c := &HMACConfig{
			Header: header, Prefix: prefix, Signed: template, TimestampHeader: tsHeader, TimestampKey: tsKey, SignatureKey: sigKey,
			ListSeparator: sep, IDHeader: idHeader,
			Algorithm:   []string{"sha1", "sha256", "sha512"}[pick%3],
			Encoding:    []string{"hex", "base64", "base64url"}[pick/3%3],
			KeyEncoding: []string{"text", "base64"}[pick/9%2],
		}
		if err := c.Validate(); err != nil {
			if !errors.Is(err, ErrConfig) {
				t.Fatal(err)
			}
			return
		}
		cfg := Config{Scheme: "hmac", Secrets: []string{secret}, HMAC: c}
		s, err := NewSigner(cfg)
		if err != nil {
			t.Fatal(err)
		}
		m := message()
		if err := s.Sign(m, "msg_1", noon); err != nil {
			return // a {json:path} that the body does not have
		}
		if _, err := mustNew(t, cfg).Verify(m, noon); err != nil {
			t.Fatalf("%+v: %q: %v", c, m.Header, err)
		}
	})
}

// FuzzTokenPlaces: whatever a body or a URL holds, what is left after the token was checked does not have it.
func FuzzTokenPlaces(f *testing.F) {
	inside := mustNew(f, Config{Scheme: "body_token", Secrets: []string{"s3cret"}, Path: "a.k"})
	query := mustNew(f, Config{Scheme: "api_key", Secrets: []string{"s3cret"}, Query: "k"})
	f.Add([]byte(`{"a":{"k":"s3cret"},"a":{"k":"s3cret","n":[{"k":1}]}}`), "https://a.example/?b=1&k=s3cret#f")
	f.Add([]byte(`{"a":{"\u006b":"s3cret"}}`), "?%6b=s3cret&&=")
	f.Fuzz(func(t *testing.T, body []byte, u string) {
		before := bytes.Clone(body)
		if r, err := inside.Verify(&Message{Body: body}, noon); err == nil {
			if _, err := inside.Verify(&Message{Body: r.Payload}, noon); !errors.Is(err, ErrMissing) {
				t.Fatalf("%s is left, %v", r.Payload, err)
			}
		}
		if !bytes.Equal(body, before) {
			t.Fatal("the body was changed")
		}
		if r, err := query.Verify(&Message{URL: u}, noon); err == nil {
			if _, err := query.Verify(&Message{URL: r.URL}, noon); !errors.Is(err, ErrMissing) {
				t.Fatalf("%s is left, %v", r.URL, err)
			}
		}
	})
}

// FuzzPlivo: of a form and a URL that nobody signed nothing is accepted, and what is signed is accepted in any order.
func FuzzPlivo(f *testing.F) {
	wrong := mustNew(f, Config{Scheme: "plivo", Secrets: []string{other}})
	c := Config{Scheme: "plivo", Secrets: []string{secret}}
	v := mustNew(f, c)
	s, err := NewSigner(c)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("https://a.example/p?b=%20&a", []byte("From=1&To=2&From=3"))
	f.Fuzz(func(t *testing.T, u string, body []byte) {
		m := &Message{Method: "POST", URL: u, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: body}
		if s.Sign(m, "n", noon) != nil {
			return
		}
		if r, err := wrong.Verify(m, noon); err == nil {
			t.Fatalf("accepted %+v", r)
		}
		if _, err := v.Verify(m, noon); err != nil {
			t.Fatal(err)
		}
	})
}
