// Package verifiers has the guest modules of the signature schemes that are built in: callgate.verifiers.nextphone,
// callgate.verifiers.stripe and so on.
package verifiers

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/scheme"
	"github.com/callgate/callgate/internal/signature"
)

// Scheme is the guest module of each signature scheme that is built in, named after the scheme:
// callgate.verifiers.nextphone, callgate.verifiers.stripe and so on.
type Scheme struct {
	scheme.Options

	scheme string
}

// CaddyModule returns the Caddy module information.
func (v *Scheme) CaddyModule() caddy.ModuleInfo {
	name := v.scheme
	return caddy.ModuleInfo{
		ID:  caddy.ModuleID("callgate.verifiers." + name),
		New: func() caddy.Module { return &Scheme{scheme: name} },
	}
}

// Provision warns of headers that do not arrive: the only sign of it would be that every request is refused as unsigned.
func (v *Scheme) Provision(ctx caddy.Context) error {
	for _, name := range droppedHeaders(v.Options) {
		ctx.Logger().Warn("Caddy drops headers with underscores or dots in their names, so signatures in this one are missing; "+
			"rename it, or name it in expected_underscore_headers or expected_dot_headers of the HTTP server", zap.String("header", name))
	}
	return nil
}

func droppedHeaders(o scheme.Options) (names []string) {
	for _, name := range append([]string{o.Header, o.TimestampHeader, o.IDHeader}, signedHeader.FindAllString(o.Signed, -1)...) {
		name = strings.TrimPrefix(name, "{header:")
		if strings.ContainsAny(name, "_.") {
			names = append(names, name)
		}
	}
	return names
}

// signedHeader finds the headers in a template of what is signed.
var signedHeader = regexp.MustCompile(`{header:[^}]*`)

// SchemeName implements guest.Described.
func (v *Scheme) SchemeName() string { return v.scheme }

// SignsURL implements guest.Described. What a configurable scheme signs is written in its options.
func (v *Scheme) SignsURL() bool {
	info, known := signature.Lookup(v.scheme)
	return !known || info.SignsURL || v.Query != "" || slices.Contains([]string{"hmac", "ed25519", "rsa"}, info.Name) || strings.HasPrefix(v.scheme, "vapi")
}

// Verifier implements guest.Verifier.
func (v *Scheme) Verifier(k guest.Keys) (signature.Verifier, error) {
	switch none := v.scheme == "none"; {
	case none && !v.Unsafe:
		return nil, errNotUnsafe
	case !none && v.Unsafe:
		return nil, errUnsafe
	}
	c := v.Config(v.scheme)
	c.Secrets, c.PublicKeys = k.Secrets, k.PublicKeys
	return signature.New(c)
}

var (
	errNotUnsafe = fmt.Errorf("%w: none verifies nothing, so that whoever can reach the route can send calls; write verify none { unsafe } "+
		"together with remote_ip and the addresses of the sender, or have the sender show a secret (verify api_key { query token } takes one from the URL)", signature.ErrConfig)
	errUnsafe = fmt.Errorf("%w: unsafe is a word for verify none; remove it", signature.ErrConfig)
)

// KeepsToBounds implements guest.Bounded: its options name no file and no placeholder.
func (*Scheme) KeepsToBounds() {}

// UnmarshalCaddyfile sets up the options from Caddyfile tokens. Syntax:
//
//	verify <scheme> {
//		tolerance        <duration>
//		forms            raw|js|python...
//		header           <name>
//		prefix           <text>
//		algorithm        sha256|sha1|sha512
//		encoding         hex|base64|base64url
//		key_encoding     text|base64|hex
//		signed           <template>
//		timestamp_header <name>
//		timestamp_path   <path>
//		timestamp_unit   s|ms|auto|rfc3339|iso8601|utc|http
//		timestamp_key    <key>
//		signature_key    <key>
//		list_separator   <text>
//		id_header        <name>
//		tolerance_future <duration>
//		no_timestamp
//		signature_path   <path>
//		padding          pkcs1v15|pss
//		query            <name>
//		path             <path>
//		hash_claim       <name>
//		hash_encoding    hex|base64|base64url
//		names            <name>...
//		unsafe
//	}
func (v *Scheme) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the scheme's name
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	return v.UnmarshalBlock(d)
}

func init() {
	for _, s := range signature.Schemes() {
		caddy.RegisterModule(&Scheme{scheme: s.Name})
	}
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*Scheme)(nil)
	_ caddy.Module          = (*Scheme)(nil)
	_ caddy.Provisioner     = (*Scheme)(nil)
	_ guest.Verifier        = (*Scheme)(nil)
	_ guest.Described       = (*Scheme)(nil)
)
