package minimize

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/call"
)

// fieldsOf gives the fields that a name of call.Call.Lookup stands for.
var fieldsOf = map[string][]string{
	"phone": {"caller_number"}, "name": {"first_name", "last_name", "name"}, "company_name": {"company"},
	"notes": {"message"}, "issue": {"message"}, "call_duration": {"duration"}, "timestamp": {"started_at", "ended_at"},
}

func init() {
	for _, f := range order {
		fieldsOf[f] = []string{f}
	}
}

// order lists the fields of the record.
var order = []string{
	"provider", "event_type", "event_id", "call_id", "direction", "caller_number", "receiving_number", "first_name",
	"last_name", "email", "company", "message", "summary", "transcript", "recording_url", "started_at", "ended_at",
	"duration", "urgent", "callback_requested",
}

// empty empties a field.
func empty(c *call.Call, field string) {
	if s := c.TextField(field); s != nil {
		*s = ""
		return
	}
	switch field {
	case "started_at":
		c.StartedAt = time.Time{}
	case "ended_at":
		c.EndedAt = time.Time{}
	case "duration":
		c.Duration = nil
	case "urgent":
		c.Urgent = false
	case "callback_requested":
		c.CallbackRequested = false
	}
}

// selection is a list of names, made ready.
type selection struct {
	fields    map[string]bool
	params    []string        // as they were written, without "params."
	bare      map[string]bool // the same, reduced to letters and digits
	all       bool            // all parameters
	timestamp bool            // the end of the call, or its start
	started   bool            // the start of the call, by its own name
}

// newSelection reads names. With onlyText, a field that is no text is an error: a time cannot be masked.
func newSelection(names []string, onlyText bool) (*selection, error) {
	s := &selection{fields: map[string]bool{}, bare: map[string]bool{}}
	for _, name := range names {
		param, isParam := strings.CutPrefix(name, "params.")
		switch {
		case name == "params":
			s.all = true
			continue
		case bare(param) == "":
			return nil, fmt.Errorf("%.40q is no name of a field or parameter", name)
		}
		s.params = append(s.params, param)
		s.bare[bare(param)] = true
		if isParam {
			continue
		}
		s.timestamp = s.timestamp || name == "timestamp"
		s.started = s.started || name == "started_at"
		for _, f := range fieldsOf[name] {
			if onlyText && f != "name" && new(call.Call).TextField(f) == nil {
				return nil, fmt.Errorf("%s is no text, so that it cannot be masked or hashed; drop it", name)
			}
			s.fields[f] = true
		}
	}
	return s, nil
}

// widen makes the selection cover the fields that its names are other words for, and the full name with its parts.
func (s *selection) widen(onlyText bool) {
	for _, name := range s.params {
		if fieldsOf[name] != nil {
			continue
		}
		f, _ := call.FieldOf(name)
		for _, f := range fieldsOf[f] {
			if !onlyText || f == "name" || new(call.Call).TextField(f) != nil {
				s.fields[f] = true
			}
		}
	}
}

// shared is a name that both select, or empty.
func (s *selection) shared(o *selection) string {
	for _, f := range slices.Sorted(maps.Keys(s.fields)) {
		if o.fields[f] {
			return f
		}
	}
	for _, p := range s.params {
		if o.bare[bare(p)] {
			return p
		}
	}
	if s.all && o.all {
		return "params"
	}
	return ""
}

// standIns are the parameters in which package source keeps what a field cannot hold: an address such as
// sip:mike@example.com in place of a number, and the extension of one. Who dialled is the customer in one direction, and
// the business in the other.
var standIns = map[string][]string{
	"caller_address": {"caller_number"}, "caller_extension": {"caller_number"},
	"receiving_address": {"receiving_number"}, "receiving_extension": {"receiving_number"},
	"from_address": {"caller_number", "receiving_number"}, "from_extension": {"caller_number", "receiving_number"},
	"to_address": {"caller_number", "receiving_number"}, "to_extension": {"caller_number", "receiving_number"},
}

// takes reports whether the selection covers a parameter, by its key and the path to it.
func (s *selection) takes(key, path string) bool {
	if s.all || s.bare[bare(key)] || s.bare[path] {
		return true
	}
	switch f, _ := call.FieldOf(key); f {
	case "":
		for _, f := range standIns[key] {
			if s.fields[f] {
				return true
			}
		}
		return false
	case "name":
		return s.fields["first_name"] || s.fields["last_name"]
	case "duration_ms":
		return s.fields["duration"]
	default:
		return s.fields[f]
	}
}
