package call

import (
	"slices"
	"strings"
	"time"
)

// Lookup returns the value of a variable of the call, as templates, conditions and required fields name it.
//
// The names are those of the record's fields in JSON, and the guide's: caller_number (or phone), receiving_number,
// first_name, last_name, name, email, company (or company_name), message, summary, transcript, recording_url,
// call_id, event_id, event_type, provider, direction, duration (or call_duration), timestamp, started_at, ended_at,
// urgent, callback_requested. Everything else is a collected parameter; "params.x" names one even where a field has
// the same name, and dots lead into nested ones ("params.address.city"). notes and issue mean the parameters of these
// names or, when there are none, the message.
//
// Values are strings, except duration (an int, seconds), urgent and callback_requested (bool), and parameters. Times
// are RFC 3339 in UTC; timestamp is the end of the call or, failing that, its start. ok is false when the value is
// missing, and empty counts as missing; urgent and callback_requested are never missing. A caller_number, phone,
// receiving_number, name or first_name that says that there is none, such as "anonymous", is missing too.
func (c *Call) Lookup(name string) (value any, ok bool) {
	if s, known := c.text(name); known {
		if s == "" {
			return c.collected(name)
		}
		return s, true
	}
	switch name {
	case "duration", "call_duration":
		if c.Duration == nil {
			return c.param(name)
		}
		return *c.Duration, true
	case "urgent":
		return c.Urgent, true
	case "callback_requested":
		return c.CallbackRequested, true
	case "params":
		return c.Params, len(c.Params) > 0
	case "notes", "issue":
		if v, ok := c.param(name); ok {
			return v, true
		}
		return c.Message, c.Message != ""
	}
	return c.param(strings.TrimPrefix(name, "params."))
}

// collected is the parameter that has the name of a field which is empty. What tells that there is no number or name, such
// as "anonymous", is neither.
func (c *Call) collected(field string) (any, bool) {
	v, ok := c.param(field)
	switch field {
	case "caller_number", "phone", "receiving_number":
		if s, isText := v.(string); isText && Withheld(s) {
			return nil, false
		}
	case "name", "first_name":
		if s, isText := v.(string); isText && NoName(s) {
			return nil, false
		}
	}
	return v, ok
}

// text is the value of a field that is text; known is false when the name is not that of such a field.
func (c *Call) text(name string) (s string, known bool) {
	switch name {
	case "caller_number", "phone":
		return c.CallerNumber, true
	case "receiving_number":
		return c.ReceivingNumber, true
	case "first_name":
		return c.FirstName, true
	case "last_name":
		return c.LastName, true
	case "name":
		return c.Name(), true
	case "email":
		return c.Email, true
	case "company", "company_name":
		return c.Company, true
	case "message":
		return c.Message, true
	case "summary":
		return c.Summary, true
	case "transcript":
		return c.Transcript, true
	case "recording_url":
		return c.RecordingURL, true
	case "call_id":
		return c.ID, true
	case "event_id":
		return c.EventID, true
	case "event_type":
		return c.EventType, true
	case "provider":
		return c.Provider, true
	case "direction":
		return string(c.Direction), true
	case "started_at":
		return stamp(c.StartedAt), true
	case "ended_at":
		return stamp(c.EndedAt), true
	case "timestamp":
		if c.EndedAt.IsZero() {
			return stamp(c.StartedAt), true
		}
		return stamp(c.EndedAt), true
	default:
		return "", false
	}
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// param is a collected parameter, under its name with dots in it or along a path of dots.
func (c *Call) param(name string) (any, bool) {
	if v, ok := c.Params[name]; ok {
		return v, !empty(v)
	}
	var v any = c.Params
	for key := range strings.SplitSeq(name, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, false
		}
		if v, ok = m[key]; !ok {
			return nil, false
		}
	}
	return v, !empty(v)
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	default:
		return false
	}
}

// Missing is the first of the fields that Lookup does not find, or empty when all are there.
func (c *Call) Missing(fields []string) string {
	for _, f := range fields {
		if _, ok := c.Lookup(f); !ok {
			return f
		}
	}
	return ""
}

// fields are the names that Lookup knows besides those of parameters.
var fields = []string{
	"call_duration", "call_id", "callback_requested", "caller_number", "company", "company_name", "direction", "duration",
	"email", "ended_at", "event_id", "event_type", "first_name", "issue", "last_name", "message", "name", "notes", "params",
	"phone", "provider", "receiving_number", "recording_url", "started_at", "summary", "timestamp", "transcript", "urgent",
}

// Fields are the names that Lookup knows besides those of parameters, sorted, for those who check names beforehand.
func Fields() []string { return slices.Clone(fields) }

// IsField reports whether a name is that of a field; all others are those of collected parameters.
func IsField(name string) bool {
	_, ok := slices.BinarySearch(fields, name)
	return ok
}

// Canonical is one name for all that mean the same field or collected parameter: phone is caller_number, and params.x is x.
func Canonical(name string) string {
	switch name = strings.TrimPrefix(name, "params."); name {
	case "phone":
		return "caller_number"
	case "company_name":
		return "company"
	case "call_duration":
		return "duration"
	}
	return name
}

// IsText reports whether a name is that of a field whose value is a text where it is there.
func IsText(name string) bool {
	_, known := new(Call).text(name)
	return known
}
