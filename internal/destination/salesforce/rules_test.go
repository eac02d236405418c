package salesforce

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

// A lead is not lost over a field that it can do without, whatever code Salesforce refuses it with.
func TestAnyFieldThatIsNamedIsLeftOut(t *testing.T) {
	for _, key := range []string{"", "Call_Id__c"} {
		s, d := org(t, standin.SalesforceConfig{}, Config{ExternalID: key, Fields: []Field{{Name: "State", From: "state"}, {Name: "City", From: "city"}}})
		c := mike()
		c.Params = map[string]any{"state": "NY", "city": "Albany"}
		for range 2 {
			res := deliver(t, d, c)
			delivered(t, res)
			said(t, res, "State was left out: Salesforce answered FIELD_INTEGRITY_EXCEPTION")
			holds(t, only(t, s, "Lead"), map[string]string{"State": "", "City": "Albany", "Phone": callerNumber, "Email": callerEmail,
				"Description": callerMessage + "\n\nState as given on the call: NY"})
		}
	}
	for _, code := range []string{"FIELD_CUSTOM_VALIDATION_EXCEPTION", "NUMBER_OUTSIDE_VALID_RANGE", "FIELD_FILTER_VALIDATION_EXCEPTION", "INVALID_OPERATION", "A_CODE_OF_NEXT_YEAR"} {
		s, d := org(t, standin.SalesforceConfig{}, Config{Match: MatchCall, ExternalID: "Call_Id__c"})
		s.Fail(standin.SalesforceFailure{Path: "/sobjects/Lead", Reply: standin.Reply{Status: 400,
			Body: `[{"errorCode":"` + code + `","message":"Enter it otherwise.","fields":["Phone","Fax"]}]`}})
		res := deliver(t, d, mike())
		delivered(t, res)
		said(t, res, "Phone was left out: Salesforce answered "+code)
		holds(t, only(t, s, "Lead"), map[string]string{"Phone": "", "Email": callerEmail, "LastName": "Johnson"})
	}
}

// What a lead must have is replaced by its default, and where that is refused too, the lead is.
func TestRequiredFieldThatIsRefused(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{Match: MatchCall, ExternalID: "Call_Id__c"})
	refusal := standin.SalesforceFailure{Path: "/sobjects/Lead", Reply: standin.Reply{Status: 400, Body: `[{"errorCode":"FIELD_CUSTOM_VALIDATION_EXCEPTION","message":"No.","fields":["Company"]}]`}}
	s.Fail(refusal)
	delivered(t, deliver(t, d, mike()))
	holds(t, only(t, s, "Lead"), map[string]string{"Company": "Mike Johnson"})
	s.Fail(refusal, refusal)
	if res := deliver(t, d, mike()); res.Outcome != destination.Dead {
		t.Errorf("%+v", res)
	}
}

// A parser's complaint names the value, so that one field is left out and not all.
func TestOneFieldOfTheWrongType(t *testing.T) {
	fields := map[string]standin.SalesforceField{"Day__c": {Type: "date"}, "Job__c": {Type: "string", Length: 50}, "Size__c": {Type: "double"}}
	s, d := org(t, standin.SalesforceConfig{Fields: map[string]map[string]standin.SalesforceField{"Lead": fields}},
		Config{ExternalID: "Call_Id__c", Fields: []Field{{Name: "Job__c", From: "job"}, {Name: "Day__c", From: "day"}, {Name: "Size__c", From: "size"}}})
	c := mike()
	c.Params = map[string]any{"job": "a drain", "day": "next week", "size": "3"}
	res := deliver(t, d, c)
	delivered(t, res)
	holds(t, only(t, s, "Lead"), map[string]string{"Day__c": "", "Job__c": "a drain", "Size__c": "3"})
	if len(res.Warnings) != 1 || !strings.HasPrefix(res.Warnings[0], "Day__c was left out") {
		t.Errorf("warnings %q", res.Warnings)
	}
}

func TestMisfits(t *testing.T) {
	values := []value{{"A__c", "x", false}, {"B__c", "x", false}, {"C__c", "7", true}, {"D__c", "it is a value at [line:1, column:2]", false}}
	for message, want := range map[string]string{
		"Cannot deserialize instance of date from VALUE_STRING value x or request may be missing a required field at [line:1, column:22]":                                  "A__c B__c",
		"Cannot deserialize instance of date from VALUE_NUMBER_INT value 7 or request may be missing a required field at [line:1, column:30]":                              "C__c",
		"Cannot deserialize instance of date from VALUE_STRING value it is a value at [line:1, column:2] or request may be missing a required field at [line:1, column:9]": "D__c",
		"Cannot deserialize instance of date from VALUE_STRING value x at [line:1, column:9]":                                                                              "A__c B__c",
		"Unexpected character": "",
	} {
		var names []string
		for _, v := range misfits(values, message) {
			names = append(names, v.name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s: %s, want %s", message, got, want)
		}
	}
	// {"A__c":"x","B__c":"x","C__c":7…
	for at, want := range map[int]string{9: "A__c", 11: "A__c", 20: "B__c", 22: "B__c", 31: "C__c"} {
		if v, ok := valueAt(values, at); !ok || v.name != want {
			t.Errorf("column %d is of %s, want %s", at, v.name, want)
		}
	}
	d := &Destination{cfg: Config{Object: "Lead"}}
	r := &record{values: slices.Clone(values)}
	d.leaveOutMisfits(r, apiError{Message: "Cannot deserialize instance of date from VALUE_STRING value x or request may be missing a required field at [line:1, column:20]"})
	if !r.has("A__c") || r.has("B__c") || !r.has("C__c") {
		t.Errorf("left: %v", r.values)
	}
}

// What is left out does not take the place of what the record has.
func TestNoteAboveWhatIsThere(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{})
	s.Put("Lead", noon, map[string]any{"LastName": "Johnson", "Company": "x", "Phone": callerNumber, "Description": callerMessage + "\n\nand more"})
	c := mike()
	c.Email = "mike at example"
	for range 2 {
		delivered(t, deliver(t, d, c))
		holds(t, only(t, s, "Lead"), map[string]string{"Description": emailNote + "mike at example\n\n" + callerMessage + "\n\nand more"})
	}
}

// A lock is worth another attempt, also where a trigger ran into it and the code is the trigger's.
func TestLockInATrigger(t *testing.T) {
	for name, cfg := range map[string]Config{"own": {Match: MatchCall}, "caller": {}, "log": {LogCall: true}} {
		t.Run(name, func(t *testing.T) {
			cfg.ExternalID = "Call_Id__c"
			s, d := org(t, standin.SalesforceConfig{}, cfg)
			s.LockRowsInTrigger(1)
			if res := deliver(t, d, mike()); res.Outcome != destination.Retry || res.Pause || !strings.Contains(res.Reason, "another change to the same records is under way") {
				t.Errorf("%+v", res)
			}
			delivered(t, deliver(t, d, mike()))
			only(t, s, "Lead")
		})
	}
	s, d := org(t, standin.SalesforceConfig{}, Config{Match: MatchCall, ExternalID: "Call_Id__c"})
	s.LockRowsInTrigger(2)
	for _, res := range d.Deliver(t.Context(), batchOf(mike(), &call.Call{ID: "2", LastName: "Two", Company: "Co"})) {
		if res.Outcome != destination.Retry {
			t.Errorf("%+v", res)
		}
	}
}

// What is set wrong for every call keeps the calls; what one call says wrong costs a field.
func TestMisconfigured(t *testing.T) {
	const owner, kind = "005000000000001AAA", "012000000000001AAA"
	fixed := func(name, id string) Config { return Config{Fields: []Field{{Name: name, Text: id}}} }
	for name, tt := range map[string]struct {
		sc    standin.SalesforceConfig
		cfg   Config
		param string
		pause string
	}{
		"record type":         {standin.SalesforceConfig{RecordTypes: []string{kind}}, fixed("RecordTypeId", "012000000000009AAA"), "", "INVALID_CROSS_REFERENCE_KEY (RecordTypeId)"},
		"right record type":   {standin.SalesforceConfig{RecordTypes: []string{kind}}, fixed("RecordTypeId", kind), "", ""},
		"inactive owner":      {standin.SalesforceConfig{Users: []string{owner}}, fixed("OwnerId", "005000000000009AAA"), "", "INACTIVE_OWNER_OR_USER"},
		"owner that is none":  {standin.SalesforceConfig{Users: []string{owner}}, fixed("OwnerId", "Sales Team"), "", "MALFORMED_ID (OwnerId)"},
		"right owner":         {standin.SalesforceConfig{Users: []string{owner}}, fixed("OwnerId", owner), "", ""},
		"no right to create":  {standin.SalesforceConfig{NoCreate: []string{"Lead"}}, Config{}, "", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"},
		"record type of call": {standin.SalesforceConfig{RecordTypes: []string{kind}}, Config{Fields: []Field{{Name: "RecordTypeId", From: "kind"}}}, "012000000000009AAA", ""},
	} {
		for _, own := range []Match{MatchCall, MatchCaller} {
			t.Run(name+" "+string(own), func(t *testing.T) {
				tt.cfg.ExternalID, tt.cfg.Match = "Call_Id__c", own
				s, d := org(t, tt.sc, tt.cfg)
				c := mike()
				c.Params = map[string]any{"kind": tt.param}
				for _, res := range d.Deliver(t.Context(), batchOf(c)) {
					quiet(t, res)
					switch {
					case tt.pause == "":
						delivered(t, res)
						only(t, s, "Lead")
					case res.Outcome != destination.Retry || !res.Pause || !strings.Contains(res.Reason, tt.pause):
						t.Errorf("%+v, want a pause for %s", res, tt.pause)
					}
				}
				if own == MatchCaller {
					return
				}
				for _, res := range d.Deliver(t.Context(), batchOf(c, &call.Call{ID: "2", LastName: "L", Company: "C"})) {
					if res.Pause != (tt.pause != "") {
						t.Errorf("in a batch: %+v", res)
					}
				}
			})
		}
	}
}

// A record that this user may not change is one record's fault, and stops nobody else.
func TestOneRecordThatMayNotBeChanged(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{})
	id := s.Put("Lead", noon, map[string]any{"LastName": "Johnson", "Company": "x", "Phone": callerNumber})
	s.Fail(standin.SalesforceFailure{Path: "/sobjects/Lead/" + id, Reply: standin.Reply{Status: 403, Body: `[{"errorCode":"INSUFFICIENT_ACCESS_OR_READONLY","message":"insufficient access rights on object id","fields":[]}]`}})
	if res := deliver(t, d, mike()); res.Outcome != destination.Dead {
		t.Errorf("%+v", res)
	}
}

func TestExternalIDThatIsNotThere(t *testing.T) {
	for _, own := range []Match{MatchCall, MatchCaller} {
		_, d := org(t, standin.SalesforceConfig{}, Config{ExternalID: "Nope__c", Match: own})
		if res := deliver(t, d, mike()); !res.Pause || !strings.Contains(res.Reason, "External ID") {
			t.Errorf("%s: %+v", own, res)
		}
	}
}

// The day of a call is the account's.
func TestDatesInTheAccountsTimeZone(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	sc := standin.SalesforceConfig{Fields: map[string]map[string]standin.SalesforceField{"Lead": {"Day__c": {Type: "date"}, "At__c": {Type: "datetime"}, "Text__c": {Type: "string", Length: 40}}}}
	s, d := org(t, sc, Config{LogCall: true, TimeZone: zone, Describe: true, Fields: []Field{
		{Name: "Day__c", From: "timestamp"}, {Name: "At__c", From: "timestamp"}, {Name: "Text__c", From: "{{timestamp|date:'%Y-%m-%d'}}"},
	}})
	c := mike()
	c.EndedAt = time.Date(2026, 3, 3, 2, 30, 0, 0, time.UTC) // half past nine in the evening before
	res := deliver(t, d, c)
	delivered(t, res)
	if len(res.Warnings) != 0 {
		t.Errorf("warnings %q", res.Warnings)
	}
	holds(t, only(t, s, "Task"), map[string]string{"ActivityDate": "2026-03-02"})
	holds(t, only(t, s, "Lead"), map[string]string{"Day__c": "2026-03-02", "Text__c": "2026-03-02", "At__c": "2026-03-03T02:30:00.000Z"})
}

func TestWrongHostAndMatch(t *testing.T) {
	auth, err := outbound.Bearer("x")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		cfg  Config
		said string
	}{
		"lightning":       {Config{Instance: "https://acme.lightning.force.com"}, "like https://acme.my.salesforce.com"},
		"capitals":        {Config{Instance: "https://Acme.Lightning.Force.com/"}, "has no API"},
		"call without id": {Config{Instance: "https://acme.my.salesforce.com", Match: MatchCall}, "without an external id"},
		"caller of a job": {Config{Instance: "https://acme.my.salesforce.com", Match: MatchCaller, Object: "Job__c", ExternalID: "Call_Id__c", Fields: []Field{{Name: "A__c", Text: "a"}}}, "use match call"},
		"neither":         {Config{Instance: "https://acme.my.salesforce.com", Match: "person"}, "caller or call"},
	} {
		if _, err := New(tt.cfg, outbound.NewClient(outbound.Options{}), auth, clock); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.said) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Speech-to-text ends a sentence with a dot, which is not of the address.
func TestAddressWithTheDotOfASentence(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{})
	s.Put("Lead", noon, map[string]any{"LastName": "Johnson", "Company": "x", "Email": callerEmail})
	c := mike()
	c.Email += "."
	res := deliver(t, d, c)
	delivered(t, res)
	if len(res.Warnings) != 0 {
		t.Errorf("warnings %q", res.Warnings)
	}
	holds(t, only(t, s, "Lead"), map[string]string{"Email": callerEmail})
}
