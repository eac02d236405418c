package caddymodule

import (
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/caddymodule/scheme"
	"github.com/callgate/callgate/internal/signature"
)

// SchemeVerifier is the guest module of each signature scheme that is built in, named after the scheme:
// callgate.verifiers.nextphone, callgate.verifiers.stripe and so on.
type SchemeVerifier struct {
	scheme.Options

	scheme string
}

// CaddyModule returns the Caddy module information.
func (v *SchemeVerifier) CaddyModule() caddy.ModuleInfo {
	name := v.scheme
	return caddy.ModuleInfo{
		ID:  caddy.ModuleID("callgate.verifiers." + name),
		New: func() caddy.Module { return &SchemeVerifier{scheme: name} },
	}
}

// Provision warns of headers that do not arrive: the only sign of it would be that every request is refused as unsigned.
func (v *SchemeVerifier) Provision(ctx caddy.Context) error {
	for _, name := range droppedHeaders(v.Options) {
		ctx.Logger().Warn("Caddy drops headers with underscores or dots in their names, so signatures in this one are missing; "+
			"rename it, or name it in expected_underscore_headers or expected_dot_headers of the HTTP server", zap.String("header", name))
	}
	return nil
}

func droppedHeaders(o scheme.Options) (names []string) {
	for _, name := range []string{o.Header, o.TimestampHeader, o.IDHeader} {
		if strings.ContainsAny(name, "_.") {
			names = append(names, name)
		}
	}
	return names
}

// SchemeName implements guest.Described.
func (v *SchemeVerifier) SchemeName() string { return v.scheme }

// SignsURL implements guest.Described. What a configurable scheme signs is written in its options.
func (v *SchemeVerifier) SignsURL() bool {
	info, known := signature.Lookup(v.scheme)
	return !known || info.SignsURL || v.scheme == "hmac" || strings.HasPrefix(v.scheme, "vapi")
}

// Verifier implements guest.Verifier.
func (v *SchemeVerifier) Verifier(k guest.Keys) (signature.Verifier, error) {
	c := v.Config(v.scheme)
	c.Secrets, c.PublicKeys = k.Secrets, k.PublicKeys
	return signature.New(c)
}

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
//		timestamp_unit   s|ms|auto|rfc3339
//		timestamp_key    <key>
//		signature_key    <key>
//		list_separator   <text>
//		id_header        <name>
//		tolerance_future <duration>
//		no_timestamp
//	}
func (v *SchemeVerifier) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the scheme's name
	if d.NextArg() {
		return d.ArgErr()
	}
	return v.UnmarshalBlock(d)
}

func init() {
	for _, s := range signature.Schemes() {
		caddy.RegisterModule(&SchemeVerifier{scheme: s.Name})
	}
}

// warnOfLiteralSecrets tells of secrets that stand in the configuration as they are: /config and the file it came from
// show them to whoever may read these.
func (p *Policy) warnOfLiteralSecrets(logger *zap.Logger, where, name string) {
	literal := 0
	for _, s := range p.Secrets {
		if !strings.Contains(s, "{") {
			literal++
		}
	}
	if p.Sign != nil && !strings.Contains(p.Sign.Secret, "{") {
		literal++
	}
	if literal > 0 {
		logger.Warn("a secret is written in the configuration; use {env.NAME} or {file.PATH}, so that only the gateway sees it",
			zap.String("in", where), zap.String("name", name), zap.Int("secrets", literal))
	}
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*SchemeVerifier)(nil)
	_ caddy.Module          = (*SchemeVerifier)(nil)
	_ caddy.Provisioner     = (*SchemeVerifier)(nil)
	_ guest.Verifier        = (*SchemeVerifier)(nil)
	_ guest.Described       = (*SchemeVerifier)(nil)
)
