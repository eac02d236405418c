package signature

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"
)

// ed25519Scheme and rsaScheme are the schemes of senders that sign with a private key, as Config.HMAC describes.
var (
	ed25519Scheme = publicKeyScheme("ed25519", "Ed25519 as configured: header, encoding, prefix, what is signed, time, id.")
	rsaScheme     = publicKeyScheme("rsa", "RSA with SHA-256 or SHA-512, PKCS #1 v1.5 or PSS, as configured: header, encoding, prefix, what is signed, time, id.")
)

func publicKeyScheme(name, summary string) scheme {
	return scheme{
		Info:  Info{Name: name, NeedsPublicKey: true, Summary: summary, TimestampTolerance: defaultTolerance},
		takes: takesHMAC | takesTolerance,
		verifier: func(c *Config) (Verifier, error) {
			s, err := newKeyed(name, c)
			if err != nil {
				return nil, err
			}
			s.public, err = verifyKeys(name, c.PublicKeys)
			return s, err
		},
		signer: func(c *Config) (Signer, error) {
			s, err := newKeyed(name, c)
			if err != nil {
				return nil, err
			}
			if name == "rsa" {
				s.private, err = rsaPrivateKey(name, c.Secrets[0])
			} else {
				s.private, err = privateKey(name, c.Secrets[0])
			}
			return s, err
		},
	}
}

// keyedScheme is what a spec describes, signed with a private key.
type keyedScheme struct {
	hmacScheme
	hashed  *key        // makes what is signed: its hash, or all of it for ed25519
	hash    crypto.Hash // of rsa
	pss     bool
	public  []crypto.PublicKey
	private crypto.Signer
}

func newKeyed(name string, c *Config) (*keyedScheme, error) {
	if c.HMAC == nil {
		return nil, configError(name, "needs to know how the sender signs; configure at least the header")
	}
	s, err := c.HMAC.compile(name)
	if err != nil {
		return nil, err
	}
	if c.Tolerance > 0 {
		if s.unit == noTime {
			return nil, configError(name, "has no timestamp, so a tolerance has no effect; remove it")
		}
		s.past, s.future = c.Tolerance, c.Tolerance
	}
	k := &keyedScheme{hmacScheme: hmacScheme{spec: s}, hashed: wholeTexts, pss: c.HMAC.Padding == "pss"}
	if name == "rsa" {
		k.hashed, k.hash = digests, crypto.SHA256
		if c.HMAC.Algorithm == "sha512" {
			k.hashed, k.hash = digests512, crypto.SHA512
		}
	}
	return k, nil
}

func (k *keyedScheme) Verify(m *Message, now time.Time) (Result, error) {
	var p presented
	if err := k.present(m, now, &p); err != nil {
		return Result{}, err
	}
	st := k.hashed.get()
	defer k.release(st)
	k.hmacScheme.hash(st, m, &p, m.Body, true)
	text, matched := st.sum(), -1
	for i, key := range k.public {
		for j := range p.count {
			sig := p.digests[j][:k.size]
			if k.size == 0 {
				sig = p.long[j]
			}
			if matched < 0 && k.signedBy(key, text, sig) {
				matched = i
			}
		}
	}
	if matched < 0 {
		return Result{}, fmt.Errorf("%w: %s does not match what is signed under %s; check the key, and that nothing in between changed the request",
			ErrInvalid, p.where(), count(len(k.public), "public key"))
	}
	return k.result(m, &p, raw, m.Body, matched, false)
}

// signedBy reports whether a signature is that of text, or of the text that text is the hash of.
func (k *keyedScheme) signedBy(key crypto.PublicKey, text, sig []byte) bool {
	switch key := key.(type) {
	case ed25519.PublicKey:
		return ed25519.Verify(key, text, sig)
	case *rsa.PublicKey:
		if k.pss {
			return rsa.VerifyPSS(key, k.hash, text, sig, nil) == nil
		}
		return rsa.VerifyPKCS1v15(key, k.hash, text, sig) == nil
	}
	return false
}

// Sign sets the header, and the headers of the time and the id where they are configured.
func (k *keyedScheme) Sign(m *Message, id string, now time.Time) error {
	return k.write(m, id, now, func(p *presented) ([]byte, error) {
		st := k.hashed.get()
		defer k.release(st)
		k.hmacScheme.hash(st, m, p, m.Body, true)
		var opts crypto.SignerOpts = k.hash // none for ed25519
		if k.pss {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: k.hash}
		}
		return k.private.Sign(rand.Reader, st.sum(), opts)
	})
}

// release puts a state back, unless it holds a large body.
func (k *keyedScheme) release(st *mac) {
	if w, ok := st.h.(*whole); !ok || w.Cap() <= maxBuffer {
		k.hashed.put(st)
	}
}

// whole is a hash that hashes nothing: its sum is what was written. Ed25519 signs the text itself.
type whole struct{ bytes.Buffer }

func (w *whole) Sum(b []byte) []byte { return append(b, w.Bytes()...) }
func (w *whole) Size() int           { return w.Len() }
func (w *whole) BlockSize() int      { return 1 }

var wholeTexts = unkeyed(func() hash.Hash { return new(whole) })

var errVerifyKey = errors.New("is no public key of the kind; give it as PEM, or as base64 or hex of what is in it")

// verifyKeys reads Config.PublicKeys for a scheme: all of them are ed25519, or rsa.
func verifyKeys(scheme string, keys []string) ([]crypto.PublicKey, error) {
	out := make([]crypto.PublicKey, len(keys))
	for i, text := range keys {
		k := parsePublicKey(text)
		_, isEd := k.(ed25519.PublicKey)
		r, isRSA := k.(*rsa.PublicKey)
		switch {
		case isEd != (scheme == "ed25519") || !isEd && !isRSA:
			return nil, configError(scheme, "public key %d %w", i+1, errVerifyKey)
		case isRSA && r.Size() < 256:
			return nil, configError(scheme, "public key %d has %d bits, which is too weak; ask the sender for one of 2048 or more", i+1, r.Size()*8)
		}
		out[i] = k
	}
	return out, nil
}

// parsePublicKey reads a public key: a PEM block (PKIX, PKCS #1, or a certificate), or base64 or hex of its DER or of the 32
// bytes of an ed25519 key, behind an optional whpk_. It is nil for anything else.
func parsePublicKey(text string) crypto.PublicKey {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		return parseDER(block.Bytes)
	}
	text = strings.TrimPrefix(text, "whpk_")
	if b, err := decodeBase64(text); err == nil {
		if k := parseDER(b); k != nil {
			return k
		}
	}
	if b, err := hex.DecodeString(text); err == nil {
		return parseDER(b)
	}
	return nil
}

func parseDER(b []byte) crypto.PublicKey {
	if len(b) == ed25519.PublicKeySize {
		return ed25519.PublicKey(b)
	}
	if k, err := x509.ParsePKIXPublicKey(b); err == nil {
		return k
	}
	if k, err := x509.ParsePKCS1PublicKey(b); err == nil {
		return k
	}
	if c, err := x509.ParseCertificate(b); err == nil {
		return c.PublicKey
	}
	return nil
}

var errRSAPrivateKey = errors.New("is no RSA private key; give a PKCS #8 or PKCS #1 PEM block")

// rsaPrivateKey reads the secret that a Signer is given.
func rsaPrivateKey(scheme, text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, configError(scheme, "secret 1 %w", errRSAPrivateKey)
	}
	if k, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return k, nil
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if r, ok := k.(*rsa.PrivateKey); err == nil && ok {
		return r, nil
	}
	return nil, configError(scheme, "secret 1 %w", errRSAPrivateKey)
}

// KeysOfNobody are keys that nobody signs with: a Verifier that is made with them refuses every message, as it would refuse
// one of a stranger. Under schemes without keys there are none. Its error wraps ErrConfig: of a certificate there is none
// that would be refused in the same way.
func KeysOfNobody(scheme string) (secrets, publicKeys []string, err error) {
	info, known := Lookup(scheme)
	switch {
	case known && !info.NeedsSecret && !info.NeedsPublicKey:
		return nil, nil, nil
	case known && info.Name == "client_certificate":
		return nil, nil, configError(info.Name, "cannot be told from an unknown tenant's; tell tenants by their secrets instead")
	case known && info.Name == "rsa":
		private, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return nil, nil, err
		}
		return nil, []string{std64.EncodeToString(x509.MarshalPKCS1PublicKey(&private.PublicKey))}, nil
	case known && info.NeedsPublicKey && !info.NeedsSecret:
		public, _, err := ed25519.GenerateKey(nil)
		return nil, []string{std64.EncodeToString(public)}, err
	}
	random := make([]byte, sha256.Size)
	_, _ = rand.Read(random) // never fails
	if secrets = []string{hex.EncodeToString(random)}; info.Name == "basic" {
		secrets[0] = "nobody:" + secrets[0]
	}
	return secrets, nil, nil // which is base64 too
}
