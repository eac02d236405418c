package source

import (
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
)

func TestTimesInEveryForm(t *testing.T) {
	want := time.Date(2026, 1, 1, 0, 0, 42, 0, time.UTC)
	for _, s := range []string{
		"2026-01-01T00:00:42Z", "2025-12-31T19:00:42-05:00", "2025-12-31T19:00:42-0500", "2026-01-01 00:00:42", "2026-01-01 00:00:42 UTC",
		"2026-01-01T00:00:42.000000Z", "Thu, 01 Jan 2026 00:00:42 +0000", "Wed, 31 Dec 2025 19:00:42 -0500", "1767225642", "1767225642000",
		"1767225642000000", "1767225642000000000", "1767225642.0", "1767225642000.0", "1.767225642e9",
		"2026-01-01 00:00:42+00", "2025-12-31T19:00:42-05", "2025-12-31 19:00:42 -05:00", "2025-12-31T19:00:42 -05:00",
		"2026-01-01T00:00:42 +0000", "2026-01-01 00:00:42 GMT", "20260101T000042Z", "20251231T190042-0500",
	} {
		if got := parseTime(s); !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%s: got %v", s, got)
		}
	}
	for _, s := range []string{"", "yesterday", "0", "-5", "99999-01-01", "2026-13-01", "42", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "1e400", "NaN"} {
		if got := parseTime(s); !got.IsZero() {
			t.Errorf("%q: got %v, want none", s, got)
		}
	}
}

// TestTimesOfOtherSystems: of HL7, .NET, Java, JavaScript and spreadsheets, 10:00 on 1 September 2026 in whatever zone is said.
func TestTimesOfOtherSystems(t *testing.T) {
	want := time.Date(2026, 9, 1, 10, 0, 0, 0, time.UTC)
	for _, s := range []string{
		"20260901100000", "202609011000", "20260901100000+0000", "20260901060000-0400", "20260901060000.000-0400", "/Date(1788256800000)/",
		"/Date(1788256800000-0400)/", "2026-09-01T06:00:00-04:00[America/New_York]", "Sep 1, 2026 10:00 AM", "September 1, 2026 10:00 AM",
		"Tue Sep 01 2026 06:00:00 GMT-0400 (Eastern Daylight Time)",
	} {
		if got := parseTime(s); !got.Equal(want) {
			t.Errorf("%s: got %v", s, got)
		}
	}
	for _, s := range []string{"99999999999999", "20261301100000", "09/01/2026 10:00 AM", "/Date(x)/", "/Date(1788256800000", "13/13/2026 10:00", "02/31/2026 10:00", "[", "("} {
		if got := parseTime(s); !got.IsZero() {
			t.Errorf("%q: got %v, want none", s, got)
		}
	}
	for s, want := range map[string]time.Time{
		"09/13/2026 10:00 PM": time.Date(2026, 9, 13, 22, 0, 0, 0, time.UTC), "13/09/2026 22:00": time.Date(2026, 9, 13, 22, 0, 0, 0, time.UTC),
		"20260901": time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got := parseTime(s); !got.Equal(want) {
			t.Errorf("%s: got %v", s, got)
		}
	}
	for region, want := range map[string]time.Time{"": want, "US": want, "GB": {}} {
		c, err := newParser(t, "generic", Options{Region: region}).Parse(&Request{Body: []byte(`{"start_time":"09/01/2026 10:00 AM"}`)})
		if err != nil || !c.StartedAt.Equal(want) {
			t.Errorf("in %q: %v, %v", region, c.StartedAt, err)
		}
	}
}

func TestDurationsInEveryForm(t *testing.T) {
	for s, want := range map[string]int{
		"42": 42, " 42.5 ": 43, "0": 0, "1:05": 65, "0:01:05": 65, "1m 5s": 65, "1m5s": 65, "1 minute and 5 seconds": 65, "3 minutes": 180,
		"2 hrs": 7200, "13s": 13, "PT1M5S": 65, "PT42.4S": 42, "pt1h": 3600,
	} {
		if got := spokenDuration(s); got == nil || *got != want {
			t.Errorf("%q: got %v, want %d", s, got, want)
		}
	}
	for _, s := range []string{"", "-1", "soon", "1:xx", "1e300", "NaN", "Inf", "99999999999", "-1:00", "1:-5"} {
		if got := spokenDuration(s); got != nil {
			t.Errorf("%q: got %d, want none", s, *got)
		}
	}
}

func TestStartEndAndDurationCompleteOneAnother(t *testing.T) {
	p := newParser(t, "generic", Options{})
	for _, body := range []string{
		`{"start_time":1767225600,"end_time":1767225642}`, `{"start_time":1767225600,"duration":42}`, `{"end_time":1767225642,"duration":"42"}`,
	} {
		c, err := p.Parse(&Request{Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		if c.StartedAt.Unix() != 1767225600 || c.EndedAt.Unix() != 1767225642 || c.Duration == nil || *c.Duration != 42 {
			t.Errorf("%s: got %v, %v, %v", body, c.StartedAt, c.EndedAt, c.Duration)
		}
	}
	c, _ := p.Parse(&Request{Body: []byte(`{"start_time":1767225642,"end_time":1767225600}`)})
	if c.Duration != nil {
		t.Errorf("an end before the start made a duration of %d", *c.Duration)
	}
}

func TestOwnNumbersSayWhoIsTheCustomer(t *testing.T) {
	for _, c := range []struct {
		name, preset, body string
		direction          call.Direction
		customer, business string
	}{
		{"called", "twilio", "From=%2B15559876543&To=%2B15551234567", call.Inbound, "+15559876543", "+15551234567"},
		{"dialled", "twilio", "From=%2B15551234567&To=%2B15559876543", call.Outbound, "+15559876543", "+15551234567"},
		{"a wrong direction", "twilio", "From=%2B15551234567&To=%2B15559876543&Direction=inbound", call.Inbound, "+15559876543", "+15551234567"},
		{"between own numbers", "twilio", "From=%2B15551234567&To=%2B15551234567", "", "+15551234567", "+15551234567"},
		{"participants", "quo", `{"data":{"object":{"participants":["+15551234567","+15559876543"]}}}`, call.Outbound, "+15559876543", "+15551234567"},
		{"formatted", "nextphone", `{"from":"(555) 123-4567","to":"555.987.6543"}`, call.Outbound, "+15559876543", "+15551234567"},
	} {
		p := newParser(t, c.preset, Options{OwnNumbers: []string{"(555) 123-4567"}})
		got, err := p.Parse(&Request{Body: []byte(c.body)})
		if err != nil {
			t.Fatal(err)
		}
		if got.Direction != c.direction || got.CallerNumber != c.customer || got.ReceivingNumber != c.business {
			t.Errorf("%s: got %q, %s, %s", c.name, got.Direction, got.CallerNumber, got.ReceivingNumber)
		}
	}
}

func TestRegionOfNationalNumbers(t *testing.T) {
	p := newParser(t, "nextphone", Options{Region: "DE"})
	c, err := p.Parse(&Request{Body: []byte(`{"phone":"030 1234567"}`)})
	if err != nil || c.CallerNumber != "+49301234567" {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestNumbersThatCannotBeDialledAreKept(t *testing.T) {
	p := newParser(t, "nextphone", Options{})
	for body, want := range map[string][2]string{
		`{"phone":"anonymous"}`:                     {"", ""},
		`{"phone":"sip:alice@example.com"}`:         {"", "sip:alice@example.com"},
		`{"phone":"sip:+15559876543@example.com"}`:  {"+15559876543", ""},
		`{"phone":"555-1234"}`:                      {"555-1234", ""},
		`{"phone":"{{caller_number}}"}`:             {"", ""},
		`{"phone":"","callback_number":"555-9876"}`: {"555-9876", ""},
	} {
		c, err := p.Parse(&Request{Body: []byte(body)})
		if err != nil {
			t.Fatal(err)
		}
		address, _ := c.Params["caller_address"].(string)
		if c.CallerNumber != want[0] || address != want[1] {
			t.Errorf("%s: got %q and %q", body, c.CallerNumber, address)
		}
	}
}

func TestGroupsOfMembers(t *testing.T) {
	p := newParser(t, "nextphone", Options{})
	for _, c := range []struct{ name, body, caller, message string }{
		{"the caller's group before the event's name", `{"name":"submitLead","args":{"name":"Mike"}}`, "Mike", ""},
		{"its own before metadata", `{"metadata":{"name":"spring campaign"},"name":"Mike"}`, "Mike", ""},
		{"a list of one pair", `{"properties":[{"property":"firstname","value":"Mike"}]}`, "Mike", ""},
		{"questions and answers", `{"fields":[{"question":"First name","answer":"Mike"},{"question":"Message","answer":"a leak"}]}`, "Mike", "a leak"},
		{"a group in a list", `{"lead":[{"first_name":"Mike","notes":"a leak"}]}`, "Mike", "a leak"},
		{"a group of any name", `{"submission_42":{"first_name":"Mike","notes":"a leak"}}`, "Mike", "a leak"},
		{"the plainer name", `{"lead":{"description":"long","message":"a leak"}}`, "", "a leak"},
		{"an empty one is passed over", `{"message":"","lead":{"notes":"a leak"}}`, "", "a leak"},
	} {
		got, err := p.Parse(&Request{Body: []byte(c.body)})
		if err != nil {
			t.Fatal(err)
		}
		if got.Name() != c.caller || got.Message != c.message {
			t.Errorf("%s: got %q, %q", c.name, got.Name(), got.Message)
		}
	}
	got, err := p.Parse(&Request{Body: []byte(`{"lead":{"name":"Mike","source":"ad"},"metadata":{"source":"nextphone"}}`)})
	if err != nil || got.Params["source"] != "ad" || got.Params["metadata_source"] != "nextphone" {
		t.Errorf("a parameter of two groups: got %v, %v", got.Params, err)
	}
}

func TestSecretsInBodiesStayOut(t *testing.T) {
	for _, s := range samples(t) {
		c, err := newParser(t, s.preset, Options{}).Parse(s.request)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []string{"token", "CallToken", "access_key"} {
			if _, ok := c.Params[k]; ok {
				t.Errorf("%s: the parameter %s holds a secret", s.name, k)
			}
		}
	}
}

func TestUnreplacedVariablesAreDropped(t *testing.T) {
	for s, want := range map[string]string{
		"Mike {{last_name}}": "Mike", "{{a}} {{b}}": "", "{{a}}Mike  J.{{b}} Jr.": "Mike J. Jr.", "Mike {{": "Mike {{", " Mike ": "Mike",
		"}} Mike": "}} Mike", "Mike": "Mike",
	} {
		if got := withoutVariables(s); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
	}
	for s, want := range map[string]string{"{{email}}": "", "${email}": "", " {{ email }} ": "", "{{a}} {{b}}": "{{a}} {{b}}", "a\x00b": "ab"} {
		if got := clean(s); got != want {
			t.Errorf("clean(%q): got %q, want %q", s, got, want)
		}
	}
}
