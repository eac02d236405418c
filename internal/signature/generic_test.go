package signature

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestTimesInText: JustCall's own published example, whose time is a text of UTC without a zone; and the other texts.
func TestTimesInText(t *testing.T) {
	key := "ea39089c40790e9dc7a080ec95e849b8fa0fa5fb"
	c := Config{Scheme: "hmac", Secrets: []string{key}, HMAC: &HMACConfig{
		Header: "X-Justcall-Signature", TimestampHeader: "X-Justcall-Request-Timestamp", TimestampUnit: "utc",
		Signed: key + "|https%3A%2F%2Fwebhook.site%2F3bcea770-370a-4b09-8b66-426f687e08a4|{json:type}|{timestamp}",
	}}
	m := &Message{Header: http.Header{
		"X-Justcall-Signature":         {"56761bae5b27a784a3ddd2af828bc5def7176bc0a8650199b04c737bd39bbecf"},
		"X-Justcall-Request-Timestamp": {"2024-03-21 17:08:22"},
	}, Body: []byte(`{"type":"call.completed","data":{}}`)}
	at := time.Date(2024, 3, 21, 17, 8, 22, 0, time.UTC)
	for _, unit := range []string{"utc", "iso8601"} {
		c.HMAC.TimestampUnit = unit
		if r, err := mustNew(t, c).Verify(m, at.Add(8*time.Second)); err != nil || !r.Timestamp.Equal(at) || r.ID != "call.completed:2024-03-21 17:08:22" {
			t.Errorf("%s: %+v, %v", unit, r, err)
		}
		if _, err := mustNew(t, c).Verify(m, at.Add(6*time.Minute)); !errors.Is(err, ErrTimestamp) {
			t.Errorf("%s, too late: %v", unit, err)
		}
	}
	for text, units := range map[string]string{
		"2024-03-21 17:08:22": "utc iso8601", "2024-03-21T17:08:22": "iso8601", "2024-03-21T17:08:22Z": "iso8601 rfc3339",
		"2024-03-21T17:08:22.000000+00:00": "iso8601 rfc3339", "2024-03-21 18:08:22 +0100": "iso8601", "20240321T170822Z": "iso8601",
		"Thu, 21 Mar 2024 17:08:22 GMT": "http", "1711040902": "s auto", "1711040902000": "ms auto",
		"2024-03-21": "", "2024-03-21 17:08": "", "21.03.2024 17:08:22": "", " 2024-03-21 17:08:22": "", "2024-3-21 17:08:22": "",
	} {
		for _, name := range []string{"s", "ms", "auto", "rfc3339", "iso8601", "utc", "http"} {
			u, err := parseUnit(name)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := parseTime(text, u)
			if want := strings.Contains(" "+units+" ", " "+name+" "); (ok && got.Equal(at)) != want {
				t.Errorf("%q as %s: %v, %v", text, name, got, ok)
			}
			if back, ok := parseTime(formatTime(at, u), u); !ok || !back.Equal(at) {
				t.Errorf("%s is written as %q", name, formatTime(at, u))
			}
		}
	}
}

// TestSignatureInBody: Mailgun's form, where time, token and signature are members of the body.
func TestSignatureInBody(t *testing.T) {
	c := Config{Scheme: "hmac", Secrets: []string{"k"}, HMAC: &HMACConfig{
		SignaturePath: "signature.signature", TimestampPath: "$.signature.timestamp", Signed: "{timestamp}{json:signature.token}",
	}}
	v := mustNew(t, c)
	good := `{"signature":{"timestamp":"1767268800","token":"t0k","signature":"` + hexHMAC("k", "1767268800t0k") + `"},"event-data":{"id":"e1"}}`
	r, err := v.Verify(&Message{Body: []byte(good)}, noon)
	if err != nil || !r.Weak || r.Token || r.ID != "t0k:1767268800" || !r.Timestamp.Equal(noon) || r.Covers != CoversValues|CoversTime|CoversID {
		t.Errorf("%+v, %v", r, err)
	}
	if err := Precheck(v, http.Header{}, noon); err != nil {
		t.Errorf("before the body is there: %v", err)
	}
	for what, x := range map[string]struct {
		body string
		want error
	}{
		"another token":      {strings.Replace(good, "t0k", "t1k", 1), ErrInvalid},
		"another time":       {strings.Replace(good, "1767268800", "1767268801", 1), ErrInvalid},
		"no signature":       {`{"signature":{"timestamp":"1767268800","token":"t0k"}}`, ErrMissing},
		"no time":            {strings.Replace(good, `"timestamp":`, `"x":`, 1), ErrMissing},
		"no token":           {strings.Replace(good, `"token":`, `"x":`, 1), ErrMalformed},
		"empty signature":    {`{"signature":{"timestamp":"1767268800","token":"t0k","signature":""}}`, ErrMissing},
		"signature is a map": {`{"signature":{"timestamp":"1767268800","token":"t0k","signature":{}}}`, ErrMalformed},
		"no JSON":            {"signature=1", ErrMalformed},
		"empty":              {"", ErrMalformed},
	} {
		if r, err := v.Verify(&Message{Body: []byte(x.body)}, noon); !errors.Is(err, x.want) {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
	if _, err := v.Verify(&Message{Body: []byte(good)}, noon.Add(time.Hour)); !errors.Is(err, ErrTimestamp) {
		t.Errorf("an hour later: %v", err)
	}
}

// TestSignedHeaders: any header can be a part of what is signed, and may tell events apart where it is clear where it ends.
func TestSignedHeaders(t *testing.T) {
	hc := func(signed string) Config {
		return Config{Scheme: "hmac", Secrets: []string{"k"}, HMAC: &HMACConfig{Header: "X-Sig", Signed: signed}}
	}
	for signed, x := range map[string]struct {
		text  string // that is signed
		tells bool
	}{
		"{body}.{header:X-Nonce}":              {`{"a":1}.n-1`, true},
		"{header:x-nonce}.{body}":              {`n-1.{"a":1}`, true},
		"{header:X-Nonce}\n{header:X-B}{body}": {"n-1\nb-1" + `{"a":1}`, true},
		"{header:X-Nonce}{header:X-B}{body}":   {`n-1b-1{"a":1}`, false},
		"{header:X-Nonce}.{url}.{body}":        {`n-1.https://a.example/x.{"a":1}`, false},
	} {
		v := mustNew(t, hc(signed))
		m := &Message{Method: "POST", URL: "https://a.example/x", Body: []byte(`{"a":1}`), Header: http.Header{
			"X-Sig": {hexHMAC("k", x.text)}, "X-Nonce": {"n-1"}, "X-B": {"b-1"},
		}}
		r, err := v.Verify(m, noon)
		if err != nil || r.Covers.Has(CoversHeaders) != x.tells || (len(r.Headers) > 0) != x.tells || SignsHeader(v, "x-nonce") != x.tells || SignsHeader(v, "X-Other") {
			t.Errorf("%s: %+v, %v", signed, r, err)
		}
		c := m.clone()
		c.Header.Set("X-Nonce", "n-2")
		if _, err := v.Verify(c, noon); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: another header: %v", signed, err)
		}
		c.Header.Del("X-Nonce")
		if _, err := v.Verify(c, noon); !errors.Is(err, ErrMissing) || Precheck(v, c.Header, noon) == nil {
			t.Errorf("%s: no header: %v", signed, err)
		}
		c.Header["X-Nonce"] = []string{"n-1", "n-1"}
		if _, err := v.Verify(c, noon); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: header twice: %v", signed, err)
		}
	}
}

// TestPublicKeyForms: a public key is understood in each of the forms in which senders show it, for each algorithm.
func TestPublicKeyForms(t *testing.T) {
	pkix := must(x509.MarshalPKIXPublicKey(&rsaPrivate.PublicKey))
	pkcs1 := x509.MarshalPKCS1PublicKey(&rsaPrivate.PublicKey)
	edPKIX := must(x509.MarshalPKIXPublicKey(private.Public()))
	edRaw := private.Public().(ed25519.PublicKey)
	b64 := base64.StdEncoding.EncodeToString
	for scheme, forms := range map[string]map[string]string{
		"rsa": {
			"PEM": rsaPublicPEM, "PEM of PKCS #1": asPEM("RSA PUBLIC KEY", pkcs1), "base64": b64(pkix), "base64 of PKCS #1": b64(pkcs1), "hex": hex.EncodeToString(pkix),
		},
		"ed25519": {
			"PEM": asPEM("PUBLIC KEY", edPKIX), "base64": b64(edPKIX), "bytes": b64(edRaw), "hex": hex.EncodeToString(edRaw), "hex of DER": hex.EncodeToString(edPKIX), "whpk_": "whpk_" + b64(edRaw),
		},
	} {
		secret := rsaPrivatePEM
		paddings := []string{"", "pkcs1v15", "pss"}
		if scheme == "ed25519" {
			secret, paddings = b64(private), []string{""}
		}
		for _, padding := range paddings {
			for _, algorithm := range []string{"", "sha512"} {
				if scheme == "ed25519" && algorithm != "" {
					continue
				}
				h := &HMACConfig{Header: "X-Sig", Encoding: "base64", Padding: padding, Algorithm: algorithm}
				m := signed(t, Config{Scheme: scheme, Secrets: []string{secret}, HMAC: h}, message())
				for name, key := range forms {
					if _, err := mustNew(t, Config{Scheme: scheme, PublicKeys: []string{key}, HMAC: h}).Verify(m, noon); err != nil {
						t.Errorf("%s %s %s, %s: %v", scheme, padding, algorithm, name, err)
					}
				}
				h2 := *h
				if h2.Algorithm = "sha512"; algorithm != "" {
					h2.Algorithm = "sha256"
				}
				if scheme == "rsa" {
					if _, err := mustNew(t, Config{Scheme: scheme, PublicKeys: []string{rsaPublicPEM}, HMAC: &h2}).Verify(m, noon); !errors.Is(err, ErrInvalid) {
						t.Errorf("another hash: %v", err)
					}
				}
			}
		}
	}
	h := &HMACConfig{Header: "X-Sig", Encoding: "base64"}
	for name, c := range map[string]Config{
		"no configuration":   {Scheme: "rsa", PublicKeys: []string{rsaPublicPEM}},
		"ed25519 for rsa":    {Scheme: "rsa", PublicKeys: []string{b64(edRaw)}, HMAC: h},
		"rsa for ed25519":    {Scheme: "ed25519", PublicKeys: []string{rsaPublicPEM}, HMAC: h},
		"no key":             {Scheme: "rsa", PublicKeys: []string{"AAAA"}, HMAC: h},
		"weak key":           {Scheme: "rsa", PublicKeys: []string{weakRSA}, HMAC: h},
		"sha1":               {Scheme: "rsa", PublicKeys: []string{rsaPublicPEM}, HMAC: &HMACConfig{Header: "X", Algorithm: "sha1"}},
		"padding":            {Scheme: "rsa", PublicKeys: []string{rsaPublicPEM}, HMAC: &HMACConfig{Header: "X", Padding: "oaep"}},
		"padding of ed25519": {Scheme: "ed25519", PublicKeys: []string{public}, HMAC: &HMACConfig{Header: "X", Padding: "pss"}},
		"padding of hmac":    {Scheme: "hmac", Secrets: []string{"k"}, HMAC: &HMACConfig{Header: "X", Padding: "pss"}},
		"hash of ed25519":    {Scheme: "ed25519", PublicKeys: []string{public}, HMAC: &HMACConfig{Header: "X", Algorithm: "sha512"}},
		"key encoding":       {Scheme: "ed25519", PublicKeys: []string{public}, HMAC: &HMACConfig{Header: "X", KeyEncoding: "hex"}},
		"useless tolerance":  {Scheme: "ed25519", PublicKeys: []string{public}, HMAC: h, Tolerance: time.Minute},
		"jwt, no claim":      {Scheme: "jwt", Secrets: []string{"k"}},
		"jwt, encoding":      {Scheme: "jwt", Secrets: []string{"k"}, HashClaim: "h", HashEncoding: "rot13"},
		"body_token, path":   {Scheme: "body_token", Secrets: []string{"k"}},
		"body_token, $..":    {Scheme: "body_token", Secrets: []string{"k"}, Path: "$..key"},
		"path of bearer":     {Scheme: "bearer", Secrets: []string{"k"}, Path: "key"},
		"query of bearer":    {Scheme: "bearer", Secrets: []string{"k"}, Query: "key"},
		"query and header":   {Scheme: "api_key", Secrets: []string{"k"}, Query: "key", Header: "X-Key"},
		"query with &":       {Scheme: "api_key", Secrets: []string{"k"}, Query: "a&b"},
		"basic, no colon":    {Scheme: "basic", Secrets: []string{"k"}},
		"claim of vonage":    {Scheme: "vonage", Secrets: []string{"k"}, HashClaim: "h"},
		"names of bearer":    {Scheme: "bearer", Secrets: []string{"k"}, Names: []string{"a"}},
		"place as a header":  {Scheme: "bearer", Secrets: []string{"k"}, Header: "$.google_key"},
		"secret of none":     {Scheme: "none", Secrets: []string{"k"}},
		"body in the body":   {Scheme: "hmac", Secrets: []string{"k"}, HMAC: &HMACConfig{SignaturePath: "sig", Signed: "{body}"}},
		"two signatures":     {Scheme: "hmac", Secrets: []string{"k"}, HMAC: &HMACConfig{SignaturePath: "sig", Header: "X", Signed: "{json:a}"}},
		"header of nothing":  {Scheme: "hmac", Secrets: []string{"k"}, HMAC: &HMACConfig{Header: "X", Signed: "{header:}{body}"}},
		"signs itself":       {Scheme: "hmac", Secrets: []string{"k"}, HMAC: &HMACConfig{Header: "X-Sig", Signed: "{header:x-sig}{body}"}},
	} {
		if _, err := New(c); !errors.Is(err, ErrConfig) || name == "weak key" && !strings.Contains(err.Error(), "1024 bits") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewSigner(Config{Scheme: "rsa", Secrets: []string{"k"}, HMAC: h}); !errors.Is(err, ErrConfig) {
		t.Errorf("no private key: %v", err)
	}
	if _, _, err := KeysOfNobody("mtls"); !errors.Is(err, ErrConfig) {
		t.Errorf("%v", err)
	}
	for _, scheme := range []string{"rsa", "ed25519", "none", "hmac", "basic", "svix", "guest"} {
		secrets, keys, err := KeysOfNobody(scheme)
		if err != nil || len(secrets)+len(keys) == 0 != (scheme == "none") {
			t.Errorf("%s: %q %q %v", scheme, secrets, keys, err)
		}
	}
}

// weakRSA is a public key of 1024 bits.
const weakRSA = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDdt8Xiy91MM26OuAFhgQy5gV8Gw7XrqvDOLVUuxfvPoxrF2qf63bew8ainv72JvdE5wkxOyak8fLPlLbMfyI4WOkBKJl8rkHiFzPhkbcl9w6psr88ntL0BtjlWpynBsLGm431/xrN1oXy3VUzPc5nkoeH4/c8oT9D3ISTVgCx5PQIDAQAB"

// TestLiveKit: a token as LiveKit's libraries make it, computed by another program from the documented rules.
func TestLiveKit(t *testing.T) {
	m := &Message{Header: http.Header{"Authorization": {livekitToken}}, Body: []byte(livekitBody)}
	at := time.Unix(1788256800, 0)
	c := Config{Scheme: "livekit", Secrets: []string{"livekit-api-secret-0123456789abcdef"}}
	generic := Config{Scheme: "jwt", Secrets: c.Secrets, HashClaim: "sha256", HashEncoding: "base64"}
	for _, c := range []Config{c, generic} {
		v := mustNew(t, c)
		r, err := v.Verify(m, at)
		if err != nil || r.Covers != CoversBody|CoversTime || r.Timestamp.Unix() != 1788256795 {
			t.Errorf("%s: %+v, %v", c.Scheme, r, err)
		}
		if _, err := v.Verify(m, at.Add(5*time.Minute)); !errors.Is(err, ErrTimestamp) {
			t.Errorf("%s: after its end: %v", c.Scheme, err)
		}
		changed := &Message{Header: m.Header, Body: []byte(strings.Replace(livekitBody, "EV_1", "EV_2", 1))}
		if _, err := v.Verify(changed, at); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: another body: %v", c.Scheme, err)
		}
	}
	if _, err := mustNew(t, Config{Scheme: "jwt", Secrets: c.Secrets, HashClaim: "payload_hash"}).Verify(m, at); !errors.Is(err, ErrMissing) {
		t.Errorf("no such claim: %v", err)
	}
	if _, err := mustNew(t, Config{Scheme: "jwt", Secrets: c.Secrets, HashClaim: "sha256", HashEncoding: "base64", Prefix: "Bearer "}).Verify(m, at); !errors.Is(err, ErrMalformed) {
		t.Errorf("without the prefix that is asked for: %v", err)
	}
}

const (
	livekitBody  = `{"event":"participant_joined","id":"EV_1","createdAt":"1788256800","room":{"name":"call-1"},"participant":{"identity":"sip_+15550100123","kind":"SIP","attributes":{"sip.phoneNumber":"+15550100123","sip.trunkPhoneNumber":"+15550100999","sip.callID":"SCL_1"}}}`
	livekitToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJBUElrZXkxIiwibmJmIjoxNzg4MjU2Nzk1LCJleHAiOjE3ODgyNTcxMDAsInNoYTI1NiI6IkZzUlNMVFkxYkcyNEdnMWwvVmhUMkN3SzhoUmhOSDR2bDJZY2llUWIyTm89In0.3W4CBi9xZLiFgoJHTL7z06EHoroY-GNp4kLrFJKZPQU"
)
