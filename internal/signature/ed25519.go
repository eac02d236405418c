package signature

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

var (
	errPublicKey  = errors.New("is no ed25519 public key; give base64 or hex of 32 bytes, behind an optional whpk_, or a PEM block")
	errPrivateKey = errors.New("is no ed25519 private key; give whsk_ and base64 of 64 bytes, base64 of a 32 byte seed, or a PKCS #8 PEM block")
)

// publicKeys reads Config.PublicKeys.
func publicKeys(scheme string, keys []string) ([]ed25519.PublicKey, error) {
	out := make([]ed25519.PublicKey, len(keys))
	for i, k := range keys {
		e, ok := parsePublicKey(k).(ed25519.PublicKey)
		if !ok {
			return nil, configError(scheme, "public key %d %w", i+1, errPublicKey)
		}
		out[i] = e
	}
	return out, nil
}

// privateKey reads the secret that a Signer is given.
func privateKey(scheme, k string) (ed25519.PrivateKey, error) {
	if block, _ := pem.Decode([]byte(k)); block != nil {
		p, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if e, ok := p.(ed25519.PrivateKey); err == nil && ok {
			return e, nil
		}
		return nil, configError(scheme, "secret 1 %w", errPrivateKey)
	}
	switch b := keyBytes(strings.TrimPrefix(k, "whsk_")); len(b) {
	case ed25519.SeedSize:
		return ed25519.NewKeyFromSeed(b), nil
	case ed25519.PrivateKeySize:
		p := ed25519.PrivateKey(b)
		if ed25519.NewKeyFromSeed(p.Seed()).Equal(p) { // otherwise its two halves do not belong together
			return p, nil
		}
	}
	return nil, configError(scheme, "secret 1 %w", errPrivateKey)
}

func keyBytes(s string) []byte {
	b, err := decodeBase64(s)
	if err != nil {
		return nil
	}
	return b
}

// matchKeys returns the index of the first key under which one of the signatures is that of msg, or -1. It tries all.
func matchKeys(keys []ed25519.PublicKey, signatures [][maxDigest]byte, msg []byte) int {
	matched := -1
	for i, k := range keys {
		for j := range signatures {
			if ed25519.Verify(k, msg, signatures[j][:]) && matched < 0 {
				matched = i
			}
		}
	}
	return matched
}

// telnyx signs {timestamp}|{body} with ed25519 (telnyx-node, webhooks.ts).
var telnyx = scheme{
	Info: Info{
		Name: "telnyx", NeedsPublicKey: true, TimestampTolerance: defaultTolerance,
		Summary: "Ed25519 over time and body, under the public key from Mission Control.",
		Headers: []string{telnyxHeader, telnyxTime},
	},
	takes: takesTolerance,
	verifier: func(c *Config) (Verifier, error) {
		keys, err := publicKeys("telnyx", c.PublicKeys)
		return &telnyxScheme{keys: keys, tolerance: tolerance(c)}, err
	},
	signer: func(c *Config) (Signer, error) {
		key, err := privateKey("telnyx", c.Secrets[0])
		return &telnyxScheme{private: key}, err
	},
}

// tolerance is the configured one, or the usual one.
func tolerance(c *Config) time.Duration {
	if c.Tolerance > 0 {
		return c.Tolerance
	}
	return defaultTolerance
}

type telnyxScheme struct {
	keys      []ed25519.PublicKey
	private   ed25519.PrivateKey
	tolerance time.Duration
}

const (
	telnyxHeader = "Telnyx-Signature-Ed25519"
	telnyxTime   = "Telnyx-Timestamp"
)

// read reads the headers and checks the time.
func (t *telnyxScheme) read(h http.Header, now time.Time, sig *[maxDigest]byte) (ts string, at time.Time, err error) {
	v, err := get(h, telnyxHeader, maxHeader)
	if err != nil {
		return "", at, err
	}
	if ts, err = get(h, telnyxTime, maxID); err != nil {
		return "", at, err
	}
	at, ok := parseTime(ts, seconds)
	if !ok {
		return "", at, fmt.Errorf("%w: header %s is no time in Unix seconds", ErrMalformed, telnyxTime)
	}
	if err := checkTime(telnyxTime, at, now, t.tolerance, t.tolerance); err != nil {
		return "", at, err
	}
	if !digest(sig, v, ed25519.SignatureSize, base64Std) {
		return "", at, fmt.Errorf("%w: header %s is not base64 of 64 bytes", ErrMalformed, telnyxHeader)
	}
	return ts, at, nil
}

func (t *telnyxScheme) Precheck(h http.Header, now time.Time) error {
	var sig [maxDigest]byte
	_, _, err := t.read(h, now, &sig)
	return err
}

func (t *telnyxScheme) Verify(m *Message, now time.Time) (Result, error) {
	var sig [1][maxDigest]byte
	ts, at, err := t.read(m.Header, now, &sig[0])
	if err != nil {
		return Result{}, err
	}
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	*buf = append(append(append((*buf)[:0], ts...), '|'), m.Body...)
	if i := matchKeys(t.keys, sig[:], *buf); i >= 0 {
		return Result{Form: "raw", Secret: i, Timestamp: at, Covers: CoversBody | CoversTime}, nil
	}
	return Result{}, fmt.Errorf("%w: header %s does not match time and body under %s; check the key, and that nothing in between changed the request",
		ErrInvalid, telnyxHeader, count(len(t.keys), "public key"))
}

func (t *telnyxScheme) Sign(m *Message, _ string, now time.Time) error {
	ts := formatTime(now, seconds)
	sum := ed25519.Sign(t.private, append([]byte(ts+"|"), m.Body...))
	set(m, telnyxHeader, string(appendDigest(nil, sum, base64Std)))
	set(m, telnyxTime, ts)
	return nil
}
