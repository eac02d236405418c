package outbound

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Assertion is a JWT that proves an identity to a token server (RFC 7523), signed anew for each request.
type Assertion struct {
	// Key signs: see ParseKey.
	Key crypto.Signer
	// Method is RS256 (Salesforce), RS384 or ES384 (SMART backend services), or ES256. Empty means RS384 for an RSA
	// key, and ES256 or ES384 by the curve of an ECDSA key.
	Method string
	// KeyID is the kid by which the server finds the public key; JWKSURL the jku, where the server wants one.
	KeyID   string
	JWKSURL string
	// Issuer, Subject and Audience are the claims iss, sub and aud. For a client assertion they default to the client's
	// id, the client's id and the token URL.
	Issuer, Subject, Audience string
	// Lifetime is from iat to exp; 0 means 2 minutes, within Salesforce's 3 and SMART's 5.
	Lifetime time.Duration
}

// ErrBadKey means that a private key can not be used.
var ErrBadKey = errors.New("not a usable private key: give an RSA key of 2048 bits or more, or an ECDSA key on P-256 or P-384, as unencrypted PEM")

var errSigning = errors.New("the assertion could not be signed: check the private key")

// ParseKey reads an RSA or ECDSA private key in PEM (PKCS #1, PKCS #8 or SEC 1).
func ParseKey(pem []byte) (crypto.Signer, error) {
	if k, err := jwt.ParseRSAPrivateKeyFromPEM(pem); err == nil {
		return k, nil
	}
	if k, err := jwt.ParseECPrivateKeyFromPEM(pem); err == nil {
		return k, nil
	}
	return nil, ErrBadKey
}

// check fills in the method and checks that the key can serve it.
func (a *Assertion) check() error {
	switch k := a.Key.(type) {
	case *rsa.PrivateKey:
		if k == nil || k.N.BitLen() < 2048 {
			return ErrBadKey
		}
		if a.Method == "" {
			a.Method = "RS384"
		}
		if a.Method != "RS256" && a.Method != "RS384" {
			return fmt.Errorf("an RSA key signs by RS256 or RS384, not %q", a.Method)
		}
	case *ecdsa.PrivateKey:
		if k == nil {
			return ErrBadKey
		}
		want := map[int]string{256: "ES256", 384: "ES384"}[k.Curve.Params().BitSize]
		if want == "" {
			return ErrBadKey
		}
		if a.Method == "" {
			a.Method = want
		}
		if a.Method != want {
			return fmt.Errorf("this ECDSA key signs by %s, not %q", want, a.Method)
		}
	default:
		return ErrBadKey
	}
	if a.Issuer == "" || a.Subject == "" {
		return errors.New("an assertion needs an issuer (the client's id) and a subject (the user, or the client's id)")
	}
	if a.Lifetime <= 0 {
		a.Lifetime = 2 * time.Minute
	}
	return nil
}

// sign returns the JWT.
func (a *Assertion) sign(now time.Time) (string, error) {
	t := jwt.NewWithClaims(jwt.GetSigningMethod(a.Method), jwt.MapClaims{
		"iss": a.Issuer,
		"sub": a.Subject,
		"aud": a.Audience,
		"iat": now.Unix(),
		"exp": now.Add(a.Lifetime).Unix(),
		"jti": rand.Text(),
	})
	if a.KeyID != "" {
		t.Header["kid"] = a.KeyID
	}
	if a.JWKSURL != "" {
		t.Header["jku"] = a.JWKSURL
	}
	s, err := t.SignedString(a.Key)
	if err != nil {
		return "", errSigning
	}
	return s, nil
}
