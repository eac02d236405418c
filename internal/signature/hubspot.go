package signature

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	hubspotHeader   = "X-Hubspot-Signature"
	hubspotVersion  = "X-Hubspot-Signature-Version"
	hubspotHeaderV3 = "X-Hubspot-Signature-V3"
)

// hubspot has three versions. Where the header of v3 is there it alone counts.
var hubspot = scheme{
	Info: Info{
		Name: "hubspot", Aliases: []string{"hubspot-v1", "hubspot-v2", "hubspot-v3"}, NeedsSecret: true, SignsURL: true,
		Headers:            []string{hubspotHeaderV3, "X-Hubspot-Request-Timestamp", hubspotHeader, hubspotVersion},
		TimestampTolerance: defaultTolerance,
		Summary:            "v3: HMAC-SHA256 of method, URL, body and time; v2 and v1, without a time: SHA-256 behind the secret.",
	},
	takes:    takesTolerance,
	verifier: func(c *Config) (Verifier, error) { return newHubspot(c) },
	signer:   func(c *Config) (Signer, error) { return newHubspot(c) },
}

type hubspotScheme struct {
	v3      *hmacScheme
	secrets []string
}

func newHubspot(c *Config) (*hubspotScheme, error) {
	s, err := (&HMACConfig{
		Header: hubspotHeaderV3, Encoding: "base64", Signed: "{method}{url}{body}{timestamp}",
		TimestampHeader: "X-HubSpot-Request-Timestamp", TimestampUnit: "ms",
	}).compile("hubspot")
	if err != nil {
		return nil, err
	}
	v3, err := newHMAC(s, c)
	return &hubspotScheme{v3, c.Secrets}, err
}

func (h *hubspotScheme) Verify(m *Message, now time.Time) (Result, error) {
	if !has(m.Header, hubspotHeaderV3) && has(m.Header, hubspotHeader) {
		return h.verifyOld(m)
	}
	r, err := h.v3.Verify(m, now)
	if errors.Is(err, ErrInvalid) && strings.Contains(m.URL, "%") {
		// The documentation wants some escapes in the URL decoded before hashing; HubSpot's library does not do it.
		d := *m
		d.URL = hubspotEscapes.Replace(m.URL)
		if r, e := h.v3.Verify(&d, now); e == nil {
			return r, nil
		}
	}
	return r, err
}

// hubspotEscapes decodes the escapes that HubSpot's documentation lists.
var hubspotEscapes = strings.NewReplacer(
	"%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'", "%28", "(", "%29", ")",
	"%2A", "*", "%2C", ",", "%3B", ";",
	"%3a", ":", "%2f", "/", "%3f", "?", "%2a", "*", "%2c", ",", "%3b", ";",
)

// verifyOld checks v1 and v2. They are plain hashes behind a secret: whoever has seen one can compute that of the
// same text with something appended, but has to put a NUL in between, which no JSON contains.
func (h *hubspotScheme) verifyOld(m *Message) (Result, error) {
	v, err := get(m.Header, hubspotHeader, maxHeader)
	if err != nil {
		return Result{}, err
	}
	version, err := get(m.Header, hubspotVersion, maxID)
	if err != nil {
		return Result{}, err
	}
	if version != "v1" && version != "v2" {
		return Result{}, fmt.Errorf("%w: header %s is neither v1 nor v2", ErrMalformed, hubspotVersion)
	}
	var d [maxDigest]byte
	if !digest(&d, v, sha256.Size, hexLower) {
		return Result{}, fmt.Errorf("%w: header %s is not 64 digits of lower-case hexadecimal", ErrMalformed, hubspotHeader)
	}
	if bytes.IndexByte(m.Body, 0) >= 0 {
		return Result{}, fmt.Errorf("%w: the body contains a NUL, which %s signatures do not protect", ErrMalformed, version)
	}
	matched := -1
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	for i, s := range h.secrets {
		b := append((*buf)[:0], s...)
		if version == "v2" {
			b = append(append(b, m.Method...), m.URL...)
		}
		b = append(b, m.Body...)
		sum := sha256.Sum256(b)
		clear(b) // it held the secret
		*buf = b
		if subtle.ConstantTimeCompare(sum[:], d[:sha256.Size]) == 1 && matched < 0 {
			matched = i
		}
	}
	if matched < 0 {
		return Result{}, fmt.Errorf("%w: header %s (%s) does not match the request under %s; check the secret, and that the URL is the one that the sender calls",
			ErrInvalid, hubspotHeader, version, count(len(h.secrets), "secret"))
	}
	return Result{Form: "raw", Secret: matched}, nil
}

// Sign makes a v3 signature.
func (h *hubspotScheme) Sign(m *Message, id string, now time.Time) error {
	return h.v3.Sign(m, id, now)
}
