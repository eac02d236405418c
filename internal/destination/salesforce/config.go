package salesforce

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/destination/chain"
	"github.com/callgate/callgate/internal/outbound"
)

// ErrConfig is wrapped by every error that New returns.
var ErrConfig = errors.New("salesforce: configuration")

// Defaults of Config.
const (
	DefaultAPIVersion   = "v67.0" // Summer '26
	DefaultObject       = "Lead"
	DefaultWindow       = 90 * 24 * time.Hour
	DefaultMaxBatch     = 200 // the most that sObject Collections take
	DefaultLimitWarning = 90
)

// Duplicates says what happens to a lead that one of the organization's duplicate rules blocks.
type Duplicates string

// The ways of Duplicates.
const (
	// UpdateDuplicate updates the lead that the rule found. If the rule found only records of other objects (an
	// existing contact calls), the lead is saved all the same, with a warning; if the rule forbids that, the call is
	// logged on the contact that it found. This is the default: nothing is lost.
	UpdateDuplicate Duplicates = "update"
	// AllowDuplicate saves the lead over any rule that permits it (Sforce-Duplicate-Rule-Header: allowSave=true).
	AllowDuplicate Duplicates = "allow"
	// BlockDuplicate leaves the lead undelivered, with the rule's verdict as the reason.
	BlockDuplicate Duplicates = "block"
)

// Match says which record a call becomes.
type Match string

// The ways of Match.
const (
	// MatchCaller writes a call to the record of its caller, if there is one: the call's own, else the contact and else the
	// lead with the caller's address or number. A caller who calls five times is one lead with five logs. It takes one
	// more request for each call. This is the default for leads and contacts, the only objects for which it can be.
	MatchCaller Match = "caller"
	// MatchCall makes each call a record of its own, upserted by the call's id, up to 200 in one request. It needs
	// ExternalID, and is the only way for objects other than leads and contacts.
	MatchCall Match = "call"
)

// Config describes one Salesforce organization and how calls are written to it. Only Instance is required.
type Config struct {
	// Instance is the organization's own address: https://acme.my.salesforce.com.
	Instance string
	// APIVersion such as "v67.0", which is the default. Versions from v46.0 on answer upserts the way this package
	// reads them.
	APIVersion string
	// Object is what a call becomes: Lead (the default), Contact or any other object. Objects other than these two
	// need ExternalID and Fields.
	Object string
	// ExternalID is the API name of the field that carries the call's id, such as Call_Id__c, marked as External ID
	// and Unique. With it a record is upserted, which is safe to repeat.
	ExternalID string
	// Match says whether a call goes to the record of its caller or to one of its own. Empty means MatchCaller for a Lead
	// or Contact, and MatchCall for any other object.
	Match Match
	// Fields are laid over the object's DefaultFields: a field of the same name replaces the default, one without any
	// source removes it, others follow.
	Fields []Field
	// Status is the Status that a new record gets; empty leaves it to the organization's default. The
	// value must be one of the picklist's.
	Status string
	// Duplicates defaults to UpdateDuplicate.
	Duplicates Duplicates
	// Window is how old a lead, or a record of Object, may be to be taken for the caller's. 0 means DefaultWindow, and a
	// negative one any age. Contacts that are looked for beside leads are customers, at any age.
	Window time.Duration
	// AssignmentRule is "true" for the active lead assignment rule, "false" for none, or the id of a rule. It applies to new
	// records only. Empty leaves it to Salesforce, which applies the active rule to what it is sent.
	AssignmentRule string
	// LogCall also logs each call as a completed Task of the record.
	LogCall bool
	// TaskExternalID is an External ID field of Task for the call's id; with it the log needs no query.
	TaskExternalID string
	// Region is the ISO 3166 code of the country whose national phone numbers templates understand. "" means call.DefaultRegion.
	Region string
	// TimeZone is where the organization's days begin and end, for dates such as the day of a call. nil means UTC.
	TimeZone *time.Location
	// MaxBatch bounds how many calls go out in one request: 1 to 200. 0 means 200. Where calls cannot be batched
	// (MatchCaller, LogCall, or anything that happens to new records only) it is 1 whatever is set.
	MaxBatch int
	// Describe asks Salesforce once a day how long the object's fields are and which of them are dates, which costs one
	// API request and lets own fields be cut, and days be written, before Salesforce complains. Without it, a table of the standard fields serves, and own fields are
	// cut after the first complaint.
	Describe bool
	// Case, Opportunity and CampaignMember are made of a call besides, of the lead or contact that it was written to. nil
	// means none. With any of them calls go out one by one.
	Case, Opportunity, CampaignMember *Step
	// Progress keeps which steps of a delivery are carried out; nil keeps it in memory, where a restart loses it.
	Progress chain.Store
	// Notes keeps which records the steps have made of a call, where they have no external id; nil means that they are
	// queried for.
	Notes Notes
	// LimitWarning is the share of the organization's daily API requests, in percent, from which deliveries carry a
	// warning. 0 means 90, and a negative one never.
	LimitWarning int
}

var (
	apiVersion = regexp.MustCompile(`^v?([1-9][0-9]{1,2})(\.0)?$`)
	ruleID     = regexp.MustCompile(`^01Q[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$`)
)

// check fills in the defaults and says what is wrong.
func (c *Config) check() error {
	base, err := instance(c.Instance)
	if err != nil {
		return err
	}
	c.Instance = base
	if c.APIVersion == "" {
		c.APIVersion = DefaultAPIVersion
	}
	m := apiVersion.FindStringSubmatch(c.APIVersion)
	if m == nil {
		return fmt.Errorf("%w: API version %q is none; write it like %s", ErrConfig, c.APIVersion, DefaultAPIVersion)
	}
	c.APIVersion = "v" + m[1] + ".0"
	if c.Object == "" {
		c.Object = DefaultObject
	}
	for _, n := range []struct{ what, name string }{{"object", c.Object}, {"external id", c.ExternalID}, {"task external id", c.TaskExternalID}} {
		if n.name != "" && !fieldName.MatchString(n.name) {
			return fmt.Errorf("%w: %s %q is not an API name; use the one that Object Manager shows, such as Call_Id__c", ErrConfig, n.what, n.name)
		}
	}
	switch c.Duplicates {
	case "":
		c.Duplicates = UpdateDuplicate
	case UpdateDuplicate, AllowDuplicate, BlockDuplicate:
	default:
		return fmt.Errorf("%w: duplicates %q; choose update, allow or block", ErrConfig, c.Duplicates)
	}
	if err := c.checkMatch(); err != nil {
		return err
	}
	if c.TimeZone == nil {
		c.TimeZone = time.UTC
	}
	switch r := strings.ToUpper(c.AssignmentRule); {
	case r == "", r == "TRUE", r == "FALSE":
		c.AssignmentRule = r
	case !ruleID.MatchString(c.AssignmentRule):
		return fmt.Errorf("%w: assignment rule %q; choose true, false or the id of a rule, which begins with 01Q", ErrConfig, c.AssignmentRule)
	}
	if c.Window == 0 {
		c.Window = DefaultWindow
	}
	if c.MaxBatch < 0 || c.MaxBatch > DefaultMaxBatch {
		return fmt.Errorf("%w: batches of %d; Salesforce takes 1 to %d", ErrConfig, c.MaxBatch, DefaultMaxBatch)
	}
	if c.MaxBatch == 0 {
		c.MaxBatch = DefaultMaxBatch
	}
	if c.LimitWarning == 0 {
		c.LimitWarning = DefaultLimitWarning
	}
	if c.Progress == nil {
		c.Progress = chain.NewMemory()
	}
	if c.TaskExternalID != "" && !c.LogCall {
		return fmt.Errorf("%w: a task external id without a call log; switch the log on or remove the field", ErrConfig)
	}
	return nil
}

// checkMatch fills in how calls find their records, and says what it needs.
func (c *Config) checkMatch() error {
	people := c.Object == "Lead" || c.Object == "Contact"
	switch {
	case c.ExternalID == "" && !people:
		return fmt.Errorf("%w: object %s needs an external id, because callers are looked for among leads and contacts only", ErrConfig, c.Object)
	case c.Match == "" && people:
		c.Match = MatchCaller
	case c.Match == "":
		c.Match = MatchCall
	case c.Match == MatchCaller && !people:
		return fmt.Errorf("%w: match caller with object %s; callers are looked for among leads and contacts only, so use match call", ErrConfig, c.Object)
	case c.Match == MatchCall && c.ExternalID == "":
		return fmt.Errorf("%w: match call without an external id, which is what finds a call's record again; set one", ErrConfig)
	case c.Match != MatchCaller && c.Match != MatchCall:
		return fmt.Errorf("%w: match %q; choose caller or call", ErrConfig, c.Match)
	}
	return nil
}

// instance checks the address of an organization and reduces it to scheme and host.
func instance(raw string) (string, error) {
	if err := outbound.CheckURL(raw, false, true); err != nil {
		return "", fmt.Errorf("%w: instance: %w", ErrConfig, err)
	}
	u, err := url.Parse(raw)
	if err != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return "", fmt.Errorf("%w: the instance is an address like https://acme.my.salesforce.com and nothing more", ErrConfig)
	}
	switch strings.ToLower(u.Hostname()) {
	case "salesforce.com", "login.salesforce.com", "test.salesforce.com", "www.salesforce.com":
		return "", fmt.Errorf("%w: %s is the same for everybody; use your My Domain address (Setup, My Domain), like https://acme.my.salesforce.com", ErrConfig, u.Hostname())
	}
	if strings.HasSuffix(strings.ToLower(u.Hostname()), ".lightning.force.com") {
		return "", fmt.Errorf("%w: %s is the address of the pages that people see, which has no API; use your My Domain address (Setup, My Domain), like https://acme.my.salesforce.com", ErrConfig, u.Hostname())
	}
	return u.Scheme + "://" + u.Host, nil
}
