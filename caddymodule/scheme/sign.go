package scheme

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/secret"
	"github.com/callgate/callgate/internal/signature"
)

// Sign says how to sign what is handed on.
type Sign struct {
	// Scheme is any signature scheme that is built in.
	Scheme string `json:"scheme"`

	// Secret is the receiver's secret or, for schemes with a public key, the private key. Placeholders are resolved
	// when the configuration is loaded.
	Secret string `json:"secret"`

	Options
}

// Signer makes what signs, with the value of the secret.
func (s *Sign) Signer() (signature.Signer, error) {
	key, err := secret.Resolve(s.Secret)
	if err != nil {
		return nil, fmt.Errorf("sign %s: secret: %w", s.Scheme, err)
	}
	c := s.Config(s.Scheme)
	c.Secrets = []string{key}
	signer, err := signature.NewSigner(c)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", s.Scheme, err)
	}
	return signer, nil
}

// Unmarshal reads the line "sign <scheme> <secret> [<form>] [{ <options> }]".
func (s *Sign) Unmarshal(d *caddyfile.Dispenser) error {
	args, err := grammar.SomeArgs(d)
	if err != nil {
		return err
	}
	if len(args) < 2 || len(args) > 3 {
		return d.ArgErr()
	}
	s.Scheme, s.Secret = args[0], args[1]
	if len(args) == 3 {
		s.Forms = args[2:]
	}
	if _, ok := signature.Lookup(s.Scheme); !ok {
		var names []string
		for _, known := range signature.Schemes() {
			names = append(names, known.Name)
		}
		return d.Errf("unknown signature scheme '%s'; there are: %s%s", s.Scheme, strings.Join(names, ", "), grammar.Suggestion(s.Scheme, names))
	}
	return s.UnmarshalBlock(d)
}
