package destinations

import (
	"maps"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/callgate/callgate/caddymodule/grammar"
	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination/hubspot"
)

// HubSpotStep is a deal or a ticket. One call is one of it: later events of the call add to it. Stage, pipeline, owner and
// name are written to a new one only, since people move it on.
type HubSpotStep struct {
	// Stage is the internal id of the stage that a new one has (Settings > Objects > Pipelines), or its label. Required.
	Stage string `json:"stage,omitempty"`

	// Pipeline is the internal id of its pipeline. Default: HubSpot's default one.
	Pipeline string `json:"pipeline,omitempty"`

	// Unique is a property with unique values that holds the call's id. Default: none, and it is found again by HubSpot's
	// search for a reference at the end of its text, which lags behind.
	Unique string `json:"unique,omitempty"`

	// When is a condition on the call, as of a deliver line. Default: every call.
	When string `json:"when,omitempty"`

	// Properties maps properties, by internal name, to templates, as those of the contact. dealname and subject are what it
	// is called, description and content what it says. Default: the caller's name and the message.
	Properties map[string]string `json:"properties,omitempty"`
}

// HubSpotCompany is the company that the contact belongs to. It is found by its domain, or else its name, and made where
// it is not there; one that is there only gets the contact. A call that says neither has none.
type HubSpotCompany struct {
	// When is a condition on the call, as of a deliver line. Default: every call.
	When string `json:"when,omitempty"`

	// Properties maps properties, by internal name, to templates, as those of the contact: domain params.website. Default:
	// name is company.
	Properties map[string]string `json:"properties,omitempty"`
}

// hubSpotStep is the line of a deal or a ticket.
func hubSpotStep(into **HubSpotStep) grammar.Line {
	return func(d *caddyfile.Dispenser) error {
		s := new(HubSpotStep)
		*into = s
		if err := grammar.NoArgs(d); err != nil {
			return err
		}
		return grammar.Block(d, grammar.Lines{
			"stage":    grammar.Text(&s.Stage),
			"pipeline": grammar.Text(&s.Pipeline),
			"unique":   grammar.Text(&s.Unique),
			"when":     grammar.Text(&s.When),
			"property": grammar.Pairs(&s.Properties),
		}, "property")
	}
}

func (h *HubSpot) unmarshalCompany(d *caddyfile.Dispenser) error {
	h.Company = new(HubSpotCompany)
	if err := grammar.NoArgs(d); err != nil {
		return err
	}
	return grammar.Block(d, grammar.Lines{
		"when":     grammar.Text(&h.Company.When),
		"property": grammar.Pairs(&h.Company.Properties),
	}, "property")
}

// steps compiles what is made of a call besides its contact.
func (h *HubSpot) steps(o guest.DestinationOptions, c *hubspot.Config) error {
	for _, s := range []struct {
		name string
		from *HubSpotStep
		into **hubspot.Step
	}{{"deal", h.Deal, &c.Deal}, {"ticket", h.Ticket, &c.Ticket}, {"company", h.Company.step(), &c.Company}} {
		if s.from == nil {
			continue
		}
		when, err := when(s.from.When)
		if err != nil {
			return within(s.name, err)
		}
		for _, property := range slices.Sorted(maps.Keys(s.from.Properties)) {
			if err := constant(s.name+": property "+property, s.from.Properties[property]); err != nil {
				return err
			}
		}
		var named [2]string
		for i, raw := range []string{s.from.Stage, s.from.Pipeline} {
			if raw != "" {
				if named[i], err = setting(o, s.name+": "+[]string{"stage", "pipeline"}[i], raw); err != nil {
					return err
				}
			}
		}
		*s.into = &hubspot.Step{Stage: named[0], Pipeline: named[1], Unique: s.from.Unique, Properties: s.from.Properties, When: when}
	}
	return nil
}

// step is the company as a step, which has less to be said of it; nil for none.
func (c *HubSpotCompany) step() *HubSpotStep {
	if c == nil {
		return nil
	}
	return &HubSpotStep{When: c.When, Properties: c.Properties}
}

// when compiles the condition of a step; nil where there is none.
func when(text string) (*condition.Condition, error) {
	if text == "" {
		return nil, nil
	}
	c, err := condition.Compile(text)
	return c, within("when", err)
}
