package signature

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// basic is HTTP's Basic authentication: the secret is name and password with a colon between.
var basic = scheme{
	Info: Info{
		Name: "basic", Aliases: []string{"basic-auth", "basic_auth"}, NeedsSecret: true, Replayable: true, Weak: true, Token: true,
		Summary: "HTTP Basic authentication: the secret is name:password; the body is not signed.",
		Headers: []string{"Authorization"},
	},
	verifier: func(c *Config) (Verifier, error) { return newBasic(c) },
	signer:   func(c *Config) (Signer, error) { return newBasic(c) },
}

func newBasic(c *Config) (*headerToken, error) {
	encoded := make([]string, len(c.Secrets))
	for i, s := range c.Secrets {
		if name, _, ok := strings.Cut(s, ":"); !ok || name == "" {
			return nil, configError("basic", "secret %d has no colon; write it as name:password", i+1)
		}
		encoded[i] = std64.EncodeToString([]byte(s))
	}
	return &headerToken{header: "Authorization", prefix: "Basic ", tokens: newTokens(encoded), first: encoded[0]}, nil
}

// none is for senders that show nothing at all. Who configures a route has to bound the addresses from which it is called.
var none = scheme{
	Info: Info{
		Name: "none", Replayable: true, Weak: true, Token: true,
		Summary: "Nothing: whoever can reach the route can send calls. It needs the word unsafe, and remote_ip.",
	},
	verifier: func(*Config) (Verifier, error) { return unverified{}, nil },
}

type unverified struct{}

func (unverified) Verify(*Message, time.Time) (Result, error) {
	return Result{Weak: true, Token: true}, nil
}

func (unverified) precheck(*Message, time.Time) error { return nil }

func (unverified) signsHeader(string) bool { return true }

// clientCertificate is for senders that show a certificate in the TLS handshake.
var clientCertificate = scheme{
	Info: Info{
		Name: "client_certificate", Aliases: []string{"client-certificate", "mtls"}, NeedsPublicKey: true, Replayable: true, Weak: true, Token: true,
		Summary: "A certificate in the TLS handshake, which the TLS settings of the site have to ask for: the public key is the certificate itself, or that of its issuer together with names.",
	},
	takes:    takesNames,
	verifier: func(c *Config) (Verifier, error) { return newCertificates(c) },
}

// certificates verifies the client's certificate. The request is taken as a whole on its word: nobody else can have sent
// anything over the connection.
type certificates struct {
	pinned  []*x509.Certificate // by its place in Config.PublicKeys; nil for an issuer
	issuers []*x509.CertPool    // likewise
	names   []string
}

var (
	errCertificate = errors.New("is no certificate; give it as PEM, or as base64 of the DER")
	errAnyName     = errors.New("is that of an issuer, so everybody who has one of its certificates would be let in; say with names who may")
)

func newCertificates(c *Config) (*certificates, error) {
	v := &certificates{names: make([]string, len(c.Names))}
	for i, n := range c.Names {
		v.names[i] = strings.ToLower(n)
	}
	issuer := false
	for i, text := range c.PublicKeys {
		cert, err := parseCertificate(text)
		switch {
		case err != nil:
			return nil, configError("client_certificate", "public key %d %w", i+1, errCertificate)
		case !cert.IsCA:
			v.pinned, v.issuers = append(v.pinned, cert), append(v.issuers, nil)
			continue
		case len(c.Names) == 0:
			return nil, configError("client_certificate", "public key %d %w", i+1, errAnyName)
		}
		pool := x509.NewCertPool()
		pool.AddCert(cert)
		v.pinned, v.issuers, issuer = append(v.pinned, nil), append(v.issuers, pool), true
	}
	if len(c.Names) > 0 && !issuer {
		return nil, configError("client_certificate", "has the client's certificate itself, so that names have no effect; remove them")
	}
	return v, nil
}

func parseCertificate(text string) (*x509.Certificate, error) {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return x509.ParseCertificate(block.Bytes)
	}
	b, err := decodeBase64(text)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(b)
}

func (v *certificates) Verify(m *Message, now time.Time) (Result, error) {
	if len(m.Certificates) == 0 {
		return Result{}, fmt.Errorf("%w: the client showed no certificate; have the TLS settings of the site ask for one (client_auth), "+
			"and no proxy in front end the connection", ErrMissing)
	}
	cert := m.Certificates[0]
	if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
		return Result{}, fmt.Errorf("%w: the client's certificate has expired, or is not valid yet; check the clocks, and have the sender renew it", ErrTimestamp)
	}
	intermediates := x509.NewCertPool()
	for _, c := range m.Certificates[1:] {
		intermediates.AddCert(c)
	}
	for i := range v.pinned {
		if p := v.pinned[i]; p != nil {
			if bytes.Equal(p.Raw, cert.Raw) {
				return Result{Secret: i, Weak: true, Token: true}, nil
			}
			continue
		}
		_, err := cert.Verify(x509.VerifyOptions{
			Roots: v.issuers[i], Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		if err == nil && v.named(cert) {
			return Result{Secret: i, Weak: true, Token: true}, nil
		}
	}
	return Result{}, fmt.Errorf("%w: the client's certificate is not one of those that are let in; check public_key and names", ErrInvalid)
}

// named reports whether the certificate is of one of the names.
func (v *certificates) named(c *x509.Certificate) bool {
	if len(c.DNSNames) == 0 {
		return slices.Contains(v.names, strings.ToLower(c.Subject.CommonName))
	}
	return slices.ContainsFunc(c.DNSNames, func(n string) bool { return slices.Contains(v.names, strings.ToLower(n)) })
}

func (v *certificates) precheck(m *Message, now time.Time) error {
	_, err := v.Verify(m, now)
	return err
}

func (*certificates) signsHeader(string) bool { return true }
