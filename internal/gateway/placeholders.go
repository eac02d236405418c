package gateway

import (
	"encoding/json"
	"strconv"
	"strings"
)

// Placeholder is what the request offers under a name that begins with "callgate."; ok is false for any other. What the request says is empty until its signature was
// verified, and free of control characters, because it ends up in headers and logs.
func (rq *Request) Placeholder(key string) (value any, ok bool) {
	name, ours := strings.CutPrefix(key, "callgate.")
	if !ours {
		return nil, false
	}
	switch name {
	case "source":
		return rq.route.Source, true
	case "route":
		return rq.route.Name, true
	case "outcome":
		return rq.outcome.String(), true
	case "tenant":
		if rq.plan == nil {
			return "", true
		}
		return rq.plan.Tenant, true
	case "form":
		return rq.result.Form, true
	case "event_id":
		return headerText(rq.eventID), true
	case "event_type":
		return headerText(rq.identity.EventType), true
	}
	if v, ok := strings.CutPrefix(name, "vars."); ok {
		if rq.plan == nil {
			return "", true
		}
		return rq.plan.Vars[v], true
	}
	if field, ok := strings.CutPrefix(name, "call."); ok {
		return headerText(rq.field(field)), true
	}
	return nil, false
}

// field is a field of the call as text; empty if there is none.
func (rq *Request) field(name string) string {
	if !rq.verified {
		return ""
	}
	c, err := rq.record()
	if err != nil {
		return ""
	}
	v, _ := c.Lookup(name)
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int:
		return strconv.Itoa(v)
	default:
		text, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(text)
	}
}
