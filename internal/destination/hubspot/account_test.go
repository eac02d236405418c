package hubspot

import (
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/standin"
)

// TestTheAccountTellsItsProperties by both forms of the API: those that can be written, with what they take.
func TestTheAccountTellsItsProperties(t *testing.T) {
	for api, path := range map[string]string{"": "/crm/v3/properties/contacts", "2026-03": "/crm/properties/2026-03/contacts"} {
		s, d := account(t, standin.HubSpotConfig{}, func(c *Config) { c.API = api })
		fields, err := d.AccountFields(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		find := func(name string) *destination.Field {
			i := slices.IndexFunc(fields, func(f destination.Field) bool { return f.Name == name })
			if i < 0 {
				return nil
			}
			return &fields[i]
		}
		if f := find("lifecyclestage"); f == nil || f.Type != "enumeration" || !slices.Contains(f.Values, "lead") {
			t.Errorf("%s: lifecyclestage: %+v", api, f)
		}
		if find("email") == nil || find("lastmodifieddate") != nil || !slices.IsSortedFunc(fields, func(a, b destination.Field) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s: %+v", api, fields)
		}
		if got := s.Requests(); len(got) != 1 || got[0].URI != path {
			t.Errorf("%s: asked %+v", api, got)
		}
	}
}

func TestAnAccountThatDoesNotTellSaysWhy(t *testing.T) {
	_, d := account(t, standin.HubSpotConfig{Missing: []string{"crm.schemas.contacts.read"}}, nil)
	if _, err := d.AccountFields(t.Context()); err == nil || !strings.Contains(err.Error(), "crm.schemas.contacts.read") {
		t.Error(err)
	}
	s, d := account(t, standin.HubSpotConfig{}, nil)
	s.Fail(standin.Reply{Status: 200, Body: "<html>"})
	if _, err := d.AccountFields(t.Context()); err == nil || !strings.Contains(err.Error(), "without HubSpot's answer") {
		t.Error(err)
	}
}
