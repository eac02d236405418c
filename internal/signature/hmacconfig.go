package signature

import (
	"encoding/json"
	"fmt"
	"hash"
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
