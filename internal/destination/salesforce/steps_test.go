package salesforce

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/chain"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

// notebook is Notes in memory.
type notebook struct {
	mu   sync.Mutex
	kept map[string][]byte
}

func (n *notebook) Note(_ context.Context, name string, value []byte, _ time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.kept == nil {
		n.kept = make(map[string][]byte)
	}
	n.kept[name] = value
	return nil
}

func (n *notebook) Noted(_ context.Context, name string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.kept[name], nil
}

const campaign = "701000000000000001"

// sold is a configuration with all steps.
func sold() Config {
	return Config{Case: &Step{Status: "New"}, Opportunity: &Step{Status: "Prospecting"}, CampaignMember: &Step{Campaign: campaign, Status: "Responded"}}
}

// withCampaign adds the campaign that the steps name.
func withCampaign(t *testing.T, s *standin.Salesforce) {
	t.Helper()
	if id := s.Put("Campaign", noon, map[string]any{"Name": "Spring"}); id != campaign {
		t.Fatalf("the campaign is %s", id)
	}
}

// beforeNth calls hit before the nth request.
type beforeNth struct {
	n   int
	hit func()
}

// RoundTrip implements http.RoundTripper.
func (b *beforeNth) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.n--; b.n == 0 {
		b.hit()
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestACaseAnOpportunityAndAMember(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, sold())
	withCampaign(t, s)
	res := deliver(t, d, mike())
	lead := only(t, s, "Lead")
	if res.Outcome != destination.Delivered || res.RemoteID != lead.ID || len(res.Warnings) > 0 {
		t.Fatalf("%+v", res)
	}
	holds(t, only(t, s, "Case"), map[string]string{
		"Subject": "Mike Johnson: leaky pipe in kitchen", "Description": callerMessage, "Origin": "Phone", "Status": "New", "ContactId": "",
		"SuppliedName": "Mike Johnson", "SuppliedEmail": callerEmail, "SuppliedPhone": callerNumber, "SuppliedCompany": "Johnson Ltd",
	})
	holds(t, only(t, s, "Opportunity"), map[string]string{
		"Name": "Mike Johnson: leaky pipe in kitchen", "StageName": "Prospecting", "CloseDate": "2026-04-01", "ContactId": "",
	})
	holds(t, only(t, s, "CampaignMember"), map[string]string{"CampaignId": campaign, "LeadId": lead.ID, "ContactId": "", "Status": "Responded"})
	if n := len(s.Requests()); n != 4 { // the look-up and the lead, the look-up and the steps
		t.Errorf("%d requests", n)
	}
}

// Of a customer the case and the opportunity are the contact's, and the account's.
func TestStepsOfAContact(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{Fields: map[string]map[string]standin.SalesforceField{"Account": {"Name": {Type: "string", Length: 255}}}}, sold())
	withCampaign(t, s)
	account := s.Put("Account", noon, map[string]any{"Name": "Johnson Ltd"})
	contact := s.Put("Contact", noon, map[string]any{"LastName": "Johnson", "Email": callerEmail, "AccountId": account})
	if res := deliver(t, d, mike()); res.Outcome != destination.Delivered || res.RemoteID != contact {
		t.Fatalf("%+v", res)
	}
	holds(t, only(t, s, "Case"), map[string]string{"ContactId": contact})
	holds(t, only(t, s, "Opportunity"), map[string]string{"ContactId": contact, "AccountId": account})
	holds(t, only(t, s, "CampaignMember"), map[string]string{"ContactId": contact, "LeadId": ""})
}

// One call is one case, whatever its events say, and what people have done to it stays.
func TestOneCallIsOneCase(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"by external id": func(c *Config) { c.Case.ExternalID, c.Opportunity.ExternalID = "Call_Id__c", "Call_Id__c" },
		"by a note":      func(c *Config) { c.Notes = new(notebook) },
	} {
		cfg := sold()
		change(&cfg)
		s, d := org(t, standin.SalesforceConfig{}, cfg)
		withCampaign(t, s)
		first := mike()
		first.Message = ""
		deliver(t, d, first)
		of := only(t, s, "Case")
		s.Change(of.ID, func(r *standin.SalesforceRecord) { r.Fields["Status"], r.Fields["Subject"] = "Working", "Kitchen" })
		later := mike()
		later.EventID = "ev-2"
		if res := deliver(t, d, later); res.Outcome != destination.Delivered {
			t.Fatalf("%s: %+v", name, res)
		}
		holds(t, only(t, s, "Case"), map[string]string{"Status": "Working", "Subject": "Kitchen", "Description": callerMessage})
		holds(t, only(t, s, "Opportunity"), map[string]string{"StageName": "Prospecting", "Description": callerMessage})
		only(t, s, "CampaignMember")
		another := mike()
		another.ID, another.EventID, another.Message = "call-2", "ev-3", "another pipe"
		deliver(t, d, another)
		if n := len(s.Records("Case")); n != 2 {
			t.Errorf("%s: two calls are %d cases", name, n)
		}
		only(t, s, "CampaignMember")
	}
}

// What was carried out is not carried out again when a step fails, and the reason says which step that is.
func TestAStepThatFailsForNow(t *testing.T) {
	cfg := sold()
	cfg.Progress = chain.NewMemory()
	s, d := org(t, standin.SalesforceConfig{}, cfg)
	withCampaign(t, s)
	s.LockRows("Opportunity", 1)
	it := item(mike())
	first := d.Deliver(t.Context(), []destination.Item{it})[0]
	if first.Outcome != destination.Retry || !strings.HasPrefix(first.Reason, "step opportunity: the record is saved; ") || first.RemoteID == "" {
		t.Fatalf("%+v", first)
	}
	only(t, s, "Case")
	before := len(s.Requests())
	if res := d.Deliver(t.Context(), []destination.Item{it})[0]; res.Outcome != destination.Delivered || res.RemoteID != first.RemoteID {
		t.Fatalf("%+v", res)
	}
	only(t, s, "Case")
	only(t, s, "Opportunity")
	var again []string
	for _, r := range s.Requests()[before:] {
		again = append(again, r.URI+string(r.Body))
	}
	if text := strings.Join(again, "\n"); len(again) != 2 || strings.Contains(text, "sobjects/Case") || strings.Contains(text, "sobjects/Lead") || !strings.Contains(text, "sobjects/Opportunity") {
		t.Errorf("the next attempt sent %s", text)
	}
}

// A create whose answer was lost is found by what it is called and when it was made.
func TestAStepWhoseAnswerWasLost(t *testing.T) {
	cfg := sold()
	cfg.Progress = chain.NewMemory()
	s, d := org(t, standin.SalesforceConfig{}, cfg)
	withCampaign(t, s)
	it := item(mike())
	s.Put("Case", noon.Add(-time.Hour), map[string]any{"Subject": "Mike Johnson: leaky pipe in kitchen"}) // of another call
	// The look-up and the lead, the look-up of the steps, and the steps. The token is fetched with a client of its own.
	d.client = outbound.NewClient(outbound.Options{Transport: &beforeNth{4, func() {
		s.Fail(standin.SalesforceFailure{After: true, Reply: standin.Reply{Hangup: true}})
	}}})
	if res := d.Deliver(t.Context(), []destination.Item{it})[0]; res.Outcome != destination.Retry || !strings.HasPrefix(res.Reason, "step case: ") {
		t.Fatalf("%+v", res)
	}
	if n := len(s.Records("Case")); n != 2 {
		t.Fatalf("%d cases", n)
	}
	if res := d.Deliver(t.Context(), []destination.Item{it})[0]; res.Outcome != destination.Delivered {
		t.Fatalf("%+v", res)
	}
	if n := len(s.Records("Case")); n != 2 {
		t.Errorf("%d cases", n)
	}
	only(t, s, "Opportunity")
	only(t, s, "CampaignMember")
}

func TestStepsThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*Config)
		org     standin.SalesforceConfig
		outcome destination.Outcome
		pause   bool
		reason  string
		warning string
	}{
		"no such stage":       {change: func(c *Config) { c.Opportunity.Status = "Nowhere" }, pause: true, reason: "step opportunity: the record is saved; "},
		"no such status":      {change: func(c *Config) { c.Case.Status = "Nowhere" }, pause: true, reason: "step case: "},
		"no such campaign":    {change: func(c *Config) { c.CampaignMember.Campaign = "701000000000000009" }, pause: true, reason: "step campaign_member: "},
		"no cases":            {org: standin.SalesforceConfig{NoCreate: []string{"Case"}}, pause: true, reason: "step case: "},
		"no such external id": {change: func(c *Config) { c.Case.ExternalID = "Nothing__c" }, pause: true, reason: "step case: "},
		"a picklist": {
			change:  func(c *Config) { c.Case.Fields = []Field{{Name: "Priority", From: "message"}} },
			outcome: destination.Delivered, warning: "left out of the case: Priority",
		},
		"what is missing": {
			org:     standin.SalesforceConfig{Fields: map[string]map[string]standin.SalesforceField{"Case": {"Site__c": {Type: "string", Length: 80, Required: true}}}},
			outcome: destination.Dead, reason: "step case: the record is saved; ",
		},
	} {
		cfg := sold()
		if c.change != nil {
			c.change(&cfg)
		}
		s, d := org(t, c.org, cfg)
		withCampaign(t, s)
		res := deliver(t, d, mike())
		if res.Outcome != c.outcome || res.Pause != c.pause || !strings.HasPrefix(res.Reason, c.reason) || c.warning != "" && !strings.Contains(strings.Join(res.Warnings, "\n"), c.warning) {
			t.Errorf("%s: %+v", name, res)
		}
		only(t, s, "Lead")
		if len(s.Records("Case"))+len(s.Records("Opportunity"))+len(s.Records("CampaignMember")) < 2 {
			t.Errorf("%s: the other steps were not carried out", name)
		}
	}
}

// A lead that is deleted between two attempts is made anew, and the steps with it.
func TestAPersonWhoIsGone(t *testing.T) {
	cfg := sold()
	cfg.Case, cfg.Progress = nil, chain.NewMemory()
	s, d := org(t, standin.SalesforceConfig{}, cfg)
	withCampaign(t, s)
	s.LockRows("CampaignMember", 1)
	it := item(mike())
	if res := d.Deliver(t.Context(), []destination.Item{it})[0]; res.Outcome != destination.Retry {
		t.Fatalf("%+v", res)
	}
	s.Change(only(t, s, "Lead").ID, func(r *standin.SalesforceRecord) { r.Deleted = true })
	if res := d.Deliver(t.Context(), []destination.Item{it})[0]; res.Outcome != destination.Retry || !strings.Contains(res.Reason, "looked for again") {
		t.Fatalf("%+v", res)
	}
	if res := d.Deliver(t.Context(), []destination.Item{it})[0]; res.Outcome != destination.Delivered {
		t.Fatalf("%+v", res)
	}
	holds(t, only(t, s, "CampaignMember"), map[string]string{"LeadId": only(t, s, "Lead").ID})
	only(t, s, "Opportunity")
}

func TestWhichCallsAreACase(t *testing.T) {
	urgent, err := condition.Compile("call.urgent")
	if err != nil {
		t.Fatal(err)
	}
	s, d := org(t, standin.SalesforceConfig{}, Config{Case: &Step{When: urgent, Fields: []Field{{Name: "Priority", Text: "High"}, {Name: "Subject", From: "summary", Default: "{{name}}"}}}})
	deliver(t, d, mike())
	if n := len(s.Records("Case")); n != 0 {
		t.Errorf("%d cases", n)
	}
	c := mike()
	c.Urgent = true
	deliver(t, d, c)
	holds(t, only(t, s, "Case"), map[string]string{"Priority": "High", "Subject": "Mike Johnson", "Status": ""})
	if n := d.MaxBatch(); n != 1 {
		t.Errorf("%d calls in one request", n)
	}
}

func TestStepsArePreviewed(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, sold())
	c := mike()
	c.Message = "@{case.id} {{name}}"
	all, err := d.Preview([]destination.Item{item(c)})
	if err != nil || len(all) != 4 || len(s.Requests()) != 0 {
		t.Fatalf("%d requests, %v", len(all), err)
	}
	for _, want := range []string{`"referenceId":"case"`, `"referenceId":"opportunity"`, `"LeadId":"RECORD_ID"`, `"CloseDate":"2026-04-01"`, `@ {case.id}`} {
		if !strings.Contains(all[3].Body, want) {
			t.Errorf("no %s in %s", want, all[3].Body)
		}
	}
	if !strings.Contains(all[2].Note, "step case, opportunity, campaign_member: looks") || !strings.Contains(all[2].Body, "CampaignMember") {
		t.Errorf("%+v", all[2])
	}
}

func TestStepsThatCannotBe(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		want string
	}{
		"no stage":             {Config{Opportunity: &Step{}}, "an opportunity needs a stage"},
		"no campaign":          {Config{CampaignMember: &Step{Campaign: "Spring"}}, `campaign "Spring" is not the id`},
		"a member's id":        {Config{CampaignMember: &Step{Campaign: campaign, ExternalID: "X__c"}}, "has no external id"},
		"an external id":       {Config{Case: &Step{ExternalID: "Call Id"}}, `external id "Call Id"`},
		"external id mapped":   {Config{Case: &Step{ExternalID: "Call_Id__c", Fields: []Field{{Name: "Call_Id__c", Text: "x"}}}}, "field Call_Id__c is needed"},
		"a title that is gone": {Config{Case: &Step{Fields: []Field{{Name: "Subject"}}}}, "field Subject is needed"},
		"a template":           {Config{Case: &Step{Fields: []Field{{Name: "Subject", From: "{{x"}}}}, "field Subject"},
		"of an object":         {Config{Object: "Job__c", ExternalID: "Call_Id__c", Fields: []Field{{Name: "A__c", From: "name"}}, Case: &Step{}}, "of a lead or contact"},
	} {
		c.cfg.Instance = "https://acme.my.salesforce.com"
		_, d := org(t, standin.SalesforceConfig{}, Config{})
		if _, err := New(c.cfg, d.client, d.auth, clock); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestACallThatSaysNothingHasACase(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{Case: &Step{}, Opportunity: &Step{Status: "Prospecting"}})
	deliver(t, d, &call.Call{ID: "call-9", EventID: "ev-9"})
	holds(t, only(t, s, "Case"), map[string]string{"Subject": "Call", "SuppliedName": ""})
	holds(t, only(t, s, "Opportunity"), map[string]string{"Name": "Call"})
}
