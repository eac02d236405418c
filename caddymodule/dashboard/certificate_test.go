package dashboard

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/access"
	"github.com/callgate/callgate/internal/operate"
)

// authority issues certificates.
type authority struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.key, a.cert = a.sign(template, nil, nil)
	a.file("ca.pem", "CERTIFICATE", a.cert.Raw)
	return a
}

func (a *authority) sign(template, parent *x509.Certificate, by *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *x509.Certificate) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	if parent == nil {
		parent, by = template, key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		a.t.Fatal(err)
	}
	return key, cert
}

func (a *authority) file(name, kind string, raw []byte) string {
	a.t.Helper()
	file := filepath.Join(a.dir, name)
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: raw}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return file
}

// issue gives the files of a certificate and its key, and both for a client.
func (a *authority) issue(name string) (cert, key string, pair tls.Certificate) {
	a.t.Helper()
	k, c := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.cert, a.key)
	raw, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, key = a.file(name+".pem", "CERTIFICATE", c.Raw), a.file(name+".key", "PRIVATE KEY", raw)
	return cert, key, tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: k}
}

const certificateConfig = `{
	auto_https disable_redirects
	skip_install_trust
	callgate {
		store sqlite STORE
	}
}
https://localhost:%s {
	bind 127.0.0.1
	tls %s %s {
		client_auth {
			%s
		}
	}
	callgate_dashboard /ops/* {
		user {http.request.tls.client.subject}
		viewer user CN=ada
	}
}`

// TestGroupsOfACertificateNeedItVerified: somebody with a password cannot make themselves a certificate with groups.
func TestGroupsOfACertificateNeedItVerified(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	_, _, member := ours.issue("privacy")
	_, _, forged := theirs.issue("privacy")
	policy, err := access.New([]access.Grant{{Role: "reveal", Groups: []string{"CN=privacy"}}, {Role: "viewer", Users: []string{"x-"}}})
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		user, id string
		pair     tls.Certificate
		verified bool
		may      bool
	}{
		"a member":                {"{http.auth.user.id}", "mallory", member, true, true},
		"who says to be one":      {"{http.auth.user.id}", "mallory", forged, false, false},
		"a member without a user": {"{http.auth.user.id}", "", member, true, false},
		"a text around nobody":    {"x-{http.auth.user.id}", "", member, true, false},
		"a text around somebody":  {"x-{http.auth.user.id}", "ada", member, true, true},
	} {
		h := &Handler{User: tt.user, Groups: "{http.request.tls.client.subject}"}
		cert, err := x509.ParseCertificate(tt.pair.Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "https://ops.test/ops/api/events", nil)
		r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}}
		if tt.verified {
			r.TLS.VerifiedChains = [][]*x509.Certificate{{cert, ours.cert}}
		}
		repl := caddyhttp.NewTestReplacer(r)
		if tt.id != "" {
			repl.Set("http.auth.user.id", tt.id)
		}
		user, groups := h.identity(r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl)))
		a := policy.Actor(user, groups, "dashboard")
		if may := a.May != nil && a.May(operate.Reveal); may != tt.may || (user == "") != (tt.id == "") {
			t.Errorf("%s: %q in %q may reveal: %v", name, user, groups, may)
		}
	}
}

// TestPeopleAreKnownByTheirCertificates: if somebody who is trusted has issued them.
func TestPeopleAreKnownByTheirCertificates(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	cert, key, _ := ours.issue("server")
	_, _, ada := ours.issue("ada")
	_, _, bob := ours.issue("bob")
	_, _, forged := theirs.issue("ada")
	roots := x509.NewCertPool()
	roots.AddCert(ours.cert)
	for mode, want := range map[string][4]int{ // of nobody, Ada, Bob, and of who says to be Ada; 0 is a failed handshake
		"mode require_and_verify\n\t\t\ttrust_pool file " + filepath.Join(ours.dir, "ca.pem"): {0, 200, 403, 0},
		"mode verify_if_given\n\t\t\ttrust_pool file " + filepath.Join(ours.dir, "ca.pem"):    {403, 200, 403, 0},
		"mode request": {403, 403, 403, 403},
		"mode require": {0, 403, 403, 403},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(l.Addr().String())
		l.Close()
		g := gatewaytest.Run(t, fmt.Sprintf(certificateConfig, port, cert, key, mode))
		for i, pairs := range [][]tls.Certificate{nil, {ada}, {bob}, {forged}} {
			transport := &http.Transport{TLSClientConfig: &tls.Config{
				RootCAs: roots,
				// Also one that the server does not ask for.
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if len(pairs) == 0 {
						return new(tls.Certificate), nil
					}
					return &pairs[0], nil
				},
			}}
			res, err := (&http.Client{Transport: transport}).Get("https://localhost:" + port + "/ops/api/events")
			status := 0
			if err == nil {
				status = res.StatusCode
				res.Body.Close()
			}
			transport.CloseIdleConnections()
			if status != want[i] {
				t.Errorf("%s: number %d: %d, want %d (%v)", strings.Fields(mode)[1], i, status, want[i], err)
			}
		}
		g.Stop()
	}
}
