package signature

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// compile makes a configuration ready, in steps of which each needs what those before it have found.
func (c *HMACConfig) compile(scheme string) (*spec, error) {
	s := &spec{scheme: scheme, prefix: c.Prefix, sep: c.ListSeparator, forms: []form{raw}}
	for _, step := range []func(*spec) error{c.headers, c.places, c.ciphers, c.keyKind, c.whatIsSigned, c.consistent, c.times, c.list} {
		if err := step(s); err != nil {
			return nil, configError(scheme, "%w", err)
		}
	}
	return s, nil
}

// headers are the names of those that carry something.
func (c *HMACConfig) headers(s *spec) error {
	for _, h := range []struct {
		option, name string
		to           *string
	}{{"header", c.Header, &s.header}, {"timestamp_header", c.TimestampHeader, &s.tsHeader}, {"id_header", c.IDHeader, &s.idHeader}} {
		if !validHeaderName(h.name) {
			return fmt.Errorf("%s %q is not the name of a header", h.option, h.name)
		}
		*h.to = http.CanonicalHeaderKey(h.name)
	}
	if s.header == "" && c.SignaturePath == "" {
		return errors.New("needs the header that carries the signature")
	}
	return nil
}

// ciphers are the hash, and how the signature and the secret are written.
func (c *HMACConfig) ciphers(s *spec) error {
	switch c.Algorithm {
	case "", "sha256":
		s.newHash, s.size = sha256.New, sha256.Size
	case "sha1":
		s.newHash, s.size = sha1.New, sha1.Size
	case "sha512":
		s.newHash, s.size = sha512.New, sha512.Size
	default:
		return fmt.Errorf("algorithm %q is unknown; use sha256, sha1 or sha512", c.Algorithm)
	}
	switch c.Encoding {
	case "", "hex":
		s.encoding = hexAny
	case "base64":
		s.encoding = base64Std
	case "base64url":
		s.encoding = base64URL
	default:
		return fmt.Errorf("encoding %q is unknown; use hex, base64 or base64url", c.Encoding)
	}
	switch c.KeyEncoding {
	case "", "text":
		s.decode = textKey
	case "base64":
		s.decode = base64Key
	case "hex":
		s.decode = hexKey
	default:
		return fmt.Errorf("key encoding %q is unknown; use text, base64 or hex", c.KeyEncoding)
	}
	return nil
}

// hasTime tells whether a time is signed, as far as the configuration says where it is.
func (c *HMACConfig) hasTime(s *spec) bool {
	return (c.TimestampHeader != "" || c.TimestampKey != "" || s.tsPath != nil) && (c.IncludeTimestamp == nil || *c.IncludeTimestamp)
}

// whatIsSigned is the text over which the signature is, and what of a request it covers.
func (c *HMACConfig) whatIsSigned(s *spec) (err error) {
	hasTime := c.hasTime(s)
	if c.IncludeTimestamp != nil && *c.IncludeTimestamp && !hasTime {
		return errors.New("includes a timestamp; set timestamp_header, timestamp_key or timestamp_path to where it is")
	}
	signed := c.Signed
	if signed == "" {
		signed = "{body}"
		if hasTime {
			signed = "{timestamp}.{body}"
		}
	}
	if s.signed, err = compileSigned(signed); err != nil {
		return fmt.Errorf("signed: %w", err)
	}
	s.weak, s.covers = !s.uses(body), s.covered()
	s.joined, s.loose = s.runsTogether()
	if s.loose {
		s.covers &^= CoversID | CoversHeaders
	}
	for i := range s.signed {
		if g := &s.signed[i]; g.kind == headerValue {
			s.headers = append(s.headers, g.name)
		}
	}
	return nil
}

// uses tells whether a kind of segment is signed.
func (s *spec) uses(k segmentKind) bool {
	return slices.ContainsFunc(s.signed, func(g segment) bool { return g.kind == k })
}

// consistent holds the options to each other.
func (c *HMACConfig) consistent(s *spec) error {
	hasTime := c.hasTime(s)
	switch {
	case s.sigPath != nil && !s.weak:
		return errors.New("signed has the {body}, which a signature inside it cannot cover; name its values with {json:path}")
	case s.weak && !s.uses(jsonPath):
		return errors.New("signed covers nothing of the body; add {body}")
	case s.uses(timestamp) && !hasTime:
		return errors.New("signed has a {timestamp}; set timestamp_header, timestamp_key or timestamp_path to where it is")
	case hasTime && !s.uses(timestamp):
		return errors.New("signed has no {timestamp}, and a time that is not signed proves nothing; add it, or set include_timestamp to false")
	case c.TimestampHeader != "" && c.TimestampKey != "", s.tsPath != nil && (c.TimestampHeader != "" || c.TimestampKey != ""):
		return errors.New("has two of timestamp_header, timestamp_key and timestamp_path; remove one")
	case c.TimestampKey != "" && c.SignatureKey == "":
		return errors.New("has a timestamp_key but no signature_key; a list needs both")
	case s.uses(id) != (s.idHeader != ""):
		return errors.New("signed has an {id} without id_header, or the other way round")
	case !hasTime && (c.TolerancePast != 0 || c.ToleranceFuture != 0 || c.TimestampUnit != ""):
		return errors.New("has no timestamp; remove the tolerance and the timestamp unit")
	case c.TolerancePast < 0 || c.ToleranceFuture < 0:
		return errors.New("has a negative tolerance; it is a distance")
	case s.tsHeader != "" && (s.tsHeader == s.header || s.tsHeader == s.idHeader) || s.idHeader != "" && s.idHeader == s.header,
		slices.Contains(s.headers, s.header):
		return errors.New("has one header for two purposes; name different ones")
	}
	if what := c.ambiguous(); what != "" {
		return errors.New(what)
	}
	return nil
}

// times are the unit of the time that is signed, and how far it may lie from now.
func (c *HMACConfig) times(s *spec) (err error) {
	hasTime := c.hasTime(s)
	if s.unit, err = parseUnit(c.TimestampUnit); err != nil {
		return err
	}
	if !hasTime {
		s.unit, s.tsHeader = noTime, ""
	} else if c.TimestampKey != "" {
		s.tsKey = c.TimestampKey + "="
	}
	s.past, s.future = c.TolerancePast, c.ToleranceFuture
	if s.past == 0 {
		s.past = defaultTolerance
	}
	if s.future == 0 {
		s.future = s.past
	}
	return nil
}

// list is how several signatures, or a time and a signature, stand in one header.
func (c *HMACConfig) list(s *spec) error {
	switch {
	case c.SignatureKey != "":
		s.layout, s.sigKey = pairs, c.SignatureKey+"="
		// Vendors with a preset write none, and their libraries take none.
		s.spaces = s.scheme == "hmac" || s.scheme == "vapi-hmac" || s.scheme == "ed25519" || s.scheme == "rsa"
		if s.sep == "" {
			s.sep = ","
		}
	case s.sep != "":
		s.layout = separated
	}
	return nil
}

func parseUnit(u string) (unit, error) {
	switch u {
	case "", "s":
		return seconds, nil
	case "ms":
		return millis, nil
	case "auto":
		return autoUnit, nil
	case "rfc3339":
		return rfc3339, nil
	case "iso8601":
		return iso8601, nil
	case "utc":
		return utcText, nil
	case "http":
		return httpDate, nil
	}
	return 0, fmt.Errorf("timestamp unit %q is unknown; use s, ms, auto, rfc3339, iso8601, utc or http", u)
}
