package signature

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// covered is what each scheme covers of message().
var covered = map[string]Covers{
	"nextphone": CoversBody, "github": CoversBody, "shopify": CoversBody, "callrail": CoversBody, "bland": CoversBody,
	"intercom": CoversBody, "meta": CoversBody, "typeform": CoversBody, "tally": CoversBody, "calcom": CoversBody,
	"zoom": CoversBody | CoversTime, "hubspot-v1": CoversBody,
	"stripe": CoversBody | CoversTime, "slack": CoversBody | CoversTime, "retell": CoversBody | CoversTime,
	"elevenlabs": CoversBody | CoversTime, "calendly": CoversBody | CoversTime, "zendesk": CoversBody | CoversTime,
	"telnyx": CoversBody | CoversTime, "vapi-hmac": CoversBody | CoversTime, "vonage": CoversBody | CoversTime,
	"standard-webhooks": CoversBody | CoversTime | CoversID, "standard-webhooks-v1a": CoversBody | CoversTime | CoversID,
	"svix": CoversBody | CoversTime | CoversID, "quo": CoversBody | CoversTime | CoversID,
	"hubspot": CoversBody | CoversURL | CoversMethod | CoversTime, "hubspot-v2": CoversBody | CoversURL | CoversMethod,
	"twilio": CoversURL | CoversBody, "signalwire": CoversURL | CoversBody, "signalwire-sha256": CoversURL | CoversBody,
	"synthflow": CoversValues | CoversID, "dialpad": CoversForm,
	"hmac":    CoversBody | CoversURL | CoversMethod | CoversTime | CoversID,
	"rsa":     CoversBody | CoversURL | CoversMethod | CoversTime | CoversID,
	"ed25519": CoversBody | CoversURL | CoversMethod | CoversTime | CoversID,
	"livekit": CoversBody | CoversTime, "jwt": CoversBody | CoversTime,
	"basic": 0, "body_token": 0, "google-ads": 0, "justcall": 0, "gohighlevel": CoversBody, "ultravox": CoversBody | CoversTime,
	"sinch": CoversBody | CoversURL | CoversMethod | CoversTime, "sinch-webhook": CoversBody | CoversTime | CoversHeaders,
	"bearer": 0, "api_key": 0, "aircall": 0, "vapi": 0, "vapi-secret": 0, "vapi-bearer": 0,
}

// TestCovers: a Result says what the signature covers. What it does not can be changed, and changes nothing of what is
// told; what it covers cannot.
func TestCovers(t *testing.T) {
	for _, s := range setups() {
		v := mustNew(t, s.verify)
		m := signed(t, s.signer, message())
		r, err := v.Verify(m, noon)
		want, known := covered[s.name]
		if err != nil || !known || r.Covers != want || r.Token != (want == 0) {
			t.Errorf("%s: covers %v, token %v, want %v; %v", s.name, r.Covers, r.Token, want, err)
			continue
		}
		if info, _ := Lookup(s.name); info.Token != r.Token {
			t.Errorf("%s: the table says token %v", s.name, info.Token)
		}
		for what, change := range map[string]func(*Message){
			"method":  func(m *Message) { m.Method = "DELETE" },
			"URL":     func(m *Message) { m.URL = "https://hooks.example.com/other?tenant=acme&x=1" },
			"headers": func(m *Message) { m.Header.Set("X-Request-Id", "7"); m.Header.Set("Idempotency-Key", "7") },
		} {
			c := m.clone()
			change(c)
			again, err := v.Verify(c, noon)
			if part := map[string]Covers{"method": CoversMethod, "URL": CoversURL}[what]; part != 0 && r.Covers.Has(part) {
				if err == nil {
					t.Errorf("%s: another %s is accepted, though it is covered", s.name, what)
				}
				continue
			}
			if err != nil || again.Digest(c) != r.Digest(m) || again.ID != r.ID || again.URL != r.URL {
				t.Errorf("%s: another %s: %v, %+v", s.name, what, err, again)
			}
			if q, ok := again.Query(c); !r.Token && (ok != r.Covers.Has(CoversURL) || strings.Contains(q, "x=1")) {
				t.Errorf("%s: the query is %q, %v", s.name, q, ok)
			}
		}
		for _, h := range changedHeaders(message(), m) {
			if r.ID != "" && m.Header.Get(h) == r.ID && !SignsHeader(v, strings.ToLower(h)) {
				t.Errorf("%s: is said not to sign %s", s.name, h)
			}
		}
		if SignsHeader(v, "X-Request-Id") != (r.Token && s.name != "vapi") {
			t.Errorf("%s: is said to sign any header", s.name)
		}
	}
	if s := (CoversBody | CoversTime).String(); s != "body, time" || Covers(0).String() != "nothing" || len(coverNames) != 9 {
		t.Error(s)
	}
}

// TestLaterAttempts: what a sender signs again later is known by the same digest.
func TestLaterAttempts(t *testing.T) {
	for _, s := range setups() {
		c := s.verify
		if inBody[s.name] && s.name != "dialpad" {
			continue // the token is in the body
		}
		v, signer := mustNew(t, c), s.signer
		sg, err := NewSigner(signer)
		if err != nil {
			t.Fatal(err)
		}
		var sums [][32]byte
		for _, at := range []time.Time{noon, noon.Add(time.Minute)} {
			m := message()
			if err := sg.Sign(m, "msg_1", at); err != nil {
				t.Fatal(err)
			}
			r, err := v.Verify(m, at)
			if err != nil {
				t.Fatal(err)
			}
			sums = append(sums, r.Digest(m))
		}
		if sums[0] != sums[1] {
			t.Errorf("%s: the second attempt is another event", s.name)
		}
	}
}

// TestMovedBytes: where the signed text runs its parts together, bytes can be moved from one to the next under the same
// signature. The digest stays.
func TestMovedBytes(t *testing.T) {
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	hc := func(signed string) Config {
		return Config{Scheme: "hmac", Secrets: []string{secret}, HMAC: &HMACConfig{Header: "X-Sig", Signed: signed, IDHeader: map[bool]string{true: "X-Id"}[strings.Contains(signed, "{id}")]}}
	}
	for name, x := range map[string]struct {
		c        Config
		url      string
		body     string
		url2     string
		body2    string
		id2      string
		exactly  bool
		accepted bool
	}{
		"twilio, name to value":    {Config{Scheme: "twilio"}, "https://a.example/x", "CallSid=CA1&To=2", "https://a.example/x", "CallSi=dCA1&To=2", "", false, true},
		"twilio, value to name":    {Config{Scheme: "twilio"}, "https://a.example/x", "CallSid=CA1&To=2", "https://a.example/x", "CallSidCA1=&To=2", "", false, true},
		"twilio, two to one":       {Config{Scheme: "twilio"}, "https://a.example/x", "CallSid=CA1&To=2", "https://a.example/x", "CallSid=CA1To2", "", false, true},
		"twilio, name to URL":      {Config{Scheme: "twilio"}, "https://a.example/x", "CallSid=CA1", "https://a.example/xC", "allSid=CA1", "", false, true},
		"twilio, all to URL":       {Config{Scheme: "twilio"}, "https://a.example/x?", "CallSid=CA1", "https://a.example/x?CallSidCA1", "", "", false, true},
		"twilio, other order":      {Config{Scheme: "twilio"}, "https://a.example/x", "CallSid=CA1&To=2", "https://a.example/x", "To=2&CallSid=%43A1&To=2", "", false, true},
		"twilio, port":             {Config{Scheme: "twilio"}, "https://a.example/x", "CallSid=CA1", "https://a.example:443/x", "CallSid=CA1", "", false, true},
		"signalwire, body to URL":  {Config{Scheme: "signalwire-sha256"}, "https://a.example/x?", `a=1&b=2`, "https://a.example/x?a=1", "&b=2", "", false, true},
		"signalwire, JSON to URL":  {Config{Scheme: "signalwire-sha256"}, "https://a.example/x?", `{"a":1}`, `https://a.example/x?{"a":1}`, "", "", false, true},
		"hubspot, body to URL":     {Config{Scheme: "hubspot-v2"}, "https://a.example/x?", `a=1&b=2`, "https://a.example/x?a=1", "&b=2", "", false, true},
		"generic, body to URL":     {hc("{url}{body}"), "https://a.example/x?", `a=1&b=2`, "https://a.example/x?a=1", "&b=2", "", false, true},
		"generic, point":           {hc("{url}.{body}"), "https://a.example/x", `a=1.5&b=2`, "https://a.example/x.a=1", "5&b=2", "", false, true},
		"generic, id":              {hc("{id}:{body}"), "", `a=1:5&b=2`, "", "5&b=2", "msg_1:a=1", false, true},
		"generic, line feed":       {hc("{url}\n{body}"), "https://a.example/x", `a=1&b=2`, "https://a.example/xa=1", "&b=2", "", true, false},
		"generic, JSON before URL": {hc("{body}{url}"), "https://a.example/x", `{"a":1}`, "https://a.example/x", `{"a":1}`, "", false, true},
	} {
		x.c.Secrets = []string{secret}
		m := &Message{Method: "POST", URL: x.url, Header: form.Clone(), Body: []byte(x.body)}
		v := mustNew(t, x.c)
		r, err := v.Verify(signed(t, x.c, m), noon)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c := m.clone()
		c.URL, c.Body = x.url2, []byte(x.body2)
		if x.id2 != "" {
			c.Header.Set("X-Id", x.id2)
		}
		moved, err := v.Verify(c, noon)
		if (err == nil) != x.accepted {
			t.Errorf("%s: moved: %v", name, err)
			continue
		}
		if r.Exact(m) != x.exactly || err == nil && (moved.Digest(c) != r.Digest(m) || moved.Exact(c) != x.exactly) {
			t.Errorf("%s: got %x of %s, exact %v, and %x of %s, exact %v", name, r.Digest(m), x.body, r.Exact(m), moved.Digest(c), x.body2, moved.Exact(c))
		}
	}
}

// TestDigestsDiffer: what is signed otherwise has another digest.
func TestDigestsDiffer(t *testing.T) {
	for _, s := range []string{"twilio", "signalwire", "hubspot", "hubspot-v2", "nextphone", "stripe", "bearer"} {
		c := Config{Scheme: s, Secrets: []string{secret}}
		seen := make(map[[32]byte]string)
		for _, u := range []string{"https://a.example/x?n=1", "https://a.example/x?n=2"} {
			for _, body := range []string{"", `{"a":1}`, `{"a":2}`} {
				m := signed(t, c, &Message{Method: "POST", URL: u, Body: []byte(body), Header: http.Header{}})
				r, err := mustNew(t, c).Verify(m, noon)
				if s == "nextphone" && errors.Is(err, ErrBody) {
					continue
				}
				if err != nil {
					t.Fatal(s, err)
				}
				what := body
				if r.Covers.Has(CoversURL) || r.Token && body == "" {
					what += u
				}
				sum := r.Digest(m)
				if old, ok := seen[sum]; ok && old != what {
					t.Errorf("%s: %s and %s have one digest", s, old, what)
				}
				seen[sum] = what
			}
		}
	}
}

// TestQuerySigned: the query that may be read is that of the URL that was signed, in whichever spelling it came.
func TestQuerySigned(t *testing.T) {
	c := Config{Scheme: "twilio", Secrets: []string{secret}}
	m := signed(t, c, &Message{Method: "GET", URL: "https://a.example/x?a=%2B1&b=c%20d", Header: http.Header{}})
	m.URL = "https://a.example/x?a=%2b1&b=c+d"
	r, err := mustNew(t, c).Verify(m, noon)
	if err != nil {
		t.Fatal(err)
	}
	q, ok := r.Query(m)
	if vs, err := url.ParseQuery(q); !ok || err != nil || vs.Get("a") != "+1" || vs.Get("b") != "c d" || q == "a=%2b1&b=c+d" {
		t.Errorf("%q, %v", q, ok)
	}
}

// inBody are the schemes whose signature or token is in the body.
var inBody = map[string]bool{"aircall": true, "dialpad": true, "body_token": true, "google-ads": true}

// TestPrecheck: the headers alone tell all that they tell together with the body, and nothing more.
func TestPrecheck(t *testing.T) {
	for _, s := range setups() {
		v := mustNew(t, s.verify)
		if _, ok := v.(Prechecker); ok == inBody[s.name] {
			t.Errorf("%s: can tell from the headers: %v", s.name, ok)
		}
		if inBody[s.name] {
			continue
		}
		m := signed(t, s.signer, message())
		if err := Precheck(v, m.Header, noon); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		for what, change := range map[string]func(h http.Header, name string){
			"gone":  func(h http.Header, n string) { h.Del(n) },
			"empty": func(h http.Header, n string) { h.Set(n, "") },
			"twice": func(h http.Header, n string) { h.Add(n, h.Get(n)) },
			"short": func(h http.Header, n string) { h.Set(n, h.Get(n)[1:]) },
			"long":  func(h http.Header, n string) { h.Set(n, strings.Repeat("x", 20000)) },
			"other": func(h http.Header, n string) { h.Set(n, "0000") },
		} {
			for _, name := range changedHeaders(message(), m) {
				c := m.clone()
				change(c.Header, name)
				early := Precheck(v, c.Header, noon)
				_, late := v.Verify(c, noon)
				if early != nil && (late == nil || early.Error() != late.Error()) {
					t.Errorf("%s, %s %s: %v, and with the body %v", s.name, name, what, early, late)
				}
				if early == nil && (errors.Is(late, ErrMissing) || errors.Is(late, ErrTimestamp)) {
					t.Errorf("%s, %s %s: only with the body %v", s.name, name, what, late)
				}
			}
		}
		if info, _ := Lookup(s.name); info.TimestampTolerance > 0 {
			if err := Precheck(v, m.Header, noon.Add(24*time.Hour)); !errors.Is(err, ErrTimestamp) {
				t.Errorf("%s: a day later: %v", s.name, err)
			}
		}
	}
}

// TestDiffers: a request is accepted under a form that says less than its body, and the Result says so.
func TestDiffers(t *testing.T) {
	for body, differs := range map[string]bool{
		`{"phone":"+1415", "amount":null}`:                         false,
		`{"phone":"+1999","amount":1e400,"phone":"+1415"}`:         true,
		`{ "phone":"+1999", "amount":null, "\u0070hone":"+1415" }`: true,
	} {
		text := `{"phone":"+1415","amount":null}`
		m := &Message{Body: []byte(body), Header: http.Header{"X-Nextphone-Signature": {hexHMAC("k", text)}}}
		r, err := mustNew(t, Config{Scheme: "nextphone", Secrets: []string{"k"}}).Verify(m, noon)
		if err != nil || r.Differs != differs || string(r.Payload) != text || r.Covers != CoversForm || !bytes.Equal(r.Content(m), r.Payload) {
			t.Errorf("%s: %+v, %v", body, r, err)
		}
	}
}
