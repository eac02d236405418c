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
//		match              caller|call
//		field              <field> [<from>] [text <text>] [default <text>] [on_create]
//		omit               <field>...
//		status             <status>
//		duplicates         update|allow|block
//		window             <duration>
//		assignment_rule    true|false|<id>
//		log_call
//		task_external_id   <field>
//		time_zone          <name>
//		max_batch          <number>
//		case [{
//			status      <status>
//			external_id <field>
//			field       <field> [<from>] [text <text>] [default <text>] [on_create]
//			omit        <field>...
//			when        <expression>
//		}]
//		opportunity {
//			stage       <stage>
//			close_in    <duration>
//			external_id <field>
//			field       <field> [<from>] [text <text>] [default <text>] [on_create]
//			omit        <field>...
//			when        <expression>
//		}
//		campaign_member <campaign id> [{
//			status <status>
//			field  <field> [<from>] [text <text>] [default <text>] [on_create]
//			omit   <field>...
//			when   <expression>
//		}]
//		describe           on|off
//		limit_warning      <percent>|off
//		proxy | client_cert | ca | pin | unsafe_tls ...   (see Connection.lines)
//	}
func (s *Salesforce) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the kind's name
	if err := grammar.Optional(d, &s.Instance); err != nil {
		return err
	}
	err := grammar.Block(d, grammar.Lines{
		"instance":           onlyOnce(&s.Instance),
		"client_credentials": s.unmarshalLogin,
		"refresh_token":      s.unmarshalLogin,
		"jwt":                s.unmarshalLogin,
		"token_url":          grammar.Text(&s.TokenURL),
		"api_version":        grammar.Text(&s.APIVersion),
		"object":             grammar.Text(&s.Object),
		"external_id":        grammar.Text(&s.ExternalID),
		"match":              grammar.Choice(&s.Match, "caller", "call"),
		"status":             grammar.Text(&s.Status),
		"duplicates":         grammar.Choice(&s.Duplicates, "update", "allow", "block"),
		"window":             grammar.Time(&s.Window),
		"assignment_rule":    grammar.Text(&s.AssignmentRule),
		"log_call":           grammar.Flag(&s.LogCall),
		"task_external_id":   grammar.Text(&s.TaskExternalID),
		"time_zone":          grammar.Text(&s.TimeZone),
		"max_batch":          grammar.Count(&s.MaxBatch),
		"describe": func(d *caddyfile.Dispenser) error {
			var on bool
			err := grammar.OnOff(d, &on)
			s.NoDescribe = !on
			return err
		},
		"case":            s.unmarshalCase,
		"opportunity":     s.unmarshalOpportunity,
		"campaign_member": s.unmarshalCampaignMember,
		"limit_warning":   s.unmarshalLimitWarning,
	}.With(salesforceFields(&s.Fields)).With(s.Connection.lines()), "field", "omit")
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
	return grammar.Block(d, grammar.Lines{option: grammar.Text(into)})
}

// salesforceFields are the lines of fields.
func salesforceFields(into *[]SalesforceField) grammar.Lines {
	return grammar.Lines{
		"field": func(d *caddyfile.Dispenser) error { return unmarshalField(d, into) },
		"omit": func(d *caddyfile.Dispenser) error {
			names, err := grammar.SomeArgs(d)
			for _, n := range names {
				*into = append(*into, SalesforceField{Name: n})
			}
			return err
		},
	}
}

func unmarshalField(d *caddyfile.Dispenser, into *[]SalesforceField) error {
	f := SalesforceField{}
	if !d.NextArg() {
		return d.ArgErr()
	}
	f.Name = d.Val()
	for _, other := range *into {
		if strings.EqualFold(other.Name, f.Name) {
			return d.Errf("field %s is given twice", f.Name)
		}
	}
	for first := true; d.NextArg(); first = false {
		word := d.Val()
		places := map[string]*string{"text": &f.Text, "default": &f.Default}
		switch place := places[word]; {
		case place != nil && *place == "" && d.NextArg():
			*place = d.Val()
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
	*into = append(*into, f)
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
