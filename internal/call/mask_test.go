package call

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMaskShowsWhatACallHasAndNothingOfIt(t *testing.T) {
	seconds := 95
	c := &Call{
		Provider: "nextphone", CallerNumber: "+15559876543", ReceivingNumber: "+442071838750", FirstName: "Michaela", LastName: "van Dyk",
		Email: "michaela@johansson.com", Company: "Acme", Message: "leaky pipe in the kitchen since noon", RecordingURL: "https://x.example/1",
		StartedAt: time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC), EndedAt: time.Date(2026, 1, 31, 8, 1, 35, 0, time.UTC),
		Duration: &seconds, Urgent: true, Direction: Inbound,
		Params: map[string]any{
			"address": map[string]any{"city": "Springfield", "zip": json.Number("12345")}, "pets": []any{"Rex", "Tom"}, "none": nil,
			"blank": "", "ok": true, "michaela@johansson.example": "x", "15559876543": "y",
		},
	}
	list, more := c.Mask()
	var got []string
	for _, m := range list {
		got = append(got, m.Name+"="+m.Shown)
	}
	want := "caller_number=+1 ••• ••• 6543, receiving_number=+44 ••• ••• 8750, first_name=1 word, last_name=2 words, email=•••@•••.com, " +
		"company=1 word, message=36 characters, recording_url=an address, direction=inbound, started_at=2026-01-31T08:00:00Z, " +
		"ended_at=2026-01-31T08:01:35Z, duration=1m35s, urgent=yes, callback_requested=no, params.(a name of 11 characters)=1 word, " +
		"params.address.city=1 word, params.address.zip=a number, params.blank=empty, params.(a name of 26 characters)=1 word, " +
		"params.none=empty, params.ok=yes or no, params.pets=2 items"
	if s := strings.Join(got, ", "); s != want || more != 0 {
		t.Errorf("%s\nwant\n%s\nand %d more", s, want, more)
	}
}

func TestMaskIsBounded(t *testing.T) {
	params, deep := map[string]any{}, map[string]any{}
	inner := deep
	for i := range 200 {
		params[fmt.Sprintf("p%d", i)] = "x"
		next := map[string]any{}
		inner["d"] = next
		inner = next
	}
	list, more := (&Call{Params: params}).Mask()
	if len(list) != 2+maxMasked || more != 200-maxMasked {
		t.Errorf("%d are shown, %d not", len(list), more)
	}
	if list, _ = (&Call{Params: deep}).Mask(); len(list) != 3 || list[2].Name != "params.d.d.d.d" || list[2].Shown != "1 member" {
		t.Errorf("%+v", list)
	}
}

func TestMaskNumber(t *testing.T) {
	for number, want := range map[string]string{
		"": "", "+15559876543": "+1 ••• ••• 6543", "+4930901820": "+49 ••• ••• 1820", "911": "••• •••", "555-1234": "••• •••", "anonymous": "••• •••",
		"+1555": "••• •••", "5559876543": "••• •••",
	} {
		if got := MaskNumber(number); got != want {
			t.Errorf("%q: %q, want %q", number, got, want)
		}
	}
}

func TestMaskMail(t *testing.T) {
	for address, want := range map[string]string{
		"": "", "a@b.com": "•••@•••.com", "a@b.co.uk": "•••@•••.uk", "no address": "2 words", "a@localhost": "1 word", "a@b.smith": "1 word",
	} {
		if got := maskMail(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}
