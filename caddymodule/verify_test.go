package caddymodule

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func unsigned(url, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, url, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

// TestTokensInURLAndBody: senders that can be given an address or a body and nothing else need no other handlers around the
// route, and who gets the call next does not get the token.
func TestTokensInURLAndBody(t *testing.T) {
	const key = "an-unusual-token"
	g := newGateway(t, `
		http:// {
			callgate /form* generic `+key+` {
				name NAME-query
				verify api_key {
					query token
				}
			}
			callgate /lead* generic `+key+` {
				name NAME-body
				verify body_token {
					path auth.key
				}
			}
			callgate /kept* generic `+key+` {
				name NAME-kept
				verify body_token {
					path auth.key
				}
				keep_token
			}
			test_receiver
		}`)
	for _, x := range []struct {
		url, body, code string // code is empty where the request gets through
		uri, left       string // that the receiver gets
	}{
		{"/form?token=" + key + "&lang=de", `{"event_id":"1"}`, "", "/form?lang=de", `{"event_id":"1"}`},
		{"/form?token=" + key, `{"event_id":"2"}`, "", "/form", `{"event_id":"2"}`},
		{"/form?token=wrong", `{"event_id":"3"}`, "signature_invalid", "", ""},
		{"/form", `{"event_id":"4"}`, "signature_missing", "", ""},
		{"/lead", `{"auth":{"key":"` + key + `"},"event_id":"5"}`, "", "/lead", `{"auth":{"key":null},"event_id":"5"}`},
		{"/lead", `{"auth":{"key":"wrong"},"event_id":"6"}`, "signature_invalid", "", ""},
		{"/lead", `{"event_id":"7"}`, "signature_missing", "", ""},
		{"/kept", `{"auth":{"key":"` + key + `"},"event_id":"8"}`, "", "/kept", `{"auth":{"key":"` + key + `"},"event_id":"8"}`},
	} {
		before := g.calls.Load()
		res := g.do(unsigned("http://a.example"+x.url, x.body))
		if x.code != "" {
			if c := code(t, res); res.StatusCode != http.StatusForbidden || c != x.code || g.calls.Load() != before {
				t.Errorf("%s %s: %d %s", x.url, x.body, res.StatusCode, c)
			}
			continue
		}
		if res.StatusCode != http.StatusOK || g.calls.Load() != before+1 {
			t.Errorf("%s %s: %d", x.url, x.body, res.StatusCode)
			continue
		}
		if got := g.last.Load(); got.uri != x.uri || got.body != x.left || got.length != int64(len(x.left)) {
			t.Errorf("%s %s: the receiver gets %+v", x.url, x.body, got)
		}
	}
}

// TestUnverifiedSenders: without a signature the address is all that is known, and it is never what a header says.
func TestUnverifiedSenders(t *testing.T) {
	g := newGateway(t, `
		http:// {
			callgate generic {
				name NAME
				remote_ip 203.0.113.0/24 2001:db8::5 private_ranges
				verify none {
					unsafe
				}
			}
			test_receiver
		}`)
	for _, x := range []struct {
		from, forwarded string
		in              bool
	}{
		{"203.0.113.7:1000", "", true}, {"[2001:db8::5]:1000", "", true}, {"10.1.2.3:1000", "", true}, {"[::ffff:203.0.113.9]:1", "", true},
		{"203.0.114.7:1000", "", false}, {"[2001:db8::6]:1000", "", false}, {"198.51.100.1:1", "203.0.113.7", false}, {"not an address", "", false},
	} {
		before := g.calls.Load()
		r := unsigned("http://a.example/", `{"call_id":"`+x.from+`"}`)
		r.RemoteAddr = x.from
		if x.forwarded != "" {
			r.Header.Set("X-Forwarded-For", x.forwarded)
		}
		res := g.do(r)
		if in := g.calls.Load() == before+1; in != x.in {
			t.Errorf("from %s: %d", x.from, res.StatusCode)
		} else if c := code(t, res); !in && (c != "address_refused" || res.StatusCode != http.StatusForbidden) {
			t.Errorf("from %s: %d %s", x.from, res.StatusCode, c)
		}
	}
}

// TestRemoteIPBeforeTheSignature: a good signature does not make up for a wrong address.
func TestRemoteIPBeforeTheSignature(t *testing.T) {
	g := newGateway(t, "http:// {\ncallgate nextphone "+testSecret+" {\nname NAME\nremote_ip 203.0.113.7\n}\ntest_receiver\n}")
	for from, want := range map[string]int{"203.0.113.7:1": 200, "203.0.113.8:1": 403} {
		r := lead(t, "http://a.example/", `{"lead":{"phone":"+15550100123"}}`)
		r.RemoteAddr = from
		if res := g.do(r); res.StatusCode != want {
			t.Errorf("from %s: %d", from, res.StatusCode)
		}
	}
}

// TestClientCertificate: the certificate is that of the connection.
func TestClientCertificate(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := func(serial int64) *x509.Certificate {
		c := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		return c
	}
	one, other := made(1), made(2)
	g := newGateway(t, "http:// {\ncallgate generic {\nname NAME\npublic_key "+base64.StdEncoding.EncodeToString(one.Raw)+
		"\nverify client_certificate\n}\ntest_receiver\n}")
	for what, x := range map[string]struct {
		shown []*x509.Certificate
		code  string
	}{
		"the sender's": {[]*x509.Certificate{one}, ""}, "another": {[]*x509.Certificate{other}, "signature_invalid"}, "none": {nil, "signature_missing"},
	} {
		r := unsigned("https://a.example/", `{"call_id":"1"}`)
		r.TLS = &tls.ConnectionState{PeerCertificates: x.shown}
		if c := code(t, g.do(r)); c != x.code {
			t.Errorf("%s: %q", what, c)
		}
	}
	if c := code(t, g.do(unsigned("http://a.example/", `{"call_id":"1"}`))); c != "signature_missing" {
		t.Errorf("without TLS: %q", c)
	}
}
