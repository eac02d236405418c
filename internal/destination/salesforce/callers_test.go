package salesforce

import (
	"fmt"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

// again is another call of mike's.
func again(id string) *call.Call {
	c := mike()
	c.ID, c.EventID, c.Message = id, "ev-"+id, "the pipe again"
	return c
}

func said(t *testing.T, res destination.Result, want string) {
	t.Helper()
	if !strings.Contains(strings.Join(res.Warnings, "\n"), want) {
		t.Errorf("warnings %q, want %q", res.Warnings, want)
	}
}

// Somebody who calls twice is one lead, and each call is logged.
func TestTwoCallsAreOneLead(t *testing.T) {
	for name, cfg := range map[string]Config{"two ids": {TaskExternalID: "Log_Id__c"}, "one id": {}, "new records only": {Status: "Working - Contacted"}} {
		t.Run(name, func(t *testing.T) {
			cfg.ExternalID, cfg.LogCall = "Call_Id__c", true
			s, d := org(t, standin.SalesforceConfig{}, cfg)
			for range 2 { // the second time, later events of the same calls
				delivered(t, deliver(t, d, mike()))
				delivered(t, deliver(t, d, again("call-2")))
			}
			byNumber := again("call-3")
			byNumber.Email, byNumber.FirstName, byNumber.LastName = "", "", ""
			delivered(t, deliver(t, d, byNumber))
			lead := only(t, s, "Lead")
			holds(t, lead, map[string]string{"Call_Id__c": "call/1 ?"})
			logs := s.Records("Task")
			if len(logs) != 3 {
				t.Fatalf("%d logs, want 3", len(logs))
			}
			for _, l := range logs {
				holds(t, l, map[string]string{"WhoId": lead.ID, "TaskSubtype": "Call"})
			}
		})
	}
}

// An event of a call that tells nothing of the caller still finds the lead that took the call, by the log.
func TestLaterEventFindsTheCallersLead(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{ExternalID: "Call_Id__c", LogCall: true})
	delivered(t, deliver(t, d, mike()))
	delivered(t, deliver(t, d, again("call-2")))
	delivered(t, deliver(t, d, &call.Call{ID: "call-2", Summary: "Wants a plumber."}))
	if n := len(s.Records("Lead")); n != 1 {
		t.Errorf("%d leads, want one", n)
	}
}

// A customer who calls is no lead: the call is logged on the contact, with all that a lead would have been told.
func TestContactComesFirst(t *testing.T) {
	contact := map[string]any{"LastName": "Johnson", "Phone": "(555) 987-6543"}
	for name, tt := range map[string]struct {
		contact map[string]any
		cfg     Config
	}{
		"with log":     {contact, Config{ExternalID: "Call_Id__c", LogCall: true}},
		"task id":      {contact, Config{ExternalID: "Call_Id__c", LogCall: true, TaskExternalID: "Log_Id__c"}},
		"without log":  {contact, Config{ExternalID: "Call_Id__c"}},
		"no ids":       {contact, Config{}},
		"other number": {map[string]any{"LastName": "Johnson", "OtherPhone": "555-987-6543"}, Config{}},
		"address":      {map[string]any{"LastName": "Johnson", "Email": "MJohnson@email.com"}, Config{}},
	} {
		t.Run(name, func(t *testing.T) {
			sc := standin.SalesforceConfig{Fields: map[string]map[string]standin.SalesforceField{"Lead": {"Job__c": {Type: "string", Length: 50}}}}
			tt.cfg.Fields = []Field{{Name: "Job__c", From: "job"}}
			s, d := org(t, sc, tt.cfg)
			s.Put("Lead", noon, map[string]any{"LastName": "Johnson", "Company": "x", "Phone": callerNumber})
			id := s.Put("Contact", noon.AddDate(-5, 0, 0), tt.contact)
			c := mike()
			c.Params = map[string]any{"job": "drain"}
			for range 2 {
				res := deliver(t, d, c)
				delivered(t, res)
				if res.RemoteID != id || len(res.Warnings) != 0 {
					t.Errorf("record %s with the warnings %q, want the contact %s", res.RemoteID, res.Warnings, id)
				}
			}
			holds(t, only(t, s, "Lead"), map[string]string{"Description": "", "Email": ""})
			holds(t, only(t, s, "Contact"), map[string]string{"LastName": "Johnson", "FirstName": "", "Description": ""})
			log := only(t, s, "Task")
			holds(t, log, map[string]string{"WhoId": id, "CallDurationInSeconds": "42"})
			for _, want := range []string{callerMessage, "Job__c: drain", "Phone: " + callerNumber, "Email: " + callerEmail} {
				if !strings.Contains(log.Text("Description"), want) {
					t.Errorf("the log lacks %q: %q", want, log.Text("Description"))
				}
			}
		})
	}
}

func TestContactOfSomebodyElse(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{ExternalID: "Call_Id__c", LogCall: true})
	s.Put("Contact", noon, map[string]any{"LastName": "Johnson", "Phone": callerNumber, "Email": "wife@example.com"})
	delivered(t, deliver(t, d, mike()))
	holds(t, only(t, s, "Task"), map[string]string{"WhoId": only(t, s, "Lead").ID})
}

func TestContactsWithOneNumber(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{LogCall: true})
	s.Put("Contact", noon, map[string]any{"FirstName": "Ann", "LastName": "Miller", "Phone": callerNumber})
	him := s.Put("Contact", noon.AddDate(-1, 0, 0), map[string]any{"FirstName": "Mike", "LastName": "Johnson", "Phone": callerNumber})
	res := deliver(t, d, mike())
	delivered(t, res)
	if res.RemoteID != him || len(res.Warnings) != 0 {
		t.Errorf("%+v, want the contact of that name", res)
	}
	c := again("2")
	c.FirstName, c.LastName = "", ""
	res = deliver(t, d, c)
	delivered(t, res)
	said(t, res, "several contacts have the caller's number")
}

// Where tasks cannot be written for a contact, the call becomes a lead rather than nothing.
func TestContactThatTakesNoLog(t *testing.T) {
	for name, leads := range map[string]int{"no lead": 0, "a lead": 1} {
		t.Run(name, func(t *testing.T) {
			s, d := org(t, standin.SalesforceConfig{NoCreate: []string{"Task"}}, Config{ExternalID: "Call_Id__c"})
			s.Put("Contact", noon, map[string]any{"LastName": "Johnson", "Phone": callerNumber})
			if leads > 0 {
				s.Put("Lead", noon, map[string]any{"LastName": "Johnson", "Company": "x", "Phone": callerNumber})
			}
			res := deliver(t, d, mike())
			delivered(t, res)
			said(t, res, "the caller is a contact, on which the call was not logged")
			holds(t, only(t, s, "Lead"), map[string]string{"Description": callerMessage, "Email": callerEmail})
		})
	}
}

func TestContactsAreHidden(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{Without: []string{"Contact.HomePhone", "Contact.Email"}}, Config{})
	id := s.Put("Contact", noon, map[string]any{"LastName": "Johnson", "MobilePhone": callerNumber})
	if res := deliver(t, d, mike()); res.RemoteID != id {
		t.Errorf("%+v", res)
	}
}

// A lead that somebody has made a contact of takes nothing any more; what is still said of the call goes to the contact.
func TestConvertedLead(t *testing.T) {
	for name, cfg := range map[string]Config{
		"caller": {}, "caller, log": {LogCall: true}, "own": {Match: MatchCall}, "own, log": {Match: MatchCall, LogCall: true},
		"own, two ids": {Match: MatchCall, LogCall: true, TaskExternalID: "Log_Id__c"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.ExternalID = "Call_Id__c"
			s, d := org(t, standin.SalesforceConfig{}, cfg)
			delivered(t, deliver(t, d, mike()))
			contact := s.Convert(only(t, s, "Lead").ID)
			later := mike()
			later.Summary = "He wants a quote."
			for range 2 {
				res := deliver(t, d, later)
				delivered(t, res)
				said(t, res, "the call's lead was converted; the call was logged on its contact")
				if res.RemoteID != contact {
					t.Errorf("record %s, want the contact %s", res.RemoteID, contact)
				}
			}
			log := only(t, s, "Task")
			holds(t, log, map[string]string{"WhoId": contact})
			if !strings.Contains(log.Text("Description"), later.Summary) {
				t.Errorf("the log says %q", log.Text("Description"))
			}
			only(t, s, "Lead")
		})
	}
}

func TestConvertedLeadAmongOthers(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{Match: MatchCall, ExternalID: "Call_Id__c"})
	delivered(t, deliver(t, d, mike()))
	contact := s.Convert(only(t, s, "Lead").ID)
	out := d.Deliver(t.Context(), batchOf(mike(), &call.Call{ID: "2", LastName: "Other", Company: "Co"}))
	delivered(t, out[0])
	delivered(t, out[1])
	if out[0].RemoteID != contact {
		t.Errorf("%+v", out[0])
	}
}

// A lead that is converted between its look-up and the log of the call.
func TestLeadConvertedBeforeItsLog(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{LogCall: true, Fields: []Field{{Name: "Nope__c", From: "issue"}}})
	lead := s.Put("Lead", noon, map[string]any{"LastName": "Johnson", "Company": "x", "Phone": callerNumber})
	w := d.newWrite(new(item(mike())))
	if _, ok := d.look(t.Context(), w); !ok || w.record.id != lead {
		t.Fatalf("the lead was not found: %+v", w.record)
	}
	contact := s.Convert(lead)
	res := d.write(t.Context(), w)
	delivered(t, res)
	holds(t, only(t, s, "Task"), map[string]string{"WhoId": contact})
}

func TestConvertedLeadWithoutAContact(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{Without: []string{"Lead.ConvertedContactId"}}, Config{ExternalID: "Call_Id__c"})
	delivered(t, deliver(t, d, mike()))
	s.Convert(only(t, s, "Lead").ID)
	quiet := mike()
	quiet.Email, quiet.CallerNumber = "", "" // so that the contact cannot be found otherwise
	d.cfg.Match = MatchCall
	res := deliver(t, d, quiet)
	if res.Outcome == destination.Delivered || !strings.Contains(res.Reason, "let the user read contacts") {
		t.Errorf("%+v", res)
	}
}

func TestDuplicateRuleThatAllowsNothing(t *testing.T) {
	for name, cfg := range map[string]Config{"log": {LogCall: true}, "no log": {}, "two ids": {LogCall: true, TaskExternalID: "Log_Id__c"}} {
		t.Run(name, func(t *testing.T) {
			cfg.ExternalID, cfg.Match = "Call_Id__c", MatchCall
			s, d := org(t, standin.SalesforceConfig{DuplicateRule: true}, cfg)
			id := s.Put("Contact", noon, map[string]any{"LastName": "Johnson", "Email": callerEmail})
			for range 2 {
				res := deliver(t, d, mike())
				delivered(t, res)
				said(t, res, "a duplicate rule forbids the lead, because the caller is a contact")
			}
			holds(t, only(t, s, "Task"), map[string]string{"WhoId": id})
			if n := len(s.Records("Lead")); n != 0 {
				t.Errorf("%d leads", n)
			}
		})
	}
	s, d := org(t, standin.SalesforceConfig{DuplicateRule: true}, Config{Match: MatchCall, ExternalID: "Call_Id__c", Duplicates: AllowDuplicate})
	s.Put("Lead", noon, map[string]any{"LastName": "Johnson", "Company": "x", "Email": callerEmail})
	if res := deliver(t, d, mike()); strings.Contains(res.Reason, "set duplicates") || !strings.Contains(res.Reason, "DUPLICATES_DETECTED") {
		t.Errorf("the reason advises what is set already: %s", res.Reason)
	}
}

// The subtype of a log is sent with its creation and never again.
func TestSubtypeOnlyWhenTheLogIsCreated(t *testing.T) {
	for name, cfg := range map[string]Config{
		"caller": {}, "task id": {TaskExternalID: "Log_Id__c"}, "own": {Match: MatchCall}, "own, task id": {Match: MatchCall, TaskExternalID: "Log_Id__c"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg.ExternalID, cfg.LogCall = "Call_Id__c", true
			s, d := org(t, standin.SalesforceConfig{}, cfg)
			for i := range 3 {
				c := mike()
				c.Summary = fmt.Sprint("event ", i)
				res := deliver(t, d, c)
				delivered(t, res)
				if len(res.Warnings) != 0 {
					t.Errorf("warnings %q", res.Warnings)
				}
			}
			log := only(t, s, "Task")
			holds(t, log, map[string]string{"TaskSubtype": "Call"})
			if !strings.Contains(log.Text("Description"), "event 2") {
				t.Errorf("the log says %q", log.Text("Description"))
			}
		})
	}
}

// An id that looks like a reference of a composite request finds its log again, whichever way that was written.
func TestLogsOfOddIDs(t *testing.T) {
	for name, cfg := range map[string]Config{"contact without log": {}, "log": {LogCall: true}, "task id": {LogCall: true, TaskExternalID: "Log_Id__c"}} {
		t.Run(name, func(t *testing.T) {
			cfg.ExternalID = "Call_Id__c"
			s, d := org(t, standin.SalesforceConfig{}, cfg)
			if !cfg.LogCall {
				s.Put("Contact", noon, map[string]any{"LastName": "Johnson", "Phone": callerNumber})
			}
			c := again("call @{record.id} ?")
			for range 3 {
				res := deliver(t, d, c)
				delivered(t, res)
				if len(res.Warnings) != 0 {
					t.Errorf("warnings %q", res.Warnings)
				}
			}
			only(t, s, "Task")
		})
	}
}
