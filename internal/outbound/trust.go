package outbound

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// Pin is the SHA-256 of a certificate's public key (its SubjectPublicKeyInfo, RFC 7469, section 2.4), which stays the same
// when a certificate is renewed with its key.
type Pin [sha256.Size]byte

const pinPrefix = "sha256//"

// ErrBadPin means that a pin can not be read.
var ErrBadPin = errors.New("not a pin: write sha256// and the base64 of the SHA-256 of the public key, as curl's --pinnedpubkey and the reason of a refused certificate have it")

// ParsePin reads "sha256//" and base64.
func ParsePin(text string) (p Pin, err error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, pinPrefix))
	if err != nil || len(b) != len(p) || !strings.HasPrefix(text, pinPrefix) {
		return p, ErrBadPin
	}
	copy(p[:], b)
	return p, nil
}

// PinOf is the pin of a certificate.
func PinOf(c *x509.Certificate) Pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

// String is the pin as ParsePin reads it.
func (p Pin) String() string { return pinPrefix + base64.StdEncoding.EncodeToString(p[:]) }

// notPinned is a receiver that shows another key than those that are pinned.
type notPinned struct{ shown Pin }

func (*notPinned) Error() string { return "the key is not pinned" }

var errPinnedHTTP = errors.New("a pinned receiver is reached by https:// only")

// pinned trusts the keys and nothing else: no authority, name or date of the certificate. Who answers has shown in the
// handshake that the key is its own.
func pinned(conf *tls.Config, pins []Pin) {
	conf.InsecureSkipVerify = true // what stands below is in its place, on resumed connections too
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("tls: the receiver shows no certificate")
		}
		if shown := PinOf(s.PeerCertificates[0]); !slices.Contains(pins, shown) {
			return &notPinned{shown}
		}
		return nil
	}
}

// encrypted refuses to send anything unencrypted to a pinned receiver.
type encrypted struct{ http.RoundTripper }

func (e encrypted) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, errPinnedHTTP
	}
	return e.RoundTripper.RoundTrip(req)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the transport.
func (e encrypted) CloseIdleConnections() {
	if c, ok := e.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// tlsConfig is the TLS configuration of the options.
func tlsConfig(o Options) *tls.Config {
	conf := &tls.Config{}
	if o.TLS != nil {
		conf = o.TLS.Clone()
	}
	least := uint16(tls.VersionTLS12)
	if o.UnsafeTLS != 0 {
		least = o.UnsafeTLS
		conf.CipherSuites = oldSuites()
	}
	if conf.MinVersion < least || o.UnsafeTLS != 0 {
		conf.MinVersion = least
	}
	if len(o.Pins) > 0 {
		pinned(conf, o.Pins)
	}
	return conf
}

// oldSuites are those that Go offers by itself, and behind them those without forward secrecy and with 3DES, which servers
// that know no TLS 1.2 may have alone. RC4 stays out (RFC 7465).
func oldSuites() (ids []uint16) {
	for _, s := range tls.CipherSuites() {
		ids = append(ids, s.ID)
	}
	for _, s := range tls.InsecureCipherSuites() {
		if !strings.Contains(s.Name, "RC4") {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// explainTLS says what is wrong with the receiver's certificate or handshake, if that is what an error is about.
func explainTLS(err error) (text string, ok bool) {
	const untrusted = "the receiver's certificate is not trusted: "
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		verify  *tls.CertificateVerificationError
		pin     *notPinned
	)
	instead := ""
	if errors.As(err, &verify) && len(verify.UnverifiedCertificates) > 0 {
		instead = ", or trust its key alone: pin " + PinOf(verify.UnverifiedCertificates[0]).String() + ", once you have compared that with the receiver's own"
	}
	switch said := err.Error(); {
	case errors.Is(err, errPinnedHTTP):
		return errPinnedHTTP.Error() + ": correct the URL, or take the pins away", true
	case errors.As(err, &pin):
		return "the receiver shows another key than those that are pinned: if it has a new one, compare it with the receiver's own and pin it besides: pin " + pin.shown.String(), true
	case errors.As(err, &unknown):
		return untrusted + "signed by an unknown authority; configure its CA" + instead, true
	case errors.As(err, &name) && nameless(name.Certificate):
		return untrusted + "it says its name as a common name only (CN), which has not counted for years, and has no subjectAltName; have it issued anew with one" + instead, true
	case errors.As(err, &name):
		return untrusted + "it is for another name; check the host in the URL" + instead, true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return untrusted + "it has expired or is not valid yet" + instead, true
	case errors.As(err, &verify):
		return untrusted + "check it with a TLS test" + instead, true
	// What the other side says, and crypto/tls itself, has no type.
	case strings.Contains(said, "server selected unsupported protocol version"), strings.HasSuffix(said, "protocol version not supported"):
		return "the receiver speaks no TLS that is safe (1.2 or later): update it, put a TLS proxy before it, or allow what it has by unsafe_tls", true
	}
	return "", false
}

// nameless reports whether a certificate has a common name and no subjectAltName that names anything.
func nameless(c *x509.Certificate) bool {
	return c.Subject.CommonName != "" && len(c.DNSNames)+len(c.IPAddresses)+len(c.EmailAddresses)+len(c.URIs) == 0
}
