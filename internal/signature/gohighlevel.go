package signature

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"net/http"
	"time"
)

// goHighLevel signs the body with ed25519 (marketplace.gohighlevel.com/docs/webhook/WebhookIntegrationGuide).
//
// Guessed: the page was read in parts and in others' words; the key is as others copied it from there. The older signature,
// RSA over SHA-256, ended in the middle of 2026: it counts only where its public key is configured, and the newer one is not
// there.
//
// The key says that HighLevel sent the event, and not for whom: whoever has an app there can have its events sent to any
// address. Which location an event is of stands in the body, which is signed.
var goHighLevel = scheme{
	Info: Info{
		Name: "gohighlevel", Aliases: []string{"highlevel"}, NeedsPublicKey: true, Replayable: true,
		Summary: "Ed25519 over the body, under the key that the vendor publishes unless another is given, and which is one for all of its customers: tell yours by locationId; RSA with SHA-256 (X-WH-Signature) under an RSA key that is given.",
		Headers: []string{ghlHeader, ghlOldHeader},
	},
	known: true,
	verifier: func(c *Config) (Verifier, error) {
		keys := c.PublicKeys
		if len(keys) == 0 {
			keys = []string{ghlPublicKey}
		}
		v := &ghlScheme{keys: make([]crypto.PublicKey, len(keys))}
		for i, text := range keys {
			switch k := parsePublicKey(text).(type) {
			case ed25519.PublicKey:
				v.keys[i] = k
			case *rsa.PublicKey:
				v.keys[i], v.old = k, true
			default:
				return nil, configError("gohighlevel", "public key %d %w", i+1, errVerifyKey)
			}
		}
		return v, nil
	},
	signer: func(c *Config) (Signer, error) {
		k, err := privateKey("gohighlevel", c.Secrets[0])
		return &ghlScheme{private: k}, err
	},
}

const (
	ghlHeader    = "X-Ghl-Signature"
	ghlOldHeader = "X-Wh-Signature"
	ghlPublicKey = "MCowBQYDK2VwAyEAi2HR1srL4o18O8BRa7gVJY7G7bupbN3H9AwJrHCDiOg="
)

type ghlScheme struct {
	keys    []crypto.PublicKey
	old     bool // one of them is for the older signature
	private ed25519.PrivateKey
}

// read finds the header that counts, and the signature in it.
func (g *ghlScheme) read(h http.Header) (name string, sig []byte, err error) {
	if name = ghlHeader; g.old && !has(h, ghlHeader) && has(h, ghlOldHeader) {
		name = ghlOldHeader
	}
	v, err := get(h, name, maxHeader)
	if err != nil {
		return "", nil, err
	}
	sig, ok := longDigest(v, base64Std)
	if !ok || name == ghlHeader && len(sig) != ed25519.SignatureSize {
		return "", nil, fmt.Errorf("%w: header %s is no signature in base64", ErrMalformed, name)
	}
	return name, sig, nil
}

func (g *ghlScheme) Precheck(h http.Header, _ time.Time) error {
	_, _, err := g.read(h)
	return err
}

func (g *ghlScheme) Verify(m *Message, _ time.Time) (Result, error) {
	name, sig, err := g.read(m.Header)
	if err != nil {
		return Result{}, err
	}
	sum, matched := sha256.Sum256(m.Body), -1
	for i, k := range g.keys {
		ok := false
		switch k := k.(type) {
		case ed25519.PublicKey:
			ok = name == ghlHeader && ed25519.Verify(k, m.Body, sig)
		case *rsa.PublicKey:
			ok = name == ghlOldHeader && rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], sig) == nil
		}
		if ok && matched < 0 {
			matched = i
		}
	}
	if matched < 0 {
		return Result{}, fmt.Errorf("%w: header %s does not match the body under %s; check the key, and that nothing in between changed the request",
			ErrInvalid, name, count(len(g.keys), "public key"))
	}
	return Result{Form: "raw", Secret: matched, Covers: CoversBody}, nil
}

func (g *ghlScheme) Sign(m *Message, _ string, _ time.Time) error {
	set(m, ghlHeader, string(appendDigest(nil, ed25519.Sign(g.private, m.Body), base64Std)))
	return nil
}
