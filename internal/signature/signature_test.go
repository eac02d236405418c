package signature

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	noon    = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	private = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	public  = base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	// secret is text, base64 and a private key all at once.
	secret = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("secret"), 5))
	other  = "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("other!"), 5))
)

// setup is how a scheme is used in the tests.
type setup struct {
	name           string
	signer, verify Config
	wrong          Config // with another key
}

func setups() []setup {
	var all []setup
	for _, i := range Schemes() {
		switch i.Name {
		case "none", "client_certificate":
			continue // nothing is signed; see callers_test.go
		case "plivo":
			continue // signs forms, and no JSON; see TestPlivo
		}
		c := Config{Scheme: i.Name, Secrets: []string{secret}}
		w := Config{Scheme: i.Name, Secrets: []string{other}}
		switch i.Name {
		case "body_token":
			c.Path, w.Path = "key", "key"
		case "basic":
			c.Secrets, w.Secrets = []string{"acme:" + secret}, []string{"acme:" + other}
		case "jwt":
			c.HashClaim, w.HashClaim = "body_hash", "body_hash"
		}
		if i.Name == "hmac" {
			c.HMAC = &HMACConfig{
				Header: "x-sig", Algorithm: "sha512", Encoding: "base64url", Prefix: "v9:", IDHeader: "x-id",
				TimestampHeader: "x-time", TimestampUnit: "ms", Signed: "{method} {url}\n{id}\n{timestamp}\n{json:call.call_id}\n{body}",
			}
			w.HMAC = c.HMAC
		}
		s := setup{i.Name, c, c, w}
		if i.Name == "ed25519" || i.Name == "rsa" {
			s.signer.HMAC = &HMACConfig{
				Header: "x-sig", Encoding: "base64", IDHeader: "x-id", TimestampHeader: "x-time", TimestampUnit: "utc",
				Signed: "{method} {url}\n{id}\n{timestamp}\n{body}",
			}
		}
		if i.Name == "rsa" {
			s.signer.Secrets = []string{rsaPrivatePEM}
			s.verify = Config{Scheme: i.Name, PublicKeys: []string{rsaPublicPEM}, HMAC: s.signer.HMAC}
			s.wrong = Config{Scheme: i.Name, PublicKeys: []string{rsaOtherPEM}, HMAC: s.signer.HMAC}
			all = append(all, s)
			continue
		}
		if i.NeedsPublicKey && !i.NeedsSecret {
			s.signer.Secrets = []string{base64.StdEncoding.EncodeToString(private)}
			s.verify = Config{Scheme: i.Name, PublicKeys: []string{public}, HMAC: s.signer.HMAC}
			s.wrong = Config{Scheme: i.Name, PublicKeys: []string{base64.StdEncoding.EncodeToString(make([]byte, 32))}, HMAC: s.signer.HMAC}
		}
		all = append(all, s)
	}
	return append(all, setup{
		"standard-webhooks-v1a", Config{Scheme: "standard-webhooks-v1a", Secrets: []string{"whsk_" + base64.StdEncoding.EncodeToString(private)}},
		Config{Scheme: "standard-webhooks-v1a", PublicKeys: []string{"whpk_" + public}},
		Config{Scheme: "standard-webhooks-v1a", PublicKeys: []string{base64.StdEncoding.EncodeToString(make([]byte, 32))}},
	})
}

func message() *Message {
	return &Message{
		Method: "POST", URL: "https://hooks.example.com/in?tenant=acme", Header: http.Header{"Content-Type": {"application/json"}},
		Body: []byte(`{"call":{"call_id":"c-1","n":1.50},"name":"Zo\u00eb \ud83d\ude80"}`),
	}
}

func (m *Message) clone() *Message {
	return &Message{Method: m.Method, URL: m.URL, Header: m.Header.Clone(), Body: bytes.Clone(m.Body)}
}

func mustNew(t testing.TB, c Config) Verifier {
	t.Helper()
	v, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func signed(t testing.TB, c Config, m *Message) *Message {
	t.Helper()
	s, err := NewSigner(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sign(m, "msg_1", noon); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestRoundTrip: what a Signer signs its Verifier accepts, and nothing that differs from it in what is signed.
func TestRoundTrip(t *testing.T) {
	for _, s := range setups() {
		t.Run(s.name, func(t *testing.T) {
			info, _ := Lookup(s.name)
			v := mustNew(t, s.verify)
			m := signed(t, s.signer, message())
			untouched := m.clone()
			r, err := v.Verify(m, noon)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(m.Body, untouched.Body) || len(m.Header) != len(untouched.Header) || m.URL != untouched.URL {
				t.Error("Verify changed the message")
			}
			if r.Weak != info.Weak || !r.Weak && r.Form != "raw" {
				t.Errorf("weak is %v, form is %q", r.Weak, r.Form)
			}
			if (r.Timestamp.IsZero()) != (info.TimestampTolerance == 0) || !r.Timestamp.IsZero() && !r.Timestamp.Equal(noon) {
				t.Errorf("the signed time is %v", r.Timestamp)
			}
			if s.name == "dialpad" && string(r.Payload) != string(message().Body) {
				t.Errorf("the payload is %s", r.Payload)
			}

			refuse := func(what string, v Verifier, m *Message, now time.Time, want ...error) {
				t.Helper()
				r, err := v.Verify(m, now)
				if err == nil {
					t.Errorf("%s: accepted: %+v", what, r)
					return
				}
				if !slices.ContainsFunc(want, func(e error) bool { return errors.Is(err, e) }) {
					t.Errorf("%s: %v", what, err)
				}
				for _, s := range []string{secret, "Zo", "c-1"} {
					if strings.Contains(err.Error(), s) {
						t.Errorf("%s: the error tells: %v", what, err)
					}
				}
			}
			refuse("another key", mustNew(t, s.wrong), m, noon, ErrInvalid)
			refuse("nothing", v, &Message{Method: "POST", URL: m.URL, Body: message().Body}, noon, ErrMissing, ErrMalformed)

			if tol := info.TimestampTolerance; tol > 0 {
				for _, d := range []time.Duration{tol, -tol} {
					if _, err := v.Verify(m, noon.Add(d)); err != nil {
						t.Errorf("%v later: %v", d, err)
					}
				}
				refuse("too old", v, m, noon.Add(tol+time.Second), ErrTimestamp)
				refuse("too new", v, m, noon.Add(-tol-time.Second), ErrTimestamp)
				wide := s.verify
				wide.Tolerance = time.Hour
				if _, err := mustNew(t, wide).Verify(m, noon.Add(time.Hour)); err != nil {
					t.Errorf("with a tolerance of an hour: %v", err)
				}
				refuse("beyond the tolerance", mustNew(t, wide), m, noon.Add(-time.Hour-time.Second), ErrTimestamp)
			} else if _, err := v.Verify(m, noon.AddDate(10, 0, 0)); err != nil || !info.Replayable {
				t.Errorf("ten years later: %v, replayable is %v", err, info.Replayable)
			}

			for at := range m.Body {
				if info.Weak {
					break
				}
				c := m.clone()
				c.Body[at] ^= 1
				if _, err := v.Verify(c, noon); err == nil {
					t.Errorf("byte %d of the body changed: accepted", at)
				}
			}
			if !info.Weak && s.name != "dialpad" { // which trims white space around the token
				c := m.clone()
				c.Body = append(c.Body, '\n')
				refuseForm := s.name == "nextphone" || s.name == "quo"
				if _, err := v.Verify(c, noon); err == nil && !refuseForm {
					t.Error("a line feed after the body: accepted")
				}
			}
			if info.SignsURL || s.verify.HMAC != nil {
				c := m.clone()
				c.URL = strings.Replace(c.URL, "acme", "acmf", 1)
				refuse("another URL", v, c, noon, ErrInvalid)
			}
			for _, h := range changedHeaders(message(), m) {
				c := m.clone()
				if h == signalwireHeader { // the other one would count
					c.Header.Del(signalwireSHA256Header)
				}
				c.Header.Del(h)
				if h != signalwireSHA256Header {
					refuse("without "+h, v, c, noon, ErrMissing)
				}
				c.Header.Set(h, "")
				refuse("empty "+h, v, c, noon, ErrMissing)
				c.Header[h] = []string{m.Header.Get(h), m.Header.Get(h)}
				refuse("twice "+h, v, c, noon, ErrMalformed)
				c.Header.Set(h, strings.Repeat("A", 20000))
				refuse("long "+h, v, c, noon, ErrMalformed)
				for at := range m.Header.Get(h) {
					b := []byte(m.Header.Get(h))
					b[at] ^= 1
					c.Header.Set(h, string(b))
					if _, err := v.Verify(c, noon); err == nil && !(h == "Authorization" && at < 6) && !(s.name == "sinch" && at < len("application callgate")) {
						t.Errorf("byte %d of %s changed: accepted", at, h)
					}
				}
				v1 := m.Header.Get(h)
				for _, x := range []string{v1[:len(v1)-1], v1 + "0", v1 + "=", " " + v1, "\u00e9" + v1, v1 + "\n", v1 + "\x00"} {
					c.Header.Set(h, x)
					if r, err := v.Verify(c, noon); err == nil && !(x == " "+v1 && (strings.HasPrefix(v1, "v1") || s.name == "ultravox")) { // items of such a list have spaces between them
						t.Errorf("%s is %q: accepted %+v", h, x, r)
					}
				}
			}

			many := s.verify
			if len(many.Secrets) > 0 {
				many.Secrets = []string{s.wrong.Secrets[0], many.Secrets[0], s.wrong.Secrets[0]}
			} else {
				many.PublicKeys = append(slices.Clone(s.wrong.PublicKeys), many.PublicKeys...)
			}
			if r, err := mustNew(t, many).Verify(m, noon); err != nil || r.Secret != 1 {
				t.Errorf("with several keys: %+v, %v", r, err)
			}
		})
	}
}

// changedHeaders are the headers that signing set.
func changedHeaders(before, after *Message) (names []string) {
	for h := range after.Header {
		if h != "Content-Type" && !has(before.Header, h) {
			names = append(names, h)
		}
	}
	return names
}

func TestConfigErrors(t *testing.T) {
	key := []string{secret}
	for name, c := range map[string]Config{
		"no scheme":                {Secrets: key},
		"unknown scheme":           {Scheme: "nextfone", Secrets: key},
		"no secret":                {Scheme: "nextphone"},
		"empty secret":             {Scheme: "nextphone", Secrets: []string{""}},
		"empty second secret":      {Scheme: "nextphone", Secrets: []string{"a", ""}},
		"blank secret":             {Scheme: "nextphone", Secrets: []string{" \t"}},
		"line feed after secret":   {Scheme: "nextphone", Secrets: []string{"abc\n"}},
		"empty token":              {Scheme: "bearer", Secrets: []string{""}},
		"secret is no base64":      {Scheme: "svix", Secrets: []string{"whsec_not base64"}},
		"secret is only a prefix":  {Scheme: "standard-webhooks", Secrets: []string{"whsec_"}},
		"no key at all":            {Scheme: "standard-webhooks"},
		"public key for a secret":  {Scheme: "github", PublicKeys: []string{public}},
		"both where one has a use": {Scheme: "telnyx", Secrets: key, PublicKeys: []string{public}},
		"no public key":            {Scheme: "telnyx"},
		"short public key":         {Scheme: "telnyx", PublicKeys: []string{"AAAA"}},
		"empty public key":         {Scheme: "telnyx", PublicKeys: []string{""}},
		"secret for v1a":           {Scheme: "standard-webhooks-v1a", Secrets: key},
		"tolerance without time":   {Scheme: "nextphone", Secrets: key, Tolerance: time.Minute},
		"negative tolerance":       {Scheme: "stripe", Secrets: key, Tolerance: -1},
		"forms without effect":     {Scheme: "github", Secrets: key, Forms: []string{"js"}},
		"unknown form":             {Scheme: "nextphone", Secrets: key, Forms: []string{"ruby"}},
		"form twice":               {Scheme: "nextphone", Secrets: key, Forms: []string{"js", "js"}},
		"hmac options on a preset": {Scheme: "stripe", Secrets: key, HMAC: &HMACConfig{Header: "X"}},
		"header on a preset":       {Scheme: "stripe", Secrets: key, Header: "X"},
		"bad header":               {Scheme: "bearer", Secrets: key, Header: "X Y"},
		"hmac without options":     {Scheme: "hmac", Secrets: key},
		"hmac without header":      {Scheme: "hmac", Secrets: key, HMAC: &HMACConfig{}},
		"hmac, useless tolerance":  {Scheme: "hmac", Secrets: key, HMAC: &HMACConfig{Header: "X"}, Tolerance: time.Second},
		"hmac, hex key":            {Scheme: "hmac", Secrets: []string{"xyz"}, HMAC: &HMACConfig{Header: "X", KeyEncoding: "hex"}},
		"vapi, two credentials":    {Scheme: "vapi", Secrets: key, Header: "X", HMAC: &HMACConfig{Header: "X"}},
	} {
		if v, err := New(c); !errors.Is(err, ErrConfig) || v != nil && err == nil {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), public) {
			t.Errorf("%s: the error tells the key: %v", name, err)
		}
	}
	for name, c := range map[string]Config{
		"no secret":          {Scheme: "nextphone"},
		"public key":         {Scheme: "telnyx", PublicKeys: []string{public}},
		"no private key":     {Scheme: "telnyx", Secrets: []string{secret}},
		"halves do not fit":  {Scheme: "telnyx", Secrets: []string{base64.StdEncoding.EncodeToString(append(private.Seed(), make([]byte, 32)...))}},
		"whsk_ is too short": {Scheme: "standard-webhooks", Secrets: []string{"whsk_AAAA"}},
	} {
		if _, err := NewSigner(c); !errors.Is(err, ErrConfig) {
			t.Errorf("signer: %s: %v", name, err)
		}
	}
}

func TestHMACConfigErrors(t *testing.T) {
	yes, no := true, false
	for name, c := range map[string]HMACConfig{
		"algorithm":             {Header: "X", Algorithm: "md5"},
		"encoding":              {Header: "X", Encoding: "rot13"},
		"key encoding":          {Header: "X", KeyEncoding: "base32"},
		"unit":                  {Header: "X", TimestampHeader: "T", TimestampUnit: "days"},
		"placeholder":           {Header: "X", Signed: "{bdy}"},
		"open brace":            {Header: "X", Signed: "{body"},
		"path":                  {Header: "X", Signed: "{json:a..b}"},
		"no body":               {Header: "X", TimestampHeader: "T", Signed: "{timestamp}"},
		"unsigned time":         {Header: "X", TimestampHeader: "T", Signed: "{body}"},
		"time from nowhere":     {Header: "X", Signed: "{timestamp}{body}"},
		"time switched off":     {Header: "X", TimestampHeader: "T", Signed: "{timestamp}{body}", IncludeTimestamp: &no},
		"time switched on":      {Header: "X", IncludeTimestamp: &yes},
		"two times":             {Header: "X", TimestampHeader: "T", TimestampKey: "t", SignatureKey: "v"},
		"key without signature": {Header: "X", TimestampKey: "t"},
		"id from nowhere":       {Header: "X", Signed: "{id}{body}"},
		"unsigned id":           {Header: "X", IDHeader: "I", Signed: "{body}"},
		"useless tolerance":     {Header: "X", TolerancePast: time.Minute},
		"negative tolerance":    {Header: "X", TimestampHeader: "T", TolerancePast: -1},
		"separator":             {Header: "X", SignatureKey: "v", ListSeparator: "="},
		"header name":           {Header: "X:"},
		"one header twice":      {Header: "X", TimestampHeader: "x", Signed: "{timestamp}{body}"},
		"one key twice":         {Header: "X", TimestampKey: "t", SignatureKey: "t"},
		"separator in prefix":   {Header: "X", ListSeparator: ",", Prefix: "v1,"},
		"separator in digest":   {Header: "X", ListSeparator: "a"},
		"separator in time":     {Header: "X", TimestampKey: "t", SignatureKey: "v", TimestampUnit: "rfc3339", ListSeparator: ":"},
		"prefix with a space":   {Header: "X", Prefix: " v1"},
	} {
		if err := c.Validate(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (&HMACConfig{Header: "X", TimestampHeader: "T", Signed: "{body}", IncludeTimestamp: &no}).Validate(); err != nil {
		t.Errorf("a time that is not to be looked at: %v", err)
	}
}

// TestAliases: every name finds its scheme, and only one.
func TestAliases(t *testing.T) {
	seen := make(map[string]string)
	for _, i := range Schemes() {
		if i.Summary == "" || !i.NeedsSecret && !i.NeedsPublicKey && i.Name != "none" {
			t.Errorf("%s is not described", i.Name)
		}
		for _, n := range append([]string{i.Name}, i.Aliases...) {
			if got, ok := Lookup(n); !ok || got.Name != i.Name || seen[n] != "" {
				t.Errorf("%s: found %q, and %q before", n, got.Name, seen[n])
			}
			seen[n] = i.Name
		}
	}
	for _, n := range strings.Fields(`nextphone standard-webhooks svix github stripe slack shopify twilio hubspot retell vapi elevenlabs
		telnyx signalwire callrail quo bland aircall dialpad synthflow calendly zendesk intercom vonage hmac bearer api_key
		standard-webhooks-v1a aircall-body-token vapi-secret vapi-bearer vapi-oauth2 vapi-hmac openphone`) {
		if seen[n] == "" {
			t.Errorf("there is no %s", n)
		}
	}
}
