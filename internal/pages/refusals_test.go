package pages

import (
	"testing"
	"time"

	"github.com/callgate/callgate/internal/gateway"
	"github.com/callgate/callgate/internal/operate"
)

// TestRefusalsAreTold: what the right sender had refused, and who is shut out, with a line of its own; all of them in one.
func TestRefusalsAreTold(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		for range 3 {
			d.meter.Refused("nextphone", "calls", "acme", "signature_invalid", false)
		}
		d.meter.Refused("retell", "calls", "beta", "field_missing", true)
		d.meter.Refused("nextphone", "calls", "", "unknown_tenant", false)
		got := d.as("vera", "")
		for _, want := range []string{
			"Two things need you",
			"acme is shut out: 3 requests from nextphone refused, none was right since 00:00:00 UTC. What is sent so is not kept. Was its secret changed at the sender?",
			"Signed with another secret, or changed on the way.", "beta had 1 request from retell refused, although they are authentic",
			"A require line names a field", "5 requests refused: 3 signed with another secret, or changed on the way, 1 without a required field, 1 for a tenant that there is not.",
		} {
			if !says(t, got, want) {
				t.Errorf("it does not say %q: %s", want, text(t, got.body))
			}
		}
		if got := d.as("dora", ""); says(t, got, "beta") || says(t, got, "a tenant that there is not") || !says(t, got, "3 requests refused") {
			t.Errorf("who is bound to acme reads %s", text(t, got.body))
		}
		if got := d.as("vera", "tenants"); !says(t, got, "its sender is shut out") || !says(t, got, "some are refused") {
			t.Error(text(t, got.body))
		}
		if got := d.as("vera", "tenants/acme"); !says(t, got, "nextphone is shut out") || !says(t, got, "Was its secret changed") {
			t.Error(text(t, got.body))
		}
		d.meter.Verified("nextphone", "calls", "acme")
		time.Sleep(61 * time.Minute)
		if got := d.as("vera", ""); !says(t, got, "All is well") || !says(t, got, "5 requests refused") {
			t.Errorf("after an hour: %s", text(t, got.body))
		}
	})
}

// TestEveryRefusalIsPutIntoWords: also those that are added.
func TestEveryRefusalIsPutIntoWords(t *testing.T) {
	for _, r := range gateway.Refusals() {
		if refusalWords[r.Code] == "" {
			t.Errorf("there are no words for %s", r.Code)
		}
	}
	if got := refusedLine([]operate.RefusalCount{{Code: "brand_new", Count: 1}}); got != "1 request refused: 1 brand new." {
		t.Error(got)
	}
}

func TestCopiesOfAnEventAreShown(t *testing.T) {
	inBubble(t, func(t *testing.T, d *desk) {
		id := d.accept("acme")
		if got := d.as("vera", "events/"+id); !says(t, got, "No copy of it came since 2000-01-01 00:00:00 UTC, when this gateway began.") {
			t.Error(text(t, got.body))
		}
		time.Sleep(time.Minute)
		d.meter.Copied("calls", "acme", "")
		if got := d.as("vera", "events/"+id); !says(t, got, "1 copy came again, and was answered like the first 00:01:00 UTC") {
			t.Error(text(t, got.body))
		}
		for range 11 {
			time.Sleep(time.Second)
			d.meter.Copied("calls", "acme", "")
		}
		if got := d.as("vera", "events/"+id); !says(t, got, "12 copies came again, and were answered like the first 00:01:02 UTC") || !says(t, got, "00:01:11 UTC These are the times of the last.") {
			t.Error(text(t, got.body))
		}
		if got := d.as("vera", ""); !says(t, got, "1 call accepted and 12 copies recognised") {
			t.Error(text(t, got.body))
		}
	})
}
