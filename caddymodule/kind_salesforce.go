package caddymodule

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/salesforce"
	"github.com/callgate/callgate/internal/outbound"
)

func init() {
	caddy.RegisterModule(new(SalesforceDestination))
}

// SalesforceDestination delivers calls to a Salesforce organization: each as a lead or another object, created or
// updated, and the call as a completed task if wanted.
type SalesforceDestination struct {
	// Instance is the organization's My Domain address: https://acme.my.salesforce.com. Required.
	Instance string `json:"instance,omitempty"`

	// ClientCredentials, RefreshToken and JWT are the ways to sign in, of which one is needed.
	ClientCredentials *SalesforceClient  `json:"client_credentials,omitempty"`
	RefreshToken      *SalesforceRefresh `json:"refresh_token,omitempty"`
	JWT               *SalesforceJWT     `json:"jwt,omitempty"`

	// TokenURL is the token server's address. Default: that of the instance.
	TokenURL string `json:"token_url,omitempty"`

	// APIVersion is the version of the REST API. Default: v67.0.
	APIVersion string `json:"api_version,omitempty"`

	// Object is what a call becomes: Lead, Contact or any other, which needs ExternalID and Fields. Default: Lead.
	Object string `json:"object,omitempty"`

	// ExternalID is the API name of a field, marked as External ID and Unique, for the call's id. Default: none, and
	// a record is looked for by the caller's address and number.
	ExternalID string `json:"external_id,omitempty"`

	// Fields add to the object's default fields (those of the guide for a lead) and replace them.
	Fields []SalesforceField `json:"fields,omitempty"`

	// Status is that of a new record. Default: the organization's.
	Status string `json:"status,omitempty"`

	// Duplicates says what happens to a record that a duplicate rule blocks: update (what the rule found), allow or
	// block. Default: update.
	Duplicates string `json:"duplicates,omitempty"`

	// Window is how old a record may be to be taken for the caller's without ExternalID. Default: 90d.
	Window caddy.Duration `json:"window,omitempty"`

	// AssignmentRule is true for the active lead assignment rule, false for none, or a rule's id. Default:
	// Salesforce's, which applies the active rule.
	AssignmentRule string `json:"assignment_rule,omitempty"`

	// LogCall logs each call as a completed task of the record. Default: false.
	LogCall bool `json:"log_call,omitempty"`

	// TaskExternalID is an External ID field of tasks for the call's id. Default: none.
	TaskExternalID string `json:"task_external_id,omitempty"`

	// MaxBatch is how many calls go out in one request. Default: 200.
	MaxBatch int `json:"max_batch,omitempty"`

	// NoDescribe stops asking Salesforce once a day how long fields are. Default: false.
	NoDescribe bool `json:"no_describe,omitempty"`

	// LimitWarning is the share of the daily API requests, in percent, from which deliveries carry a warning; -1 for
	// never. Default: 90.
	LimitWarning int `json:"limit_warning,omitempty"`

	TLS *TLS `json:"tls,omitempty"`

	kept
}

// SalesforceField is a field of the record, and where its value comes from. One with nothing but a name takes a
// default field away.
type SalesforceField struct {
	// Name is the field's API name, such as Job_Type__c.
	Name string `json:"name"`
	// From names the variable that the value comes from, several separated by | of which the first with a value
	// serves, or is a template with {{variables}}.
	From string `json:"from,omitempty"`
	// Text is a fixed value, for new records, in place of From.
	Text string `json:"text,omitempty"`
	// Default is what a new record gets where the call has no value; {{name}} in it is the caller's name.
	Default string `json:"default,omitempty"`
	// OnCreate keeps the field for new records. Default: false.
	OnCreate bool `json:"on_create,omitempty"`
}

// SalesforceClient is the client credentials flow of a connected app.
type SalesforceClient struct {
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
}

// SalesforceRefresh is the refresh token flow of a connected app.
type SalesforceRefresh struct {
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	Refresh
}

// SalesforceJWT is the JWT bearer flow of a connected app.
type SalesforceJWT struct {
	// ClientID is the app's consumer key, User the name of the user that it acts for.
	ClientID string `json:"client_id,omitempty"`
	User     string `json:"user,omitempty"`
	// Key is the RSA private key that belongs to the app's certificate: a PEM file, or a placeholder for its content.
	Key string `json:"key,omitempty"`
	// Audience is who the assertion is for. Default: https://test.salesforce.com for a sandbox's instance, and
	// https://login.salesforce.com for any other.
	Audience string `json:"audience,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*SalesforceDestination) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "callgate.destinations.salesforce", New: func() caddy.Module { return new(SalesforceDestination) }}
}

// check says which settings do not go together.
func (s *SalesforceDestination) check() error {
	ways := 0
	for _, yes := range []bool{s.ClientCredentials != nil, s.RefreshToken != nil, s.JWT != nil} {
		if yes {
			ways++
		}
	}
	switch {
	case s.Instance == "":
		return errors.New("a salesforce destination needs an instance, such as https://acme.my.salesforce.com")
	case ways != 1:
		return errors.New("a salesforce destination needs one way to sign in: client_credentials, refresh_token or jwt")
	}
	return nil
}

// NewDestination implements DestinationModule.
func (s *SalesforceDestination) NewDestination(o DestinationOptions) (destination.Destination, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if o.Sign != nil {
		return nil, errors.New("sign: Salesforce knows no signatures; only http destinations can sign")
	}
	c := salesforce.Config{
		APIVersion: s.APIVersion, Object: s.Object, ExternalID: s.ExternalID, Status: s.Status,
		Duplicates: salesforce.Duplicates(s.Duplicates), Window: time.Duration(s.Window), AssignmentRule: s.AssignmentRule,
		LogCall: s.LogCall, TaskExternalID: s.TaskExternalID, MaxBatch: s.MaxBatch, Describe: !s.NoDescribe,
		LimitWarning: s.LimitWarning,
	}
	for _, f := range s.Fields {
		for _, template := range []string{f.From, f.Text, f.Default} {
			if err := constant("field "+f.Name, template); err != nil {
				return nil, err
			}
		}
		c.Fields = append(c.Fields, salesforce.Field(f))
	}
	var err error
	if c.Instance, err = setting(o, "instance", s.Instance); err != nil {
		return nil, err
	}
	client, err := s.client(o, s.TLS)
	if err != nil {
		return nil, err
	}
	auth, err := s.authorizer(o, c.Instance, client)
	if err != nil {
		return nil, err
	}
	return salesforce.New(c, client, auth, time.Now)
}

// authorizer signs in at the instance's token server, unless another is named.
func (s *SalesforceDestination) authorizer(o DestinationOptions, instance string, client *outbound.Client) (outbound.Authorizer, error) {
	l := OAuth2Login{TokenURL: s.TokenURL, SecretIn: "form"}
	if l.TokenURL == "" {
		l.TokenURL = salesforce.TokenURL(instance)
	}
	switch {
	case s.ClientCredentials != nil:
		l.ClientID, l.ClientSecret = s.ClientCredentials.ClientID, s.ClientCredentials.ClientSecret
		a, err := l.authorizer(&s.kept, o, client, false)
		return a, within("client_credentials", err)
	case s.RefreshToken != nil:
		l.ClientID, l.ClientSecret, l.Refresh = s.RefreshToken.ClientID, s.RefreshToken.ClientSecret, s.RefreshToken.Refresh
		if l.RefreshToken == "" {
			return nil, errors.New("refresh_token: the token is missing")
		}
		a, err := l.authorizer(&s.kept, o, client, false)
		return a, within("refresh_token", err)
	}
	a, err := s.JWT.authorizer(o, l.TokenURL, instance, client)
	return a, within("jwt", err)
}

func (j *SalesforceJWT) authorizer(o DestinationOptions, address, instance string, client *outbound.Client) (outbound.Authorizer, error) {
	cfg := outbound.OAuth2Config{Client: client}
	var err error
	if cfg.TokenURL, err = tokenURL(o, address, false); err != nil {
		return nil, err
	}
	if cfg.ClientID, err = setting(o, "client id", j.ClientID); err != nil {
		return nil, err
	}
	a := outbound.Assertion{Method: "RS256", Audience: j.Audience} // Salesforce takes no other algorithm
	if a.Subject, err = setting(o, "user", j.User); err != nil {
		return nil, err
	}
	if a.Key, err = privateKey(o, "key", j.Key); err != nil {
		return nil, err
	}
	if a.Audience == "" {
		a.Audience = "https://login.salesforce.com"
		if strings.Contains(strings.ToLower(instance), ".sandbox.my.salesforce.com") {
			a.Audience = "https://test.salesforce.com"
		}
	}
	return some(outbound.JWTBearer(cfg, a))
}

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
func (s *SalesforceDestination) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
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
	err := block(d, []string{"field", "omit"}, func(name string) (known bool, err error) {
		switch name {
		case "instance":
			if s.Instance != "" {
				return true, d.Err("instance is given twice")
			}
			return true, oneArg(d, &s.Instance)
		case "client_credentials", "refresh_token", "jwt":
			return true, s.unmarshalLogin(d)
		case "field":
			return true, s.unmarshalField(d)
		case "omit":
			names, err := someArgs(d)
			for _, n := range names {
				s.Fields = append(s.Fields, SalesforceField{Name: n})
			}
			return true, err
		case "duplicates":
			return true, oneOf(d, &s.Duplicates, "update", "allow", "block")
		case "window":
			s.Window, err = duration(d)
			return true, err
		case "log_call":
			return true, word(d, &s.LogCall)
		case "max_batch":
			s.MaxBatch, err = positive(d)
			return true, err
		case "describe":
			var state string
			err = oneOf(d, &state, "on", "off")
			s.NoDescribe = state == "off"
			return true, err
		case "limit_warning":
			return true, s.unmarshalLimitWarning(d)
		}
		if into, ok := texts[name]; ok {
			return true, oneArg(d, into)
		}
		return unmarshalTLS(d, &s.TLS)
	})
	if err != nil {
		return err
	}
	return d.WrapErr(s.check())
}

func (s *SalesforceDestination) unmarshalLogin(d *caddyfile.Dispenser) error {
	name := d.Val()
	if s.ClientCredentials != nil || s.RefreshToken != nil || s.JWT != nil {
		return d.Errf("%s, and another way to sign in before it; choose one of client_credentials, refresh_token and jwt", name)
	}
	var err error
	option, into := "", new(string)
	switch name {
	case "client_credentials":
		s.ClientCredentials = new(SalesforceClient)
		return exactly(d, &s.ClientCredentials.ClientID, &s.ClientCredentials.ClientSecret)
	case "refresh_token":
		r := new(SalesforceRefresh)
		s.RefreshToken, option, into = r, "refresh_token_file", &r.RefreshTokenFile
		err = exactly(d, &r.ClientID, &r.ClientSecret, &r.RefreshToken)
	case "jwt":
		j := new(SalesforceJWT)
		s.JWT, option, into = j, "audience", &j.Audience
		err = exactly(d, &j.ClientID, &j.User, &j.Key)
	}
	if err != nil {
		return err
	}
	return block(d, nil, func(name string) (bool, error) {
		if name != option {
			return false, nil
		}
		return true, oneArg(d, into)
	})
}

func (s *SalesforceDestination) unmarshalField(d *caddyfile.Dispenser) error {
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

func (s *SalesforceDestination) unmarshalLimitWarning(d *caddyfile.Dispenser) error {
	var v string
	if err := oneArg(d, &v); err != nil {
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

// Interface guards
var (
	_ DestinationModule     = (*SalesforceDestination)(nil)
	_ caddyfile.Unmarshaler = (*SalesforceDestination)(nil)
	_ caddy.CleanerUpper    = (*SalesforceDestination)(nil)
)
