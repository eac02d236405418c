package destinations

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/hubspot"
	"github.com/callgate/callgate/internal/outbound"
)

func init() {
	caddy.RegisterModule(new(HubSpot))
}

// HubSpot delivers calls to a HubSpot account: the caller as a contact, created or updated, and the call on
// its timeline if wanted. Without a rate of its own in the configuration it keeps within 100 requests in ten seconds.
type HubSpot struct {
	// Token is the access token of a private app (pat-…). Either it or OAuth is needed.
	Token string `json:"token,omitempty"`

	// OAuth are the credentials of an app that was installed by OAuth.
	OAuth *HubSpotOAuth `json:"oauth,omitempty"`

	// BaseURL is the API's address. Default: https://api.hubapi.com.
	BaseURL string `json:"base_url,omitempty"`

	// API is v3, a dated version such as 2026-03, or v1, which is the contacts/v1 of older guides. Default: v3.
	API string `json:"api,omitempty"`

	// Properties maps contact properties, by internal name, to templates: the name of a field (summary), params.x,
	// vars.x, several of these with | between, of which the first with a value serves (message|summary), or text with
	// {{variables}} and filters, such as {{params.service|map:'Kitchen remodel','kitchen_remodel'}}. They add to firstname, lastname, email, phone, company and message and
	// replace them; an empty template takes one away.
	Properties map[string]string `json:"properties,omitempty"`

	// KeepNames leaves the names of a contact that has some. Default: false.
	KeepNames bool `json:"keep_names,omitempty"`

	// Owner (an id), Lifecycle and LeadStatus are written to new contacts. Default: none.
	Owner      string `json:"owner,omitempty"`
	Lifecycle  string `json:"lifecycle,omitempty"`
	LeadStatus string `json:"lead_status,omitempty"`

	// ContactProperty and CallProperty are properties with unique values, on contacts and calls, that hold the call's
	// id, by which HubSpot itself rules out duplicates. Default: none, and contacts are found by HubSpot's search, which
	// lags behind; a warning says so at start.
	ContactProperty string `json:"contact_property,omitempty"`
	CallProperty    string `json:"call_property,omitempty"`

	// NoPhoneMatch stops looking for contacts by number where the caller gave an e-mail address. Default: false.
	NoPhoneMatch bool `json:"no_phone_match,omitempty"`

	// CreateNameless creates a contact for a caller without e-mail address and number. Default: false, and such a
	// call is dead.
	CreateNameless bool `json:"create_nameless,omitempty"`

	// DefaultName is the first name of a contact of whom only the number is known. Default: Unknown caller.
	DefaultName string `json:"default_name,omitempty"`

	// LogCall logs each call as an engagement, Note writes a note, and Transcript puts the transcript into them.
	// Default: false.
	LogCall    bool `json:"log_call,omitempty"`
	Note       bool `json:"note,omitempty"`
	Transcript bool `json:"transcript,omitempty"`

	// Company, Deal and Ticket are made of a call besides, each associated with the contact, and deal and ticket with the
	// company. What was written is not written again when one of them fails: the next attempt goes on there. Default: none.
	Company *HubSpotCompany `json:"company,omitempty"`
	Deal    *HubSpotStep    `json:"deal,omitempty"`
	Ticket  *HubSpotStep    `json:"ticket,omitempty"`

	// SearchRate is how many searches a second are made. Default: 4.
	SearchRate float64 `json:"search_rate,omitempty"`

	// TimeZone is the account's, in which HubSpot counts the daily limit and days begin. Default: not known, and days are
	// those of UTC.
	TimeZone string `json:"time_zone,omitempty"`

	Connection

	kept
}

// HubSpotOAuth are the credentials of an app that was installed by OAuth.
type HubSpotOAuth struct {
	ClientID     string `json:"client_id,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`

	// TokenURL is the token server's address. Default: https://api.hubapi.com/oauth/v1/token.
	TokenURL string `json:"token_url,omitempty"`

	Refresh
}

// CaddyModule returns the Caddy module information.
func (*HubSpot) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "callgate.destinations.hubspot", New: func() caddy.Module { return new(HubSpot) }}
}

// UnmarshalCaddyfile sets up the destination from Caddyfile tokens. Syntax:
//
//	hubspot [<token>] {
//		token            <token>
//		oauth            <client id> <client secret> <refresh token> [{
//			token_url          <url>
//			refresh_token_file <file>
//		}]
//		base_url         <url>
//		api              v3|<dated version>|v1
//		property         <name> <template>
//		omit             <name>...
//		keep_names
//		owner            <id>
//		lifecycle        <stage>
//		lead_status      <status>
//		contact_property <name>
//		call_property    <name>
//		no_phone_match
//		create_nameless
//		default_name     <name>
//		log_call
//		note
//		transcript
//		company [{
//			when     <expression>
//			property <name> <template>
//		}]
//		deal {
//			stage    <id>
//			pipeline <id>
//			unique   <property>
//			when     <expression>
//			property <name> <template>
//		}
//		ticket {
//			stage    <id>
//			pipeline <id>
//			unique   <property>
//			when     <expression>
//			property <name> <template>
//		}
//		search_rate      <number>
//		time_zone        <name>
//		proxy | client_cert | ca | pin | unsafe_tls ...   (see Connection.lines)
//	}
func (h *HubSpot) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the kind's name
	if err := grammar.Optional(d, &h.Token); err != nil {
		return err
	}
	err := grammar.Block(d, grammar.Lines{
		"token": onlyOnce(&h.Token),
		"oauth": func(d *caddyfile.Dispenser) error {
			h.OAuth = new(HubSpotOAuth)
			return h.OAuth.unmarshal(d)
		},
		"base_url":         grammar.Text(&h.BaseURL),
		"api":              grammar.Text(&h.API),
		"property":         grammar.Pairs(&h.Properties),
		"omit":             h.unmarshalOmit,
		"keep_names":       grammar.Flag(&h.KeepNames),
		"owner":            grammar.Text(&h.Owner),
		"lifecycle":        grammar.Text(&h.Lifecycle),
		"lead_status":      grammar.Text(&h.LeadStatus),
		"contact_property": grammar.Text(&h.ContactProperty),
		"call_property":    grammar.Text(&h.CallProperty),
		"no_phone_match":   grammar.Flag(&h.NoPhoneMatch),
		"create_nameless":  grammar.Flag(&h.CreateNameless),
		"default_name":     grammar.Text(&h.DefaultName),
		"log_call":         grammar.Flag(&h.LogCall),
		"note":             grammar.Flag(&h.Note),
		"transcript":       grammar.Flag(&h.Transcript),
		"company":          h.unmarshalCompany,
		"deal":             hubSpotStep(&h.Deal),
		"ticket":           hubSpotStep(&h.Ticket),
		"search_rate":      h.unmarshalSearchRate,
		"time_zone":        grammar.Text(&h.TimeZone),
	}.With(h.Connection.lines()), "property", "omit")
	if err != nil {
		return err
	}
	return grammar.Located(d, h.check())
}

func (h *HubSpot) unmarshalOmit(d *caddyfile.Dispenser) error {
	names, err := grammar.SomeArgs(d)
	if err != nil {
		return err
	}
	for _, n := range names {
		if _, twice := h.Properties[n]; twice {
			return d.Errf("property %s is given twice", n)
		}
		if h.Properties == nil {
			h.Properties = make(map[string]string)
		}
		h.Properties[n] = ""
	}
	return nil
}

func (h *HubSpot) unmarshalSearchRate(d *caddyfile.Dispenser) error {
	var s string
	if err := grammar.OneArg(d, &s); err != nil {
		return err
	}
	var err error
	if h.SearchRate, err = strconv.ParseFloat(s, 64); err != nil || !(h.SearchRate > 0) || h.SearchRate > 1000 {
		return d.Errf("'%s' is not a number of searches a second, such as 4 or 0.5", s)
	}
	return nil
}

func (a *HubSpotOAuth) unmarshal(d *caddyfile.Dispenser) error {
	if err := grammar.Exactly(d, &a.ClientID, &a.ClientSecret, &a.RefreshToken); err != nil {
		return err
	}
	return grammar.Block(d, grammar.Lines{
		"token_url":          grammar.Text(&a.TokenURL),
		"refresh_token_file": grammar.Text(&a.RefreshTokenFile),
	})
}

// check says which settings do not go together.
func (h *HubSpot) check() error {
	switch {
	case h.Token == "" && h.OAuth == nil:
		return errors.New("a hubspot destination needs the token of a private app, or oauth")
	case h.Token != "" && h.OAuth != nil:
		return errors.New("choose token or oauth")
	case h.Transcript && !h.LogCall && !h.Note:
		return errors.New("transcript goes into the log of the call or into a note; add log_call or note")
	case h.CallProperty != "" && !h.LogCall:
		return errors.New("call_property is a property of logged calls; add log_call")
	}
	for name, s := range map[string]*HubSpotStep{"deal": h.Deal, "ticket": h.Ticket} {
		if s != nil && s.Stage == "" {
			return fmt.Errorf("%s: a stage is missing, such as stage appointmentscheduled (Settings > Objects > Pipelines)", name)
		}
	}
	return nil
}

// DefaultRate implements DefaultRater: 100 requests in ten seconds, which is what HubSpot grants to a private app of
// the smallest account (API usage guidelines). An attempt is several requests where the call is logged.
func (h *HubSpot) DefaultRate() (perSecond float64, burst int) {
	requests := 1
	for _, also := range []bool{h.LogCall, h.Note, h.Company != nil, h.Deal != nil, h.Ticket != nil} {
		if also {
			requests += 2 // one that looks whether it is there, and one that writes it
		}
	}
	if h.KeepNames || h.Owner != "" || h.Lifecycle != "" || h.LeadStatus != "" {
		requests++
	}
	// What starts within ten seconds is the burst and ten times the rate.
	return 9 / float64(requests), max(1, 10/requests)
}

// SendsAll implements guest.Wholesaler: what is sent is made of the record.
func (*HubSpot) SendsAll() bool { return false }

// NewDestination implements guest.Destination.
func (h *HubSpot) NewDestination(o guest.DestinationOptions) (destination.Destination, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	if o.Sign != nil {
		return nil, errors.New("sign: HubSpot knows no signatures; only http destinations can sign")
	}
	c := hubspot.Config{
		AllowPrivate: true, API: h.API, Properties: h.Properties, KeepNames: h.KeepNames, Lifecycle: h.Lifecycle,
		LeadStatus: h.LeadStatus, ContactProperty: h.ContactProperty, CallProperty: h.CallProperty,
		NoPhoneMatch: h.NoPhoneMatch, CreateNameless: h.CreateNameless, DefaultName: h.DefaultName, LogCall: h.LogCall,
		Note: h.Note, Transcript: h.Transcript, Region: o.Region, Notes: o.Notes, SearchRate: h.SearchRate,
		Progress: o.Progress,
	}
	for name, template := range h.Properties {
		if err := constant("property "+name, template); err != nil {
			return nil, err
		}
	}
	var err error
	if h.BaseURL != "" {
		if c.BaseURL, err = setting(o, "base_url", h.BaseURL); err != nil {
			return nil, err
		}
		exposeClear(o, "base_url", c.BaseURL)
		if err := outbound.CheckURL(c.BaseURL, false, true); err != nil {
			return nil, within("base_url", err)
		}
	}
	if h.Owner != "" {
		if c.OwnerID, err = setting(o, "owner", h.Owner); err != nil {
			return nil, err
		}
	}
	if c.TimeZone, err = zone(h.TimeZone); err != nil {
		return nil, err
	}
	if err := h.steps(o, &c); err != nil {
		return nil, err
	}
	if c.Client, err = h.client(o, h.Connection); err != nil {
		return nil, err
	}
	if h.OAuth != nil {
		c.Auth, err = h.OAuth.authorizer(&h.kept, o, c.Client)
		err = within("oauth", err)
	} else {
		c.Token, err = credential(o, "token", h.Token)
	}
	if err != nil {
		return nil, err
	}
	d, err := hubspot.New(c)
	if err != nil {
		return nil, err
	}
	for _, p := range d.Problems() {
		o.Logger.Warn(p)
	}
	return d, nil
}

func (a *HubSpotOAuth) authorizer(k *kept, o guest.DestinationOptions, client *outbound.Client) (outbound.Authorizer, error) {
	l := OAuth2Login{
		TokenURL: a.TokenURL, ClientID: a.ClientID, ClientSecret: a.ClientSecret, Refresh: a.Refresh,
		SecretIn: "form", // HubSpot takes them nowhere else
	}
	if l.TokenURL == "" {
		l.TokenURL = hubspot.DefaultTokenURL
	}
	if l.RefreshToken == "" {
		return nil, errors.New("refresh_token is missing")
	}
	return l.authorizer(k, o, client, false)
}

// Interface guards
var (
	_ guest.Destination     = (*HubSpot)(nil)
	_ guest.DefaultRater    = (*HubSpot)(nil)
	_ caddyfile.Unmarshaler = (*HubSpot)(nil)
	_ caddy.CleanerUpper    = (*HubSpot)(nil)
)
