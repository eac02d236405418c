// Package call holds the call record: the one normal form that every provider's payload is turned into, and that
// every destination is filled from.
package call

import (
	"time"
)

// Direction says who placed the call, seen from the business that owns the receiving number.
type Direction string

// The directions a provider may report. The empty Direction means that it did not say.
const (
	Inbound  Direction = "inbound"
	Outbound Direction = "outbound"
)

// Call is one call, finished or still running, as one event of a provider describes it.
//
// Phone numbers are E.164 ("+15559876543") wherever the provider's text could be read as a phone number, times are
// UTC, durations are whole seconds. A field that the provider did not send, sent empty, or sent as an unreplaced
// template variable ("{{email}}") is the zero value: in a Call, empty always means missing.
type Call struct {
	// Provider is the name of the source preset that parsed the payload, such as "retell".
	Provider string `json:"provider"`
	// EventType is the provider's own name for the event, such as "call_analyzed"; "lead" for NextPhone.
	EventType string `json:"event_type,omitempty"`
	// EventID identifies this event among all events of the provider. It is empty where the provider sends nothing
	// to tell two events apart: the body's hash serves then.
	EventID string `json:"event_id,omitempty"`
	// ID is the provider's id of the call. Several events may carry the same one.
	ID string `json:"call_id,omitempty"`

	Direction Direction `json:"direction,omitempty"`
	// CallerNumber is the number of the customer, whichever side dialled; empty for an anonymous caller.
	CallerNumber string `json:"caller_number,omitempty"`
	// ReceivingNumber is the number of the business.
	ReceivingNumber string `json:"receiving_number,omitempty"`

	FirstName string `json:"first_name,omitempty"`
	LastName  string `json:"last_name,omitempty"`
	Email     string `json:"email,omitempty"`
	Company   string `json:"company,omitempty"`

	// Message is what the caller wants, in a sentence: the notes of a lead, the issue of a service call.
	Message    string `json:"message,omitempty"`
	Summary    string `json:"summary,omitempty"`
	Transcript string `json:"transcript,omitempty"`
	// RecordingURL may expire; providers.md says which do.
	RecordingURL string `json:"recording_url,omitempty"`

	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Duration is the length of the call in seconds; nil when the provider did not say.
	Duration *int `json:"duration,omitempty"`

	Urgent            bool `json:"urgent"`
	CallbackRequested bool `json:"callback_requested"`

	// Params holds every parameter that was collected on the call, under the provider's names. Values are string,
	// bool, json.Number, nil, []any or map[string]any.
	Params map[string]any `json:"params,omitempty"`
}
