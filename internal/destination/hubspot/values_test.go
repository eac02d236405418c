package hubspot

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/standin"
)

// A secondary address of a contact stays one: an update does not make it the primary address, and is not refused for it.
func TestSecondaryAddressStays(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"default": nil, "names kept": func(c *Config) { c.KeepNames = true }, "new ones marked": func(c *Config) { c.Lifecycle = "lead" },
		"by the call": func(c *Config) { c.ContactProperty = "call_key" },
	} {
		t.Run(name, func(t *testing.T) {
			s, d := account(t, standin.HubSpotConfig{}, change)
			s.Define("contacts", standin.HubSpotProperty{Name: "call_key", Unique: true})
			s.Put("contacts", map[string]string{"email": "una@example.com", "hs_additional_emails": "u@example.org;una.private@example.com", "firstname": "Una", "lifecyclestage": "customer"})
			it := item(func(c *call.Call) { c.FirstName, c.LastName, c.Email = "Una", "", "una.private@example.com" })
			for range 2 {
				r := one(t, d, it)
				delivered(t, r)
				if len(r.Warnings) != 0 {
					t.Errorf("warnings %q", r.Warnings)
				}
				want(t, contact(t, s), map[string]string{"email": "una@example.com", "phone": "+15559876543", "lifecyclestage": "customer"})
			}
		})
	}
}

func TestSentenceDotInAnAddress(t *testing.T) {
	s, d := account(t, standin.HubSpotConfig{}, nil)
	r := one(t, d, item(func(c *call.Call) { c.Email = "una.q@example.com." }))
	delivered(t, r)
	want(t, contact(t, s), map[string]string{"email": "una.q@example.com"})
	if len(r.Warnings) != 0 {
		t.Errorf("warnings %q", r.Warnings)
	}
}

// A date property takes a day: the one of the account's time zone.
func TestDateProperties(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		template, param string
		zone            *time.Location
		want            string
	}{
		"a moment":             {"timestamp", "", nil, "2026-01-06"},
		"the account's day":    {"timestamp", "", zone, "2026-01-05"},
		"with a filter":        {"{{timestamp|date:'%Y-%m-%d'}}", "", zone, "2026-01-05"},
		"milliseconds":         {"params.day", "1767666660000", zone, "2026-01-05"},
		"a day":                {"params.day", "2026-01-07", zone, "2026-01-07"},
		"midnight in UTC":      {"params.day", "1767657600000", zone, "1767657600000"},
		"midnight as text":     {"params.day", "2026-01-06T00:00:00Z", zone, "2026-01-06"},
		"words are left out":   {"params.day", "next week", zone, ""},
		"a local time of zone": {"params.day", "2026-01-05T23:30:00-05:00", zone, "2026-01-05"},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := account(t, standin.HubSpotConfig{}, func(c *Config) {
				c.TimeZone, c.Properties = tt.zone, map[string]string{"last_call_date": tt.template}
			})
			s.Define("contacts", standin.HubSpotProperty{Name: "last_call_date", Type: "date"})
			it := item(func(c *call.Call) {
				c.StartedAt, c.EndedAt = time.Time{}, time.Date(2026, 1, 6, 2, 31, 0, 0, time.UTC)
				c.Params = map[string]any{"day": tt.param}
			})
			r := one(t, d, it)
			delivered(t, r)
			want(t, contact(t, s), map[string]string{"last_call_date": tt.want, "email": "mjohnson@email.com"})
			if (len(r.Warnings) > 0) != (tt.want == "") {
				t.Errorf("warnings %q", r.Warnings)
			}
			// What was learnt costs the next call no third request after search and upsert.
			n := len(s.Requests())
			delivered(t, one(t, d, item(func(c *call.Call) { c.EndedAt, c.Params = it.Call.EndedAt, it.Call.Params })))
			if sent := len(s.Requests()) - n; tt.want != "" && sent != 2 {
				t.Errorf("%d requests for the next call, want 2: %s", sent, paths(s))
			}
		})
	}
}

// What callers say is the label of an option, or nearly; HubSpot wants its internal value, and says which there are.
func TestOptionLabels(t *testing.T) {
	options := standin.HubSpotProperty{Name: "service", Type: "enumeration", Options: []string{"kitchen_remodel", "7"}}
	labelled := options
	labelled.Labels = []string{"Kitchen remodel", "Boiler (gas)"}
	for name, tt := range map[string]struct {
		property        standin.HubSpotProperty
		template, value string
		want            string
	}{
		"by the writing":   {options, "params.service", "Kitchen remodel", "kitchen_remodel"},
		"by the label":     {labelled, "params.service", "boiler gas", "7"},
		"several":          {labelled, "params.service", "Kitchen Remodel;boiler (Gas)", "kitchen_remodel;7"},
		"the value":        {labelled, "params.service", "7", "7"},
		"none of them":     {labelled, "params.service", "roof", ""},
		"one of two":       {labelled, "params.service", "Kitchen remodel;roof", ""},
		"by configuration": {options, "{{params.service|map:'New kitchen','kitchen_remodel'}}", "new kitchen", "kitchen_remodel"},
		"otherwise":        {options, "{{params.service|map:'New kitchen','kitchen_remodel','7'}}", "roof", "7"},
	} {
		t.Run(name, func(t *testing.T) {
			s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.Properties = map[string]string{"service": tt.template} })
			s.Define("contacts", tt.property)
			for range 2 {
				r := one(t, d, item(func(c *call.Call) { c.Params = map[string]any{"service": tt.value} }))
				delivered(t, r)
				want(t, contact(t, s), map[string]string{"service": tt.want, "message": "leaky pipe in kitchen"})
				if (len(r.Warnings) > 0) != (tt.want == "") {
					t.Errorf("warnings %q", r.Warnings)
				}
				if slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, tt.value) }) {
					t.Errorf("a warning quotes the value: %q", r.Warnings)
				}
			}
		})
	}
}

func TestFallbackMeansTheSame(t *testing.T) {
	for _, template := range []string{"message|summary", "{{message|summary}}", " message | summary "} {
		s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.Properties = map[string]string{"message": template} })
		delivered(t, one(t, d, item(func(c *call.Call) { c.Message, c.Summary = "", "The summary." })))
		want(t, contact(t, s), map[string]string{"message": "The summary."})
	}
}

func FuzzOptionsOf(f *testing.F) {
	f.Add("x was not one of the allowed options: [a, b]")
	f.Add(`x was not one of the allowed options: [label: "A" value: "a" display_order: 0, label: "B" value: "b"]`)
	f.Fuzz(func(t *testing.T, message string) {
		options := optionsOf(message)
		if len(options) > 1000 {
			t.Fatalf("%d options", len(options))
		}
		for _, o := range options {
			if !strings.Contains(message, o.value) {
				t.Errorf("option %q is not of the message", o.value)
			}
		}
		if v, ok := new(Destination).suit(known{options: options}, message); ok && v == message {
			t.Error("a value was changed into itself")
		}
	})
}
