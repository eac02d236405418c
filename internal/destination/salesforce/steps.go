package salesforce

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
)

// Step is a case, an opportunity or a campaign member that is made of a call besides its lead or contact.
//
// One call is one case or opportunity: a later event of the call adds to the one that is there. Its status or stage, its
// fixed texts and what is OnCreate are written to a new one only. It is found again by ExternalID or else, for a day, by
// what the gateway has noted, and by a query for one of the same name that was created since the call came in.
type Step struct {
	// Status is the Status of a new case or campaign member, and the StageName of a new opportunity, which needs one; empty
	// leaves it to the organization.
	Status string
	// Campaign is the id of the campaign that the caller becomes a member of.
	Campaign string
	// ExternalID is the API name of a field for the call's id, marked as External ID and Unique. A campaign member has none:
	// a person is a member once.
	ExternalID string
	// CloseIn is how long after the call an opportunity is expected to close; 0 means DefaultCloseIn.
	CloseIn time.Duration
	// Fields are laid over the object's defaults, as Config.Fields are.
	Fields []Field
	// When says for which calls; nil for all.
	When *condition.Condition
}

// DefaultCloseIn is when an opportunity is expected to close.
const DefaultCloseIn = 30 * 24 * time.Hour

// Notes keeps what the destination has made a moment ago where a restart does not lose it. Names and values are sealed.
type Notes interface {
	Note(ctx context.Context, name string, value []byte, until time.Time) error
	Noted(ctx context.Context, name string) ([]byte, error)
}

// step is a Step, prepared.
type step struct {
	*Step
	name    string // in reasons, and in the progress of a delivery
	object  string
	title   string // field that holds what it is called; empty for a campaign member
	sources []source
	lengths *lengths
	// fixed are the fields that come from the configuration alone, of which a wrong value is wrong for every call.
	fixed []string
}

// titleFrom is what a case or an opportunity is called.
const titleFrom = "{{name|caller_number}}: {{message|summary|issue|truncate:80}}"

// prose is where its text comes from, as that of a lead.
const prose = "message|summary|notes|issue"

// prepareSteps compiles the steps.
func (d *Destination) prepareSteps() error {
	for _, s := range []*step{
		{Step: d.cfg.Case, name: "case", object: "Case", title: "Subject"},
		{Step: d.cfg.Opportunity, name: "opportunity", object: "Opportunity", title: "Name"},
		{Step: d.cfg.CampaignMember, name: "campaign_member", object: "CampaignMember"},
	} {
		if s.Step == nil {
			continue
		}
		if err := d.prepareStep(s); err != nil {
			return fmt.Errorf("%w (%s)", err, s.name)
		}
		d.steps = append(d.steps, s)
	}
	return nil
}

func (d *Destination) prepareStep(s *step) error {
	var defaults []Field
	status := "Status"
	switch s.object {
	case "Case":
		defaults = []Field{
			{Name: "Subject", From: titleFrom, OnCreate: true}, {Name: "Description", From: prose}, {Name: "Origin", Text: "Phone"},
			// Who called, also where that is a lead: cases know contacts and accounts only.
			// Guessed: the names of these fields and their lengths are from memory.
			{Name: "SuppliedName", From: "name"}, {Name: "SuppliedEmail", From: "email"},
			{Name: "SuppliedPhone", From: "caller_number"}, {Name: "SuppliedCompany", From: "company"},
		}
	case "Opportunity":
		status = "StageName"
		if s.Status == "" {
			return fmt.Errorf("%w: an opportunity needs a stage, such as Prospecting (Setup, Object Manager, Opportunity, Stage)", ErrConfig)
		}
		defaults = []Field{{Name: "Name", From: titleFrom, OnCreate: true}, {Name: "Description", From: prose}, {Name: "LeadSource", Text: "AI Receptionist"}}
	case "CampaignMember":
		if !isID(s.Campaign) {
			return fmt.Errorf("%w: campaign %q is not the id of a campaign, which begins with 701; take it from the campaign's address", ErrConfig, s.Campaign)
		}
		if s.ExternalID != "" {
			return fmt.Errorf("%w: a campaign member has no external id; a person is a member of a campaign once", ErrConfig)
		}
		defaults = []Field{{Name: "CampaignId", Text: s.Campaign}}
	}
	if s.ExternalID != "" && !fieldName.MatchString(s.ExternalID) {
		return fmt.Errorf("%w: external id %q is not an API name; use the one that Object Manager shows, such as Call_Id__c", ErrConfig, s.ExternalID)
	}
	if s.Status != "" {
		defaults = append(defaults, Field{Name: status, Text: s.Status})
	}
	for _, f := range s.Fields {
		if f.Name == s.title && f.From == "" && f.Text == "" && f.Default == "" || strings.EqualFold(f.Name, s.ExternalID) || f.Name == "CampaignId" {
			return fmt.Errorf("%w: field %s is needed as it is; take the line out", ErrConfig, f.Name)
		}
		if f.Name == s.title {
			f.OnCreate = true
		}
	}
	fields, err := layOver(defaults, s.Fields)
	if err != nil {
		return err
	}
	if s.CloseIn == 0 {
		s.CloseIn = DefaultCloseIn
	}
	for _, f := range fields {
		if f.Text != "" {
			s.fixed = append(s.fixed, f.Name)
		}
	}
	if s.ExternalID != "" {
		s.fixed = append(s.fixed, s.ExternalID)
	}
	s.lengths = newLengths(s.object)
	s.sources, err = prepare(fields, d.cfg.TimeZone, d.cfg.Region)
	return err
}

// stepValues are what the record of a call is sent: for a new one, or to add to one that is there.
func (d *Destination) stepValues(s *step, it *destination.Item, creating bool) (values []value, warnings []string) {
	set := func(name, text string, raw bool) {
		if strings.HasSuffix(name, "Email") {
			text = call.TrimAddress(text)
		}
		if limit := s.lengths.of(name); limit > 0 {
			raw = false
			cut, was := truncate(text, limit)
			if was {
				warnings = append(warnings, s.name+": "+cutWarning(name, limit))
			}
			text = cut
		}
		if text != "" {
			values = append(values, value{name, text, raw})
		}
	}
	for i := range s.sources {
		src := &s.sources[i]
		if !creating && (src.OnCreate || src.Text != "") {
			continue
		}
		text, raw := src.Text, false
		if src.fromCall() {
			text, raw = src.value(it)
		}
		if text == "" && creating && src.Default != "" {
			text = strings.TrimSpace(strings.ReplaceAll(src.Default, "{{name}}", it.Call.Name()))
		}
		if text == "" && creating && src.Name == s.title {
			text = "Call"
		}
		set(src.Name, text, raw)
	}
	given := func(name string) bool {
		return slices.ContainsFunc(values, func(v value) bool { return v.name == name })
	}
	if creating && s.object == "Opportunity" && !given("CloseDate") {
		set("CloseDate", calledAt(it).Add(s.CloseIn).In(d.cfg.TimeZone).Format(time.DateOnly), false)
	}
	return values, warnings
}

// relate are the fields by which a new record belongs to the person that the call was written to.
func (s *step) relate(person, account string) (values []value) {
	contact := strings.HasPrefix(person, "003")
	switch {
	case s.object == "CampaignMember" && contact, s.object == "Case" && contact:
		return []value{{"ContactId", person, false}}
	case s.object == "CampaignMember":
		return []value{{"LeadId", person, false}}
	case s.object == "Opportunity" && contact:
		// It makes the contact the primary one, and can be written to a new opportunity only (Object Reference).
		if values = []value{{"ContactId", person, false}}; account != "" {
			values = append(values, value{"AccountId", account, false})
		}
	}
	return values
}
