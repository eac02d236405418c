package signature

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// TestJWTs: tokens of another library are read, and ours by it.
func TestJWTs(t *testing.T) {
	key := []byte(secret)
	body := []byte(`{"state":"hangup"}`)
	sum := sha256.Sum256(body)
	token := func(method jwt.SigningMethod, key any, c jwt.MapClaims) string {
		s, err := jwt.NewWithClaims(method, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	good := jwt.MapClaims{"iat": noon.Unix(), "payload_hash": hex.EncodeToString(sum[:])}
	with := func(k string, v any) jwt.MapClaims {
		c := jwt.MapClaims{}
		for k, v := range good {
			c[k] = v
		}
		if v == nil {
			delete(c, k)
		} else {
			c[k] = v
		}
		return c
	}
	v := mustNew(t, Config{Scheme: "vonage", Secrets: []string{secret}})
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"good":           {token(jwt.SigningMethodHS256, key, good), nil},
		"exp ahead":      {token(jwt.SigningMethodHS256, key, with("exp", noon.Unix()+60)), nil},
		"expired":        {token(jwt.SigningMethodHS256, key, with("exp", noon.Unix())), ErrTimestamp},
		"not yet":        {token(jwt.SigningMethodHS256, key, with("nbf", noon.Unix()+3600)), ErrTimestamp},
		"old":            {token(jwt.SigningMethodHS256, key, with("iat", noon.Unix()-301)), ErrTimestamp},
		"no iat":         {token(jwt.SigningMethodHS256, key, with("iat", nil)), ErrMissing},
		"iat is a text":  {token(jwt.SigningMethodHS256, key, with("iat", "now")), ErrMalformed},
		"no hash":        {token(jwt.SigningMethodHS256, key, with("payload_hash", nil)), ErrMissing},
		"hash of other":  {token(jwt.SigningMethodHS256, key, with("payload_hash", strings.Repeat("0", 64))), ErrInvalid},
		"HS512":          {token(jwt.SigningMethodHS512, key, good), ErrMalformed},
		"none":           {token(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good), ErrMalformed},
		"another secret": {token(jwt.SigningMethodHS256, []byte("x"), good), ErrInvalid},
		"empty":          {"", ErrMalformed},
		"two parts":      {"a.b", ErrMalformed},
		"four parts":     {token(jwt.SigningMethodHS256, key, good) + ".x", ErrMalformed},
	} {
		m := &Message{Header: http.Header{"Authorization": {"Bearer " + c.token}}, Body: body}
		if _, err := v.Verify(m, noon); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := signed(t, Config{Scheme: "dialpad", Secrets: []string{secret}}, &Message{Body: body})
	var claims jwt.MapClaims
	if _, err := jwt.ParseWithClaims(string(m.Body), &claims, func(*jwt.Token) (any, error) { return key, nil }); err != nil || claims["state"] != "hangup" {
		t.Errorf("our token: %v, %v", claims, err)
	}
}

func TestAircallToken(t *testing.T) {
	c := Config{Scheme: "aircall", Secrets: []string{`to"k`}}
	for in, want := range map[string]string{
		`{}`:                         `{"token":"to\"k"}`,
		` {"a":1}`:                   ` {"token":"to\"k","a":1}`,
		`{"a":1, "token" : null }`:   `{"a":1, "token" : "to\"k" }`,
		`{"token":"x","b":[1,2]}`:    `{"token":"to\"k","b":[1,2]}`,
		`{"token":"x","token":"yy"}`: `{"token":"x","token":"to\"k"}`,
	} {
		m := signed(t, c, &Message{Body: []byte(in)})
		if string(m.Body) != want {
			t.Errorf("%s became %s", in, m.Body)
		}
		if _, err := mustNew(t, c).Verify(m, noon); err != nil {
			t.Errorf("%s: %v", in, err)
		}
	}
	for in, want := range map[string]error{`{}`: ErrMissing, `{"token":null}`: ErrMissing, `{"token":""}`: ErrMissing, `{"token":1}`: ErrMalformed, `{"token":"to"}`: ErrInvalid} {
		if _, err := mustNew(t, c).Verify(&Message{Body: []byte(in)}, noon); !errors.Is(err, want) {
			t.Errorf("%s: %v", in, err)
		}
	}
	s, err := NewSigner(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []string{``, `[]`, `{`} {
		if err := s.Sign(&Message{Body: []byte(in)}, "", noon); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestTwilioBodies(t *testing.T) {
	c := Config{Scheme: "twilio", Secrets: []string{"12345"}}
	v := mustNew(t, c)
	form := func(body string) *Message {
		return &Message{
			Method: "POST", URL: "https://a.example:8443/x?q=It's+a%20b",
			Header: http.Header{"Content-Type": {"Application/x-www-form-urlencoded; charset=UTF-8"}}, Body: []byte(body),
		}
	}
	m := signed(t, c, form("b=2&a=1&a=0&a=1"))
	for _, body := range []string{"b=2&a=1&a=0&a=1", "a=0&a=1&b=2", "%61=0&a=%31&b=2&"} {
		n := form(body)
		n.Header = m.Header
		if _, err := v.Verify(n, noon); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	for _, body := range []string{"a=1&b=2", "a=0&a=1&b=3", "", "a=0&a=1&b=2&c=", "a=%zz"} {
		n := form(body)
		n.Header = m.Header
		if _, err := v.Verify(n, noon); err == nil && body != "a=0&a=1&b=2&c=" {
			t.Errorf("%q: accepted", body)
		}
	}
	// The same request, seen by a receiver that was reached without the port, or through another spelling of the query.
	for _, u := range []string{"https://a.example:8443/x?q=It%27s+a%20b", "https://b.example:8443/x?q=It's+a%20b", "https://a.example:8443/y?q=It's+a%20b"} {
		n := form(string(m.Body))
		n.Header, n.URL = m.Header, u
		if _, err := v.Verify(n, noon); err == nil {
			t.Errorf("%s: accepted", u)
		}
	}
	json := &Message{Method: "POST", URL: "https://a.example/x", Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(`{"a":1}`)}
	signed(t, c, json)
	if !strings.Contains(json.URL, "?bodySHA256=") {
		t.Errorf("the URL is %s", json.URL)
	}
	bare := json.clone()
	bare.URL = "https://a.example/x"
	if _, err := v.Verify(bare, noon); !errors.Is(err, ErrMissing) {
		t.Errorf("without bodySHA256: %v", err)
	}
	again, err := NewSigner(c)
	if err != nil {
		t.Fatal(err)
	}
	once := json.URL
	if err := again.Sign(json, "", noon); err != nil || json.URL != once {
		t.Errorf("signed again: %v, for %s", err, json.URL)
	}
	if _, err := v.Verify(json, noon); err != nil {
		t.Errorf("signed again: %v", err)
	}
	other := json.clone()
	other.Body = []byte(`{"a":2}`)
	if err := again.Sign(other, "", noon); !errors.Is(err, ErrMalformed) {
		t.Errorf("signed with the hash of another body: %v", err)
	}
	upper := signed(t, c, &Message{Method: "GET", URL: "https://a.example/X"})
	upper.URL = "https://A.Example:443/X"
	if _, err := v.Verify(upper, noon); err != nil {
		t.Errorf("host in upper case: %v", err)
	}
	get := signed(t, c, &Message{Method: "GET", URL: "https://a.example/x?CallSid=1"})
	if _, err := v.Verify(get, noon); err != nil {
		t.Errorf("GET: %v", err)
	}
}

// TestSignalwireSignedAgain: what another sender has signed is signed for a receiver with a secret of its own, in every
// way that the receiver may look at.
func TestSignalwireSignedAgain(t *testing.T) {
	for kind, body := range map[string]string{"application/x-www-form-urlencoded": "CallSid=1&a=%2B2", "application/json": `{"a":1}`} {
		m := &Message{
			Method: "POST", URL: "https://a.example/x", Body: []byte(body),
			Header: http.Header{"Content-Type": {kind}, signalwireHeader: {"00"}, signalwireSHA256Header: {hexHMAC("theirs", "https://a.example/x"+body)}},
		}
		c := Config{Scheme: "signalwire", Secrets: []string{"ours"}}
		if _, err := mustNew(t, c).Verify(signed(t, c, m), noon); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestClaimTimes: the times of a JWT are numbers in any of the ways that JSON has for them.
func TestClaimTimes(t *testing.T) {
	c := Config{Scheme: "dialpad", Secrets: []string{"k"}}
	for claims, want := range map[string]error{
		`{"exp":1767268801}`:             nil,
		`{"exp":1767268800}`:             ErrTimestamp,
		`{"exp":1767268800.5}`:           nil,
		`{"exp":1767268799.5}`:           ErrTimestamp,
		`{"exp":1.767268801e9}`:          nil,
		`{"exp":17672688E2}`:             ErrTimestamp,
		`{"nbf":1767268800}`:             nil,
		`{"nbf":1767269100}`:             nil, // as far ahead as clocks may differ
		`{"nbf":1767269101}`:             ErrTimestamp,
		`{"nbf":1.9e9}`:                  ErrTimestamp,
		`{"nbf":-1}`:                     ErrMalformed,
		`{"nbf":1e300}`:                  ErrMalformed,
		`{"exp":1e999}`:                  ErrMalformed,
		`{"exp":"1767268801"}`:           ErrMalformed,
		`{"exp":null}`:                   ErrMalformed,
		`{"exp":1767268801,"nbf":false}`: ErrMalformed,
	} {
		m := signed(t, c, &Message{Body: []byte(claims)})
		if _, err := mustNew(t, c).Verify(m, noon); !errors.Is(err, want) {
			t.Errorf("%s: %v", claims, err)
		}
	}
}

// TestHubspotOld: a plain hash behind a secret can be extended, but not without a NUL.
func TestHubspotOld(t *testing.T) {
	v1 := mustNew(t, Config{Scheme: "hubspot-v1", Secrets: []string{"s"}})
	v2 := mustNew(t, Config{Scheme: "hubspot-v2", Secrets: []string{"s"}})
	m := &Message{Method: "POST", URL: "https://a.example/x", Body: []byte("[1]")}
	sum := sha256.Sum256([]byte("sPOSThttps://a.example/x[1]"))
	m.Header = http.Header{"X-Hubspot-Signature": {hex.EncodeToString(sum[:])}, "X-Hubspot-Signature-Version": {"v2"}}
	if _, err := v2.Verify(m, noon); err != nil {
		t.Error(err)
	}
	if _, err := v1.Verify(m, noon); !errors.Is(err, ErrMalformed) {
		t.Errorf("v2 where v1 is configured: %v", err)
	}
	m.Header.Set("X-Hubspot-Signature-Version", "v1")
	if _, err := v1.Verify(m, noon); !errors.Is(err, ErrInvalid) {
		t.Errorf("v2 as v1: %v", err)
	}
	m.Body = []byte("[1]\x80\x00\x00")
	sum = sha256.Sum256(append([]byte("s"), m.Body...))
	m.Header.Set("X-Hubspot-Signature", hex.EncodeToString(sum[:]))
	if _, err := v1.Verify(m, noon); !errors.Is(err, ErrMalformed) {
		t.Errorf("with a NUL: %v", err)
	}
}

// TestHubspotEscapes: HubSpot's documentation and its library differ over which URL is signed.
func TestHubspotEscapes(t *testing.T) {
	c := Config{Scheme: "hubspot", Secrets: []string{"s"}}
	p := signed(t, c, &Message{Method: "POST", URL: "https://a.example/x?u=a@b:c", Body: []byte("{}")})
	p.URL = "https://a.example/x?u=a%40b%3Ac"
	if r, err := mustNew(t, c).Verify(p, noon); err != nil || r.URL != "https://a.example/x?u=a@b:c" {
		t.Errorf("escapes in the URL: %+v, %v", r, err)
	}
}

// TestSynthflowID: the id may be in two places, and then has to be the same in both.
func TestSynthflowID(t *testing.T) {
	c := Config{Scheme: "synthflow", Secrets: []string{"s"}}
	v := mustNew(t, c)
	m := signed(t, c, &Message{Body: []byte(`{"call":{"call_id":"a"}}`)})
	for body, want := range map[string]error{
		`{"call_id":"a"}`:                         nil,
		`{"call_id":"a","call":{"call_id":"a"}}`:  nil,
		`{"call_id":"b","call":{"call_id":"a"}}`:  ErrMalformed,
		`{"call_id":"a","call":{"call_id":"b"}}`:  ErrMalformed,
		`{"call_id":null,"call":{"call_id":"a"}}`: ErrMalformed,
		`{"call":{"call_id":"b"}}`:                ErrInvalid,
		`{"call":{"call_id":""}}`:                 ErrMalformed,
		`{"call":{"call_id":true}}`:               ErrMalformed,
		`{}`:                                      ErrMalformed,
		`no`:                                      ErrMalformed,
	} {
		m.Body = []byte(body)
		if r, err := v.Verify(m, noon); !errors.Is(err, want) || err == nil && (r.ID != "a" || !r.Weak) {
			t.Errorf("%s: %+v, %v", body, r, err)
		}
	}
}
