package scheme

import (
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

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
	if !d.Args(&s.Scheme, &s.Secret) {
		return d.ArgErr()
	}
	if forms := d.RemainingArgs(); len(forms) > 0 {
		if len(forms) > 1 {
			return d.ArgErr()
		}
		s.Forms = forms
	}
	if _, ok := signature.Lookup(s.Scheme); !ok {
		return d.Errf("unknown signature scheme '%s'", s.Scheme)
	}
	return s.UnmarshalBlock(d)
}
