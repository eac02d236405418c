package signature

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// places reads where in the body signature and time are.
func (c *HMACConfig) places(s *spec) error {
	for _, p := range []struct {
		option, path string
		to           *[]string
		text         *string
	}{{"signature_path", c.SignaturePath, &s.sigPath, &s.sigPlace}, {"timestamp_path", c.TimestampPath, &s.tsPath, &s.tsPlace}} {
		if p.path == "" {
			continue
		}
		keys, ok := bodyPath(p.path)
		if !ok {
			return fmt.Errorf("%s %q names no value; write keys with points between them", p.option, p.path)
		}
		*p.to, *p.text = keys, "$."+strings.Join(keys, ".")
	}
	switch {
	case s.sigPath != nil && c.Header != "":
		return errors.New("has both header and signature_path; remove one")
	case s.sigPath != nil && (c.SignatureKey != "" || c.TimestampKey != ""):
		return errors.New("has a list of keys, which is one of a header; remove signature_key and timestamp_key")
	}
	return nil
}

// keyKind settles what follows from the kind of key: of a private one the size of a signature, and the hash.
func (c *HMACConfig) keyKind(s *spec) error {
	switch {
	case s.scheme != "rsa" && c.Padding != "":
		return errors.New("has no padding, which is one of the scheme rsa; remove it")
	case s.scheme != "rsa" && s.scheme != "ed25519":
		return nil
	case c.KeyEncoding != "":
		return errors.New("has a public key, which is PEM, base64 or hex as it shows itself; remove key_encoding")
	case s.scheme == "ed25519" && c.Algorithm != "":
		return errors.New("has no choice of hashes; remove algorithm")
	case c.Algorithm == "sha1":
		return errors.New("does not take sha1, which can be forged; use sha256 or sha512")
	case !slices.Contains([]string{"", "pkcs1v15", "pss"}, c.Padding):
		return fmt.Errorf("padding %q is unknown; use pkcs1v15 or pss", c.Padding)
	}
	if s.size = 0; s.scheme == "ed25519" {
		s.size = ed25519.SignatureSize
	}
	return nil
}
