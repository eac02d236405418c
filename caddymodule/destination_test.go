package caddymodule

import (
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

// TestFieldsAreHeldBackFromTheEHR is the guide's rule for health data: what is not named does not leave.
func TestFieldsAreHeldBackFromTheEHR(t *testing.T) {
	ctx, err := provision("{\ncallgate {\ndestination ehr fhir {\nbase https://ehr.example/fhir\nfields patient_id caller_number timestamp callback_requested\n}\n}\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	app, err := ctx.App("callgate")
	if err != nil {
		t.Fatal(err)
	}
	c, err := app.(*App).Destinations["ehr"].config("ehr", ctx.Logger(), nil)
	if err != nil {
		t.Fatal(err)
	}
	item := destination.Item{
		DeliveryID: "dlv_1", EventID: "evt_1", Attempt: 1, Tenant: "abc-plumbing", ReceivedAt: time.Date(2026, 1, 1, 0, 0, 43, 0, time.UTC),
		Body: []byte(`{"raw": 1}`), ContentType: "application/json",
		Call: c.Minimize(&call.Call{
			Provider: "nextphone", EventType: "lead", ID: "call-1", FirstName: "Mike", LastName: "Johnson",
			Email: "mjohnson@email.com", Message: "leaky pipe in kitchen", CallerNumber: "+15559876543",
			ReceivingNumber: "+15551234567", EndedAt: time.Date(2026, 1, 1, 0, 0, 42, 0, time.UTC), CallbackRequested: true,
			Params: map[string]any{"address": "123 Main Street", "patient_id": "PT-10023"},
		}),
	}
	requests, err := c.Destination.Preview([]destination.Item{item})
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, r := range requests {
		all += r.Body
	}
	if !strings.Contains(all, "PT-10023") || !strings.Contains(all, "5559876543") {
		t.Errorf("what was named is missing: %s", all)
	}
	for _, secret := range []string{"Mike", "Johnson", "leaky", "email.com", "Main Street"} {
		if strings.Contains(all, secret) {
			t.Errorf("%s has left: %s", secret, all)
		}
	}
	if c.Timeout != 30*time.Second {
		t.Errorf("timeout %v", c.Timeout)
	}
}
