package signature

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const (
	hubspotHeader   = "X-Hubspot-Signature"
	hubspotVersion  = "X-Hubspot-Signature-Version"
	hubspotHeaderV3 = "X-Hubspot-Signature-V3"
	hubspotTime     = "X-Hubspot-Request-Timestamp"
)

// hubspot is version 3 alone. HubSpot sends the older ones beside it, for ever the same for one body and, in v1, for any
// URL: were they to count where the headers of v3 are not there, whoever has seen one request could leave those out.
var hubspot = scheme{
	Info: Info{
		Name: "hubspot", Aliases: []string{"hubspot-v3"}, NeedsSecret: true, SignsURL: true,
		Headers:            []string{hubspotHeaderV3, hubspotTime},
		TimestampTolerance: defaultTolerance,
		Summary:            "v3: HMAC-SHA256 of method, URL, body and time. The older versions beside it count for nothing.",
	},
	takes:    takesTolerance,
	verifier: func(c *Config) (Verifier, error) { return newHubspot(c) },
	signer:   func(c *Config) (Signer, error) { return newHubspot(c) },
}

// hubspotV2 and hubspotV1 are for accounts and workflows that send nothing newer. They have to be asked for by name.
var (
	hubspotV2 = hubspotOldScheme("v2", Info{SignsURL: true, Summary: "SHA-256 of the secret, method, URL and body, without a time; only for senders without v3."})
	hubspotV1 = hubspotOldScheme("v1", Info{Summary: "SHA-256 of the secret and the body, without time and URL; only for senders without v3."})
)

func hubspotOldScheme(version string, i Info) scheme {
	i.Name, i.NeedsSecret, i.Replayable = "hubspot-"+version, true, true
	i.Headers = []string{hubspotHeader, hubspotVersion}
	return scheme{
		Info:     i,
		verifier: func(c *Config) (Verifier, error) { return &hubspotOld{version, c.Secrets}, nil },
		signer:   func(c *Config) (Signer, error) { return &hubspotOld{version, c.Secrets}, nil },
	}
}

type hubspotScheme struct{ v3 *hmacScheme }

func newHubspot(c *Config) (*hubspotScheme, error) {
	s, err := (&HMACConfig{
		Header: hubspotHeaderV3, Encoding: "base64", Signed: "{method}{url}{body}{timestamp}",
		TimestampHeader: "X-HubSpot-Request-Timestamp", TimestampUnit: "ms",
	}).compile("hubspot")
	if err != nil {
		return nil, err
	}
	v3, err := newHMAC(s, c)
	return &hubspotScheme{v3}, err
}

func (h *hubspotScheme) Precheck(header http.Header, now time.Time) error {
	return h.v3.Precheck(header, now)
}

func (h *hubspotScheme) Verify(m *Message, now time.Time) (Result, error) {
	r, err := h.v3.Verify(m, now)
	if errors.Is(err, ErrInvalid) && strings.Contains(m.URL, "%") {
		// The documentation wants some escapes in the URL decoded before hashing; HubSpot's library does not do it.
		d := *m
		d.URL = hubspotEscapes.Replace(m.URL)
		if r, e := h.v3.Verify(&d, now); e == nil {
			return r, nil // with the URL as it was signed
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

// hubspotOld is v1 or v2. They are plain hashes behind a secret: whoever has seen one can compute that of the same text
// with something appended, but has to put a NUL in between, which no JSON contains.
type hubspotOld struct {
	version string
	secrets []string
}

func (h *hubspotOld) Precheck(header http.Header, _ time.Time) error {
	var d [maxDigest]byte
	return h.read(header, &d)
}

func (h *hubspotOld) read(header http.Header, d *[maxDigest]byte) error {
	v, err := get(header, hubspotHeader, maxHeader)
	if err != nil {
		return err
	}
	version, err := get(header, hubspotVersion, maxID)
	if err != nil {
		return err
	}
	if version != h.version {
		return fmt.Errorf("%w: header %s does not say %s, which is the version that is configured", ErrMalformed, hubspotVersion, h.version)
	}
	if !digest(d, v, sha256.Size, hexLower) {
		return fmt.Errorf("%w: header %s is not 64 digits of lower-case hexadecimal", ErrMalformed, hubspotHeader)
	}
	return nil
}

func (h *hubspotOld) Verify(m *Message, _ time.Time) (Result, error) {
	var d [maxDigest]byte
	if err := h.read(m.Header, &d); err != nil {
		return Result{}, err
	}
	if bytes.IndexByte(m.Body, 0) >= 0 {
		return Result{}, fmt.Errorf("%w: the body contains a NUL, which %s signatures do not protect", ErrMalformed, h.version)
	}
	matched := -1
	buf := buffers.Get().(*[]byte)
	defer putBuffer(buf)
	for i, s := range h.secrets {
		b := h.append((*buf)[:0], s, m)
		sum := sha256.Sum256(b)
		clear(b) // it held the secret
		*buf = b
		if subtle.ConstantTimeCompare(sum[:], d[:sha256.Size]) == 1 && matched < 0 {
			matched = i
		}
	}
	if matched < 0 {
		return Result{}, fmt.Errorf("%w: header %s (%s) does not match the request under %s; check the secret, and that the URL is the one that the sender calls",
			ErrInvalid, hubspotHeader, h.version, count(len(h.secrets), "secret"))
	}
	r := Result{Form: "raw", Secret: matched, Covers: CoversBody}
	if h.version == "v2" {
		r.Covers, r.URL, r.Joined = CoversBody|CoversURL|CoversMethod, m.URL, true
	}
	return r, nil
}

// append appends what is hashed.
func (h *hubspotOld) append(b []byte, secret string, m *Message) []byte {
	b = append(b, secret...)
	if h.version == "v2" {
		b = append(append(b, m.Method...), m.URL...)
	}
	return append(b, m.Body...)
}

func (h *hubspotOld) Sign(m *Message, _ string, _ time.Time) error {
	sum := sha256.Sum256(h.append(nil, h.secrets[0], m))
	set(m, hubspotHeader, string(appendDigest(nil, sum[:], hexLower)))
	set(m, hubspotVersion, h.version)
	return nil
}

// Sign makes a v3 signature.
func (h *hubspotScheme) Sign(m *Message, id string, now time.Time) error {
	return h.v3.Sign(m, id, now)
}
