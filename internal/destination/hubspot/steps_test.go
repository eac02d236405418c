package hubspot

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/chain"
	"github.com/callgate/callgate/internal/standin"
)

// sales is a configuration with all steps.
func sales(c *Config) {
	c.Company = &Step{Properties: map[string]string{"domain": "params.domain"}}
	c.Deal = &Step{Stage: "appointmentscheduled", Pipeline: "default", Properties: map[string]string{"amount": "params.budget"}}
	c.Ticket = &Step{Stage: "1"}
}

func only(t *testing.T, s *standin.HubSpot, object string) standin.HubSpotObject {
	t.Helper()
	all := s.Objects(object)
	if len(all) != 1 {
		t.Fatalf("%d %s, want 1: %v", len(all), object, all)
	}
	return all[0]
}

func TestADealATicketAndACompany(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, sales)
	it := item(func(c *call.Call) { c.Company, c.Params["budget"] = "ABC Plumbing", "1200" })
	delivered(t, one(t, d, it))
	contact, company, deal, ticket := contact(t, s), only(t, s, "companies"), only(t, s, "deals"), only(t, s, "tickets")
	want(t, company, map[string]string{"name": "ABC Plumbing", "domain": ""})
	want(t, deal, map[string]string{
		"dealname": "Mike Johnson: leaky pipe in kitchen", "dealstage": "appointmentscheduled", "pipeline": "default", "amount": "1200",
		"description": "leaky pipe in kitchen\n\nCall reference cg" + shortHash(it.Call.ID),
	})
	want(t, ticket, map[string]string{"subject": "Mike Johnson: leaky pipe in kitchen", "hs_pipeline_stage": "1", "hs_pipeline": ""})
	for _, o := range []standin.HubSpotObject{company, deal, ticket} {
		if !slices.Equal(o.Contacts, []string{contact.ID}) {
			t.Errorf("contacts of %v: %v", o.Properties, o.Contacts)
		}
	}
	if !slices.Equal(deal.Companies, []string{company.ID}) || !slices.Equal(ticket.Companies, []string{company.ID}) {
		t.Errorf("companies: %v, %v", deal.Companies, ticket.Companies)
	}
}

// A later event of the call adds to its deal, and takes nothing back that somebody has done to it.
func TestOneCallIsOneDeal(t *testing.T) {
	for name, unique := range map[string]string{"by reference": "", "by a unique property": "call_key"} {
		clock := newClock()
		s, d := account(t, standin.HubSpotConfig{Now: clock.now}, func(c *Config) {
			sales(c)
			c.Deal.Unique, c.Ticket.Unique = unique, unique
		})
		s.Define("deals", standin.HubSpotProperty{Name: "call_key", Unique: true})
		s.Define("tickets", standin.HubSpotProperty{Name: "call_key", Unique: true})
		it := item(func(c *call.Call) { c.Message = ""; c.Company = "ABC Plumbing" })
		delivered(t, one(t, d, it))
		clock.forward(time.Hour)
		later := item(func(c *call.Call) {
			c.ID, c.Message, c.Params, c.Company = it.Call.ID, "a long story about a leaky pipe", map[string]any{"budget": "900"}, "abc plumbing"
		})
		delivered(t, one(t, d, later))
		deal := only(t, s, "deals")
		want(t, deal, map[string]string{"amount": "900", "dealname": "Mike Johnson: call", "call_key": map[bool]string{true: it.Call.ID}[unique != ""]})
		if !strings.Contains(deal.Properties["description"], "a long story") {
			t.Errorf("%s: %q", name, deal.Properties["description"])
		}
		only(t, s, "tickets")
		only(t, s, "companies")
		// An event that knows less leaves the longer text.
		less := item(func(c *call.Call) { c.ID, c.Message = it.Call.ID, "pipe" })
		delivered(t, one(t, d, less))
		if got := only(t, s, "deals").Properties["description"]; !strings.Contains(got, "a long story") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestWhichCallsAreADeal(t *testing.T) {
	urgent, err := condition.Compile("call.urgent")
	if err != nil {
		t.Fatal(err)
	}
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) {
		sales(c)
		c.Company, c.Deal.When, c.Ticket = nil, urgent, nil
	})
	delivered(t, one(t, d, item(nil)))
	if n := len(s.Objects("deals")); n != 0 {
		t.Errorf("%d deals", n)
	}
	batch := []destination.Item{item(func(c *call.Call) { c.Email = "a@example.com"; c.CallerNumber = "+15551110000" }), item(func(c *call.Call) { c.Email, c.CallerNumber, c.Urgent = "b@example.com", "+15552220000", true })}
	delivered(t, d.Deliver(t.Context(), batch)...)
	only(t, s, "deals")
}

// What was written is not written again when a later step fails, and the reason says which.
func TestADealThatFailsForNow(t *testing.T) {
	store := chain.NewMemory()
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { sales(c); c.Progress, c.LogCall = store, true })
	it := item(func(c *call.Call) { c.Company = "ABC Plumbing" })
	// search and upsert of the contact, search and create of the call log and of the company, search of the deal
	d.conf.Client = failingAfter(6, s)
	first := one(t, d, it)
	if first.Outcome != destination.Retry || !strings.HasPrefix(first.Reason, "step deal: ") {
		t.Fatalf("%+v", first)
	}
	after := len(s.Paths())
	// A new process, which knows nothing but what the store keeps.
	again := connect(t, s.URL, standin.HubSpotConfig{Token: token}, func(c *Config) { sales(c); c.Progress, c.LogCall = store, true })
	delivered(t, one(t, again, it))
	if got := strings.Join(s.Paths()[after:], ", "); got != "POST deals/search, POST deals/batch/create, POST tickets/search, POST tickets/batch/create" {
		t.Errorf("the next attempt sent %s", got)
	}
	deal, company := only(t, s, "deals"), only(t, s, "companies")
	if !slices.Equal(deal.Companies, []string{company.ID}) || !slices.Equal(deal.Contacts, []string{contact(t, s).ID}) || contact(t, s).Writes != 1 {
		t.Errorf("%+v, %d writes of the contact", deal, contact(t, s).Writes)
	}
}

// A deal whose create got no answer is looked for before it is made again.
func TestADealWhoseAnswerWasLost(t *testing.T) {
	clock := newClock()
	sc := standin.HubSpotConfig{Now: clock.now, SearchLag: 10 * time.Second}
	s, d := account(t, sc, func(c *Config) { sales(c); c.Company, c.Ticket = nil, nil })
	d.conf.Client = losing(3, s) // search and upsert of the contact, search and create of the deal
	it := item(nil)
	if got := one(t, d, it); got.Outcome != destination.Retry || !strings.HasPrefix(got.Reason, "step deal: ") {
		t.Fatalf("%+v", got)
	}
	only(t, s, "deals")
	d.conf.Client = connect(t, s.URL, standin.HubSpotConfig{Token: token}, nil).conf.Client
	if got := one(t, d, it); got.Outcome != destination.Retry || got.RetryAfter <= 0 || !strings.Contains(got.Reason, "deal was perhaps created") {
		t.Fatalf("within the lag: %+v", got)
	}
	clock.forward(11 * time.Second)
	delivered(t, one(t, d, it))
	only(t, s, "deals")
}

// What is wrong with the configuration pauses the destination; what HubSpot refuses of one call is dead, and says where.
func TestARefusedDeal(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*Config)
		outcome destination.Outcome
		pause   bool
		reason  string
	}{
		"no such stage":            {func(c *Config) { c.Deal.Stage = "nowhere" }, destination.Retry, true, "step deal: the contact is written; HubSpot does not take dealstage"},
		"a stage of another":       {func(c *Config) { c.Deal.Stage = "renewalopen" }, destination.Retry, true, "does not take dealstage"},
		"no such unique":           {func(c *Config) { c.Deal.Unique = "call_key" }, destination.Retry, true, "step deal: HubSpot cannot read deals by property call_key"},
		"a value that does not do": {func(c *Config) { c.Deal.Properties["dealtype"] = "message" }, destination.Delivered, false, ""},
	} {
		s, d := account(t, standin.HubSpotConfig{}, func(cfg *Config) {
			sales(cfg)
			cfg.Company, cfg.Ticket = nil, nil
			c.change(cfg)
		})
		got := one(t, d, item(nil))
		if got.Outcome != c.outcome || got.Pause != c.pause || !strings.HasPrefix(got.Reason, "step deal: ") && c.reason != "" || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s: %+v", name, got)
		}
		contact(t, s)
	}
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { sales(c); c.Company, c.Ticket = nil, nil })
	d.conf.Client = failingAfterWith(3, s, standin.Reply{Status: http.StatusBadRequest, Body: `{"category":"VALIDATION_ERROR","message":"no"}`})
	if got := one(t, d, item(nil)); got.Outcome != destination.Dead || !strings.HasPrefix(got.Reason, "step deal: the contact is written; 400") {
		t.Errorf("%+v", got)
	}
}

// A stage may be given by what people see of it.
func TestAStageByItsLabel(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { sales(c); c.Deal.Stage, c.Deal.Pipeline = "Qualified To Buy", "" })
	s.Define("deals", standin.HubSpotProperty{Name: "dealstage", Type: "enumeration", Options: []string{"qualifiedtobuy"}, Labels: []string{"Qualified To Buy"}})
	delivered(t, one(t, d, item(nil)))
	want(t, only(t, s, "deals"), map[string]string{"dealstage": "qualifiedtobuy"})
}

func TestACompanyThatIsThere(t *testing.T) {
	for name, c := range map[string]struct {
		put  map[string]string
		made bool
	}{
		"by domain":      {map[string]string{"name": "ABC", "domain": "abc.example"}, false},
		"by name":        {map[string]string{"name": "abc plumbing", "domain": ""}, true}, // the domain says more
		"another's name": {map[string]string{"name": "ABC Plumbers", "domain": "abc.org"}, true},
	} {
		s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { sales(c); c.Deal, c.Ticket = nil, nil })
		id := s.Put("companies", c.put)
		delivered(t, one(t, d, item(func(cl *call.Call) { cl.Company, cl.Params["domain"] = "ABC Plumbing", "ABC.example" })))
		all := s.Objects("companies")
		if made := len(all) == 2; made != c.made || !c.made && (!slices.Equal(all[0].Contacts, []string{contact(t, s).ID}) || all[0].ID != id || all[0].Properties["name"] != "ABC") {
			t.Errorf("%s: %+v", name, all)
		}
	}
	// Nobody's company.
	s, d := account(t, standin.HubSpotConfig{}, sales)
	delivered(t, one(t, d, item(nil)))
	if n := len(s.Objects("companies")); n != 0 || len(only(t, s, "deals").Companies) != 0 {
		t.Errorf("%d companies", n)
	}
	// Two callers of one company, at once and one after the other while the search lags.
	s, d = account(t, standin.HubSpotConfig{SearchLag: time.Hour}, func(c *Config) { sales(c); c.API = "2026-03" })
	of := func(mail, number string) destination.Item {
		return item(func(c *call.Call) { c.Email, c.CallerNumber, c.Company = mail, number, "ABC Plumbing" })
	}
	delivered(t, d.Deliver(t.Context(), []destination.Item{of("a@example.com", "+15551110000"), of("b@example.com", "+15552220000")})...)
	delivered(t, one(t, d, of("c@example.com", "+15553330000")))
	if c := only(t, s, "companies"); len(c.Contacts) != 3 {
		t.Errorf("%d contacts", len(c.Contacts))
	}
}

// A company that was deleted since it was written is made anew.
func TestACompanyThatIsGone(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { sales(c); c.Deal, c.Ticket = nil, nil })
	it := func() destination.Item { return item(func(c *call.Call) { c.Company = "ABC Plumbing" }) }
	delivered(t, one(t, d, it()))
	s.Delete("companies", only(t, s, "companies").ID)
	again := it()
	if got := one(t, d, again); got.Outcome != destination.Retry || !strings.HasPrefix(got.Reason, "step company: ") {
		t.Fatalf("%+v", got)
	}
	delivered(t, one(t, d, again))
	if c := only(t, s, "companies"); len(c.Contacts) != 1 {
		t.Errorf("%+v", c)
	}
}

func TestStepsArePreviewed(t *testing.T) {
	d, err := New(Config{Token: token, OwnerID: "4711", Company: &Step{}, Deal: &Step{Stage: "appointmentscheduled"}, Ticket: &Step{Stage: "1", Unique: "call_key"}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := d.Preview([]destination.Item{item(func(c *call.Call) { c.ID, c.Company = "call_abc", "ABC Plumbing" })})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range all {
		_, path, _ := strings.Cut(r.URL, "/objects/")
		got = append(got, path+" "+r.Body)
	}
	text := strings.Join(got, "\n")
	for _, want := range []string{
		`companies/search {"filterGroups":[{"filters":[{"propertyName":"name","operator":"IN","values":["abc plumbing"]}]}],"properties":["name"],"limit":200}`,
		`"properties":{"name":"ABC Plumbing"},"associations":[{"to":{"id":"CONTACT_ID"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":280}]}]`,
		`"dealname":"Mike Johnson: leaky pipe in kitchen"`,
		`"associations":[{"to":{"id":"CONTACT_ID"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":3}]},{"to":{"id":"COMPANY_ID"},"types":[{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":341}]}]`,
		`tickets/batch/read {"idProperty":"call_key"`, `"call_key":"call_abc"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func TestStepsThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		"no stage":        {Config{Deal: &Step{}}, "deal: it needs a stage"},
		"ticket":          {Config{Ticket: &Step{}}, "ticket: it needs a stage"},
		"property":        {Config{Deal: &Step{Stage: "x", Properties: map[string]string{"Amount": "params.x"}}}, `deal: property "Amount"`},
		"stage twice":     {Config{Deal: &Step{Stage: "x", Properties: map[string]string{"dealstage": "y"}}}, "has a line of its own"},
		"template":        {Config{Ticket: &Step{Stage: "x", Properties: map[string]string{"subject": "{{x"}}}, "ticket: property subject"},
		"unique":          {Config{Ticket: &Step{Stage: "x", Unique: "Call Key"}}, `ticket: unique "Call Key"`},
		"company's stage": {Config{Company: &Step{Stage: "x"}}, "company: it has no stage"},
		"company":         {Config{Company: &Step{Properties: map[string]string{"Name": "x"}}}, `company: property "Name"`},
	} {
		c.config.Token = token
		if _, err := New(c.config); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
