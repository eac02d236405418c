package destinations

import (
	"errors"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/salesforce"
	"github.com/callgate/callgate/internal/outbound"
)

func init() {
	caddy.RegisterModule(new(Salesforce))
}

// Salesforce delivers calls to a Salesforce organization: each as a lead or another object, created or
// updated, and the call as a completed task if wanted.
type Salesforce struct {
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

	// ExternalID is the API name of a field, marked as External ID and Unique, for the call's id, by which the events of
	// a call are one record even where the caller tells neither address nor number. Default: none.
	ExternalID string `json:"external_id,omitempty"`

	// Match is the record that a call goes to: caller, which is the contact or else the lead with the caller's address
	// or number, so that five calls of one caller are one lead and five logs; or call, which makes each call a record of
	// its own, upserted by its ExternalID without a look-up, up to 200 in one request. Default: caller for a Lead or
	// Contact; call for other objects, which know no other way.
	Match string `json:"match,omitempty"`

	// Fields add to the object's default fields (those of the guide for a lead) and replace them.
	Fields []SalesforceField `json:"fields,omitempty"`

	// Status is that of a new record. Default: the organization's.
	Status string `json:"status,omitempty"`

	// Duplicates says what happens to a record that a duplicate rule blocks: update (what the rule found; the call is
	// logged on a contact that forbids the lead), allow or block. Default: update.
	Duplicates string `json:"duplicates,omitempty"`

	// Window is how old a lead may be to be taken for the caller's. Default: 90d.
	Window caddy.Duration `json:"window,omitempty"`

	// AssignmentRule is true for the active lead assignment rule, false for none, or a rule's id. Default:
	// Salesforce's, which applies the active rule.
	AssignmentRule string `json:"assignment_rule,omitempty"`

	// LogCall logs each call as a completed task of the record. Default: false.
	LogCall bool `json:"log_call,omitempty"`

	// TaskExternalID is an External ID field of tasks for the call's id. Default: none.
	TaskExternalID string `json:"task_external_id,omitempty"`

	// TimeZone is the organization's, in which the day of a call is told. Default: UTC.
	TimeZone string `json:"time_zone,omitempty"`

	// MaxBatch is how many calls go out in one request. Default: 200.
	MaxBatch int `json:"max_batch,omitempty"`

	// Case, Opportunity and CampaignMember are made of a call besides, of the lead or contact that it was written to. What
	// was carried out is not repeated when one of them fails: the next attempt goes on there. With any of them calls go out
	// one by one. Default: none.
	Case           *SalesforceCase           `json:"case,omitempty"`
	Opportunity    *SalesforceOpportunity    `json:"opportunity,omitempty"`
	CampaignMember *SalesforceCampaignMember `json:"campaign_member,omitempty"`

	// NoDescribe stops asking Salesforce once a day how long fields are, and which are dates. Default: false.
	NoDescribe bool `json:"no_describe,omitempty"`

	// LimitWarning is the share of the daily API requests, in percent, from which deliveries carry a warning; -1 for
	// never. Default: 90.
	LimitWarning int `json:"limit_warning,omitempty"`

	Connection

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

// SalesforceCase is a case. One call is one case: later events of the call add to it. It is the contact's; of a lead it says
// who called, since cases know no leads.
type SalesforceCase struct {
	// Status is that of a new case. Default: the organization's.
	Status string `json:"status,omitempty"`

	// ExternalID is the API name of a field, marked as External ID and Unique, for the call's id. Default: none, and the case
	// is found again, for a day, by what the gateway has noted, and by a query for its subject.
	ExternalID string `json:"external_id,omitempty"`

	// Fields add to the default ones, as those of the lead do. Default: Subject, Description, Origin Phone, and the caller in
	// SuppliedName, SuppliedEmail, SuppliedPhone and SuppliedCompany.
	Fields []SalesforceField `json:"fields,omitempty"`

	// When is a condition on the call, as of a deliver line. Default: every call.
	When string `json:"when,omitempty"`
}

// SalesforceOpportunity is an opportunity. One call is one opportunity: later events of the call add to it. It is the
// contact's, and its account's; a lead has none before it is converted, and is named in it.
type SalesforceOpportunity struct {
	// Stage is that of a new opportunity, such as Prospecting. Required.
	Stage string `json:"stage,omitempty"`

	// CloseIn is how long after the call it is expected to close, in whole days. Default: 30d.
	CloseIn caddy.Duration `json:"close_in,omitempty"`

	// ExternalID is the API name of a field, marked as External ID and Unique, for the call's id. Default: none, and the
	// opportunity is found again, for a day, by what the gateway has noted, and by a query for its name.
	ExternalID string `json:"external_id,omitempty"`

	// Fields add to the default ones, as those of the lead do. Default: Name, Description and LeadSource.
	Fields []SalesforceField `json:"fields,omitempty"`

	// When is a condition on the call, as of a deliver line. Default: every call.
	When string `json:"when,omitempty"`
}

// SalesforceCampaignMember makes the lead or contact a member of a campaign, once.
type SalesforceCampaignMember struct {
	// Campaign is the campaign's id, which begins with 701. Required.
	Campaign string `json:"campaign,omitempty"`

	// Status is that of a new member, such as Responded. Default: the campaign's.
	Status string `json:"status,omitempty"`

	// Fields are further fields of a new member. Default: none.
	Fields []SalesforceField `json:"fields,omitempty"`

	// When is a condition on the call, as of a deliver line. Default: every call.
	When string `json:"when,omitempty"`
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
func (*Salesforce) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "callgate.destinations.salesforce", New: func() caddy.Module { return new(Salesforce) }}
}

// check says which settings do not go together.
func (s *Salesforce) check() error {
	ways := 0
	for _, yes := range []bool{s.ClientCredentials != nil, s.RefreshToken != nil, s.JWT != nil} {
		if yes {
			ways++
		}
	}
	switch {
	case s.Instance == "":
		return errors.New("a salesforce destination needs an instance, such as https://acme.my.salesforce.com")
	case s.Opportunity != nil && s.Opportunity.Stage == "":
		return errors.New("opportunity: a stage is missing, such as stage Prospecting")
	case s.CampaignMember != nil && s.CampaignMember.Campaign == "":
		return errors.New("campaign_member: the campaign's id is missing, which begins with 701")
	case ways != 1:
		return errors.New("a salesforce destination needs one way to sign in: client_credentials, refresh_token or jwt")
	}
	return nil
}

// SendsAll implements guest.Wholesaler: what is sent is made of the record.
func (*Salesforce) SendsAll() bool { return false }

// NewDestination implements guest.Destination.
func (s *Salesforce) NewDestination(o guest.DestinationOptions) (destination.Destination, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	if o.Sign != nil {
		return nil, errors.New("sign: Salesforce knows no signatures; only http destinations can sign")
	}
	c := salesforce.Config{
		Region:     o.Region,
		APIVersion: s.APIVersion, Object: s.Object, ExternalID: s.ExternalID, Match: salesforce.Match(s.Match), Status: s.Status,
		Duplicates: salesforce.Duplicates(s.Duplicates), Window: time.Duration(s.Window), AssignmentRule: s.AssignmentRule,
		LogCall: s.LogCall, TaskExternalID: s.TaskExternalID, MaxBatch: s.MaxBatch, Describe: !s.NoDescribe,
		LimitWarning: s.LimitWarning, Notes: o.Notes,
	}
	if o.Progress != nil {
		c.Progress = o.Progress
	}
	var err error
	if c.Fields, err = fieldsOf("", s.Fields); err != nil {
		return nil, err
	}
	if err := s.steps(o, &c); err != nil {
		return nil, err
	}
	if c.TimeZone, err = zone(s.TimeZone); err != nil {
		return nil, err
	}
	if c.Instance, err = setting(o, "instance", s.Instance); err != nil {
		return nil, err
	}
	exposeClear(o, "instance", c.Instance)
	client, err := s.client(o, s.Connection)
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
func (s *Salesforce) authorizer(o guest.DestinationOptions, instance string, client *outbound.Client) (outbound.Authorizer, error) {
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

func (j *SalesforceJWT) authorizer(o guest.DestinationOptions, address, instance string, client *outbound.Client) (outbound.Authorizer, error) {
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

// Interface guards
var (
	_ guest.Destination     = (*Salesforce)(nil)
	_ caddyfile.Unmarshaler = (*Salesforce)(nil)
	_ caddy.CleanerUpper    = (*Salesforce)(nil)
)
