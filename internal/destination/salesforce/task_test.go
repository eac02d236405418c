package salesforce

import (
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/standin"
)

// Somebody who works through the day's tasks sees which callers cannot wait and which wait for a call.
func TestTheLogTellsWhoIsWaiting(t *testing.T) {
	s, d := org(t, standin.SalesforceConfig{}, Config{ExternalID: "Call_Id__c", LogCall: true})
	c := mike()
	c.Urgent, c.CallbackRequested = true, true
	delivered(t, deliver(t, d, c))
	log := only(t, s, "Task")
	holds(t, log, map[string]string{"Priority": "High"})
	if text, _ := log.Fields["Description"].(string); !strings.HasPrefix(text, "Callback requested\n\n") {
		t.Errorf("description %q", text)
	}
	later := mike()
	later.Summary = "Fixed on the phone."
	delivered(t, deliver(t, d, later))
	holds(t, only(t, s, "Task"), map[string]string{"Priority": "High"})
}
