package verifiers

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/scheme"
	"github.com/callgate/callgate/internal/signature"
)

// TestSchemeOptions signs with the options of one scheme and verifies with them, as a gateway behind a gateway does.
func TestSchemeOptions(t *testing.T) {
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		scheme  string
		o       scheme.Options
		header  string        // carries the signature
		allowed time.Duration // is how old a message may be
	}{
		"a preset":                       {"stripe", scheme.Options{Tolerance: caddy.Duration(time.Hour)}, "Stripe-Signature", time.Hour},
		"Vapi's defaults":                {"vapi-hmac", scheme.Options{}, "X-Signature", 5 * time.Minute},
		"Vapi's defaults, a tolerance":   {"vapi-hmac", scheme.Options{Tolerance: caddy.Duration(time.Hour)}, "X-Signature", time.Hour},
		"Vapi, described":                {"vapi-hmac", scheme.Options{Header: "X-Own", TimestampHeader: "X-Own-Time", Tolerance: caddy.Duration(time.Hour)}, "X-Own", time.Hour},
		"an HMAC of the body":            {"hmac", scheme.Options{Header: "X-Own"}, "X-Own", 0},
		"an HMAC under another name":     {"custom", scheme.Options{Header: "X-Own"}, "X-Own", 0},
		"the same with more":             {"generic", scheme.Options{Header: "X-Own", Prefix: "v1:", Encoding: "base64"}, "X-Own", 0},
		"a token under another name":     {"apikey", scheme.Options{Header: "X-Own"}, "X-Own", 0},
		"{method} as a site writes it":   {"hmac", scheme.Options{Header: "X-Own", Signed: "{http.request.method}{body}"}, "X-Own", 0},
		"a time that is not to be found": {"vapi-hmac", scheme.Options{Header: "X-Own", NoTimestamp: true, TimestampHeader: "X-Own-Time"}, "X-Own", 0},
	} {
		s := scheme.Sign{Scheme: c.scheme, Secret: "s3cret", Options: c.o}
		signer, err := s.Signer()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		v, err := (&Scheme{scheme: c.scheme, Options: c.o}).Verifier(guest.Keys{Secrets: []string{"s3cret"}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		m := &signature.Message{Method: "POST", URL: "https://a.example/x", Header: make(http.Header), Body: []byte(`{"a":1}`)}
		if err := signer.Sign(m, "msg_1", now); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if m.Header.Get(c.header) == "" {
			t.Errorf("%s: signed with %v", name, m.Header)
		}
		if _, err := v.Verify(m, now.Add(c.allowed)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.allowed > 0 {
			if _, err := v.Verify(m, now.Add(c.allowed+time.Second)); !errors.Is(err, signature.ErrTimestamp) {
				t.Errorf("%s: too old: %v", name, err)
			}
		}
	}
	for name, v := range map[string]*Scheme{
		"negative tolerance":            {scheme: "vapi-hmac", Options: scheme.Options{Tolerance: -1}},
		"tolerance without a time":      {scheme: "hmac", Options: scheme.Options{Header: "X", Tolerance: 1}},
		"HMAC options on a preset":      {scheme: "stripe", Options: scheme.Options{Algorithm: "sha1"}},
		"an HMAC that is not described": {scheme: "custom"},
	} {
		if _, err := v.Verifier(guest.Keys{Secrets: []string{"s3cret"}}); !errors.Is(err, signature.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Caddy removes such headers before any handler sees the request, which looks like a sender that does not sign.
func TestHeadersThatCaddyDropsAreWarnedOf(t *testing.T) {
	o := scheme.Options{Header: "X_Signature", TimestampHeader: "X.Time", IDHeader: "X-Id"}
	if got := droppedHeaders(o); !slices.Equal(got, []string{"X_Signature", "X.Time"}) {
		t.Errorf("warned of %q", got)
	}
}
