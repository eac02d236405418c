package hubspot

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

func TestNewRefusesWhatCannotWork(t *testing.T) {
	bearer, err := outbound.Bearer("x")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		change func(*Config)
		say    string
	}{
		"no token":                 {func(c *Config) { c.Token = "" }, "empty credential"},
		"an API key":               {func(c *Config) { c.Token = "12345678-ABCD-1234-abcd-1234567890ab" }, "private app"},
		"the guide's example":      {func(c *Config) { c.Token = "YOUR_HUBSPOT_API_KEY" }, "not a token"},
		"the word Bearer":          {func(c *Config) { c.Token = "Bearer pat-na1-1" }, "without the word Bearer"},
		"token and OAuth":          {func(c *Config) { c.Auth = bearer }, "not both"},
		"an API key in the URL":    {func(c *Config) { c.BaseURL = "https://api.hubapi.com/?hapikey=1" }, "private app"},
		"plain http":               {func(c *Config) { c.BaseURL = "http://api.hubapi.com" }, "http"},
		"an unknown version":       {func(c *Config) { c.API = "v2" }, "2026-03"},
		"a month that is none":     {func(c *Config) { c.API = "2026-13" }, "2026-03"},
		"a label for a property":   {func(c *Config) { c.Properties = map[string]string{"Lead Source": "x"} }, "internal name"},
		"an open variable":         {func(c *Config) { c.Properties = map[string]string{"a": "{{issue"} }, "never closed"},
		"a filter there is not":    {func(c *Config) { c.Properties = map[string]string{"a": "{{issue|shout}}"} }, "no filter"},
		"half a fallback":          {func(c *Config) { c.Properties = map[string]string{"a": "message|sumary"} }, "params.sumary"},
		"an unknown region":        {func(c *Config) { c.Region = "Utopia" }, "US"},
		"a label as call property": {func(c *Config) { c.CallProperty = "Call ID" }, "internal name"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := Config{Token: token}
			tt.change(&c)
			_, err := New(c)
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), tt.say) {
				t.Errorf("error %v, want one that says %q", err, tt.say)
			}
			if err != nil && c.Token != "" && strings.Contains(err.Error(), c.Token) {
				t.Error("the error quotes the token")
			}
		})
	}
}

func TestProblemsAreTold(t *testing.T) {
	d, err := New(Config{Token: "CMi_oauth_access", API: "v1", LogCall: true})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(d.Problems(), "\n")
	for _, w := range []string{"v1", "pat-", "call_property", "contact_property"} {
		if !strings.Contains(all, w) {
			t.Errorf("problems %q do not mention %s", all, w)
		}
	}
	if d.MaxBatch() != 1 {
		t.Errorf("MaxBatch is %d with v1, want 1", d.MaxBatch())
	}
	if d, err = New(Config{Token: token, ContactProperty: "call_key"}); err != nil || len(d.Problems()) != 0 || d.MaxBatch() != 100 {
		t.Errorf("problems %v, batch %d, error %v", d.Problems(), d.MaxBatch(), err)
	}
}

func TestTemplates(t *testing.T) {
	seconds := 61
	it := destination.Item{Tenant: "acme", Vars: map[string]string{"website": "https://abc.example", "plan": "gold"}, Call: &call.Call{
		FirstName: "Mike", Summary: "Leak.", Duration: &seconds, Urgent: true,
		Params: map[string]any{"issue": "leak", "rooms": []any{"kitchen", "bath"}, "size": json.Number("12.5"), "ok": false,
			"address": map[string]any{"city": "Austin"}, "empty": " "},
	}}
	tests := map[string]string{
		"first_name": "Mike", "summary": "Leak.", "call_duration": "61", "params.issue": "leak", "params.address.city": "Austin",
		"vars.website": "https://abc.example", "AI Receptionist": "AI Receptionist", "NEW": "NEW", "{{issue}}": "leak",
		"About {{ issue }} for {{first_name}}": "About leak for Mike", "About {{last_name}}": "", "{{plan}}": "gold",
		"params.rooms": "kitchen;bath", "{{size}}": "12.5", "{{ok}}": "false", "urgent": "true", "callback_requested": "",
		"params.empty": "", "tenant": "acme", "params.address": `{"city":"Austin"}`, "{{first_name}}{{last_name}}": "Mike", "last_name": "",
		"message|summary": "Leak.", "{{message|summary}}": "Leak.", "last_name | vars.plan": "gold", "a|b": "a|b", "{{issue|upper}}": "LEAK",
		"{{rooms|map:'kitchen','1','bath','2'}}": "1;2", "{{issue|map:'Leak','leak_repair'}}": "leak_repair", "{{size|default:'none'}}": "12.5",
		"{{last_name|default:'none'}}": "none",
	}
	for template, wanted := range tests {
		m, err := new(Destination).compile("x", template)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.value(&it); got != wanted {
			t.Errorf("%q is %q, want %q", template, got, wanted)
		}
	}
}

func TestMappingReplacesAndTakesAway(t *testing.T) {
	ms, err := new(Destination).compileAll(map[string]string{"company": "", "message": "summary", "lead_source": "AI Receptionist"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range ms {
		names = append(names, m.name)
	}
	if got := strings.Join(names, " "); got != "email firstname lastname phone message lead_source" {
		t.Errorf("properties %s", got)
	}
}
