package outbound_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

// legacy is a server with a certificate of its own making.
func legacy(t *testing.T, key *ecdsa.PrivateKey, change func(*x509.Certificate), conf *tls.Config) *httptest.Server {
	t.Helper()
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "dispatch.internal"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "taken") }))
	if conf == nil {
		conf = new(tls.Config)
	}
	conf.Certificates = []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	s.TLS, s.Config.ErrorLog = conf, log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func local(c *x509.Certificate) { c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)} }

// failure is the reason for which nothing could be sent.
func failure(t *testing.T, o outbound.Options, address string) string {
	t.Helper()
	_, err := onPrem(o).Do(t.Context(), request(t, address, "x"))
	var e *outbound.Error
	if !errors.As(err, &e) || e.Kind != outbound.TLS || !outbound.ResultFrom(nil, err, time.Now()).Astray {
		t.Fatalf("%v", err)
	}
	return e.Error()
}

// TestCertificatesAreToldForWhatTheyAre, each with the pin that would be a way out.
func TestCertificatesAreToldForWhatTheyAre(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*x509.Certificate)
		unknown bool
		want    string
	}{
		"a common name only": {nil, false, "as a common name only (CN)"},
		"another name":       {func(c *x509.Certificate) { c.DNSNames = []string{"other.example"} }, false, "it is for another name"},
		"unknown authority":  {local, true, "signed by an unknown authority"},
		"expired":            {func(c *x509.Certificate) { local(c); c.NotAfter = time.Now().Add(-time.Minute) }, false, "it has expired"},
	} {
		s := legacy(t, newKey(t), c.change, nil)
		o := outbound.Options{TLS: trusting(s)}
		if c.unknown {
			o.TLS = nil
		}
		pin := outbound.PinOf(s.Certificate())
		if got := failure(t, o, s.URL); !strings.Contains(got, c.want) || !strings.Contains(got, "pin "+pin.String()) {
			t.Errorf("%s: %s", name, got)
		}
		a, err := onPrem(outbound.Options{Pins: []outbound.Pin{pin}}).Do(t.Context(), request(t, s.URL, "x"))
		if err != nil || string(a.Body) != "taken" {
			t.Errorf("%s, pinned: %+v, %v", name, a, err)
		}
	}
}

func TestPinsHoldTheReceiverToItsKeys(t *testing.T) {
	old, next := newKey(t), newKey(t)
	before, after := legacy(t, old, nil, nil), legacy(t, next, nil, nil)
	stranger := legacy(t, newKey(t), local, nil)
	both := outbound.Options{Pins: []outbound.Pin{outbound.PinOf(before.Certificate()), outbound.PinOf(after.Certificate())}, TLS: trusting(stranger)}
	c := onPrem(both)
	for range 2 { // on connections that are resumed or used again as well
		for _, s := range []*httptest.Server{before, after} {
			if a, err := c.Do(t.Context(), request(t, s.URL, "x")); err != nil || a.Status != 200 {
				t.Errorf("%+v, %v", a, err)
			}
		}
	}
	// A certificate that is trusted otherwise is no substitute.
	if got := failure(t, both, stranger.URL); !strings.Contains(got, "another key than those that are pinned") || !strings.Contains(got, outbound.PinOf(stranger.Certificate()).String()) {
		t.Error(got)
	}
	plain := standin.NewReceiver(t)
	if got := failure(t, both, plain.URL); !strings.Contains(got, "by https:// only") || len(plain.Requests()) != 0 {
		t.Error(got)
	}
	// Through a tunnel it is the receiver's key, not the proxy's.
	p := standin.NewProxy(t, standin.ProxyConfig{})
	if a, err := through(t, p.URL, both).Do(t.Context(), request(t, before.URL, "x")); err != nil || a.Status != 200 || len(p.Asked()) != 1 {
		t.Errorf("%+v, %v, asked for %v", a, err, p.Asked())
	}
}

// TestPinsAreNotForTokenServers: theirs change with their certificates, and are verified as ever.
func TestPinsAreNotForTokenServers(t *testing.T) {
	receiver := legacy(t, newKey(t), nil, nil)
	tokens := legacy(t, newKey(t), local, nil)
	tokens.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"t","token_type":"bearer","expires_in":3600}`)
	})
	pins := []outbound.Pin{outbound.PinOf(receiver.Certificate())}
	for trusted, want := range map[bool]bool{true: true, false: false} {
		o := outbound.Options{Pins: pins}
		if trusted {
			o.TLS = trusting(tokens)
		}
		c := onPrem(o)
		auth, err := outbound.OAuth2ClientCredentials(outbound.OAuth2Config{TokenURL: tokens.URL, ClientID: "id", ClientSecret: "s", Client: c, AuthStyle: oauth2.AuthStyleInParams})
		if err != nil {
			t.Fatal(err)
		}
		a, err := c.Send(t.Context(), auth, request(t, receiver.URL, "x"))
		if (err == nil && a.Status == 200) != want {
			t.Errorf("trusted %v: %+v, %v", trusted, a, err)
		}
	}
}

func TestParsePin(t *testing.T) {
	p := outbound.PinOf(legacy(t, newKey(t), nil, nil).Certificate())
	if got, err := outbound.ParsePin(p.String()); err != nil || got != p {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "sha256//", "sha256//AAAA", p.String()[8:], "sha1//" + p.String()[8:], p.String() + "="} {
		if _, err := outbound.ParsePin(bad); !errors.Is(err, outbound.ErrBadPin) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestUnsafeTLS: old versions are refused and told, and allowed by their own word, as far back as it says.
func TestUnsafeTLS(t *testing.T) {
	for name, c := range map[string]struct {
		server *tls.Config
		least  uint16
		ok     bool
	}{
		"1.0":               {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, 0, false},
		"1.1":               {&tls.Config{MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}, 0, false},
		"1.0 allowed":       {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, tls.VersionTLS10, true},
		"1.1 allowed":       {&tls.Config{MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}, tls.VersionTLS11, true},
		"1.0 where 1.1 is":  {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10}, tls.VersionTLS11, false},
		"the best there is": {&tls.Config{}, tls.VersionTLS10, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := legacy(t, newKey(t), local, c.server)
			var version uint16
			s.Config.Handler = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { version = r.TLS.Version })
			o := outbound.Options{TLS: trusting(s), UnsafeTLS: c.least}
			if !c.ok {
				if got := failure(t, o, s.URL); !strings.Contains(got, "no TLS that is safe") || !strings.Contains(got, "unsafe_tls") {
					t.Error(got)
				}
				return
			}
			if _, err := onPrem(o).Do(t.Context(), request(t, s.URL, "x")); err != nil {
				t.Fatal(err)
			}
			want := c.server.MaxVersion
			if want == 0 {
				want = tls.VersionTLS13
			}
			if version != want {
				t.Errorf("spoke %x, want %x", version, want)
			}
		})
	}
}

// TestUnsafeTLSTakesOldCiphers: a server of that time may know nothing but RSA key exchange.
func TestUnsafeTLSTakesOldCiphers(t *testing.T) {
	r := httptest.NewUnstartedServer(http.NotFoundHandler())
	r.TLS = &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS10, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.StartTLS()
	defer r.Close()
	if a, err := onPrem(outbound.Options{TLS: trusting(r), UnsafeTLS: tls.VersionTLS10}).Do(t.Context(), request(t, r.URL, "x")); err != nil || a.Status != 404 {
		t.Errorf("%+v, %v", a, err)
	}
}
