// Package scheme has the options of signature schemes, which a verifier and whoever signs what is handed on have in common.
package scheme

import (
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/internal/signature"
)

// Options are the options of signature schemes. Which of them a scheme takes is written with each; one that has
// no effect is an error.
type Options struct {
	// Tolerance is how far the time in a signature may lie from now, in either direction, for all schemes that sign
	// a time. Default: the scheme's, usually 5m.
	Tolerance caddy.Duration `json:"tolerance,omitempty"`

	// Forms are the renderings of the body that the signature may be made over, for the scheme nextphone: raw, js
	// (as JSON.stringify writes it) and python (as json.dumps does). Default: all three, in this order. Who signs
	// uses the first.
	Forms []string `json:"forms,omitempty"`

	// Header carries the signature or the secret, for the schemes hmac, vapi-hmac, bearer, vapi-bearer and api_key.
	Header string `json:"header,omitempty"`

	// Prefix stands before it in the header, for the same schemes.
	Prefix string `json:"prefix,omitempty"`

	// The options from here on are those of the schemes hmac and vapi-hmac.

	// Algorithm is sha256, sha1 or sha512. Default: sha256.
	Algorithm string `json:"algorithm,omitempty"`

	// Encoding of the signature is hex, base64 or base64url. Default: hex.
	Encoding string `json:"encoding,omitempty"`

	// KeyEncoding of the secret is text, base64 or hex. Default: text.
	KeyEncoding string `json:"key_encoding,omitempty"`

	// Signed is what is signed, in terms of {body}, {timestamp}, {id}, {method}, {url} and {json:path.to.value}.
	// Default: {body}, or {timestamp}.{body} if there is a timestamp.
	Signed string `json:"signed,omitempty"`

	// TimestampHeader carries the signed time.
	TimestampHeader string `json:"timestamp_header,omitempty"`

	// TimestampUnit is s, ms, auto (s or ms) or rfc3339. Default: s.
	TimestampUnit string `json:"timestamp_unit,omitempty"`

	// TimestampKey and SignatureKey are the keys of the time and of the signatures where the header is a list such as
	// t=1700000000,v1=ab12.
	TimestampKey string `json:"timestamp_key,omitempty"`
	SignatureKey string `json:"signature_key,omitempty"`

	// ListSeparator separates the items of such a list, or several signatures in one header. Default: "," in a list
	// of keys, none otherwise.
	ListSeparator string `json:"list_separator,omitempty"`

	// IDHeader carries the signed id of the message.
	IDHeader string `json:"id_header,omitempty"`

	// ToleranceFuture is how far the time may lie ahead of now, where that differs from Tolerance.
	ToleranceFuture caddy.Duration `json:"tolerance_future,omitempty"`

	// NoTimestamp says that no time is signed, for vapi-hmac with includeTimestamp off.
	NoTimestamp bool `json:"no_timestamp,omitempty"`
}

// Config is the scheme's configuration without keys.
func (o *Options) Config(scheme string) signature.Config {
	c := signature.Config{Scheme: scheme, Forms: o.Forms}
	h := signature.HMACConfig{
		Algorithm: o.Algorithm, Encoding: o.Encoding, KeyEncoding: o.KeyEncoding,
		// In site blocks of a Caddyfile {method} is Caddy's own shorthand and comes to us written out.
		Signed:          strings.ReplaceAll(o.Signed, "{http.request.method}", "{method}"),
		TimestampHeader: o.TimestampHeader, TimestampUnit: o.TimestampUnit, TimestampKey: o.TimestampKey,
		SignatureKey: o.SignatureKey, ListSeparator: o.ListSeparator, IDHeader: o.IDHeader,
		ToleranceFuture: time.Duration(o.ToleranceFuture),
	}
	if o.NoTimestamp {
		h.IncludeTimestamp = new(bool)
	}
	name := scheme
	if info, ok := signature.Lookup(scheme); ok {
		name = info.Name // under an alias a scheme takes the same options
	}
	configurable := name == "hmac" || name == "vapi-hmac"
	if given := h != (signature.HMACConfig{}); !configurable && !given {
		c.Header, c.Prefix, c.Tolerance = o.Header, o.Prefix, time.Duration(o.Tolerance)
		return c
	}
	// For other schemes this is refused, with the reason, by the package that knows them.
	h.Header, h.Prefix = o.Header, o.Prefix
	if name == "vapi-hmac" && h == (signature.HMACConfig{}) {
		c.Tolerance = time.Duration(o.Tolerance)
		return c // the scheme's own defaults, which a tolerance does not describe anew
	}
	h.TolerancePast = time.Duration(o.Tolerance)
	c.HMAC = &h
	return c
}

// UnmarshalBlock reads the block of options, if there is one.
func (o *Options) UnmarshalBlock(d *caddyfile.Dispenser) error {
	return grammar.Block(d, grammar.Lines{
		"tolerance":        grammar.Time(&o.Tolerance),
		"tolerance_future": grammar.Time(&o.ToleranceFuture),
		"forms":            grammar.List(&o.Forms),
		"no_timestamp":     grammar.Flag(&o.NoTimestamp),
		"header":           grammar.Text(&o.Header),
		"prefix":           grammar.Text(&o.Prefix),
		"algorithm":        grammar.Text(&o.Algorithm),
		"encoding":         grammar.Text(&o.Encoding),
		"key_encoding":     grammar.Text(&o.KeyEncoding),
		"signed":           grammar.Text(&o.Signed),
		"timestamp_header": grammar.Text(&o.TimestampHeader),
		"timestamp_unit":   grammar.Text(&o.TimestampUnit),
		"timestamp_key":    grammar.Text(&o.TimestampKey),
		"signature_key":    grammar.Text(&o.SignatureKey),
		"list_separator":   grammar.Text(&o.ListSeparator),
		"id_header":        grammar.Text(&o.IDHeader),
	})
}
