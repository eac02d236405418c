package salesforce

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

// TestAmended are the complaints that a lead is delivered around.
func TestAmended(t *testing.T) {
	long := strings.Repeat("ä", 300)
	custom := func(f standin.SalesforceField) standin.SalesforceConfig {
		return standin.SalesforceConfig{Fields: map[string]map[string]standin.SalesforceField{"Lead": {"Job__c": f}}}
	}
	job := Config{Fields: []Field{{Name: "Job__c", From: "job"}}}
	tests := map[string]struct {
		sc      standin.SalesforceConfig
		cfg     Config
		change  func(*call.Call)
		want    map[string]string
		warning string
	}{
		"unknown field": {cfg: job, want: map[string]string{"Description": callerMessage}, warning: "Job__c was left out"},
		"read-only field": {cfg: Config{Fields: []Field{{Name: "IsConverted", From: "urgent"}}},
			change: func(c *call.Call) { c.Urgent = true }, warning: "IsConverted was left out"},
		"hidden standard field": {sc: standin.SalesforceConfig{Without: []string{"Lead.LeadSource"}}, warning: "LeadSource was left out"},
		"hidden e-mail":         {sc: standin.SalesforceConfig{Without: []string{"Lead.Email"}}, warning: "Email was left out", want: map[string]string{"Phone": callerNumber}},
		"hidden mobile number":  {sc: standin.SalesforceConfig{Without: []string{"Lead.MobilePhone"}}, want: map[string]string{"Phone": callerNumber}},
		"wrong status": {cfg: Config{Status: "New"}, warning: "Status was left out: Salesforce answered INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
			want: map[string]string{"Status": "Open - Not Contacted"}},
		"custom text too long": {sc: custom(standin.SalesforceField{Type: "string", Length: 50}), cfg: job,
			want: map[string]string{"Job__c": long[:100]}, warning: "Job__c was cut to the 50 characters"},
		"wrong type": {sc: custom(standin.SalesforceField{Type: "date"}), cfg: job, warning: "Job__c was left out: Salesforce answered JSON_PARSER_ERROR"},
		"not an address": {change: func(c *call.Call) { c.Email = "mike at example" }, warning: "Email was left out",
			want: map[string]string{"Email": "", "Description": callerMessage + "\n\n" + emailNote + "mike at example"}},
		"address too long": {change: func(c *call.Call) { c.Email = strings.Repeat("x", 80) + "@example.com" }, warning: "Email is too long",
			want: map[string]string{"Email": "", "Description": callerMessage + "\n\n" + emailNote + strings.Repeat("x", 80) + "@example.com"}},
		"names too long": {change: func(c *call.Call) { c.FirstName, c.LastName = long, long }, warning: "LastName was cut to the 80 characters",
			want: map[string]string{"FirstName": strings.Repeat("ä", 40), "LastName": strings.Repeat("ä", 80)}},
	}
	for name, tt := range tests {
		for _, key := range []string{"", "Call_Id__c"} {
			t.Run(name+" "+key, func(t *testing.T) {
				cfg := tt.cfg
				cfg.ExternalID = key
				s, d := org(t, tt.sc, cfg)
				c := mike()
				c.Params = map[string]any{"job": long}
				if tt.change != nil {
					tt.change(c)
				}
				res := deliver(t, d, c)
				delivered(t, res)
				holds(t, only(t, s, "Lead"), tt.want)
				if !strings.Contains(strings.Join(res.Warnings, "\n"), tt.warning) {
					t.Errorf("warnings %q, want %q", res.Warnings, tt.warning)
				}
			})
		}
	}
}

func TestLengthIsLearnt(t *testing.T) {
	sc := standin.SalesforceConfig{Fields: map[string]map[string]standin.SalesforceField{"Lead": {"Job__c": {Type: "string", Length: 5}}}}
	s, d := org(t, sc, Config{Match: MatchCall, ExternalID: "Call_Id__c", Fields: []Field{{Name: "Job__c", Text: "plumbing"}}})
	for range 2 {
		delivered(t, deliver(t, d, mike()))
	}
	if n := len(s.Requests()); n != 3 {
		t.Errorf("%d requests, want 3: the second lead should have been cut beforehand", n)
	}
}

// TestRefused are the failures that end an attempt.
func TestRefused(t *testing.T) {
	retry, dead := destination.Retry, destination.Dead
	body := func(code string, fields ...string) string {
		return `[{"message":"quotes mjohnson@email.com","errorCode":"` + code + `","fields":["` + strings.Join(fields, `","`) + `"]}]`
	}
	tests := []struct {
		name             string
		status           int
		header           http.Header
		body             string
		outcome          destination.Outcome
		after            time.Duration
		pause, unhealthy bool
		reason           string
	}{
		{"request limit", 403, nil, body("REQUEST_LIMIT_EXCEEDED"), retry, limitWait, false, true, "used up its API requests"},
		{"bare 403", 403, nil, ``, retry, 0, true, false, "not allowed"},
		{"403 of a proxy", 403, nil, `<html>no</html>`, retry, 0, true, false, "allow this address"},
		{"API disabled", 403, nil, body("API_DISABLED_FOR_ORG"), retry, 0, true, false, "no API access"},
		{"no right to write", 403, nil, body("INSUFFICIENT_ACCESS_OR_READONLY"), retry, 0, true, false, "INSUFFICIENT_ACCESS_OR_READONLY"},
		{"no right to create", 400, nil, strings.Replace(body("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"), "quotes", "entity type cannot be inserted: Lead", 1), retry, 0, true, false, "permissions, and resume"},
		{"a trigger fails", 400, nil, body("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"), dead, 0, false, false, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"},
		{"validation rule", 400, nil, body("FIELD_CUSTOM_VALIDATION_EXCEPTION"), dead, 0, false, false, "FIELD_CUSTOM_VALIDATION_EXCEPTION"},
		{"other required field", 400, nil, body("REQUIRED_FIELD_MISSING", "Region__c"), dead, 0, false, false, "(Region__c)"},
		{"field that was not sent", 400, nil, body("INVALID_FIELD", "Other__c"), dead, 0, false, false, "(Other__c)"},
		{"external id too short", 400, nil, body("STRING_TOO_LONG", "Call_Id__c"), retry, 0, true, false, "Text(255)"},
		{"unknown code", 400, nil, body("WHO_KNOWS"), dead, 0, false, false, "400 WHO_KNOWS"},
		{"code that is none", 400, nil, body("mjohnson@email.com"), dead, 0, false, false, "Salesforce answered 400:"},
		{"row locked", 400, nil, body("UNABLE_TO_LOCK_ROW"), retry, 0, false, false, "UNABLE_TO_LOCK_ROW"},
		{"storage full", 400, nil, body("STORAGE_LIMIT_EXCEEDED"), retry, 0, true, false, "storage is full"},
		{"several records", 300, nil, `["/services/data/v67.0/sobjects/Lead/00Q000000000001AAA"]`, dead, 0, false, false, "several records"},
		{"redirect", 302, http.Header{"Location": {"https://other.example/x"}}, ``, destination.Retry, 0, false, false, "redirects are not followed"},
		{"no such field", 404, nil, body("NOT_FOUND"), retry, 0, true, false, "External ID"},
		{"retired version", 410, nil, body("UNSUPPORTED_API_VERSION"), retry, 0, true, false, "v67.0"},
		{"retired version, no code", 410, nil, ``, retry, 0, true, false, "v67.0"},
		{"fault", 500, nil, body("UNKNOWN_EXCEPTION"), retry, 0, false, true, "500"},
		{"maintenance", 503, http.Header{"Retry-After": {"120"}}, body("SERVER_UNAVAILABLE"), retry, 2 * time.Minute, false, true, "busy"},
		{"bad gateway", 502, nil, `<html>`, retry, 0, false, true, "502"},
		{"success of somebody else", 200, nil, `<html>please sign in</html>`, retry, 0, false, true, "proxy"},
		{"success without an id", 201, nil, `{"id":"../x","success":true}`, retry, 0, false, true, "unknown"},
		{"failure with 200", 200, nil, `{"success":false,"errors":[{"statusCode":"UNABLE_TO_LOCK_ROW"}]}`, retry, 0, false, false, "UNABLE_TO_LOCK_ROW"},
		{"closed connection", 0, nil, ``, retry, 0, false, true, "closed the connection"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, d := org(t, standin.SalesforceConfig{}, Config{Match: MatchCall, ExternalID: "Call_Id__c"})
			s.Fail(standin.SalesforceFailure{Reply: standin.Reply{Status: tt.status, Header: tt.header, Body: tt.body, Hangup: tt.status == 0}})
			res := deliver(t, d, mike())
			if res.Outcome != tt.outcome || res.RetryAfter != tt.after || res.Pause != tt.pause || res.Unhealthy != tt.unhealthy || !strings.Contains(res.Reason, tt.reason) {
				t.Errorf("%+v\nwant %v after %v, pause %v, unhealthy %v, %q", res, tt.outcome, tt.after, tt.pause, tt.unhealthy, tt.reason)
			}
			if tt.status != 0 && res.Status != tt.status {
				t.Errorf("status %d", res.Status)
			}
			// Nothing of it sticks.
			delivered(t, deliver(t, d, mike()))
		})
	}
}

func TestSessionExpires(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{Match: MatchCall, ExternalID: "Call_Id__c"})
	delivered(t, deliver(t, d, mike()))
	s.Tokens.Revoke()
	delivered(t, deliver(t, d, mike()))
	if n := s.Tokens.Issued(); n != 2 {
		t.Errorf("%d tokens, want 2: one refresh", n)
	}
	// When the new token is refused too, trying on would only lock the user out.
	for range 2 {
		s.Fail(standin.SalesforceFailure{Path: "/sobjects", Reply: standin.Reply{Status: 401, Body: `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]`}})
	}
	res := deliver(t, d, mike())
	if res.Outcome != destination.Retry || !res.Pause || s.Tokens.Issued() != 3 {
		t.Errorf("%+v after %d tokens", res, s.Tokens.Issued())
	}
	// And so when the token endpoint refuses the client.
	s.Tokens.Revoke()
	s.Tokens.Fail(standin.Reply{Status: 400, Body: `{"error":"invalid_client_id","error_description":"client identifier invalid"}`})
	res = deliver(t, d, mike())
	if res.Outcome != destination.Retry || !res.Pause {
		t.Errorf("%+v", res)
	}
}

func TestRequestLimit(t *testing.T) {
	for format, name := range map[string]string{"api-usage=%d/%d": "plain", "api-usage=1/9000; per-app-api-usage=%d/%d(appName=callgate)": "per app"} {
		t.Run(name, func(t *testing.T) {
			s, d := org(t, standin.SalesforceConfig{Limit: 100, UsageFormat: format}, Config{Match: MatchCall, ExternalID: "Call_Id__c"})
			if res := deliver(t, d, mike()); len(res.Warnings) != 0 {
				t.Errorf("warnings %v", res.Warnings)
			}
			s.Use(94)
			res := deliver(t, d, mike())
			if !slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.Contains(w, "96 of 100") }) {
				t.Errorf("warnings %v", res.Warnings)
			}
			s.Use(10)
			if res = deliver(t, d, mike()); res.Outcome != destination.Retry || res.RetryAfter != limitWait || !res.Spent {
				t.Errorf("%+v", res)
			}
		})
	}
}

func TestDuplicateRules(t *testing.T) {
	lead := map[string]any{"LastName": "Johnson", "Company": "Johnson Ltd", "Email": callerEmail, "Description": "wants a quote"}
	tests := map[string]struct {
		object    string
		way       Duplicates
		allowSave bool
		outcome   destination.Outcome
		leads     int
		said      string
	}{
		"update":                        {"Lead", "", false, destination.Delivered, 1, "found the record that was updated"},
		"allow":                         {"Lead", AllowDuplicate, true, destination.Delivered, 2, ""},
		"allow, but the rule does not":  {"Lead", AllowDuplicate, false, destination.Dead, 1, "DUPLICATES_DETECTED"},
		"block":                         {"Lead", BlockDuplicate, true, destination.Dead, 1, "merge by hand"},
		"update, but it is a contact":   {"Contact", UpdateDuplicate, true, destination.Delivered, 1, "found Contact"},
		"a contact and no way round it": {"Contact", UpdateDuplicate, false, destination.Delivered, 0, "forbids the lead"},
	}
	for name, tt := range tests {
		for mode, cfg := range map[string]Config{"alone": {Match: MatchCall, ExternalID: "Call_Id__c"}, "with log": {Match: MatchCall, ExternalID: "Call_Id__c", LogCall: true}} {
			t.Run(name+" "+mode, func(t *testing.T) {
				cfg.Duplicates = tt.way
				s, d := org(t, standin.SalesforceConfig{DuplicateRule: true, AllowSave: tt.allowSave}, cfg)
				s.Put(tt.object, noon, lead)
				for range 2 {
					res := deliver(t, d, mike())
					if res.Outcome != tt.outcome || !strings.Contains(res.Reason+strings.Join(res.Warnings, " "), tt.said) {
						t.Fatalf("%+v, want %v and %q", res, tt.outcome, tt.said)
					}
				}
				leads := s.Records("Lead")
				if len(leads) != tt.leads {
					t.Fatalf("%d leads, want %d", len(leads), tt.leads)
				}
				if tt.outcome == destination.Delivered && tt.way == "" && tt.leads > 0 {
					holds(t, leads[0], map[string]string{"Description": callerMessage + "\n\nwants a quote", "Call_Id__c": "", "FirstName": "Mike"})
				}
				if logs := len(s.Records("Task")); cfg.LogCall && tt.outcome == destination.Delivered && logs != 1 {
					t.Errorf("%d logs", logs)
				}
			})
		}
	}
}

// TestDuplicateWithHiddenColumns finds the record of a duplicate rule where not all of its columns can be read.
func TestDuplicateWithHiddenColumns(t *testing.T) {
	t.Run("the user may not see them", func(t *testing.T) {
		s, d := org(t, standin.SalesforceConfig{DuplicateRule: true, Without: []string{"Lead.Phone", "Lead.Company"}}, Config{Match: MatchCall, ExternalID: "Call_Id__c",
			Fields: []Field{{Name: "Company"}, {Name: "Title", From: "title"}}})
		s.Put("Lead", noon, map[string]any{"LastName": "Johnson", "Company": "x", "Email": callerEmail})
		delivered(t, deliver(t, d, mike()))
		holds(t, only(t, s, "Lead"), map[string]string{"Description": callerMessage, "FirstName": "Mike"})
	})
	t.Run("the object does not have them", func(t *testing.T) {
		sc := standin.SalesforceConfig{Fields: map[string]map[string]standin.SalesforceField{"Job__c": {"Subject__c": {Type: "string", Length: 80}}}}
		s, d := org(t, sc, Config{Object: "Job__c", ExternalID: "Call_Id__c", Fields: []Field{{Name: "Subject__c", From: "message"}}})
		id := s.Put("Job__c", noon, map[string]any{"Subject__c": "quote"})
		s.Fail(standin.SalesforceFailure{Reply: standin.Reply{Status: 400, Body: `[{"errorCode":"DUPLICATES_DETECTED","message":"Use one of these records?","duplicateResult":{"allowSave":false,"matchResults":[{"matchRecords":[{"record":{"attributes":{"type":"Job__c"},"Id":"` + id + `"}}]}]}}]`}})
		delivered(t, deliver(t, d, mike()))
		holds(t, only(t, s, "Job__c"), map[string]string{"Subject__c": callerMessage})
	})
}

func TestAssignmentRule(t *testing.T) {
	const rule = "01Q000000000001"
	for name, tt := range map[string]struct {
		rule     string
		key      string
		assigned int
	}{
		"left to Salesforce, upsert": {"", "Call_Id__c", 1}, "left to Salesforce, look-up": {"", "", 1},
		"active rule": {"true", "Call_Id__c", 1}, "one rule": {rule, "Call_Id__c", 1}, "none": {"false", "Call_Id__c", 0}, "none, look-up": {"false", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := org(t, standin.SalesforceConfig{}, Config{ExternalID: tt.key, AssignmentRule: tt.rule})
			for range 3 {
				delivered(t, deliver(t, d, mike()))
			}
			if got := only(t, s, "Lead").Assigned; got != tt.assigned {
				t.Errorf("assigned %d times, want %d", got, tt.assigned)
			}
		})
	}
}

func TestRacedUpsert(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{Match: MatchCall, ExternalID: "Call_Id__c"})
	s.Fail(standin.SalesforceFailure{Reply: standin.Reply{Status: 400, Body: `[{"message":"duplicate value found: Call_Id__c","errorCode":"DUPLICATE_VALUE","fields":[]}]`}})
	delivered(t, deliver(t, d, mike()))
	only(t, s, "Lead")
}

func TestStopped(t *testing.T) {
	for _, key := range []string{"", "Call_Id__c"} {
		s, d := org(t, standin.SalesforceConfig{}, Config{ExternalID: key})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		out := d.Deliver(ctx, []destination.Item{item(mike()), item(&call.Call{ID: "2"})})
		for _, res := range out {
			if res.Outcome != destination.Retry || res.Unhealthy || res.Pause {
				t.Errorf("%+v", res)
			}
			quiet(t, res)
		}
		if len(s.Records("Lead")) != 0 {
			t.Error("something was sent")
		}
	}
}

func TestRecordGoneMeanwhile(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{})
	id := s.Put("Lead", noon, map[string]any{"LastName": "Johnson", "Company": "x", "Phone": callerNumber})
	s.Fail(standin.SalesforceFailure{Path: "/sobjects/Lead/" + id, Reply: standin.Reply{Status: 404, Body: `[{"message":"entity is deleted","errorCode":"ENTITY_IS_DELETED","fields":[]}]`}})
	res := deliver(t, d, mike())
	if res.Outcome != destination.Retry || res.Pause {
		t.Errorf("%+v", res)
	}
}
