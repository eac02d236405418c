package signature

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"time"
)

const (
	signalwireHeader       = "X-Signalwire-Signature"
	signalwireSHA256Header = "X-Signalwire-Sha256-Signature"
)

// signalwire signs URL and body in hexadecimal, or builds its signature as Twilio does, in base64. Which of the two
// it is shows in the length. Where the SHA-256 header is there it alone counts.
//
// Guessed: that the SHA-256 header alone decides is from SignalWire's samples and a third party's notes, not from a page that
// says so.
var signalwire = scheme{
	Info: Info{
		Name: "signalwire", NeedsSecret: true, Replayable: true, SignsURL: true,
		Headers: []string{signalwireHeader, signalwireSHA256Header, "X-Twilio-Signature"},
		Summary: "HMAC-SHA1 (hex) of URL and body, or Twilio's construction (base64), or HMAC-SHA256 (hex) of URL and body.",
	},
	verifier: func(c *Config) (Verifier, error) { return newSignalwire(c), nil },
	signer:   func(c *Config) (Signer, error) { return newSignalwire(c), nil },
}

// signalwireSHA256 is for routes that get nothing but requests of calls, on which SignalWire always sets the SHA-256
// header: there a request without it is none of SignalWire's.
var signalwireSHA256 = scheme{
	Info: Info{
		Name: "signalwire-sha256", NeedsSecret: true, Replayable: true, SignsURL: true, Headers: []string{signalwireSHA256Header},
		Summary: "HMAC-SHA256 (hex) of URL and body alone; SHA-1 counts for nothing.",
	},
	verifier: func(c *Config) (Verifier, error) {
		s := newSignalwire(c)
		s.only256 = true
		return s, nil
	},
	signer: func(c *Config) (Signer, error) {
		s := newSignalwire(c)
		s.only256 = true
		return s, nil
	},
}

type signalwireScheme struct {
	*twilioScheme
	keys256 []*key
	only256 bool
}

func newSignalwire(c *Config) *signalwireScheme {
	s := &signalwireScheme{twilioScheme: newTwilio(signalwireHeader, c)}
	for _, k := range c.Secrets {
		s.keys256 = append(s.keys256, newKey(sha256.New, []byte(k)))
	}
	return s
}

// read finds the signature, and which header it is in. Hexadecimal is as long as its digest twice, base64 is not.
func (s *signalwireScheme) read(h http.Header, d *[maxDigest]byte) (header string, size int, hexadecimal bool, err error) {
	if s.only256 || has(h, signalwireSHA256Header) {
		v, err := get(h, signalwireSHA256Header, maxHeader)
		if err == nil && !digest(d, v, sha256.Size, hexLower) {
			err = fmt.Errorf("%w: header %s is not 64 digits of lower-case hexadecimal", ErrMalformed, signalwireSHA256Header)
		}
		return signalwireSHA256Header, sha256.Size, true, err
	}
	header = signalwireHeader
	if !has(h, header) && has(h, "X-Twilio-Signature") {
		header = "X-Twilio-Signature"
	}
	v, err := get(h, header, maxHeader)
	switch {
	case err != nil:
		return "", 0, false, err
	case digest(d, v, sha1.Size, hexLower):
		return header, sha1.Size, true, nil
	case digest(d, v, sha1.Size, base64Std):
		return header, sha1.Size, false, nil
	}
	return "", 0, false, fmt.Errorf("%w: header %s is neither 40 digits of lower-case hexadecimal nor base64 of 20 bytes", ErrMalformed, header)
}

func (s *signalwireScheme) Precheck(h http.Header, _ time.Time) error {
	var d [maxDigest]byte
	_, _, _, err := s.read(h, &d)
	return err
}

func (s *signalwireScheme) Verify(m *Message, _ time.Time) (Result, error) {
	var d [maxDigest]byte
	header, size, hexadecimal, err := s.read(m.Header, &d)
	switch {
	case err != nil:
		return Result{}, err
	case size == sha256.Size:
		return matchURLAndBody(m, header, d[:size], s.keys256)
	case hexadecimal:
		return matchURLAndBody(m, header, d[:size], s.keys)
	}
	return s.match(m, header, d[:size])
}

// matchURLAndBody compares the digest with that of the URL, in each spelling of host and port, and the body.
func matchURLAndBody(m *Message, header string, d []byte, keys []*key) (Result, error) {
	matched, signed := -1, ""
	for _, u := range urlSpellings(m.URL, false) {
		for i, k := range keys {
			st := k.get()
			st.text(u)
			st.h.Write(m.Body)
			if subtle.ConstantTimeCompare(st.sum(), d) == 1 && matched < 0 {
				matched, signed = i, u
			}
			k.put(st)
		}
	}
	if matched < 0 {
		return Result{}, fmt.Errorf("%w: header %s does not match URL and body under %s; check the key, and that the URL is the one that the sender calls",
			ErrInvalid, header, count(len(keys), "secret"))
	}
	r := Result{Form: "raw", Secret: matched, URL: signed, Covers: CoversURL | CoversBody, Joined: true}
	r.setSum(func(st *mac) {
		st.text(signed)
		st.h.Write(m.Body)
	})
	return r, nil
}

// Sign signs forms as Twilio does, and other bodies with both hexadecimal signatures. A message that is signed again
// may bring the SHA-256 header of its first sender, which would count alone and is of another key.
func (s *signalwireScheme) Sign(m *Message, id string, now time.Time) error {
	if isForm(m) && !s.only256 {
		delete(m.Header, signalwireSHA256Header)
		return s.twilioScheme.Sign(m, id, now)
	}
	for _, h := range []struct {
		header string
		key    *key
	}{{signalwireHeader, s.keys[0]}, {signalwireSHA256Header, s.keys256[0]}} {
		if s.only256 && h.header == signalwireHeader {
			continue
		}
		st := h.key.get()
		st.text(m.URL)
		st.h.Write(m.Body)
		set(m, h.header, string(appendDigest(nil, st.sum(), hexLower)))
		h.key.put(st)
	}
	return nil
}
