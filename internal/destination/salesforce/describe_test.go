package salesforce

import (
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/standin"
)

func TestDescribe(t *testing.T) {
	sc := standin.SalesforceConfig{Fields: map[string]map[string]standin.SalesforceField{"Lead": {
		"Job__c": {Type: "string", Length: 5}, "FirstName": {Type: "string", Length: 20},
	}}}
	cfg := Config{ExternalID: "Call_Id__c", Describe: true, Fields: []Field{{Name: "Job__c", Text: "plumbing"}}}
	c := &call.Call{ID: "1", FirstName: strings.Repeat("f", 30), LastName: "L", Company: "C"}

	s, d := org(t, sc, cfg)
	for range 2 {
		res := deliver(t, d, c)
		delivered(t, res)
		if len(res.Warnings) != 2 {
			t.Errorf("warnings %v", res.Warnings)
		}
	}
	holds(t, only(t, s, "Lead"), map[string]string{"Job__c": "plumb", "FirstName": strings.Repeat("f", 20)})
	if n := len(s.Requests()); n != 3 {
		t.Errorf("%d requests, want one description and two leads", n)
	}

	// Without a description the lead gets there too.
	for _, reply := range []standin.Reply{{Status: 500}, {Body: "<html>"}, {Hangup: true}, {Body: `{"fields":[]}`}} {
		s, d = org(t, sc, cfg)
		s.Fail(standin.SalesforceFailure{Path: "/describe", Reply: reply})
		delivered(t, deliver(t, d, c))
		holds(t, only(t, s, "Lead"), map[string]string{"Job__c": "plumb", "FirstName": strings.Repeat("f", 20)})
	}
}
