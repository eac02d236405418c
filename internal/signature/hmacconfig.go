package signature

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"time"
)

// HMACConfig describes a signature over parts of the request: an HMAC, or under the schemes ed25519 and rsa one that is made
// with a private key. The zero value of each field stands for the default named with it; only Header has none.
type HMACConfig struct {
	// Header carries the signature.
	Header string `json:"header"`
	// SignaturePath is where in the JSON body the signature is, instead of Header: keys with points between them. Such a
	// signature can cover values of the body, and never the body as a whole, which it is in.
	SignaturePath string `json:"signature_path,omitempty"`
	// Algorithm is the hash: "sha256" (default), "sha1" or "sha512". Of rsa it is "sha256" or "sha512"; ed25519 has none.
	Algorithm string `json:"algorithm,omitempty"`
	// Encoding is that of the signature: "hex" (default; both cases are understood), "base64" (standard, padded) or
	// "base64url" (padded or not).
	Encoding string `json:"encoding,omitempty"`
	// Prefix stands before each signature, such as "sha256=". A signature without it does not count.
	Prefix string `json:"prefix,omitempty"`
	// KeyEncoding says what the secret is: "text" (default: its bytes are the key), "base64" (standard or URL
	// alphabet, with or without padding, behind an optional "whsec_") or "hex".
	KeyEncoding string `json:"key_encoding,omitempty"`
	// Padding is that of rsa: "pkcs1v15" (default) or "pss".
	Padding string `json:"padding,omitempty"`
	// Signed is what is signed, a text with {body}, {timestamp}, {id} (or {svix-id}), {method}, {url}, {header:Name} and
	// {json:path}, the last a value in the JSON body named by its keys: {json:call.call_id}. Text and numbers can be named,
	// the latter as they are written. The default is "{body}", and "{timestamp}.{body}" if there is a timestamp.
	Signed string `json:"signed,omitempty"`
	// TimestampHeader carries the time, exactly as it is signed.
	TimestampHeader string `json:"timestamp_header,omitempty"`
	// TimestampPath is where in the JSON body the time is, instead of TimestampHeader.
	TimestampPath string `json:"timestamp_path,omitempty"`
	// TimestampUnit is "s" (Unix seconds, default), "ms", "auto" (seconds or milliseconds, told apart by size), "rfc3339",
	// "iso8601" (which may have a space for the T and no zone, and is of UTC then), "utc" (2006-01-02 15:04:05 and nothing
	// else) or "http" (Mon, 02 Jan 2006 15:04:05 GMT).
	TimestampUnit string `json:"timestamp_unit,omitempty"`
	// TimestampKey and SignatureKey are for a header that is a list of key=value items, such as "t=1,v1=ab": the keys
	// of the time and of the signatures. TimestampKey takes the place of TimestampHeader.
	TimestampKey string `json:"timestamp_key,omitempty"`
	SignatureKey string `json:"signature_key,omitempty"`
	// ListSeparator separates the items of such a list (default ","), or, without SignatureKey, several signatures in
	// one header (default: there is only one). Spaces around the items do not count.
	ListSeparator string `json:"list_separator,omitempty"`
	// IDHeader carries the message's id, the {id} in Signed.
	IDHeader string `json:"id_header,omitempty"`
	// TolerancePast and ToleranceFuture are how old and how far ahead the time may be. Default: 5m, and the same as
	// TolerancePast. In JSON they are texts such as "5m", or nanoseconds.
	TolerancePast   time.Duration `json:"tolerance_past,omitempty"`
	ToleranceFuture time.Duration `json:"tolerance_future,omitempty"`
	// IncludeTimestamp set to false says that no time is signed, whatever TimestampHeader and TimestampKey say.
	IncludeTimestamp *bool `json:"include_timestamp,omitempty"`
}

// defaultTolerance is that of the Standard Webhooks specification, and of most vendors.
const defaultTolerance = 5 * time.Minute

// UnmarshalJSON reads the durations as texts too.
func (c *HMACConfig) UnmarshalJSON(b []byte) error {
	type plain HMACConfig
	v := struct {
		*plain
		TolerancePast   duration `json:"tolerance_past"`
		ToleranceFuture duration `json:"tolerance_future"`
	}{plain: (*plain)(c), TolerancePast: duration(c.TolerancePast), ToleranceFuture: duration(c.ToleranceFuture)}
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	c.TolerancePast, c.ToleranceFuture = time.Duration(v.TolerancePast), time.Duration(v.ToleranceFuture)
	return nil
}

type duration time.Duration

func (d *duration) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] != '"' {
		return json.Unmarshal(b, (*int64)(d))
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("%w: %q is no duration; write one such as 5m", ErrConfig, s)
	}
	*d = duration(v)
	return nil
}

// Validate reports what is wrong with the configuration. Its error wraps ErrConfig.
func (c *HMACConfig) Validate() error {
	_, err := c.compile("hmac")
	return err
}

type encoding uint8

const (
	hexAny   encoding = iota // both cases
	hexLower                 // as vendors write it who compare the texts
	base64Std
	base64URL
)

type layout uint8

const (
	single    layout = iota // the header is one signature
	separated               // several signatures
	pairs                   // key=value items
)

type unit uint8

const (
	noTime unit = iota
	seconds
	millis
	autoUnit
	rfc3339
	iso8601
	utcText
	httpDate
)

type segmentKind uint8

const (
	text segmentKind = iota
	body
	timestamp
	id
	method
	address
	jsonPath
	headerValue
)

// segment is a part of what is signed.
type segment struct {
	kind segmentKind
	text []byte
	name string // of the header
	path []string
	also []string // where the value may be instead, or once more
}

// spec is a compiled HMACConfig.
type spec struct {
	scheme   string
	header   string
	aliases  []string // other names of the header, looked at when it is missing
	newHash  func() hash.Hash
	size     int
	encoding encoding
	prefix   string
	decode   func(string) ([]byte, error) // of the secret
	signed   []segment
	jsonText bool // the body must be JSON
	weak     bool // the body is not signed
	covers   Covers
	joined   bool     // see Result.Joined
	loose    bool     // where the id and the signed headers end is not covered, so that they tell nothing
	headers  []string // that are signed
	sigPath  []string // where the signature is in the body
	sigPlace string   // the same as a text
	tsPath   []string // where the time is in the body
	tsPlace  string
	tsHeader string
	unit     unit
	layout   layout
	sep      string
	tsKey    string // with its "="
	sigKey   string // with its "="
	first    bool   // only the first signature of the list counts
	exact    bool   // the list is the time and one signature, in that order; keys in either case
	spaces   bool   // items of the list may have spaces around them, as in any list of HTTP (RFC 9110, 5.6.1)
	idHeader string
	past     time.Duration
	future   time.Duration
	forms    []form
}

func (c *HMACConfig) compile(scheme string) (*spec, error) {
	bad := func(format string, args ...any) (*spec, error) {
		return nil, configError(scheme, format, args...)
	}
	s := &spec{scheme: scheme, prefix: c.Prefix, sep: c.ListSeparator, forms: []form{raw}}
	for _, h := range []struct {
		option, name string
		to           *string
	}{{"header", c.Header, &s.header}, {"timestamp_header", c.TimestampHeader, &s.tsHeader}, {"id_header", c.IDHeader, &s.idHeader}} {
		if !validHeaderName(h.name) {
			return bad("%s %q is not the name of a header", h.option, h.name)
		}
		*h.to = http.CanonicalHeaderKey(h.name)
	}
	if s.header == "" && c.SignaturePath == "" {
		return bad("needs the header that carries the signature")
	}
	if err := c.places(s); err != nil {
		return bad("%w", err)
	}
	switch c.Algorithm {
	case "", "sha256":
		s.newHash, s.size = sha256.New, sha256.Size
	case "sha1":
		s.newHash, s.size = sha1.New, sha1.Size
	case "sha512":
		s.newHash, s.size = sha512.New, sha512.Size
	default:
		return bad("algorithm %q is unknown; use sha256, sha1 or sha512", c.Algorithm)
	}
	switch c.Encoding {
	case "", "hex":
		s.encoding = hexAny
	case "base64":
		s.encoding = base64Std
	case "base64url":
		s.encoding = base64URL
	default:
		return bad("encoding %q is unknown; use hex, base64 or base64url", c.Encoding)
	}
	switch c.KeyEncoding {
	case "", "text":
		s.decode = textKey
	case "base64":
		s.decode = base64Key
	case "hex":
		s.decode = hexKey
	default:
		return bad("key encoding %q is unknown; use text, base64 or hex", c.KeyEncoding)
	}
	if err := c.keyKind(s); err != nil {
		return bad("%w", err)
	}
	hasTime := (c.TimestampHeader != "" || c.TimestampKey != "" || s.tsPath != nil) && (c.IncludeTimestamp == nil || *c.IncludeTimestamp)
	if c.IncludeTimestamp != nil && *c.IncludeTimestamp && !hasTime {
		return bad("includes a timestamp; set timestamp_header, timestamp_key or timestamp_path to where it is")
	}
	signed := c.Signed
	if signed == "" {
		signed = "{body}"
		if hasTime {
			signed = "{timestamp}.{body}"
		}
	}
	var err error
	if s.signed, err = compileSigned(signed); err != nil {
		return bad("signed: %w", err)
	}
	uses := func(k segmentKind) bool {
		return slices.ContainsFunc(s.signed, func(g segment) bool { return g.kind == k })
	}
	s.weak, s.covers = !uses(body), s.covered()
	s.joined, s.loose = s.runsTogether()
	if s.loose {
		s.covers &^= CoversID | CoversHeaders
	}
	for i := range s.signed {
		if g := &s.signed[i]; g.kind == headerValue {
			s.headers = append(s.headers, g.name)
		}
	}
	switch {
	case s.sigPath != nil && !s.weak:
		return bad("signed has the {body}, which a signature inside it cannot cover; name its values with {json:path}")
	case s.weak && !uses(jsonPath):
		return bad("signed covers nothing of the body; add {body}")
	case uses(timestamp) && !hasTime:
		return bad("signed has a {timestamp}; set timestamp_header, timestamp_key or timestamp_path to where it is")
	case hasTime && !uses(timestamp):
		return bad("signed has no {timestamp}, and a time that is not signed proves nothing; add it, or set include_timestamp to false")
	case c.TimestampHeader != "" && c.TimestampKey != "", s.tsPath != nil && (c.TimestampHeader != "" || c.TimestampKey != ""):
		return bad("has two of timestamp_header, timestamp_key and timestamp_path; remove one")
	case c.TimestampKey != "" && c.SignatureKey == "":
		return bad("has a timestamp_key but no signature_key; a list needs both")
	case uses(id) != (s.idHeader != ""):
		return bad("signed has an {id} without id_header, or the other way round")
	case !hasTime && (c.TolerancePast != 0 || c.ToleranceFuture != 0 || c.TimestampUnit != ""):
		return bad("has no timestamp; remove the tolerance and the timestamp unit")
	case c.TolerancePast < 0 || c.ToleranceFuture < 0:
		return bad("has a negative tolerance; it is a distance")
	case s.tsHeader != "" && (s.tsHeader == s.header || s.tsHeader == s.idHeader) || s.idHeader != "" && s.idHeader == s.header,
		slices.Contains(s.headers, s.header):
		return bad("has one header for two purposes; name different ones")
	}
	if what := c.ambiguous(); what != "" {
		return bad("%s", what)
	}
	if s.unit, err = parseUnit(c.TimestampUnit); err != nil {
		return bad("%w", err)
	}
	if !hasTime {
		s.unit, s.tsHeader = noTime, ""
	} else if c.TimestampKey != "" {
		s.tsKey = c.TimestampKey + "="
	}
	switch {
	case c.SignatureKey != "":
		s.layout, s.sigKey = pairs, c.SignatureKey+"="
		// Vendors with a preset write none, and their libraries take none.
		s.spaces = scheme == "hmac" || scheme == "vapi-hmac" || scheme == "ed25519" || scheme == "rsa"
		if s.sep == "" {
			s.sep = ","
		}
	case s.sep != "":
		s.layout = separated
	}
	s.past, s.future = c.TolerancePast, c.ToleranceFuture
	if s.past == 0 {
		s.past = defaultTolerance
	}
	if s.future == 0 {
		s.future = s.past
	}
	return s, nil
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
