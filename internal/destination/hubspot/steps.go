package hubspot

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/chain"
)

// Step is a deal, a ticket or a company that is made of a call besides its contact.
//
// One call is one deal: a later event of the call adds to the one that is there. Stage, pipeline and name are written to a
// new one only, since people move deals on. It is found again by Unique or else, with HubSpot's search, by a reference in its
// text (description, content).
type Step struct {
	// Pipeline and Stage are internal ids (Settings > Objects > Deals > Pipelines). A deal and a ticket need a stage; without
	// a pipeline HubSpot takes the default one. A company has neither.
	Pipeline, Stage string
	// Properties maps properties to templates, as Config.Properties does for the contact. dealname and subject say what the
	// deal or ticket is called, and description and content what it says; an empty template takes those away. Of a company,
	// name and domain say which one it is: by its domain, or else its name. A call without either has none.
	Properties map[string]string
	// Unique is a property with unique values that holds the call's id. A company has none.
	Unique string
	// When says for which calls; nil for all.
	When *condition.Condition
}

// The objects, with the properties that their texts go to.
const (
	dealsObject     = "deals"
	ticketsObject   = "tickets"
	companiesObject = "companies"
	dealBody        = "description"
	ticketBody      = "content"
)

// The types of associations (HubSpot, "Association type IDs"): without a label, from the first to the second.
// Guessed: the numbers are those of several public clients; HubSpot's own table was not opened.
const (
	dealToContact    = 3
	dealToCompany    = 341
	ticketToContact  = 16
	ticketToCompany  = 339
	companyToContact = 280
)

// step is a Step, compiled.
type step struct {
	conf    *Step
	kind    kind
	name    string // property that holds what it is called
	company int    // type of the association with a company
	fixed   []string
	first   []property // for a new record only
	mapping []mapped
}

func (d *Destination) compileSteps() error {
	for _, s := range []*step{
		{conf: d.conf.Deal, kind: kind{dealsObject, dealToContact, dealBody, "deal", nil}, name: "dealname", company: dealToCompany, fixed: []string{"pipeline", "dealstage"}},
		{conf: d.conf.Ticket, kind: kind{ticketsObject, ticketToContact, ticketBody, "ticket", nil}, name: "subject", company: ticketToCompany, fixed: []string{"hs_pipeline", "hs_pipeline_stage"}},
	} {
		if s.conf == nil {
			continue
		}
		if s.conf.Stage == "" {
			return fmt.Errorf("%w: %s: it needs a stage; give its internal id (Settings > Objects > %ss > Pipelines)", ErrConfig, s.kind.what, strings.ToUpper(s.kind.what[:1])+s.kind.what[1:])
		}
		for i, v := range []string{s.conf.Pipeline, s.conf.Stage} {
			if v != "" {
				s.first = append(s.first, property{s.fixed[i], v})
			}
		}
		if d.conf.OwnerID != "" {
			s.first = append(s.first, property{"hubspot_owner_id", d.conf.OwnerID})
		}
		if u := s.conf.Unique; u != "" {
			if !validProperty(u) {
				return fmt.Errorf("%w: %s: unique %q: HubSpot's internal names are lower case letters, digits and _", ErrConfig, s.kind.what, truncate(u, 80))
			}
			s.fixed = append(s.fixed, u)
		}
		if err := d.compileStep(s); err != nil {
			return err
		}
		s.kind.step = s
		d.steps = append(d.steps, s)
	}
	return d.compileCompany()
}

// compileStep compiles the properties, with those that say what it is called and what it says.
func (d *Destination) compileStep(s *step) error {
	all := map[string]string{
		s.name:      "{{name|caller_number|default:Caller}}: {{message|summary|default:call|truncate:80}}",
		s.kind.body: "message|summary",
	}
	for name, template := range s.conf.Properties {
		switch {
		case !validProperty(name):
			return fmt.Errorf("%w: %s: property %q: HubSpot's internal names are lower case letters, digits and _", ErrConfig, s.kind.what, truncate(name, 80))
		case slices.Contains(s.fixed, name):
			return fmt.Errorf("%w: %s: property %s has a line of its own (stage, pipeline, unique)", ErrConfig, s.kind.what, name)
		}
		all[name] = template
	}
	var err error
	s.mapping, err = d.compileNames(s.kind.what+": ", all)
	return err
}

// describe is the deal or ticket of one event, and sets what is only for a new one.
func (s *step) describe(k kind, it *destination.Item, e *entry, row *row) []property {
	ps := fill(nil, s.mapping, it)
	e.first = slices.Clone(s.first)
	var text string
	ps = slices.DeleteFunc(ps, func(p property) bool {
		switch p.name {
		case s.name:
			e.first = append(e.first, p) // people give it another
			return true
		case k.body:
			text = p.value
			return true
		}
		return false
	})
	for i := range ps {
		if len(ps[i].value) > maxValue {
			ps[i].value = truncate(ps[i].value, maxValue)
			row.warn("property " + ps[i].name + " of the " + k.what + " was cut to the 65,536 characters that HubSpot takes")
		}
	}
	if u := s.conf.Unique; u != "" {
		e.first = append(e.first, property{u, e.key})
	} else {
		reference := "Call reference " + e.token
		if room := maxValue - len(reference) - 2; len(text) > room {
			text = truncate(text, room)
			row.warn("the text of the " + k.what + " was cut to the 65,536 characters that HubSpot takes")
		}
		text = strings.TrimSpace(text + "\n\n" + reference)
	}
	if text != "" {
		ps = append(ps, property{k.body, text})
	}
	return ps
}

// refused is the result of a record that HubSpot does not take. What is wrong with the configuration is so for every call:
// the destination is to pause, and no call dies of it.
//
// Guessed: that a refusal of a stage or pipeline names the property as other refusals of an option do; HubSpot's pages show
// such refusals of other properties only.
func (s *step) refused(res destination.Result, in *input) destination.Result {
	where := "step " + s.kind.what + ": "
	if res.Outcome == destination.Dead && in.fail != nil {
		for name := range in.fail.invalid() {
			if slices.Contains(s.fixed, name) {
				return destination.Result{Pause: true, Status: http.StatusBadRequest, Excerpt: res.Excerpt, Reason: where + "the contact is written; HubSpot does not take " + name + " as it is configured; correct the line, then resume: " + res.Reason}
			}
		}
	}
	res.Reason = where + "the contact is written; " + res.Reason
	return res
}

// did notes that something is written for the row.
func (row *row) did(what string) {
	if row.done == nil {
		row.done = make(map[string]bool)
	}
	row.done[what] = true
}

// doneOf names what is written of one call: a row may have several.
func doneOf(object, key string) string { return object + ":" + key }

// stepped says that a delivery is several steps, whose progress is kept.
func (d *Destination) stepped() bool {
	return d.conf.Progress != nil && (len(d.steps) > 0 || d.company != nil)
}

// resume takes up what earlier attempts have written; false if that cannot be told.
func (r *run) resume() bool {
	if !r.d.stepped() || r.dry {
		return true
	}
	for _, row := range r.rows {
		id := ""
		for n, i := range row.items {
			p, err := chain.Load(r.ctx, r.d.conf.Progress, r.items[i].DeliveryID)
			if err != nil {
				r.stop(destination.Result{Reason: err.Error()})
				return false
			}
			contact := p.Done[contactsObject]["id"]
			if n > 0 && contact != id || contact == "" {
				id = ""
				row.done, row.company = nil, ""
				break // the row is not all of what was written
			}
			id = contact
			for object, kept := range p.Done {
				switch object {
				case contactsObject:
					row.did(object)
				case companiesObject:
					row.did(object)
					row.company = kept["id"]
				default:
					row.did(doneOf(object, callKey(&r.items[i])))
				}
			}
		}
		if id == "" {
			continue
		}
		row.id = id
		row.settle(destination.Result{Outcome: destination.Delivered, Status: http.StatusOK, RemoteID: id})
	}
	return true
}

// keep keeps what is written of the deliveries that are to be attempted again. Of one that is dead nothing is kept: by the
// time it is replayed somebody may have deleted or merged what was written.
func (r *run) keep(results []destination.Result) {
	if !r.d.stepped() || r.dry {
		return
	}
	for _, row := range r.rows {
		for _, i := range row.items {
			if results[i].Outcome == destination.Delivered || row.id == "" || !row.done[contactsObject] {
				continue
			}
			p, err := chain.Load(r.ctx, r.d.conf.Progress, r.items[i].DeliveryID)
			if err == nil && results[i].Outcome == destination.Dead {
				if len(p.Done) > 0 {
					err = r.d.conf.Progress.Keep(context.WithoutCancel(r.ctx), r.items[i].DeliveryID, nil)
				}
			} else if err == nil {
				p.Done = make(map[string]map[string]string)
				if row.company != "" {
					p.Done[companiesObject] = map[string]string{"id": row.company}
				}
				for what := range row.done {
					if object, ok := strings.CutSuffix(what, doneOf("", callKey(&r.items[i]))); ok {
						p.Done[object] = map[string]string{}
					}
				}
				err = p.Finish(r.ctx, contactsObject, map[string]string{"id": row.id})
			}
			if err != nil && r.d.firstWarning("progress") {
				results[i].Warnings = append(results[i].Warnings, "what is written cannot be noted, so that the next attempt writes it again, which changes nothing; see to the store")
			}
		}
	}
}
