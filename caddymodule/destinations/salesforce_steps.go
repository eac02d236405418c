package destinations

import (
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/destination/salesforce"
)

func (s *Salesforce) unmarshalCase(d *caddyfile.Dispenser) error {
	c := new(SalesforceCase)
	s.Case = c
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	return grammar.Block(d, grammar.Lines{
		"status":      grammar.Text(&c.Status),
		"external_id": grammar.Text(&c.ExternalID),
		"when":        grammar.Text(&c.When),
	}.With(salesforceFields(&c.Fields)), "field", "omit")
}

func (s *Salesforce) unmarshalOpportunity(d *caddyfile.Dispenser) error {
	c := new(SalesforceOpportunity)
	s.Opportunity = c
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	return grammar.Block(d, grammar.Lines{
		"stage":       grammar.Text(&c.Stage),
		"close_in":    grammar.Time(&c.CloseIn),
		"external_id": grammar.Text(&c.ExternalID),
		"when":        grammar.Text(&c.When),
	}.With(salesforceFields(&c.Fields)), "field", "omit")
}

func (s *Salesforce) unmarshalCampaignMember(d *caddyfile.Dispenser) error {
	c := new(SalesforceCampaignMember)
	s.CampaignMember = c
	if err := grammar.OneArg(d, &c.Campaign); err != nil {
		return err
	}
	return grammar.Block(d, grammar.Lines{
		"status": grammar.Text(&c.Status),
		"when":   grammar.Text(&c.When),
	}.With(salesforceFields(&c.Fields)), "field", "omit")
}

// steps compiles what is made of a call besides its lead or contact.
func (s *Salesforce) steps(o guest.DestinationOptions, c *salesforce.Config) (err error) {
	if k := s.Case; k != nil {
		if c.Case, err = salesforceStep("case", k.When, k.Fields); err != nil {
			return err
		}
		c.Case.Status, c.Case.ExternalID = k.Status, k.ExternalID
	}
	if k := s.Opportunity; k != nil {
		if c.Opportunity, err = salesforceStep("opportunity", k.When, k.Fields); err != nil {
			return err
		}
		c.Opportunity.Status, c.Opportunity.ExternalID, c.Opportunity.CloseIn = k.Stage, k.ExternalID, time.Duration(k.CloseIn)
	}
	if k := s.CampaignMember; k != nil {
		if c.CampaignMember, err = salesforceStep("campaign_member", k.When, k.Fields); err != nil {
			return err
		}
		c.CampaignMember.Status = k.Status
		c.CampaignMember.Campaign, err = setting(o, "campaign_member", k.Campaign)
	}
	return err
}

func salesforceStep(name, condition string, fields []SalesforceField) (*salesforce.Step, error) {
	when, err := when(condition)
	if err != nil {
		return nil, within(name, err)
	}
	all, err := fieldsOf(name+": ", fields)
	return &salesforce.Step{When: when, Fields: all}, err
}

// fieldsOf are the fields as the destination takes them; in stands before their names in errors.
func fieldsOf(in string, fields []SalesforceField) (all []salesforce.Field, err error) {
	for _, f := range fields {
		for _, template := range []string{f.From, f.Text, f.Default} {
			if err := constant(in+"field "+f.Name, template); err != nil {
				return nil, err
			}
		}
		all = append(all, salesforce.Field(f))
	}
	return all, nil
}
