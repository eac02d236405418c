package destinations

import (
	"errors"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/fhir"
	"github.com/callgate/callgate/internal/outbound"
)

func init() {
	caddy.RegisterModule(new(FHIR))
}

// FHIR delivers calls to an EHR by FHIR R4: a Communication for the call, a Task for a callback, a proposed
// Appointment for a wish, created once however often the delivery is repeated.
//
// The destination's fields say what leaves for the EHR, as they do for every kind: those without a place of their own in
// a resource go into the Communication as text. Without them it is the least that is of use: patient_id, service_type,
// appointment_type, caller_number, timestamp, message, summary, and the parameters that this kind's own settings name.
type FHIR struct {
	// Base is the server's base URL, such as https://ehr.example/fhir. Required.
	Base string `json:"base,omitempty"`

	// AllowHTTP lets calls go unencrypted to a host that is not in the own network. Default: false.
	AllowHTTP bool `json:"allow_http,omitempty"`

	Login

	// SMART signs in by SMART backend services, in place of the other ways.
	SMART *SMARTLogin `json:"smart,omitempty"`

	// Headers are sent with every request. Placeholders are resolved, and such headers masked in previews.
	Headers map[string]string `json:"headers,omitempty"`

	// Resources are the kinds that are sent: Communication, Task, Appointment, ServiceRequest. Default: the first
	// three.
	Resources []string `json:"resources,omitempty"`

	// Patient is how the call is linked to a patient: lookup (by the id that was collected), phone (also by number),
	// reference (by identifier), create or none. Default: lookup.
	Patient string `json:"patient,omitempty"`

	// System and PatientSystem are the URIs under which the call's and the patient's id are identifiers. Default:
	// urn:callgate:call-id and urn:callgate:patient-id.
	System        string `json:"system,omitempty"`
	PatientSystem string `json:"patient_system,omitempty"`

	// PatientParam and ServiceParam are the parameters that hold the patient's id and the service that is wanted. The
	// service is a ServiceRequest or the Appointment's description where those are sent, and text elsewhere. Default:
	// patient_id, and service_type or appointment_type.
	PatientParam string `json:"patient_param,omitempty"`
	ServiceParam string `json:"service_param,omitempty"`

	// TimeParams are those that hold the time that is wanted. Default: appointment_time, requested_time,
	// preferred_time, appointment_date, preferred_date.
	TimeParams []string `json:"time_params,omitempty"`

	// TimeZone is that of times that callers name. Default: none, and such times are sent as text.
	TimeZone string `json:"time_zone,omitempty"`

	// Category is the text of the Communication's category. Default: AI receptionist call intake.
	Category string `json:"category,omitempty"`

	// Update adds what a later event of the same call knows to what the EHR has of the earlier ones: it is searched for,
	// merged, and written back with its version (If-Match), so that nothing that is there gets lost. The sign-in must
	// permit to search and read. Default: false, and what is there is left as it is, with a warning.
	Update bool `json:"update,omitempty"`

	// Separate sends resources one by one, for servers without transactions. Default: false.
	Separate bool `json:"separate,omitempty"`

	Connection

	kept
}

// SMARTLogin is SMART backend services (HL7 SMART App Launch 2, "Backend Services"): client credentials with a signed
// JWT in place of a secret.
type SMARTLogin struct {
	// TokenURL is the token server's address, from the EHR's .well-known/smart-configuration. Required.
	TokenURL string `json:"token_url,omitempty"`

	// ClientID is the gateway's, as registered. Required.
	ClientID string `json:"client_id,omitempty"`

	// Key is the private key (RSA, or ECDSA on P-384 or P-256): a PEM file, or a placeholder for its content.
	Key string `json:"key,omitempty"`

	// KeyID names the key's public half in the registered key set, JWKSURL is that set's address if the server wants
	// to be told it. Default: none.
	KeyID   string `json:"kid,omitempty"`
	JWKSURL string `json:"jwks_url,omitempty"`

	// Scopes are what is asked for, such as system/Communication.write. Default: none, which leaves it to the server.
	Scopes []string `json:"scopes,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*FHIR) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "callgate.destinations.fhir", New: func() caddy.Module { return new(FHIR) }}
}

// UnmarshalCaddyfile sets up the destination from Caddyfile tokens. Syntax:
//
//	fhir [<base url>] {
//		base           <url>
//		allow_http
//		bearer | basic | digest | api_key | oauth2 ...   (see Login.lines)
//		smart {
//			token_url <url>
//			client_id <id>
//			key       <file>
//			kid       <id>
//			jwks_url  <url>
//			scope     <scope>...
//		}
//		header         <name> <value>
//		resources      <kind>...
//		patient        lookup|phone|reference|create|none
//		patient_param  <name>
//		service_param  <name>
//		time_params    <name>...
//		time_zone      <name>
//		system         <uri>
//		patient_system <uri>
//		category       <text>
//		update
//		separate
//		proxy | client_cert | ca | pin | unsafe_tls ...   (see Connection.lines)
//	}
func (f *FHIR) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the kind's name
	if err := grammar.Optional(d, &f.Base); err != nil {
		return err
	}
	err := grammar.Block(d, grammar.Lines{
		"base":       onlyOnce(&f.Base),
		"allow_http": grammar.Flag(&f.AllowHTTP),
		"smart": func(d *caddyfile.Dispenser) error {
			f.SMART = new(SMARTLogin)
			return f.SMART.unmarshal(d)
		},
		"header":         grammar.Pairs(&f.Headers),
		"resources":      grammar.List(&f.Resources),
		"patient":        grammar.Choice(&f.Patient, "lookup", "phone", "reference", "create", "none"),
		"patient_param":  grammar.Text(&f.PatientParam),
		"service_param":  grammar.Text(&f.ServiceParam),
		"time_params":    grammar.List(&f.TimeParams),
		"time_zone":      grammar.Text(&f.TimeZone),
		"system":         grammar.Text(&f.System),
		"patient_system": grammar.Text(&f.PatientSystem),
		"category":       grammar.Text(&f.Category),
		"update":         grammar.Flag(&f.Update),
		"separate":       grammar.Flag(&f.Separate),
	}.With(f.Login.lines()).With(f.Connection.lines()), "header")
	if err != nil {
		return err
	}
	return grammar.Located(d, f.check())
}

func (s *SMARTLogin) unmarshal(d *caddyfile.Dispenser) error {
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	err := grammar.Block(d, grammar.Lines{
		"token_url": grammar.Text(&s.TokenURL),
		"client_id": grammar.Text(&s.ClientID),
		"key":       grammar.Text(&s.Key),
		"kid":       grammar.Text(&s.KeyID),
		"jwks_url":  grammar.Text(&s.JWKSURL),
		"scope":     grammar.More(&s.Scopes),
	}, "scope")
	if err != nil {
		return err
	}
	if s.TokenURL == "" || s.ClientID == "" || s.Key == "" {
		return d.Err("smart needs a token_url, a client_id and a key")
	}
	return nil
}

// check says which settings do not go together.
func (f *FHIR) check() error {
	switch {
	case f.Base == "":
		return errors.New("a fhir destination needs a base, such as https://ehr.example/fhir")
	case f.SMART != nil && f.given() > 0:
		return errors.New("choose smart or another way to sign in")
	}
	return nil
}

// SendsAll implements guest.Wholesaler: what is sent is made of the record.
func (*FHIR) SendsAll() bool { return false }

// NewDestination implements guest.Destination.
func (f *FHIR) NewDestination(o guest.DestinationOptions) (destination.Destination, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	if o.Sign != nil {
		return nil, errors.New("sign: FHIR knows no signatures of requests; only http destinations can sign")
	}
	c := fhir.Config{
		AllowHTTP: f.AllowHTTP, Fields: o.Fields, Minimized: len(o.Fields) > 0, Patient: fhir.PatientMode(f.Patient), System: f.System,
		PatientSystem: f.PatientSystem, PatientParam: f.PatientParam, ServiceParam: f.ServiceParam, TimeParams: f.TimeParams,
		Category: f.Category, Update: f.Update, Separate: f.Separate,
	}
	for _, r := range f.Resources {
		c.Kinds = append(c.Kinds, fhir.Kind(r))
	}
	var err error
	if c.Base, err = setting(o, "base", f.Base); err != nil {
		return nil, err
	}
	exposeAllowed(o, f.AllowHTTP)
	exposeClear(o, "base", c.Base)
	if c.Location, err = zone(f.TimeZone); err != nil {
		return nil, err
	}
	if c.Client, err = f.client(o, f.Connection); err != nil {
		return nil, err
	}
	var hidden, login outbound.Authorizer
	if c.Header, hidden, err = headers(o, f.Headers); err != nil {
		return nil, err
	}
	if f.SMART != nil {
		login, err = f.SMART.authorizer(o, c.Client, f.AllowHTTP)
		err = within("smart", err)
	} else {
		login, err = f.authorizer(&f.kept, o, c.Client, f.AllowHTTP)
	}
	if err != nil {
		return nil, err
	}
	c.Auth = together(hidden, login)
	return fhir.New(c)
}

func (s *SMARTLogin) authorizer(o guest.DestinationOptions, client *outbound.Client, allowHTTP bool) (outbound.Authorizer, error) {
	cfg := outbound.OAuth2Config{Client: client, Scopes: s.Scopes}
	var err error
	if cfg.TokenURL, err = tokenURL(o, s.TokenURL, allowHTTP); err != nil {
		return nil, err
	}
	if cfg.ClientID, err = setting(o, "client_id", s.ClientID); err != nil {
		return nil, err
	}
	a := outbound.Assertion{JWKSURL: s.JWKSURL}
	if a.Key, err = privateKey(o, "key", s.Key); err != nil {
		return nil, err
	}
	if s.KeyID != "" {
		if a.KeyID, err = setting(o, "kid", s.KeyID); err != nil {
			return nil, err
		}
	}
	cfg.Assertion = &a
	return some(outbound.OAuth2ClientCredentials(cfg))
}

// Interface guards
var (
	_ guest.Destination     = (*FHIR)(nil)
	_ caddyfile.Unmarshaler = (*FHIR)(nil)
	_ caddy.CleanerUpper    = (*FHIR)(nil)
)
