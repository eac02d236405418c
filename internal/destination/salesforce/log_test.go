package salesforce

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

func TestLogThatIsLate(t *testing.T) {
	for name, cfg := range map[string]Config{"look-up": {LogCall: true}, "upsert": {ExternalID: "Call_Id__c", LogCall: true, TaskExternalID: "Log_Id__c"}} {
		t.Run(name, func(t *testing.T) {
			s, d := org(t, standin.SalesforceConfig{}, cfg)
			s.LockRows("Task", 1)
			res := deliver(t, d, mike())
			if res.Outcome != destination.Retry || !strings.Contains(res.Reason, "the record is saved") || res.RemoteID != only(t, s, "Lead").ID {
				t.Errorf("%+v", res)
			}
			delivered(t, deliver(t, d, mike()))
			only(t, s, "Lead")
			only(t, s, "Task")
		})
	}
}

func TestLogWaitsForItsRecord(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{ExternalID: "Call_Id__c", LogCall: true})
	s.LockRows("Lead", 1)
	if res := deliver(t, d, mike()); res.Outcome != destination.Retry || !strings.Contains(res.Reason, "UNABLE_TO_LOCK_ROW") {
		t.Errorf("%+v", res)
	}
	if n := len(s.Records("Task")); n != 0 {
		t.Errorf("%d logs without a record", n)
	}
}

// TestLogFindsTheRecord: the log is what tells the events of a call apart from those of others, when there is nothing
// else.
func TestLogFindsTheRecord(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{LogCall: true})
	anonymous := &call.Call{ID: "1", FirstName: "Mike", Message: "call me"}
	for range 2 {
		delivered(t, deliver(t, d, anonymous))
	}
	lead := only(t, s, "Lead")
	delivered(t, deliver(t, d, &call.Call{ID: "2", FirstName: "Ann"}))
	if n := len(s.Records("Lead")); n != 2 {
		t.Fatalf("%d leads, want 2", n)
	}
	// What the lead became a contact for stays with the contact; the next event makes a new lead rather than none.
	s.Change(lead.ID, func(r *standin.SalesforceRecord) { r.Converted = true })
	delivered(t, deliver(t, d, anonymous))
	if n := len(s.Records("Lead")); n != 3 {
		t.Errorf("%d leads, want 3", n)
	}
}

func TestLookUpFails(t *testing.T) {
	for name, reply := range map[string]standin.Reply{
		"not JSON":    {Body: `<html>`},
		"other parts": {Body: `{"compositeResponse":[]}`},
		"no records":  {Body: `{"compositeResponse":[{"body":{},"httpStatusCode":200,"referenceId":"record"}]}`},
		"busy":        {Status: 503},
		"locked":      {Body: `{"compositeResponse":[{"body":[{"errorCode":"QUERY_TIMEOUT","message":"x"}],"httpStatusCode":400,"referenceId":"record"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := org(t, standin.SalesforceConfig{}, Config{})
			s.Fail(standin.SalesforceFailure{Path: "/composite", Reply: reply})
			if res := deliver(t, d, mike()); res.Outcome != destination.Retry || res.Pause {
				t.Errorf("%+v", res)
			}
			if n := len(s.Records("Lead")); n != 0 {
				t.Errorf("%d leads, although nobody knows whether there is one", n)
			}
		})
	}
	s, d := org(t, standin.SalesforceConfig{Without: []string{"Lead.Email", "Lead.Phone", "Lead.MobilePhone"}}, Config{})
	delivered(t, deliver(t, d, mike()))
	only(t, s, "Lead")
}

// TestEndlessComplaints: an organization that always finds something else gets no endless stream of requests.
func TestEndlessComplaints(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{Match: MatchCall, ExternalID: "Call_Id__c", Fields: []Field{{Name: "A__c", Text: "a"}, {Name: "B__c", Text: "b"}}})
	for _, f := range []string{"A__c", "B__c", "FirstName", "Phone", "Email", "Description", "LeadSource"} {
		s.Fail(standin.SalesforceFailure{Reply: standin.Reply{Status: 400, Body: `[{"errorCode":"INVALID_FIELD","message":"","fields":["` + f + `"]}]`}})
	}
	res := deliver(t, d, mike())
	if res.Outcome != destination.Dead || len(s.Requests()) != maxRounds || res.Reason != endless(400).Reason {
		t.Errorf("%+v after %d requests", res, len(s.Requests()))
	}
}

func TestAsText(t *testing.T) {
	for _, tt := range []struct {
		in   any
		text string
		raw  bool
	}{
		{nil, "", false}, {" x ", "x", false}, {true, "true", true}, {false, "false", true}, {7, "7", true},
		{json.Number("1.5"), "1.5", true}, {json.Number("NaN"), "NaN", false}, {[]any{"a", nil, "", json.Number("2")}, "a;2", false},
		{map[string]any{"a": "b"}, `{"a":"b"}`, false},
	} {
		if text, raw := asText(tt.in); text != tt.text || raw != tt.raw {
			t.Errorf("%v: %q, %v", tt.in, text, raw)
		}
	}
}

func TestTimes(t *testing.T) {
	it := item(&call.Call{ID: "1", StartedAt: noon.Add(-time.Hour)})
	for name, want := range map[string]string{"timestamp": "2026-03-02T11:00:00.000Z", "started_at": "2026-03-02T11:00:00.000Z", "ended_at": ""} {
		if got, _ := lookup(&it, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	it.Call = &call.Call{}
	if got, _ := lookup(&it, "timestamp"); got != "2026-03-02T12:00:00.000Z" {
		t.Errorf("timestamp is %q, want when the event came", got)
	}
}

// TestLogOnceWhileTheUpdateIsAmended is a second call of a caller, whose record takes not all that is mapped, so that it
// is sent twice.
func TestLogOnceWhileTheUpdateIsAmended(t *testing.T) {
	for _, id := range []string{"call-1", "call @{record.id}"} {
		s, d := org(t, standin.SalesforceConfig{}, Config{LogCall: true, Fields: []Field{{Name: "Nope__c", From: "issue"}}})
		s.Put("Lead", noon, map[string]any{"LastName": "Johnson", "Company": "x", "Phone": callerNumber})
		c := mike()
		c.ID, c.Params = id, map[string]any{"issue": "leak"}
		for range 2 {
			res := deliver(t, d, c)
			delivered(t, res)
			if !slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.Contains(w, "Nope__c") }) {
				t.Errorf("warnings %q", res.Warnings)
			}
			if n := len(s.Records("Task")); n != 1 {
				t.Fatalf("%q: %d logs of one call", id, n)
			}
		}
		only(t, s, "Lead")
	}
}
