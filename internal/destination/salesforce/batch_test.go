package salesforce

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

func batchOf(calls ...*call.Call) []destination.Item {
	out := make([]destination.Item, len(calls))
	for i, c := range calls {
		out[i] = item(c)
	}
	return out
}

func TestBatch(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{Match: MatchCall, ExternalID: "Call_Id__c"})
	var calls []*call.Call
	for i := range 200 {
		c := &call.Call{ID: fmt.Sprintf("call-%d", i), LastName: "Last", Company: "Co", CallerNumber: callerNumber}
		if i%10 == 0 {
			c.LastName, c.Company = "", "" // wants defaults
		}
		calls = append(calls, c)
	}
	for attempt := range 2 {
		for i, res := range d.Deliver(context.Background(), batchOf(calls...)) {
			quiet(t, res)
			delivered(t, res)
			if got := s.Records("Lead")[i]; attempt > 0 && got.ID == "" {
				t.Error("no lead")
			}
		}
		if n := len(s.Records("Lead")); n != 200 {
			t.Fatalf("%d leads, want 200", n)
		}
	}
	// 200 at once, 20 of them again with defaults; then all are updates.
	if n := len(s.Requests()); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
	for _, r := range s.Records("Lead") {
		if r.Text("LastName") == "" || r.Text("LeadSource") != "AI Receptionist" {
			t.Errorf("lead %v", r.Fields)
		}
	}
}

func TestBatchIsSettledRowByRow(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{DuplicateRule: true, AllowSave: true}, Config{Match: MatchCall, ExternalID: "Call_Id__c", Fields: []Field{{Name: "Region__c", From: "region"}}})
	s.Put("Lead", noon, map[string]any{"LastName": "Twice", "Company": "x", "Call_Id__c": "twice"})
	s.Put("Lead", noon, map[string]any{"LastName": "Twice", "Company": "x", "Call_Id__c": "twice"})
	known := s.Put("Lead", noon, map[string]any{"LastName": "Johnson", "Company": "x", "Email": callerEmail})
	good := &call.Call{ID: "good", LastName: "Good", Company: "Co"}
	odd := &call.Call{ID: "odd", LastName: "Odd", Company: "Co", Params: map[string]any{"region": "north"}, Email: "no address"}
	out := d.Deliver(context.Background(), batchOf(good, &call.Call{ID: "twice", Message: "m"}, odd, mike(), &call.Call{LastName: "No id", Company: "Co", EventID: "9"}))
	for _, res := range out {
		quiet(t, res)
	}
	delivered(t, out[0])
	if out[1].Outcome != destination.Dead || !strings.Contains(out[1].Reason, "several records") {
		t.Errorf("ambiguous row: %+v", out[1])
	}
	delivered(t, out[2])
	if said := strings.Join(out[2].Warnings, " "); !strings.Contains(said, "Region__c was left out") || !strings.Contains(said, "Email was left out") {
		t.Errorf("warnings %v", out[2].Warnings)
	}
	delivered(t, out[3])
	if out[3].RemoteID != known {
		t.Errorf("the duplicate went to %s, not to %s", out[3].RemoteID, known)
	}
	delivered(t, out[4])
	leads := s.Records("Lead")
	if len(leads) != 6 {
		t.Fatalf("%d leads, want 6", len(leads))
	}
	for _, l := range leads {
		if l.Text("LastName") == "No id" && l.Text("Call_Id__c") != "gw-9" {
			t.Errorf("a call without an id has the key %q, want the event's", l.Text("Call_Id__c"))
		}
	}
}

func TestBatchWithEventsOfOneCall(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{Match: MatchCall, ExternalID: "Call_Id__c", MaxBatch: 3})
	early := &call.Call{ID: "CALL/1 ?", FirstName: "Mike"}
	other := &call.Call{ID: "2", LastName: "Other"}
	for i, res := range d.Deliver(context.Background(), batchOf(early, other, mike(), early)) {
		quiet(t, res)
		if res.Outcome != destination.Delivered {
			t.Errorf("item %d: %+v", i, res)
		}
	}
	leads := s.Records("Lead")
	if len(leads) != 2 {
		t.Fatalf("%d leads, want 2", len(leads))
	}
	holds(t, leads[0], map[string]string{"FirstName": "Mike", "LastName": "Johnson", "Description": callerMessage})
}

func TestBatchWithAValueThatIsNotRead(t *testing.T) {
	sc := standin.SalesforceConfig{Fields: map[string]map[string]standin.SalesforceField{"Lead": {"Day__c": {Type: "date"}}}}
	s, d := org(t, sc, Config{Match: MatchCall, ExternalID: "Call_Id__c", Fields: []Field{{Name: "Day__c", From: "day"}}})
	good := &call.Call{ID: "1", LastName: "Good", Company: "Co", Params: map[string]any{"day": "2026-03-04"}}
	bad := &call.Call{ID: "2", LastName: "Bad", Company: "Co", Params: map[string]any{"day": "tomorrow"}}
	out := d.Deliver(context.Background(), batchOf(good, bad))
	delivered(t, out[0])
	delivered(t, out[1])
	if len(out[0].Warnings) != 0 || len(out[1].Warnings) != 1 {
		t.Errorf("warnings %v and %v", out[0].Warnings, out[1].Warnings)
	}
	holds(t, s.Records("Lead")[0], map[string]string{"Day__c": "2026-03-04"})
}

func TestBatchFailsAsAWhole(t *testing.T) {
	for _, f := range []standin.Reply{{Status: 503}, {Status: 200, Body: `[]`}, {Hangup: true}, {Status: 403, Body: `[{"errorCode":"REQUEST_LIMIT_EXCEEDED"}]`}} {
		s, d := org(t, standin.SalesforceConfig{}, Config{Match: MatchCall, ExternalID: "Call_Id__c"})
		// The work is done and only the answer is lost.
		s.Fail(standin.SalesforceFailure{After: true, Reply: f})
		items := batchOf(mike(), &call.Call{ID: "2", LastName: "Two", Company: "Co"})
		for _, res := range d.Deliver(context.Background(), items) {
			if res.Outcome != destination.Retry || !res.Unhealthy {
				t.Errorf("%+v", res)
			}
		}
		for _, res := range d.Deliver(context.Background(), items) {
			delivered(t, res)
		}
		if n := len(s.Records("Lead")); n != 2 {
			t.Errorf("%d leads, want 2", n)
		}
	}
}

func TestMaxBatch(t *testing.T) {
	for name, tt := range map[string]struct {
		cfg  Config
		want int
	}{
		"external id": {Config{Match: MatchCall, ExternalID: "Call_Id__c"}, 200}, "set": {Config{Match: MatchCall, ExternalID: "Call_Id__c", MaxBatch: 25}, 25},
		"no external id": {Config{MaxBatch: 25}, 1}, "caller": {Config{ExternalID: "Call_Id__c"}, 1}, "log": {Config{Match: MatchCall, ExternalID: "Call_Id__c", LogCall: true}, 1},
		"status": {Config{Match: MatchCall, ExternalID: "Call_Id__c", Status: "New"}, 1}, "rule": {Config{ExternalID: "Call_Id__c", AssignmentRule: "true"}, 1},
		"no rule": {Config{Match: MatchCall, ExternalID: "Call_Id__c", AssignmentRule: "false"}, 200},
	} {
		if _, d := org(t, standin.SalesforceConfig{}, tt.cfg); d.MaxBatch() != tt.want {
			t.Errorf("%s: %d, want %d", name, d.MaxBatch(), tt.want)
		}
	}
}
