package salesforce

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/destination"
)

// lookup returns the value of a variable as text, or as a JSON literal (raw) where it is a number or a boolean; "" when
// it has none.
func lookup(it *destination.Item, name string) (text string, raw bool) {
	switch name {
	case "tenant":
		return it.Tenant, false
	case "timestamp":
		return stamp(calledAt(it)), false
	case "started_at":
		return stamp(it.Call.StartedAt), false
	case "ended_at":
		return stamp(it.Call.EndedAt), false
	case "urgent":
		return yes(it.Call.Urgent)
	case "callback_requested":
		return yes(it.Call.CallbackRequested)
	}
	if v, ok := it.Call.Lookup(name); ok {
		if text, raw = asText(v); text != "" {
			return text, raw
		}
	}
	return it.Vars[name], false
}

// asText turns a value into the text or JSON literal that a field takes: lists become the "a;b" of a multi-select
// picklist, objects become JSON.
func asText(v any) (text string, raw bool) {
	switch v := v.(type) {
	case nil:
		return "", false
	case string:
		return strings.TrimSpace(v), false
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case json.Number:
		return string(v), json.Valid([]byte(v))
	case []any:
		parts := make([]string, 0, len(v))
		for _, e := range v {
			if s, _ := asText(e); s != "" {
				parts = append(parts, s)
			}
		}
		return strings.Join(parts, ";"), false
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return "", false
		}
		return string(b), false
	}
}

// yes has a value only for true: an event that does not know must not clear the checkbox that an earlier one of the same
// call has set, and a checkbox is false to begin with.
func yes(b bool) (text string, raw bool) {
	if !b {
		return "", false
	}
	return "true", true
}

// calledAt is when the call took place, as well as the record knows.
func calledAt(it *destination.Item) time.Time {
	switch {
	case !it.Call.EndedAt.IsZero():
		return it.Call.EndedAt
	case !it.Call.StartedAt.IsZero():
		return it.Call.StartedAt
	default:
		return it.ReceivedAt
	}
}

// stamp writes t as a dateTime value (REST API Developer Guide, "Valid Date and DateTime Formats").
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
