package destination_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/definition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/destination/httpdest"
	"github.com/callgate/callgate/internal/destination/hubspot"
	"github.com/callgate/callgate/internal/destination/salesforce"
	"github.com/callgate/callgate/internal/outbound"
)

const chains = "../../testdata/chains"

// chained are the samples that are converted for destinations of several requests: callers with an address and without one,
// with a company, with a message and without one, and one of whom nothing is known.
var chained = []string{
	"aircall-call-ended.json", "nextphone-parameters.json", "retell-call-analyzed.json", "retell-call-inbound.json",
	"twilio-sms.form", "typeform-form-response.json",
}

// severalRequests are destinations that make more of a call than one record.
func severalRequests(tb testing.TB) (all []named) {
	tb.Helper()
	now := func() time.Time { return received }
	add := func(name, title string, d destination.Destination, err error) {
		tb.Helper()
		if err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		all = append(all, named{name, title, d})
	}
	c, err := contactAndDeal(now)
	add("chain", "A chain of two requests, the contact and its deal", c, err)
	h, err := hubspot.New(hubspot.Config{
		Token: "pat-na1-example", ContactProperty: "call_key", Now: now, Company: &hubspot.Step{},
		Deal: &hubspot.Step{Stage: "appointmentscheduled", Unique: "call_key"}, Ticket: &hubspot.Step{Stage: "1"},
	})
	add("hubspot", "HubSpot, with company, deal and ticket", h, err)
	auth, err := outbound.Bearer("example")
	if err != nil {
		tb.Fatal(err)
	}
	s, err := salesforce.New(salesforce.Config{
		Instance: "https://acme.my.salesforce.com", Case: &salesforce.Step{ExternalID: "Call_Id__c"},
		Opportunity: &salesforce.Step{Status: "Prospecting"}, CampaignMember: &salesforce.Step{Campaign: "701000000000000001"},
	}, outbound.NewClient(outbound.Options{}), auth, now)
	add("salesforce", "Salesforce, with case, opportunity and campaign member", s, err)
	return all
}

// contactAndDeal is a destination of two requests, of which the second has a value of the first one's answer.
func contactAndDeal(now func() time.Time) (*httpdest.Chain, error) {
	id, err := condition.CompileValue("$.id")
	if err != nil {
		return nil, err
	}
	steps := []httpdest.Step{{Name: "contact", Keep: []httpdest.Kept{{Name: "id", Value: id}}}, {Name: "deal"}}
	for i, doc := range []string{
		`{"url": "https://crm.example/contacts", "body_template": {"phone": "{{caller_number}}", "email": "{{email}}"}}`,
		`{"url": "https://crm.example/contacts/{{steps.contact.id}}/deals", "body_template": {"contact": "{{steps.contact.id}}", "title": "{{message|summary}}"}}`,
	} {
		d, _, err := definition.Parse([]byte(doc), definition.Options{})
		if err != nil {
			return nil, err
		}
		steps[i].Renderer = httpdest.FromDefinition(d)
	}
	return httpdest.NewChain(httpdest.ChainConfig{Steps: steps, Now: now})
}

// TestChainsGiveTheirRequests converts some samples for destinations of several requests and compares with the tables in
// testdata/chains, which the flag update writes anew.
func TestChainsGiveTheirRequests(t *testing.T) {
	all := severalRequests(t)
	known := make(map[string]bool)
	for _, name := range chained {
		known[name+".md"] = true
		t.Run(name, func(t *testing.T) {
			preset, r := readSample(t, filepath.Join(payloads, name))
			it := item(t, preset, r)
			page := &page{}
			page.record(name, it.Call)
			for _, d := range all {
				requests, err := d.Preview([]destination.Item{it})
				page.destination(d, requests, err)
			}
			golden := filepath.Join(chains, name+".md")
			if *update {
				if err := os.WriteFile(golden, page.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v; run go test with -update and read what it wrote", err)
			}
			if !bytes.Equal(page.Bytes(), want) {
				t.Errorf("%s has become\n%s", golden, page.Bytes())
			}
		})
	}
	for _, file := range sampleFiles(t, chains) {
		if !known[filepath.Base(file)] {
			t.Errorf("%s belongs to no sample", file)
		}
	}
}
