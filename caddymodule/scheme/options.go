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

	// Header carries the signature or the secret, for the schemes hmac, vapi-hmac, ed25519, rsa, jwt, bearer, vapi-bearer and
	// api_key.
	Header string `json:"header,omitempty"`

	// Prefix stands before it in the header, for the same schemes.
	Prefix string `json:"prefix,omitempty"`

	// Query is the parameter of the URL's query that carries the secret, for the scheme api_key, where the sender can be given
	// an address and nothing else. It is taken off what is stored and handed on.
	Query string `json:"query,omitempty"`

	// Path is where in the JSON body the secret is, for the scheme body_token: keys with points between them, such as
	// auth.key. The secret is taken out of what is stored and handed on.
	Path string `json:"path,omitempty"`

	// HashClaim is the claim of the token that has the SHA-256 of the body, for the scheme jwt.
	HashClaim string `json:"hash_claim,omitempty"`

	// HashEncoding of that claim is hex, base64 or base64url. Default: hex.
	HashEncoding string `json:"hash_encoding,omitempty"`

	// Names are the DNS names, or common names where there are none, of the certificates that are let in, for the scheme
	// client_certificate where public_key is the certificate of their issuer.
	Names []string `json:"names,omitempty"`

	// Unsafe says that it is understood that the scheme none verifies nothing: whoever can send from an address of
	// remote_ip, which has to be set, can send calls.
	Unsafe bool `json:"unsafe,omitempty"`

	// The options from here on are those of the schemes hmac and vapi-hmac, and of ed25519 and rsa, which take all but
	// key_encoding and no_timestamp.

	// SignaturePath is where in the JSON body the signature is, in place of Header: keys with points between them.
	SignaturePath string `json:"signature_path,omitempty"`

	// Padding of the scheme rsa is pkcs1v15 or pss. Default: pkcs1v15.
	Padding string `json:"padding,omitempty"`

	// Algorithm is sha256, sha1 or sha512; of rsa sha256 or sha512, and ed25519 has none. Default: sha256.
	Algorithm string `json:"algorithm,omitempty"`

	// Encoding of the signature is hex, base64 or base64url. Default: hex.
	Encoding string `json:"encoding,omitempty"`

	// KeyEncoding of the secret is text, base64 or hex. Default: text.
	KeyEncoding string `json:"key_encoding,omitempty"`

	// Signed is what is signed, in terms of {body}, {timestamp}, {id}, {method}, {url}, {header:Name} and
	// {json:path.to.value}. Default: {body}, or {timestamp}.{body} if there is a timestamp.
	Signed string `json:"signed,omitempty"`

	// TimestampHeader carries the signed time.
	TimestampHeader string `json:"timestamp_header,omitempty"`

	// TimestampPath is where in the JSON body the signed time is, in place of TimestampHeader.
	TimestampPath string `json:"timestamp_path,omitempty"`

	// TimestampUnit is s, ms, auto (s or ms), rfc3339, iso8601 (as rfc3339, or with a space for the T or without a zone,
	// which is UTC then), utc (2006-01-02 15:04:05) or http (Mon, 02 Jan 2006 15:04:05 GMT). Default: s.
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
	c := signature.Config{
		Scheme: scheme, Forms: o.Forms, Query: o.Query, Path: o.Path, HashClaim: o.HashClaim, HashEncoding: o.HashEncoding, Names: o.Names,
	}
	h := signature.HMACConfig{
		Algorithm: o.Algorithm, Encoding: o.Encoding, KeyEncoding: o.KeyEncoding, Padding: o.Padding,
		SignaturePath: o.SignaturePath, TimestampPath: o.TimestampPath,
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
	configurable := name == "hmac" || name == "vapi-hmac" || name == "ed25519" || name == "rsa"
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
		"query":            grammar.Text(&o.Query),
		"path":             grammar.Text(&o.Path),
		"hash_claim":       grammar.Text(&o.HashClaim),
		"hash_encoding":    grammar.Text(&o.HashEncoding),
		"names":            grammar.List(&o.Names),
		"unsafe":           grammar.Flag(&o.Unsafe),
		"signature_path":   grammar.Text(&o.SignaturePath),
		"timestamp_path":   grammar.Text(&o.TimestampPath),
		"padding":          grammar.Text(&o.Padding),
	})
}
