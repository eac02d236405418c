package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
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
		err = oneArg(d, &l.Bearer)
	case "basic":
		l.Basic = new(BasicLogin)
		err = exactly(d, &l.Basic.User, &l.Basic.Password)
	case "api_key":
		l.APIKey = new(APIKeyLogin)
		err = exactly(d, &l.APIKey.Header, &l.APIKey.Value)
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
	err := block(d, []string{"scope", "param"}, func(name string) (bool, error) {
		switch name {
		case "scope":
			scopes, err := someArgs(d)
			l.Scopes = append(l.Scopes, scopes...)
			return true, err
		case "param":
			return true, pair(d, &l.Params)
		case "secret_in":
			return true, oneOf(d, &l.SecretIn, "header", "form")
		}
		into, ok := texts[name]
		if !ok {
			return false, nil
		}
		return true, oneArg(d, into)
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

// block reads the lines of a block. Each may be given once, but for those in repeatable. line reports whether it knows
// the line.
func block(d *caddyfile.Dispenser, repeatable []string, line func(name string) (known bool, err error)) error {
	seen := make(once)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		repeats := false
		for _, r := range repeatable {
			repeats = repeats || r == name
		}
		if !repeats {
			if err := seen.first(d); err != nil {
				return err
			}
		}
		known, err := line(name)
		if err != nil {
			return err
		}
		if !known {
			return d.Errf("unrecognized subdirective '%s'", name)
		}
	}
	return nil
}

// exactly reads as many arguments as there are places, none of them empty.
func exactly(d *caddyfile.Dispenser, into ...*string) error {
	if !d.Args(into...) || d.NextArg() {
		return d.ArgErr()
	}
	for _, s := range into {
		if *s == "" {
			return d.Errf("an empty value where one is needed")
		}
	}
	return nil
}

// pair reads a name that has not been given before, and its value.
func pair(d *caddyfile.Dispenser, into *map[string]string) error {
	line := d.Val()
	var name, value string
	if err := exactly(d, &name, &value); err != nil {
		return err
	}
	if _, twice := (*into)[name]; twice {
		return d.Errf("%s %s is given twice", line, name)
	}
	if *into == nil {
		*into = make(map[string]string)
	}
	(*into)[name] = value
	return nil
}

// oneOf reads one of some words.
func oneOf(d *caddyfile.Dispenser, into *string, words ...string) error {
	if err := oneArg(d, into); err != nil {
		return err
	}
	list := ""
	for i, w := range words {
		if *into == w {
			return nil
		}
		switch {
		case i == 0:
		case i == len(words)-1:
			list += " or "
		default:
			list += ", "
		}
		list += w
	}
	return d.Errf("'%s' is not %s", *into, list)
}

// word reads a line that is a word alone.
func word(d *caddyfile.Dispenser, into *bool) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	*into = true
	return nil
}

// located adds to an error where it was found, which is at the end of the block.
func located(d *caddyfile.Dispenser, err error) error {
	if err == nil {
		return nil
	}
	return d.WrapErr(err)
}
