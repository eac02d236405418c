package destinations

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
)

// unmarshalLine reads a line that says how to sign in; known is false for any other. Syntax:
//
//	bearer  <token>
//	basic   <user> <password>
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
func (l *Login) unmarshalLine(d *caddyfile.Dispenser) (known bool, err error) {
	name := d.Val()
	switch name {
	case "bearer", "basic", "api_key", "oauth2":
	default:
		return false, nil
	}
	if l.given() > 0 {
		return true, d.Errf("%s, and another way to sign in before it; choose one of bearer, basic, api_key and oauth2", name)
	}
	switch name {
	case "bearer":
		err = grammar.OneArg(d, &l.Bearer)
	case "basic":
		l.Basic = new(BasicLogin)
		err = grammar.Exactly(d, &l.Basic.User, &l.Basic.Password)
	case "api_key":
		l.APIKey = new(APIKeyLogin)
		err = grammar.Exactly(d, &l.APIKey.Header, &l.APIKey.Value)
	case "oauth2":
		l.OAuth2 = new(OAuth2Login)
		err = l.OAuth2.unmarshal(d)
	}
	return true, err
}

func (l *OAuth2Login) unmarshal(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	texts := map[string]*string{
		"token_url": &l.TokenURL, "client_id": &l.ClientID, "client_secret": &l.ClientSecret,
		"refresh_token": &l.RefreshToken, "refresh_token_file": &l.RefreshTokenFile,
	}
	err := grammar.Block(d, []string{"scope", "param"}, func(name string) (bool, error) {
		switch name {
		case "scope":
			scopes, err := grammar.SomeArgs(d)
			l.Scopes = append(l.Scopes, scopes...)
			return true, err
		case "param":
			return true, grammar.Pair(d, &l.Params)
		case "secret_in":
			return true, grammar.OneOf(d, &l.SecretIn, "header", "form")
		}
		into, ok := texts[name]
		if !ok {
			return false, nil
		}
		return true, grammar.OneArg(d, into)
	})
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
