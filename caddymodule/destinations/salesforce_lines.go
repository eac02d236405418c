package destinations

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
)

// UnmarshalCaddyfile sets up the destination from Caddyfile tokens. Syntax:
//
//	salesforce [<instance>] {
//		instance           <url>
//		client_credentials <client id> <client secret>
//		refresh_token      <client id> <client secret> <refresh token> [{
//			refresh_token_file <file>
//		}]
//		jwt                <client id> <user> <key file> [{
//			audience <url>
//		}]
//		token_url          <url>
//		api_version        <version>
//		object             <name>
//		external_id        <field>
//		field              <field> [<from>] [text <text>] [default <text>] [on_create]
//		omit               <field>...
//		status             <status>
//		duplicates         update|allow|block
//		window             <duration>
//		assignment_rule    true|false|<id>
//		log_call
//		task_external_id   <field>
//		max_batch          <number>
//		describe           on|off
//		limit_warning      <percent>|off
//		client_cert        <certificate file> <key file>
//		ca                 <file>
//	}
func (s *Salesforce) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the kind's name
	if d.NextArg() {
		s.Instance = d.Val()
		if d.NextArg() {
			return d.ArgErr()
		}
	}
	texts := map[string]*string{
		"token_url": &s.TokenURL, "api_version": &s.APIVersion, "object": &s.Object, "external_id": &s.ExternalID,
		"status": &s.Status, "assignment_rule": &s.AssignmentRule, "task_external_id": &s.TaskExternalID,
	}
	err := grammar.Block(d, []string{"field", "omit"}, func(name string) (known bool, err error) {
		switch name {
		case "instance":
			if s.Instance != "" {
				return true, d.Err("instance is given twice")
			}
			return true, grammar.OneArg(d, &s.Instance)
		case "client_credentials", "refresh_token", "jwt":
			return true, s.unmarshalLogin(d)
		case "field":
			return true, s.unmarshalField(d)
		case "omit":
			names, err := grammar.SomeArgs(d)
			for _, n := range names {
				s.Fields = append(s.Fields, SalesforceField{Name: n})
			}
			return true, err
		case "duplicates":
			return true, grammar.OneOf(d, &s.Duplicates, "update", "allow", "block")
		case "window":
			s.Window, err = grammar.Duration(d)
			return true, err
		case "log_call":
			return true, grammar.Word(d, &s.LogCall)
		case "max_batch":
			s.MaxBatch, err = grammar.Positive(d)
			return true, err
		case "describe":
			var state string
			err = grammar.OneOf(d, &state, "on", "off")
			s.NoDescribe = state == "off"
			return true, err
		case "limit_warning":
			return true, s.unmarshalLimitWarning(d)
		}
		if into, ok := texts[name]; ok {
			return true, grammar.OneArg(d, into)
		}
		return unmarshalTLS(d, &s.TLS)
	})
	if err != nil {
		return err
	}
	return grammar.Located(d, s.check())
}

func (s *Salesforce) unmarshalLogin(d *caddyfile.Dispenser) error {
	name := d.Val()
	if s.ClientCredentials != nil || s.RefreshToken != nil || s.JWT != nil {
		return d.Errf("%s, and another way to sign in before it; choose one of client_credentials, refresh_token and jwt", name)
	}
	var err error
	option, into := "", new(string)
	switch name {
	case "client_credentials":
		s.ClientCredentials = new(SalesforceClient)
		return grammar.Exactly(d, &s.ClientCredentials.ClientID, &s.ClientCredentials.ClientSecret)
	case "refresh_token":
		r := new(SalesforceRefresh)
		s.RefreshToken, option, into = r, "refresh_token_file", &r.RefreshTokenFile
		err = grammar.Exactly(d, &r.ClientID, &r.ClientSecret, &r.RefreshToken)
	case "jwt":
		j := new(SalesforceJWT)
		s.JWT, option, into = j, "audience", &j.Audience
		err = grammar.Exactly(d, &j.ClientID, &j.User, &j.Key)
	}
	if err != nil {
		return err
	}
	return grammar.Block(d, nil, func(name string) (bool, error) {
		if name != option {
			return false, nil
		}
		return true, grammar.OneArg(d, into)
	})
}

func (s *Salesforce) unmarshalField(d *caddyfile.Dispenser) error {
	f := SalesforceField{}
	if !d.NextArg() {
		return d.ArgErr()
	}
	f.Name = d.Val()
	for _, other := range s.Fields {
		if strings.EqualFold(other.Name, f.Name) {
			return d.Errf("field %s is given twice", f.Name)
		}
	}
	for first := true; d.NextArg(); first = false {
		word := d.Val()
		places := map[string]*string{"text": &f.Text, "default": &f.Default}
		switch into := places[word]; {
		case into != nil && *into == "" && d.NextArg():
			*into = d.Val()
		case word == "on_create":
			f.OnCreate = true
		case first:
			f.From = word
		default:
			return d.Errf("unexpected '%s'; write text with spaces in quotes, and default or on_create before what follows", word)
		}
	}
	if f.From == "" && f.Text == "" && f.Default == "" {
		return d.Errf("field %s has no value; name a variable, or give a text", f.Name)
	}
	s.Fields = append(s.Fields, f)
	return nil
}

func (s *Salesforce) unmarshalLimitWarning(d *caddyfile.Dispenser) error {
	var v string
	if err := grammar.OneArg(d, &v); err != nil {
		return err
	}
	if v == "off" {
		s.LimitWarning = -1
		return nil
	}
	n, err := strconv.Atoi(strings.TrimSuffix(v, "%"))
	if err != nil || n < 1 || n > 100 {
		return d.Errf("'%s' is not a percentage from 1 to 100, or off", v)
	}
	s.LimitWarning = n
	return nil
}
