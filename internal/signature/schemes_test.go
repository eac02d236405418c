package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func hexHMAC(key, text string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil))
}

func TestNextphoneForms(t *testing.T) {
	body := `{"lead": {"budget": 15000.00, "name": "Zo\u00eb", "2": 1, "1": 2}}`
	texts := map[string]string{
		"raw":    body,
		"js":     `{"lead":{"1":2,"2":1,"budget":15000,"name":"Zoë"}}`,
		"python": `{"lead": {"budget": 15000.0, "name": "Zo\u00eb", "2": 1, "1": 2}}`,
	}
	for form, text := range texts {
		m := &Message{Body: []byte(body), Header: http.Header{"X-Nextphone-Signature": {hexHMAC("k", text)}}}
		if r, err := mustNew(t, Config{Scheme: "nextphone", Secrets: []string{"old", "k"}}).Verify(m, noon); err != nil || r.Form != form || r.Secret != 1 {
			t.Errorf("%s: %+v, %v", form, r, err)
		} else if form == "raw" && r.Payload != nil || form != "raw" && string(r.Payload) != text {
			t.Errorf("%s: verified is %q", form, r.Payload)
		}
		for pinned := range texts {
			c := Config{Scheme: "nextphone", Secrets: []string{"k"}, Forms: []string{pinned}}
			if _, err := mustNew(t, c).Verify(m, noon); (err == nil) != (form == pinned) {
				t.Errorf("%s where %s is pinned: %v", form, pinned, err)
			}
			n := &Message{Body: []byte(body)}
			s, err := NewSigner(c)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Sign(n, "", noon); err != nil || n.Header.Get("X-Nextphone-Signature") != hexHMAC("k", texts[pinned]) || string(n.Body) != body {
				t.Errorf("signing %s: %v, %v", pinned, n.Header, err)
			}
		}
	}
}

func TestNextphoneRefuses(t *testing.T) {
	v := mustNew(t, Config{Scheme: "nextphone", Secrets: []string{"k"}})
	for name, c := range map[string]struct {
		body, header string
		want         error
	}{
		"no JSON":        {"lead=1", hexHMAC("k", "lead=1"), ErrBody},
		"no body":        {"", hexHMAC("k", ""), ErrBody},
		"upper case":     {`{}`, strings.ToUpper(hexHMAC("k", `{}`)), ErrMalformed},
		"prefix":         {`{}`, "sha256=" + hexHMAC("k", `{}`), ErrMalformed},
		"other secret":   {`{}`, hexHMAC("x", `{}`), ErrInvalid},
		"empty":          {`{}`, "", ErrMissing},
		"other order":    {`{"a":1,"b":2}`, hexHMAC("k", `{"b":2,"a":1}`), ErrInvalid},
		"too deep to be": {strings.Repeat("[", 5000), hexHMAC("k", strings.Repeat("[", 5000)), ErrBody},
	} {
		m := &Message{Body: []byte(c.body), Header: http.Header{"X-Nextphone-Signature": {c.header}}}
		if _, err := v.Verify(m, noon); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, h := range map[string][2]string{"XML": {"Content-Type", "text/xml"}, "gzip": {"Content-Encoding", "gzip"}} {
		m := &Message{Body: []byte("<a/>"), Header: http.Header{"X-Nextphone-Signature": {hexHMAC("k", "<a/>")}, h[0]: {h[1]}}}
		if r, err := v.Verify(m, noon); err != nil || r.Form != "raw" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// TestGenericHMAC describes the signatures of senders that have no preset.
func TestGenericHMAC(t *testing.T) {
	at := noon.Unix()
	ts, ms := formatTime(noon, seconds), formatTime(noon, millis)
	b64 := func(s string) string { b, _ := hex.DecodeString(s); return base64.StdEncoding.EncodeToString(b) }
	body := `{"call":{"id":"c-1","n":12}}`
	for name, c := range map[string]struct {
		config string // as JSON
		secret string
		header http.Header
		form   string
	}{
		"the least": {`{"header":"x-sig"}`, "k", http.Header{"X-Sig": {hexHMAC("k", body)}}, "raw"},
		"upper-case hexadecimal": {`{"header":"x-sig","prefix":"sha256="}`, "k",
			http.Header{"X-Sig": {"sha256=" + strings.ToUpper(hexHMAC("k", body))}}, "raw"},
		"time in a header": {`{"header":"x-sig","timestamp_header":"x-time","tolerance_past":"1h"}`, "k",
			http.Header{"X-Sig": {hexHMAC("k", ts+"."+body)}, "X-Time": {ts}}, "raw"},
		"milliseconds by their size": {`{"header":"x-sig","timestamp_header":"x-time","timestamp_unit":"auto"}`, "k",
			http.Header{"X-Sig": {hexHMAC("k", ms+"."+body)}, "X-Time": {ms}}, "raw"},
		"list, hex key": {`{"header":"Dixa-Signature","timestamp_key":"t","signature_key":"v1","key_encoding":"hex"}`, "6b",
			http.Header{"Dixa-Signature": {"t=" + ts + ",v1=" + strings.Repeat("0", 64) + ",v1=" + hexHMAC("k", ts+"."+body)}}, "raw"},
		"list with semicolons": {`{"header":"x-sig","timestamp_key":"t","signature_key":"s","list_separator":";"}`, "k",
			http.Header{"X-Sig": {"s=" + hexHMAC("k", ts+"."+body) + ";t=" + ts}}, "raw"},
		"list with spaces": {`{"header":"x-sig","timestamp_key":"t","signature_key":"v1"}`, "k",
			http.Header{"X-Sig": {"t=" + ts + ", v1=" + strings.Repeat("0", 64) + " , v1=" + hexHMAC("k", ts+"."+body)}}, "raw"},
		"several signatures": {`{"header":"x-sig","list_separator":",","prefix":"v1:","encoding":"base64","key_encoding":"base64"}`, "aw==",
			http.Header{"X-Sig": {"v0:x, v1:" + b64(hexHMAC("k", body))}}, "raw"},
		"everything": {`{"header":"x-sig","signed":"{method}|{url}|{id}|{json:call.id}|{json:call.n}|{body}","id_header":"x-id"}`, "k",
			http.Header{"X-Sig": {hexHMAC("k", "POST|https://a.example/b?c|i1|c-1|12|"+body)}, "X-Id": {"i1"}}, "raw"},
		"only a value": {`{"header":"x-sig","signed":"{json:call.id}"}`, "k", http.Header{"X-Sig": {hexHMAC("k", "c-1")}}, ""},
	} {
		var h HMACConfig
		if err := json.Unmarshal([]byte(c.config), &h); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		v, err := New(Config{Scheme: "hmac", Secrets: []string{c.secret}, HMAC: &h})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m := &Message{Method: "POST", URL: "https://a.example/b?c", Header: c.header, Body: []byte(body)}
		r, err := v.Verify(m, noon)
		if err != nil || r.Form != c.form || r.Weak != (c.form == "") || !r.Timestamp.IsZero() && r.Timestamp.Unix() != at {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		for n, old := range c.header {
			m.Header = c.header.Clone()
			m.Header.Set(n, strings.Replace(old[0], hexHMAC("k", body)[:4], "0000", 1)+"0")
			if _, err := v.Verify(m, noon); err == nil {
				t.Errorf("%s: %s changed: accepted", name, n)
			}
		}
	}
}

func TestDurationsInJSON(t *testing.T) {
	var c HMACConfig
	if err := json.Unmarshal([]byte(`{"header":"X","tolerance_past":"90s","tolerance_future":1000000000}`), &c); err != nil ||
		c.TolerancePast != 90*time.Second || c.ToleranceFuture != time.Second || c.Header != "X" {
		t.Errorf("%+v, %v", c, err)
	}
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var again HMACConfig
	if err := json.Unmarshal(b, &again); err != nil || again != c {
		t.Errorf("%s became %+v, %v", b, again, err)
	}
	if err := json.Unmarshal([]byte(`{"tolerance_past":"soon"}`), &c); !errors.Is(err, ErrConfig) {
		t.Errorf("soon: %v", err)
	}
}

// TestHeaderBounds: a header with many signatures costs no more than the bound.
func TestHeaderBounds(t *testing.T) {
	for scheme, h := range map[string]http.Header{
		"stripe":            {"Stripe-Signature": {"t=1767268800" + strings.Repeat(",v1=00", 20)}},
		"standard-webhooks": {"Webhook-Id": {"i"}, "Webhook-Timestamp": {"1767268800"}, "Webhook-Signature": {strings.Repeat("v1,AAAA ", 20)}},
		"quo":               {"Openphone-Signature": {strings.Repeat("hmac;1;1767268800000;AAAA,", 20)}},
	} {
		m := &Message{Header: h, Body: []byte(`{}`)}
		if _, err := mustNew(t, Config{Scheme: scheme, Secrets: []string{secret}}).Verify(m, noon); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", scheme, err)
		}
	}
}

func TestTimestampTexts(t *testing.T) {
	for _, s := range []string{"", " 1", "+1", "-1", "1.5", "1e9", "0x1", "1767225600abc", "99999999999999999999", "١"} {
		for _, u := range []unit{seconds, millis, autoUnit, rfc3339} {
			if at, ok := parseTime(s, u); ok {
				t.Errorf("%q is %v", s, at)
			}
		}
	}
	for _, s := range []string{"2026-01-01T12:00:00Z", "2026-01-01T13:00:00+01:00", "2026-01-01T12:00:00.000Z"} {
		if at, ok := parseTime(s, rfc3339); !ok || !at.Equal(noon) {
			t.Errorf("%s is %v", s, at)
		}
	}
}

// TestFarTimes: a signed time so far away that a Duration cannot hold the distance is outside every tolerance. A
// sender that writes milliseconds where seconds are expected is that far ahead, and its messages could be replayed for
// ever.
func TestFarTimes(t *testing.T) {
	zendesk := Config{Scheme: "zendesk", Secrets: []string{secret}}
	for name, x := range map[string]struct {
		c  Config
		at time.Time
	}{
		"milliseconds as seconds":            {Config{Scheme: "slack", Secrets: []string{secret}}, time.Unix(noon.UnixMilli(), 0)},
		"milliseconds as seconds in a list":  {Config{Scheme: "stripe", Secrets: []string{secret}}, time.Unix(noon.UnixMilli(), 0)},
		"milliseconds as seconds in an HMAC": {Config{Scheme: "hmac", Secrets: []string{secret}, HMAC: &HMACConfig{Header: "X", TimestampHeader: "T"}}, time.Unix(noon.UnixMilli(), 0)},
		"milliseconds, Standard Webhooks":    {Config{Scheme: "standard-webhooks", Secrets: []string{secret}}, time.Unix(noon.UnixMilli(), 0)},
		"milliseconds as seconds in a JWT":   {Config{Scheme: "vonage", Secrets: []string{secret}}, time.Unix(noon.UnixMilli(), 0)},
		"the most seconds":                   {Config{Scheme: "slack", Secrets: []string{secret}}, time.Unix(999_999_999_999_999, 0)},
		"the most milliseconds":              {Config{Scheme: "retell", Secrets: []string{secret}}, time.UnixMilli(999_999_999_999_999)},
		"the last year":                      {zendesk, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)},
		"the first year":                     {zendesk, time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		s, err := NewSigner(x.c)
		if err != nil {
			t.Fatal(err)
		}
		m := message()
		if err := s.Sign(m, "msg_1", x.at); err != nil {
			t.Fatal(err)
		}
		if _, err := mustNew(t, x.c).Verify(m, noon); !errors.Is(err, ErrTimestamp) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestQuoFirstError: of several signatures that do not count, the error of the first is told. The list may end in a
// comma or in a scheme of the future, which says nothing about why the first was refused.
func TestQuoFirstError(t *testing.T) {
	v := mustNew(t, Config{Scheme: "quo", Secrets: []string{secret}})
	now, old := formatTime(noon, millis), formatTime(noon.Add(-time.Hour), millis)
	sig := strings.Repeat("A", 43) + "="
	for h, want := range map[string]error{
		"hmac;1;" + old + ";" + sig + ",":                                ErrTimestamp,
		"hmac;1;" + now + ";" + sig + ",hmac;2;" + now + ";" + sig:       ErrInvalid,
		"hmac;1;" + now + ";" + sig + ", hmac;1;" + old + ";" + sig:      ErrInvalid,
		"hmac;2;" + now + ";" + sig + ",hmac;1;" + now + ";" + sig + ",": ErrMalformed,
	} {
		m := &Message{Header: http.Header{"Openphone-Signature": {h}}, Body: []byte(`{}`)}
		if _, err := v.Verify(m, noon); !errors.Is(err, want) {
			t.Errorf("%s: %v", h, err)
		}
	}
}

func TestVapiCredentials(t *testing.T) {
	v := mustNew(t, Config{Scheme: "vapi", Secrets: []string{secret}})
	bodies := message()
	for scheme, sub := range map[string]Config{
		"secret": {Scheme: "vapi-secret"}, "bearer": {Scheme: "vapi-oauth2"}, "hmac": {Scheme: "vapi-hmac"}, "svix": {Scheme: "svix"},
	} {
		sub.Secrets = []string{secret}
		m := signed(t, sub, bodies.clone())
		if r, err := v.Verify(m, noon); err != nil || r.Weak != (scheme == "secret" || scheme == "bearer") {
			t.Errorf("%s: %+v, %v", scheme, r, err)
		}
		// A signature that is there and wrong is not made good by a token.
		m.Header.Set("X-Signature", strings.Repeat("0", 64))
		m.Header.Set("X-Timestamp", "1767268800")
		if _, err := v.Verify(m, noon); err == nil {
			t.Errorf("%s: accepted beside a wrong HMAC", scheme)
		}
	}
	own := mustNew(t, Config{Scheme: "vapi", Secrets: []string{"tok"}, Header: "x-my-auth", Prefix: "Token "})
	if _, err := own.Verify(&Message{Header: http.Header{"X-My-Auth": {"Token tok"}}}, noon); err != nil {
		t.Errorf("own header: %v", err)
	}
	if _, err := own.Verify(&Message{Header: http.Header{"X-Vapi-Secret": {"tok"}}}, noon); !errors.Is(err, ErrMissing) {
		t.Errorf("another than the pinned credential: %v", err)
	}
}

func TestBothKindsOfKeys(t *testing.T) {
	v := mustNew(t, Config{Scheme: "standard-webhooks", Secrets: []string{secret}, PublicKeys: []string{public}})
	for _, c := range []Config{
		{Scheme: "standard-webhooks", Secrets: []string{secret}},
		{Scheme: "standard-webhooks-v1a", Secrets: []string{base64.StdEncoding.EncodeToString(private.Seed())}},
	} {
		if r, err := v.Verify(signed(t, c, message()), noon); err != nil || r.ID != "msg_1" {
			t.Errorf("%s: %+v, %v", c.Scheme, r, err)
		}
	}
}

func TestPEMKeys(t *testing.T) {
	pub, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	priv, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, b []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	for _, scheme := range []string{"telnyx", "standard-webhooks", "svix"} {
		m := signed(t, Config{Scheme: scheme, Secrets: []string{block("PRIVATE KEY", priv)}}, message())
		if _, err := mustNew(t, Config{Scheme: scheme, PublicKeys: []string{block("PUBLIC KEY", pub)}}).Verify(m, noon); err != nil {
			t.Errorf("%s: %v", scheme, err)
		}
		if _, err := New(Config{Scheme: scheme, PublicKeys: []string{block("PRIVATE KEY", priv)}}); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: a private key as public key: %v", scheme, err)
		}
	}
}
