package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/signature"
)

// Keys are what a verifier checks signatures with, placeholders resolved.
type Keys struct {
	// Secrets are accepted each by itself, the newest first.
	Secrets []string
	// PublicKeys likewise.
	PublicKeys []string
}

// Verifier checks the signature of one message. Implementations are safe for concurrent use, compare in constant
// time, and put neither secrets nor parts of the body into their errors.
type Verifier = signature.Verifier

// Message is what is verified: the request as its sender saw it, its body byte for byte as it arrived.
type Message = signature.Message

// Result tells how a message was verified.
type Result = signature.Result

// VerifierModule is a guest module in the namespace callgate.verifiers: one signature scheme with its options.
// Verifier is called once for each tenant, when the configuration is loaded.
type VerifierModule interface {
	Verifier(Keys) (Verifier, error)
}

// SchemeVerifier is the guest module of each signature scheme that is built in, named after the scheme:
// callgate.verifiers.nextphone, callgate.verifiers.stripe and so on.
type SchemeVerifier struct {
	SchemeOptions

	scheme string
}

// CaddyModule returns the Caddy module information.
func (v *SchemeVerifier) CaddyModule() caddy.ModuleInfo {
	scheme := v.scheme
	return caddy.ModuleInfo{
		ID:  caddy.ModuleID("callgate.verifiers." + scheme),
		New: func() caddy.Module { return &SchemeVerifier{scheme: scheme} },
	}
}

// Provision warns of headers that do not arrive: the only sign of it would be that every request is refused as unsigned.
func (v *SchemeVerifier) Provision(ctx caddy.Context) error {
	for _, name := range v.droppedHeaders() {
		ctx.Logger().Warn("Caddy drops headers with underscores or dots in their names, so signatures in this one are missing; "+
			"rename it, or name it in expected_underscore_headers or expected_dot_headers of the HTTP server", zap.String("header", name))
	}
	return nil
}

func (o *SchemeOptions) droppedHeaders() (names []string) {
	for _, name := range []string{o.Header, o.TimestampHeader, o.IDHeader} {
		if strings.ContainsAny(name, "_.") {
			names = append(names, name)
		}
	}
	return names
}

// Verifier implements VerifierModule.
func (v *SchemeVerifier) Verifier(k Keys) (Verifier, error) {
	c := v.config(v.scheme)
	c.Secrets, c.PublicKeys = k.Secrets, k.PublicKeys
	return signature.New(c)
}

func init() {
	for _, s := range signature.Schemes() {
		caddy.RegisterModule(&SchemeVerifier{scheme: s.Name})
	}
}

// Sign says how to sign what is handed on.
type Sign struct {
	// Scheme is any signature scheme that is built in.
	Scheme string `json:"scheme"`

	// Secret is the receiver's secret or, for schemes with a public key, the private key. Placeholders are resolved
	// when the configuration is loaded.
	Secret string `json:"secret"`

	SchemeOptions
}

func (s *Sign) signer(resolve resolver) (signature.Signer, error) {
	secret, err := resolve(s.Secret)
	if err != nil {
		return nil, fmt.Errorf("sign %s: secret: %w", s.Scheme, err)
	}
	c := s.config(s.Scheme)
	c.Secrets = []string{secret}
	signer, err := signature.NewSigner(c)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", s.Scheme, err)
	}
	return signer, nil
}

// resolver gives the value of a setting that may hold placeholders.
type resolver func(string) (string, error)

// resolveSecret resolves placeholders that Caddy knows at load time. An unknown one and an empty value are errors:
// an empty key is one that anybody can sign with.
func resolveSecret(s string) (string, error) {
	v, err := resolveAll(s)
	if err != nil && !placeholder.MatchString(s) {
		return "", errBraces
	}
	if err != nil {
		return "", err
	}
	if v == "" {
		return "", fmt.Errorf("is empty")
	}
	return v, nil
}

// warnOfLiteralSecrets tells of secrets that stand in the configuration as they are: /config and the file it came from
// show them to whoever may read these.
func (p *Policy) warnOfLiteralSecrets(logger *zap.Logger, where, name string) {
	secrets := p.Secrets
	if p.Sign != nil {
		secrets = append(slices.Clone(secrets), p.Sign.Secret)
	}
	warnOfLiterals(logger, where, name, secrets...)
}

// warnOfLiterals tells how many of some secrets are written out.
func warnOfLiterals(logger *zap.Logger, where, name string, secrets ...string) {
	literal := 0
	for _, s := range secrets {
		if s != "" && !strings.Contains(s, "{") {
			literal++
		}
	}
	if literal > 0 {
		logger.Warn("a secret is written in the configuration; use {env.NAME} or {file.PATH}, so that only the gateway sees it",
			zap.String("in", where), zap.String("name", name), zap.Int("secrets", literal))
	}
}

func resolveSecrets(what string, in []string) ([]string, error) {
	out := make([]string, len(in))
	for i, s := range in {
		v, err := resolveSecret(s)
		if err != nil {
			return nil, fmt.Errorf("%s %d: %w", what, i+1, err)
		}
		out[i] = v
	}
	return out, nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*SchemeVerifier)(nil)
	_ caddy.Module          = (*SchemeVerifier)(nil)
	_ caddy.Provisioner     = (*SchemeVerifier)(nil)
	_ VerifierModule        = (*SchemeVerifier)(nil)
)
