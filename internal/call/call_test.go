package call

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

func TestSplitName(t *testing.T) {
	for full, want := range map[string][2]string{
		"":                         {"", ""},
		"  ":                       {"", ""},
		"Mike":                     {"Mike", ""},
		"Mike Johnson":             {"Mike", "Johnson"},
		"  Mike   Johnson ":        {"Mike", "Johnson"},
		"Mary Ann Smith":           {"Mary Ann", "Smith"},
		"Ludwig van Beethoven":     {"Ludwig", "van Beethoven"},
		"Ana de la Cruz":           {"Ana", "de la Cruz"},
		"Johnson, Mike":            {"Mike", "Johnson"},
		"Mike Johnson, Jr.":        {"Mike", "Johnson, Jr."},
		"Mike Johnson III":         {"Mike", "Johnson III"},
		"Johnson,":                 {"Johnson", ""},
		", Mike":                   {"Mike", ""},
		"van Dyke":                 {"van", "Dyke"},
		"José Ángel Núñez Sánchez": {"José Ángel Núñez", "Sánchez"},
	} {
		first, last := SplitName(full)
		if got := [2]string{first, last}; got != want {
			t.Errorf("%q: got %q, want %q", full, got, want)
		}
	}
}

func TestNameJoinsWhatIsKnown(t *testing.T) {
	for _, c := range []struct{ first, last, want string }{{"Mike", "Johnson", "Mike Johnson"}, {"Mike", "", "Mike"}, {"", "Johnson", "Johnson"}, {"", "", ""}} {
		if got := (&Call{FirstName: c.first, LastName: c.last}).Name(); got != c.want {
			t.Errorf("%q %q: got %q", c.first, c.last, got)
		}
	}
}

func TestFieldOf(t *testing.T) {
	for key, want := range map[string]string{
		"FirstName": "first_name", "first_name": "first_name", "First name": "first_name", "PHONE": "caller_number",
		"callback_number": "caller_number", "issue": "message", "Call Duration": "duration", "duration_ms": "duration_ms",
		"is-emergency": "urgent", "preferredCallbackTime": "callback_requested", "colour": "", "": "",
		"a name that is far longer than any name of a field could be": "",
	} {
		if got, _ := FieldOf(key); got != want {
			t.Errorf("%q: got %q, want %q", key, got, want)
		}
	}
	_, plain := FieldOf("message")
	if _, rank := FieldOf("description"); rank <= plain {
		t.Error("description says message as plainly as message itself")
	}
}

func TestLookup(t *testing.T) {
	n := 42
	c := &Call{
		Provider: "nextphone", EventType: "lead", EventID: "e", ID: "c", Direction: Inbound, CallerNumber: "+15559876543",
		FirstName: "Mike", LastName: "Johnson", Message: "leaky pipe", StartedAt: time.Unix(1767225600, 0), Duration: &n, Urgent: true,
		Params: map[string]any{
			"issue": "a leak", "name": "param", "budget": json.Number("5"), "empty": "", "a.b": "dotted",
			"address": map[string]any{"city": "Springfield", "list": []any{}},
		},
	}
	for name, want := range map[string]any{
		"caller_number": "+15559876543", "phone": "+15559876543", "name": "Mike Johnson", "first_name": "Mike", "direction": "inbound",
		"duration": 42, "call_duration": 42, "urgent": true, "callback_requested": false, "timestamp": "2026-01-01T00:00:00Z",
		"started_at": "2026-01-01T00:00:00Z", "issue": "a leak", "notes": "leaky pipe", "params.name": "param", "budget": json.Number("5"),
		"address.city": "Springfield", "params.address.city": "Springfield", "a.b": "dotted", "provider": "nextphone", "call_id": "c",
		"event_id": "e", "event_type": "lead", "message": "leaky pipe",
	} {
		if got, ok := c.Lookup(name); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %v, %t, want %v", name, got, ok, want)
		}
	}
	for _, name := range []string{"email", "company_name", "empty", "nope", "address.zip", "address.list", "budget.x", "ended_at", ""} {
		if v, ok := c.Lookup(name); ok {
			t.Errorf("%s: got %v, want nothing", name, v)
		}
	}
	withheld := &Call{Params: map[string]any{"phone": "Anonymous", "caller_number": "+266696687", "name": "Unknown Caller", "first_name": "Restricted"}}
	for name := range withheld.Params {
		if v, ok := withheld.Lookup(name); ok {
			t.Errorf("%s of a withheld caller: got %v, want nothing", name, v)
		}
		if _, ok := withheld.Lookup("params." + name); !ok {
			t.Errorf("params.%s is missing", name)
		}
	}
	if got := c.Missing([]string{"phone", "email", "company"}); got != "email" {
		t.Errorf("Missing: got %q", got)
	}
	if got := c.Missing([]string{"phone", "urgent"}); got != "" {
		t.Errorf("Missing: got %q", got)
	}
}
