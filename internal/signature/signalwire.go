package signature

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"time"
)

const (
	signalwireHeader       = "X-Signalwire-Signature"
	signalwireSHA256Header = "X-Signalwire-Sha256-Signature"
)

// signalwire signs URL and body in hexadecimal, or builds its signature as Twilio does, in base64. Which of the two
// it is shows in the length. Where the SHA-256 header is there it alone counts.
var signalwire = scheme{
	Info: Info{
		Name: "signalwire", NeedsSecret: true, Replayable: true, SignsURL: true,
		Headers: []string{signalwireHeader, signalwireSHA256Header, "X-Twilio-Signature"},
		Summary: "HMAC-SHA1 (hex) of URL and body, or Twilio's construction (base64), or HMAC-SHA256 (hex) of URL and body.",
	},
	verifier: func(c *Config) (Verifier, error) { return newSignalwire(c), nil },
	signer:   func(c *Config) (Signer, error) { return newSignalwire(c), nil },
}

type signalwireScheme struct {
	*twilioScheme
	keys256 []*key
}

func newSignalwire(c *Config) *signalwireScheme {
	s := &signalwireScheme{twilioScheme: newTwilio(signalwireHeader, c)}
	for _, k := range c.Secrets {
		s.keys256 = append(s.keys256, newKey(sha256.New, []byte(k)))
	}
	return s
}

func (s *signalwireScheme) Verify(m *Message, _ time.Time) (Result, error) {
	var d [maxDigest]byte
	if has(m.Header, signalwireSHA256Header) {
		v, err := get(m.Header, signalwireSHA256Header, maxHeader)
		if err != nil {
			return Result{}, err
		}
		if !digest(&d, v, sha256.Size, hexLower) {
			return Result{}, fmt.Errorf("%w: header %s is not 64 digits of lower-case hexadecimal", ErrMalformed, signalwireSHA256Header)
		}
		return matchURLAndBody(m, signalwireSHA256Header, d[:sha256.Size], s.keys256)
	}
	header := signalwireHeader
	if !has(m.Header, header) && has(m.Header, "X-Twilio-Signature") {
		header = "X-Twilio-Signature"
	}
	v, err := get(m.Header, header, maxHeader)
	switch {
	case err != nil:
		return Result{}, err
	case digest(&d, v, sha1.Size, hexLower):
		return matchURLAndBody(m, header, d[:sha1.Size], s.keys)
	case digest(&d, v, sha1.Size, base64Std):
		return s.match(m, header, d[:sha1.Size])
	}
	return Result{}, fmt.Errorf("%w: header %s is neither 40 digits of lower-case hexadecimal nor base64 of 20 bytes", ErrMalformed, header)
}

// matchURLAndBody compares the digest with that of the URL, in each spelling of host and port, and the body.
func matchURLAndBody(m *Message, header string, d []byte, keys []*key) (Result, error) {
	matched := -1
	for _, u := range urlSpellings(m.URL, false) {
		for i, k := range keys {
			st := k.get()
			st.text(u)
			st.h.Write(m.Body)
			if subtle.ConstantTimeCompare(st.sum(), d) == 1 && matched < 0 {
				matched = i
			}
			k.put(st)
		}
	}
	if matched < 0 {
		return Result{}, fmt.Errorf("%w: header %s does not match URL and body under %s; check the key, and that the URL is the one that the sender calls",
			ErrInvalid, header, count(len(keys), "secret"))
	}
	return Result{Form: "raw", Secret: matched}, nil
}

// Sign signs forms as Twilio does, and other bodies with both hexadecimal signatures. A message that is signed again
// may bring the SHA-256 header of its first sender, which would count alone and is of another key.
func (s *signalwireScheme) Sign(m *Message, id string, now time.Time) error {
	if isForm(m) {
		delete(m.Header, signalwireSHA256Header)
		return s.twilioScheme.Sign(m, id, now)
	}
	for _, h := range []struct {
		header string
		key    *key
	}{{signalwireHeader, s.keys[0]}, {signalwireSHA256Header, s.keys256[0]}} {
		st := h.key.get()
		st.text(m.URL)
		st.h.Write(m.Body)
		set(m, h.header, string(appendDigest(nil, st.sum(), hexLower)))
		h.key.put(st)
	}
	return nil
}
