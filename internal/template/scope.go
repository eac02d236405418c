package template

import (
	"strings"
	"time"

	"github.com/callgate/callgate/internal/call"
)

// Scope is the Vars of one delivery: the call, the tenant's variables, and what the gateway knows besides.
//
// Which of them wins depends on the name. A field of the call record (caller_number, first_name, message …, see
// call.Call.Lookup) is the call's, and the others only fill in when the call has none, as an owner sets
// receiving_number for a provider that does not send it. Every other name (owner_name, website, booking_url …) is
// the gateway's first, then the tenant's, and a collected parameter last: what a caller says must not replace the booking
// URL. "params.x" is always the parameter, "vars.x" always the tenant's variable, and "steps.x.y" always what a
// step before has kept.
//
// timestamp is the end of the call, or its start, or ReceivedAt; received_at is ReceivedAt. Both are RFC 3339 in UTC.
type Scope struct {
	// Call is the record; nil for none.
	Call *call.Call
	// Vars are the tenant's variables.
	Vars map[string]string
	// ReceivedAt is when the gateway accepted the event.
	ReceivedAt time.Time
	// Tenant and DeliveryID are the gateway's own values.
	Tenant, DeliveryID string
	// Steps are what steps before have kept, by their names without "steps.".
	Steps map[string]string
}

// Lookup implements Vars.
func (s *Scope) Lookup(name string) (value any, ok bool) {
	if isField(name) {
		if value, ok = s.call(name); ok {
			return value, true
		}
		if value, ok = s.given(name); ok {
			return value, true
		}
		if name == "timestamp" {
			return s.received()
		}
		return nil, false
	}
	if v, isVar := strings.CutPrefix(name, "vars."); isVar {
		value := s.Vars[v]
		return value, value != ""
	}
	if strings.HasPrefix(name, "params.") {
		return s.call(name)
	}
	if step, isStep := strings.CutPrefix(name, Steps); isStep {
		value := s.Steps[step]
		return value, value != ""
	}
	if value, ok = s.given(name); ok {
		return value, true
	}
	if value, ok = s.call(name); ok {
		return value, true
	}
	if name == "received_at" {
		return s.received()
	}
	return nil, false
}

func (s *Scope) call(name string) (any, bool) {
	if s.Call == nil {
		return nil, false
	}
	return s.Call.Lookup(name)
}

// given is a value of the gateway or the tenant.
func (s *Scope) given(name string) (any, bool) {
	if v := s.own(name); v != "" {
		return v, true
	}
	if v := s.Vars[name]; v != "" {
		return v, true
	}
	return nil, false
}

// own is a value of the gateway.
func (s *Scope) own(name string) string {
	switch name {
	case "tenant":
		return s.Tenant
	case "delivery_id":
		return s.DeliveryID
	}
	return ""
}

func (s *Scope) received() (any, bool) {
	if s.ReceivedAt.IsZero() {
		return nil, false
	}
	return s.ReceivedAt.UTC().Format(time.RFC3339Nano), true
}

// isField reports whether the name is that of a field of the call record.
func isField(name string) bool {
	switch name {
	case "caller_number", "phone", "receiving_number", "first_name", "last_name", "name", "email", "company",
		"company_name", "message", "notes", "issue", "summary", "transcript", "recording_url", "call_id", "event_id",
		"event_type", "provider", "direction", "duration", "call_duration", "timestamp", "started_at", "ended_at",
		"urgent", "callback_requested":
		return true
	}
	return false
}

// Steps stands before the names of what steps of a destination have kept: steps.contact.id.
const Steps = "steps."

// Known reports whether a name has a meaning without being declared as a parameter: a field of the call record, or
// one of the variables that the guide and the gateway define (owner_name, website, booking_url, received_at).
// Names with "params.", "vars." or "steps." before them count.
func Known(name string) bool {
	switch name {
	case "owner_name", "website", "booking_url", "received_at", "params", "tenant", "delivery_id":
		return true
	}
	return isField(name) || strings.HasPrefix(name, "params.") || strings.HasPrefix(name, "vars.") || strings.HasPrefix(name, Steps)
}
