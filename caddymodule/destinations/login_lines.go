package destinations

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
)

// lines are those that say how to sign in. Syntax:
//
//	bearer  <token>
//	basic   <user> <password>
//	digest  <user> <password>
//	api_key <header> <key>
//	oauth2 {
//		token_url          <url>
//		client_id          <id>
//		client_secret      <secret>
//		scope              <scope>...
//		param              <name> <value>
//		secret_in          header|form
//		refresh_token      <token>
//		refresh_token_file <file>
//	}
func (l *Login) lines() grammar.Lines {
	all := grammar.Lines{
		"bearer": grammar.Text(&l.Bearer),
		"basic": func(d *caddyfile.Dispenser) error {
			l.Basic = new(BasicLogin)
			return grammar.Exactly(d, &l.Basic.User, &l.Basic.Password)
		},
		"digest": func(d *caddyfile.Dispenser) error {
			l.Digest = new(DigestLogin)
			return grammar.Exactly(d, &l.Digest.User, &l.Digest.Password)
		},
		"api_key": func(d *caddyfile.Dispenser) error {
			l.APIKey = new(APIKeyLogin)
			return grammar.Exactly(d, &l.APIKey.Header, &l.APIKey.Value)
		},
		"oauth2": func(d *caddyfile.Dispenser) error {
			l.OAuth2 = new(OAuth2Login)
			return l.OAuth2.unmarshal(d)
		},
	}
	for name, line := range all {
		all[name] = func(d *caddyfile.Dispenser) error {
			if l.given() > 0 {
				return d.Errf("%s, and another way to sign in before it; choose one of bearer, basic, digest, api_key and oauth2", name)
			}
			return line(d)
		}
	}
	return all
}

func (l *OAuth2Login) unmarshal(d *caddyfile.Dispenser) error {
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	err := grammar.Block(d, grammar.Lines{
		"token_url":          grammar.Text(&l.TokenURL),
		"client_id":          grammar.Text(&l.ClientID),
		"client_secret":      grammar.Text(&l.ClientSecret),
		"scope":              grammar.More(&l.Scopes),
		"param":              grammar.Pairs(&l.Params),
		"secret_in":          grammar.Choice(&l.SecretIn, "header", "form"),
		"refresh_token":      grammar.Text(&l.RefreshToken),
		"refresh_token_file": grammar.Text(&l.RefreshTokenFile),
	}, "scope", "param")
	switch {
	case err != nil:
		return err
	case l.TokenURL == "" || l.ClientID == "" || l.ClientSecret == "":
		return d.Err("oauth2 needs a token_url, a client_id and a client_secret")
	case l.RefreshTokenFile != "" && l.RefreshToken == "":
		return d.WrapErr(errNoRefreshToken)
	}
	return nil
}
