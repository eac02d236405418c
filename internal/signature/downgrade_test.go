package signature

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// TestDowngrades: a request that its sender signed in the strong way is not valid without it, however the weak ways that
// came with it, or that an older sender would have used, stand there.
func TestDowngrades(t *testing.T) {
	sha1Of := func(m *Message) string { return "sha1=" + strings.Repeat("0", 40) }
	for name, x := range map[string]struct {
		c      Config
		change func(*Message)
		want   error
	}{
		"hubspot with v1 alone": {Config{Scheme: "hubspot"}, func(m *Message) {
			old := signed(t, Config{Scheme: "hubspot-v1", Secrets: []string{secret}}, m.clone())
			m.Header = http.Header{hubspotHeader: old.Header[hubspotHeader], hubspotVersion: {"v1"}}
		}, ErrMissing},
		"hubspot with v2 alone": {Config{Scheme: "hubspot-v3"}, func(m *Message) {
			old := signed(t, Config{Scheme: "hubspot-v2", Secrets: []string{secret}}, m.clone())
			m.Header = http.Header{hubspotHeader: old.Header[hubspotHeader], hubspotVersion: {"v2"}}
		}, ErrMissing},
		"hubspot-v2 with v1": {Config{Scheme: "hubspot-v2"}, func(m *Message) {
			old := signed(t, Config{Scheme: "hubspot-v1", Secrets: []string{secret}}, m.clone())
			m.Header = old.Header
		}, ErrMalformed},
		"hubspot, v3 of another time": {Config{Scheme: "hubspot"}, func(m *Message) {
			m.Header[hubspotTime] = []string{"1767000000000"}
		}, ErrTimestamp},
		"github with SHA-1 alone": {Config{Scheme: "github"}, func(m *Message) {
			m.Header.Del("X-Hub-Signature-256")
			m.Header.Set("X-Hub-Signature", sha1Of(m))
		}, ErrMissing},
		"github with SHA-1 in the place of SHA-256": {Config{Scheme: "github"}, func(m *Message) {
			m.Header.Set("X-Hub-Signature-256", sha1Of(m))
		}, ErrMalformed},
		"stripe with v0 alone": {Config{Scheme: "stripe"}, func(m *Message) {
			m.Header.Set("Stripe-Signature", strings.Replace(m.Header.Get("Stripe-Signature"), "v1=", "v0=", 1))
		}, ErrMalformed},
		"slack without its version": {Config{Scheme: "slack"}, func(m *Message) {
			m.Header.Set("X-Slack-Signature", strings.TrimPrefix(m.Header.Get("X-Slack-Signature"), "v0="))
		}, ErrMalformed},
		"elevenlabs, the second signature": {Config{Scheme: "elevenlabs"}, func(m *Message) {
			h := m.Header["Elevenlabs-Signature"]
			h[0] = strings.Replace(h[0], "v0=", "v0="+strings.Repeat("0", 64)+",v0=", 1)
		}, ErrInvalid},
		"signalwire, SHA-1 beside a wrong SHA-256": {Config{Scheme: "signalwire"}, func(m *Message) {
			m.Header.Set(signalwireSHA256Header, strings.Repeat("0", 64))
		}, ErrInvalid},
		"signalwire-sha256 with SHA-1 alone": {Config{Scheme: "signalwire-sha256"}, func(m *Message) {
			old := signed(t, Config{Scheme: "signalwire", Secrets: []string{secret}}, m.clone())
			old.Header.Del(signalwireSHA256Header)
			m.Header = old.Header
		}, ErrMissing},
		"svix with Webhook-* beside a wrong one": {Config{Scheme: "svix"}, func(m *Message) {
			for _, n := range []string{"Id", "Timestamp", "Signature"} {
				m.Header.Set("Webhook-"+n, m.Header.Get("Svix-"+n))
			}
			m.Header.Set("Svix-Id", "msg_2")
		}, ErrInvalid},
		"quo, the older header beside a wrong one": {Config{Scheme: "quo"}, func(m *Message) {
			old := signed(t, Config{Scheme: "hmac", Secrets: []string{secret}, HMAC: &HMACConfig{
				Header: "X", Encoding: "base64", KeyEncoding: "base64", TimestampHeader: "T", TimestampUnit: "ms",
			}}, m.clone())
			m.Header.Set("Openphone-Signature", "hmac;1;"+old.Header.Get("T")+";"+old.Header.Get("X"))
			m.Header.Set("Webhook-Id", "msg_2")
		}, ErrInvalid},
		"vapi, no HMAC where it is configured": {Config{Scheme: "vapi", HMAC: &HMACConfig{Header: "X-Sig"}}, func(m *Message) {
			m.Header.Del("X-Sig")
			m.Header.Set("X-Vapi-Secret", secret)
		}, ErrMissing},
		"vapi, a wrong HMAC beside the secret": {Config{Scheme: "vapi"}, func(m *Message) {
			m.Header.Set("X-Signature", strings.Repeat("0", 64))
			m.Header.Set("X-Timestamp", "1767268800")
		}, ErrInvalid},
		"vonage without the hash": {Config{Scheme: "vonage"}, func(m *Message) {
			m.Header.Set("Authorization", "Bearer "+string(newJWS("", []string{secret}).sign([]byte(`{"iat":1767268800}`))))
		}, ErrMissing},
	} {
		x.c.Secrets = []string{secret}
		m := signed(t, x.c, message())
		v := mustNew(t, x.c)
		if _, err := v.Verify(m, noon); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		x.change(m)
		if r, err := v.Verify(m, noon); !errors.Is(err, x.want) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// TestVapiBareToken: with bearerPrefixEnabled false Vapi sends the token with nothing before it.
func TestVapiBareToken(t *testing.T) {
	for _, scheme := range []string{"vapi", "vapi-bearer"} {
		for value, want := range map[string]error{
			"tok": nil, "Bearer tok": nil, "bearer tok": nil, "Basic tok": ErrInvalid, "tok2": ErrInvalid, "Bearer": ErrInvalid, "Bearer ": ErrInvalid,
		} {
			m := &Message{Header: http.Header{"Authorization": {value}}}
			if _, err := mustNew(t, Config{Scheme: scheme, Secrets: []string{"tok"}}).Verify(m, noon); !errors.Is(err, want) {
				t.Errorf("%s: %q: %v", scheme, value, err)
			}
		}
	}
	for _, c := range []Config{{Scheme: "bearer"}, {Scheme: "vapi-bearer", Prefix: "Token "}} {
		c.Secrets = []string{"tok"}
		if _, err := mustNew(t, c).Verify(&Message{Header: http.Header{"Authorization": {"tok"}}}, noon); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", c.Scheme, err)
		}
	}
}
