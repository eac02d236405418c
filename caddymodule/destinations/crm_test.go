package destinations

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/caddymodule/guest"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

func TestHubSpotDelivers(t *testing.T) {
	hs := standin.NewHubSpot(t, standin.HubSpotConfig{Token: kindSecret})
	hs.Define("contacts", standin.HubSpotProperty{Name: "job_address"})
	k := newKind(t, "hubspot {env.KIND_SECRET} {\nbase_url "+hs.URL+"\nproperty job_address \"{{address}}\"\nomit company\nlog_call\nlifecycle lead\n}")
	k.delivered(t)
	contacts, calls := hs.Objects("contacts"), hs.Objects("calls")
	if len(contacts) != 1 || len(calls) != 1 {
		t.Fatalf("%d contacts, %d calls", len(contacts), len(calls))
	}
	p := contacts[0].Properties
	if p["email"] != "mjohnson@email.com" || p["job_address"] != "123 Main Street" || p["lifecyclestage"] != "lead" || p["message"] != "leaky pipe in kitchen" {
		t.Errorf("%v", p)
	}
	if shown := k.preview(t); !strings.Contains(shown, "job_address") || !strings.Contains(shown, "Bearer ***") {
		t.Errorf("previewed %s", shown)
	}
	if !k.warned("log_call without call_property") {
		t.Errorf("no problem was told of: %v", k.logs.All())
	}
}

func TestHubSpotByOAuth(t *testing.T) {
	tokens := standin.NewToken(t, standin.TokenConfig{ClientID: "app", ClientSecret: kindSecret, NoBasic: true, RefreshToken: "first"})
	hs := standin.NewHubSpot(t, standin.HubSpotConfig{Tokens: tokens})
	k := newKind(t, "hubspot {\noauth app {env.KIND_SECRET} first {\ntoken_url "+tokens.URL+"\n}\nbase_url "+hs.URL+"\n}")
	k.delivered(t)
	tokens.Revoke()
	k.delivered(t)
	if tokens.Issued() != 2 || len(hs.Objects("contacts")) != 1 {
		t.Errorf("%d tokens, %d contacts", tokens.Issued(), len(hs.Objects("contacts")))
	}
}

// TestHubSpotKeepsWithinItsLimit delivers as many calls as the default pace lets through in ten seconds.
func TestHubSpotKeepsWithinItsLimit(t *testing.T) {
	for _, lines := range []string{"", "log_call", "log_call\nnote", "keep_names", "note\nlead_status NEW\nlifecycle lead", "log_call\ncompany\ndeal {\nstage appointmentscheduled\n}\nticket {\nstage 1\n}"} {
		hs := standin.NewHubSpot(t, standin.HubSpotConfig{Token: kindSecret})
		k := newKind(t, "hubspot {env.KIND_SECRET} {\nbase_url "+hs.URL+"\nno_phone_match\nsearch_rate 1000\n"+lines+"\n}")
		rate, burst := k.module.(guest.DefaultRater).DefaultRate()
		k.delivered(t)
		counted := 0
		for _, p := range hs.Paths() {
			if !strings.Contains(p, "/search") { // searches have a limit of their own
				counted++
			}
		}
		if most := (rate*10 + float64(burst)) * float64(counted); most > 100 || rate <= 0 || burst < 1 {
			t.Errorf("%q: %d requests a call at %v/s with a burst of %d are %v in ten seconds", lines, counted, rate, burst, most)
		}
	}
}

func TestHubSpotRefusals(t *testing.T) {
	refusals(t, map[string]struct{ text, want string }{
		"unset token":    {"hubspot {env.KIND_UNSET}", "token: "},
		"api key":        {"hubspot 01234567-89ab-cdef-0123-456789abcdef", "hapikey"},
		"example token":  {"hubspot YOUR_TOKEN", "not a token"},
		"api":            {"hubspot {env.KIND_SECRET} {\napi v2\n}", "api \"v2\""},
		"property":       {"hubspot {env.KIND_SECRET} {\nproperty \"Lead Source\" x\n}", "internal names"},
		"template":       {"hubspot {env.KIND_SECRET} {\nproperty lead_source \"{{x\"\n}", "lead_source"},
		"no placeholder": {"hubspot {env.KIND_SECRET} {\nproperty lead_source {env.KIND_SECRET}\n}", "property lead_source: a placeholder"},
		"plain":          {"hubspot {env.KIND_SECRET} {\nbase_url http://api.example\n}", "base_url: http://"},
		"time zone":      {"hubspot {env.KIND_SECRET} {\ntime_zone Mars/Olympus\n}", "time_zone"},
		"deal when":      {"hubspot {env.KIND_SECRET} {\ndeal {\nstage x\nwhen call.urgnt\n}\n}", "deal: when: "},
		"deal property":  {"hubspot {env.KIND_SECRET} {\ndeal {\nstage x\nproperty Amount x\n}\n}", "deal: property \"Amount\""},
		"ticket secret":  {"hubspot {env.KIND_SECRET} {\nticket {\nstage x\nproperty subject {env.KIND_SECRET}\n}\n}", "ticket: property subject: a placeholder"},
		"company name":   {"hubspot {env.KIND_SECRET} {\ncompany {\nproperty name \"{{x\"\n}\n}", "company: property name"},
		"sign":           {"hubspot {env.KIND_SECRET} {\nsign nextphone {env.KIND_SECRET}\n}", "sign: HubSpot knows no signatures"},
		"oauth secret":   {"hubspot {\noauth a {env.KIND_EMPTY} b\n}", "oauth: client_secret: "},
	})
}

// A call with an urgent matter is a deal and a ticket at once, with the caller's company.
func TestHubSpotSteps(t *testing.T) {
	t.Setenv("KIND_STAGE", "qualifiedtobuy")
	hs := standin.NewHubSpot(t, standin.HubSpotConfig{Token: kindSecret})
	hs.Define("deals", standin.HubSpotProperty{Name: "call_key", Unique: true})
	k := newKind(t, "hubspot {env.KIND_SECRET} {\nbase_url "+hs.URL+`
		company {
			property name "{{name}} Ltd"
		}
		deal {
			stage {env.KIND_STAGE}
			pipeline default
			unique call_key
			property amount 900
			property description "{{message}}, {{caller_number}}"
		}
		ticket {
			stage 2
			when call.urgent
			property hs_ticket_priority HIGH
		}
	}`)
	urgent := kindItem()
	urgent.Call.Urgent = true
	if r := k.Deliver(t.Context(), []destination.Item{urgent})[0]; r.Outcome != destination.Delivered || len(r.Warnings) > 0 {
		t.Fatalf("%+v", r)
	}
	companies, deals, tickets := hs.Objects("companies"), hs.Objects("deals"), hs.Objects("tickets")
	if len(companies) != 1 || len(deals) != 1 || len(tickets) != 1 {
		t.Fatalf("%d companies, %d deals, %d tickets", len(companies), len(deals), len(tickets))
	}
	d := deals[0].Properties
	if companies[0].Properties["name"] != "Mike Johnson Ltd" || d["dealstage"] != "qualifiedtobuy" || d["call_key"] != "call-1" || d["description"] != "leaky pipe in kitchen, +15559876543" || tickets[0].Properties["hs_ticket_priority"] != "HIGH" {
		t.Errorf("%v, %v, %v", companies[0].Properties, d, tickets[0].Properties)
	}
	if shown := k.preview(t); !strings.Contains(shown, "COMPANY_ID") || strings.Contains(shown, "/tickets/") {
		t.Errorf("previewed %s", shown)
	}
}

// A call is a lead, a case and an opportunity, and the lead a member of a campaign.
func TestSalesforceSteps(t *testing.T) {
	sf := salesforceOrg(t, standin.TokenConfig{ClientID: "app", ClientSecret: kindSecret, NoBasic: true})
	t.Setenv("KIND_CAMPAIGN", sf.Put("Campaign", time.Now(), map[string]any{"Name": "Spring"}))
	k := newKind(t, "salesforce "+sf.URL+` {
		client_credentials app {env.KIND_SECRET}
		case {
			status Working
			field Priority text High
			omit Origin
		}
		opportunity {
			stage Qualification
			close_in 7d
			field Amount params.budget
			field LeadSource text Phone
			when "call.message != \"\""
		}
		campaign_member {env.KIND_CAMPAIGN}
	}`)
	item := kindItem()
	item.Call.Params, item.Call.EndedAt = map[string]any{"budget": "900"}, time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	if r := k.Deliver(t.Context(), []destination.Item{item})[0]; r.Outcome != destination.Delivered || len(r.Warnings) > 0 {
		t.Fatalf("%+v", r)
	}
	cases, opportunities, members := sf.Records("Case"), sf.Records("Opportunity"), sf.Records("CampaignMember")
	if len(cases) != 1 || len(opportunities) != 1 || len(members) != 1 {
		t.Fatalf("%d cases, %d opportunities, %d members", len(cases), len(opportunities), len(members))
	}
	c, o := cases[0], opportunities[0]
	if c.Text("Status") != "Working" || c.Text("Priority") != "High" || c.Text("Origin") != "" || o.Text("StageName") != "Qualification" ||
		o.Text("CloseDate") != "2026-03-08" || o.Text("Amount") != "900" || o.Text("LeadSource") != "Phone" || members[0].Text("LeadId") != sf.Records("Lead")[0].ID {
		t.Errorf("%v, %v, %v", c.Fields, o.Fields, members[0].Fields)
	}
	if shown := k.preview(t); !strings.Contains(shown, "RECORD_ID") {
		t.Errorf("previewed %s", shown)
	}
	const org = "salesforce https://acme.my.salesforce.com {\nclient_credentials app {env.KIND_SECRET}\n"
	refusals(t, map[string]struct{ text, want string }{
		"campaign":  {org + "campaign_member Spring\n}", "campaign_member"},
		"when":      {org + "case {\nwhen call.urgnt\n}\n}", "case: when: "},
		"secret":    {org + "case {\nfield Subject text {env.KIND_SECRET}\n}\n}", "case: field Subject: a placeholder"},
		"an object": {org + "object Job__c\nexternal_id X__c\nfield A__c name\ncase\n}", "lead or contact"},
	})
	if _, err := makeKind(t, org+"opportunity\n}", nil); err == nil || !strings.Contains(err.Error(), "opportunity: a stage is missing") {
		t.Errorf("an opportunity without a stage: %v", err)
	}
}

func salesforceOrg(t *testing.T, token standin.TokenConfig) *standin.Salesforce {
	return standin.NewSalesforce(t, standin.SalesforceConfig{Token: token, Fields: map[string]map[string]standin.SalesforceField{
		"Lead": {"Call_Id__c": {Type: "string", Length: 255, ExternalID: true}, "Job__c": {Type: "string", Length: 80}},
	}})
}

func TestSalesforceDelivers(t *testing.T) {
	sf := salesforceOrg(t, standin.TokenConfig{ClientID: "app", ClientSecret: kindSecret, NoBasic: true})
	k := newKind(t, "salesforce "+sf.URL+" {\nclient_credentials app {env.KIND_SECRET}\nexternal_id Call_Id__c\nfield Job__c issue|message\nfield LeadSource text Phone\nfield Company company default \"{{name}}\"\nlog_call\n}")
	k.delivered(t)
	leads, tasks := sf.Records("Lead"), sf.Records("Task")
	if len(leads) != 1 || len(tasks) != 1 {
		t.Fatalf("%d leads, %d tasks", len(leads), len(tasks))
	}
	l := leads[0]
	if l.Text("Call_Id__c") != "call-1" || l.Text("Job__c") != "leaky pipe in kitchen" || l.Text("LeadSource") != "Phone" || l.Text("Company") != "Mike Johnson" {
		t.Errorf("%v", l.Fields)
	}
	described := false
	for _, r := range sf.Requests() {
		described = described || strings.HasSuffix(r.URI, "/describe")
	}
	if !described {
		t.Error("the lengths of the fields were not asked for")
	}
	if shown := k.preview(t); !strings.Contains(shown, "Job__c") || !strings.Contains(shown, "Bearer ***") {
		t.Errorf("previewed %s", shown)
	}
}

// Two calls of one caller are one lead by default, and two where each call is to have its own.
func TestSalesforceMatch(t *testing.T) {
	for line, want := range map[string]int{"": 1, "match caller\n": 1, "match call\n": 2} {
		sf := salesforceOrg(t, standin.TokenConfig{ClientID: "app", ClientSecret: kindSecret, NoBasic: true})
		k := newKind(t, "salesforce "+sf.URL+" {\nclient_credentials app {env.KIND_SECRET}\nexternal_id Call_Id__c\ntime_zone America/New_York\n"+line+"}")
		k.delivered(t)
		again := kindItem()
		again.Call.ID = "call-2"
		if r := k.Deliver(t.Context(), []destination.Item{again})[0]; r.Outcome != destination.Delivered {
			t.Fatalf("%+v", r)
		}
		if n := len(sf.Records("Lead")); n != want {
			t.Errorf("%q: %d leads, want %d", line, n, want)
		}
	}
}

func TestSalesforceSignsInByRefreshTokenAndByKey(t *testing.T) {
	refresh := salesforceOrg(t, standin.TokenConfig{ClientID: "app", ClientSecret: kindSecret, NoBasic: true, RefreshToken: kindSecret})
	newKind(t, "salesforce "+refresh.URL+" {\nrefresh_token app {env.KIND_SECRET} {env.KIND_SECRET}\nexternal_id Call_Id__c\ndescribe off\n}").delivered(t)
	for _, r := range refresh.Requests() {
		if strings.HasSuffix(r.URI, "/describe") {
			t.Error("described although that is off")
		}
	}
	key := rsaKey(t)
	byKey := salesforceOrg(t, standin.TokenConfig{ClientID: "app", Key: key.Public(), Subject: "bot@acme.example", Audience: "https://login.salesforce.com"})
	newKind(t, "salesforce "+byKey.URL+" {\njwt app bot@acme.example "+keyFile(t, key)+"\nexternal_id Call_Id__c\n}").delivered(t)
	other := salesforceOrg(t, standin.TokenConfig{ClientID: "app", Key: key.Public(), Subject: "bot@acme.example", Audience: "https://test.salesforce.com"})
	newKind(t, "salesforce "+other.URL+" {\njwt app bot@acme.example "+keyFile(t, key)+" {\naudience https://test.salesforce.com\n}\nexternal_id Call_Id__c\n}").delivered(t)
}

func TestSalesforceRefusals(t *testing.T) {
	login := " {\nclient_credentials app {env.KIND_SECRET}\n"
	refusals(t, map[string]struct{ text, want string }{
		"login host":     {"salesforce https://login.salesforce.com" + login + "}", "My Domain"},
		"lightning host": {"salesforce https://acme.lightning.force.com" + login + "}", "has no API"},
		"match":          {"salesforce https://acme.my.salesforce.com" + login + "match call\n}", "match call without an external id"},
		"time zone":      {"salesforce https://acme.my.salesforce.com" + login + "time_zone Mars/Olympus\n}", "time_zone"},
		"plain":          {"salesforce http://acme.my.salesforce.com" + login + "}", "http://"},
		"secret":         {"salesforce https://acme.my.salesforce.com {\nclient_credentials app {env.KIND_EMPTY}\n}", "client_credentials: client_secret: "},
		"key":            {"salesforce https://acme.my.salesforce.com {\njwt app bot {env.KIND_SECRET}\n}", "jwt: key: neither a PEM text"},
		"version":        {"salesforce https://acme.my.salesforce.com" + login + "api_version new\n}", "API version"},
		"object":         {"salesforce https://acme.my.salesforce.com" + login + "object Job__c\n}", "external id"},
		"field":          {"salesforce https://acme.my.salesforce.com" + login + "field \"Job Type\" issue\n}", "not an API name"},
		"no placeholder": {"salesforce https://acme.my.salesforce.com" + login + "field Job__c text {env.KIND_SECRET}\n}", "field Job__c: a placeholder"},
		"batch":          {"salesforce https://acme.my.salesforce.com" + login + "max_batch 500\n}", "batches of 500"},
		"sign":           {"salesforce https://acme.my.salesforce.com" + login + "sign nextphone {env.KIND_SECRET}\n}", "sign: Salesforce knows no signatures"},
	})
}

func TestFHIRDelivers(t *testing.T) {
	key := rsaKey(t)
	tokens := standin.NewToken(t, standin.TokenConfig{ClientID: "gate", Key: key.Public()})
	ehr := standin.NewFHIR(t, func(r *http.Request) bool { return tokens.Valid(r) && r.Header.Get("X-Office") == kindSecret })
	ehr.Put(map[string]any{"resourceType": "Patient", "identifier": []any{map[string]any{"system": "https://clinic.example/mrn", "value": "PT-10023"}}})
	k, err := makeKind(t, "fhir "+ehr.Base()+" {\nsmart {\ntoken_url "+tokens.URL+"/token\nclient_id gate\nkey "+keyFile(t, key)+"\nkid k1\nscope system/Communication.write\n}\nheader X-Office {env.KIND_SECRET}\nheader X-Plain yes\npatient_system https://clinic.example/mrn\ncategory Intake\n}", func(o *guest.DestinationOptions) {
		o.Fields = []string{"patient_id", "caller_number", "message", "address"}
	})
	if err != nil {
		t.Fatal(err)
	}
	k.delivered(t)
	stored := ehr.Stored("Communication")
	if len(stored) != 1 {
		t.Fatalf("%d communications", len(stored))
	}
	if shown := k.preview(t); !strings.Contains(shown, "123 Main Street") || !strings.Contains(shown, "Intake") || !strings.Contains(shown, `"X-Plain":["yes"]`) || !strings.Contains(shown, `"X-Office":["***"]`) {
		t.Errorf("previewed %s", shown)
	}
	if form := tokens.Forms()[0]; form.Get("scope") != "system/Communication.write" || form.Get("client_secret") != "" {
		t.Errorf("asked %v", form)
	}
}

func TestFHIRRefusals(t *testing.T) {
	refusals(t, map[string]struct{ text, want string }{
		"plain":     {"fhir http://ehr.example/fhir", "FHIR base: http://"},
		"resource":  {"fhir https://ehr.example/fhir {\nresources Encounter\n}", "resource \"Encounter\""},
		"system":    {"fhir https://ehr.example/fhir {\nsystem calls\n}", "identifier system"},
		"time zone": {"fhir https://ehr.example/fhir {\ntime_zone Local\n}", "time_zone"},
		"secret":    {"fhir https://ehr.example/fhir {\nbearer {env.KIND_UNSET}\n}", "bearer: "},
		"key":       {"fhir https://ehr.example/fhir {\nsmart {\ntoken_url https://ehr.example/token\nclient_id a\nkey {env.KIND_SECRET}\n}\n}", "smart: key: neither"},
		"header":    {"fhir https://ehr.example/fhir {\nheader \"X Y\" z\n}", "not a usable header"},
		"sign":      {"fhir https://ehr.example/fhir {\nsign nextphone {env.KIND_SECRET}\n}", "sign: FHIR knows no signatures"},
	})
}
