package store

import (
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/call"
)

// Event is one accepted request.
type Event struct {
	// ID is a ULID, set by the caller: time-ordered, so that events are appended to the end of their table.
	ID string
	// Key is the hash of (route, tenant, event id): what may exist only once within the deduplication window.
	Key    [16]byte
	Tenant string
	Source string
	Route  string
	// EventType, EventID and CallID are the provider's; CallerHash is a keyed hash of the caller's number, so that
	// a call can be found for erasure without the number standing in the clear.
	EventType  string
	EventID    string
	CallID     string
	CallerHash string
	// Subjects are keyed hashes of other fields by which the event is to be found, as for erasure: each at most once. Accept
	// stores them; they are not read back.
	Subjects   []Subject
	ReceivedAt time.Time
	// Method, URI and Header are kept for the spool, which replays the request into its route.
	Method string
	URI    string
	Header map[string][]string
	Body   []byte
	// Record is the call record as JSON. Body and Record are sealed at rest when the store has a key.
	Record []byte
	// Call is the record that nobody has written as JSON yet. Then Record is nil: Accept writes the record to where it is packed.
	// An event that is claimed while it is still in memory comes with it too. Nobody changes it: an event may be claimed for
	// several destinations.
	Call *call.Call
	// Dropped tells that the event was delivered everywhere and has lost its content (Method, URI, Header, Body and
	// Record) to make room for others. Accept does not look at it.
	Dropped bool
}

// AppendRecord appends the call record as JSON. The error is ErrRecord.
func (e *Event) AppendRecord(b []byte) ([]byte, error) {
	if e.Call == nil {
		return append(b, e.Record...), nil
	}
	b, err := e.Call.Append(b)
	if err != nil {
		return b, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	return b, nil
}

// Subject is a keyed hash of a field and its value.
type Subject [16]byte

// EventInfo is an event without its content, for listings.
type EventInfo struct {
	ID         string    `json:"id"`
	Tenant     string    `json:"tenant"`
	Source     string    `json:"source"`
	Route      string    `json:"route,omitempty"`
	EventType  string    `json:"event_type,omitempty"`
	EventID    string    `json:"provider_event_id,omitempty"`
	CallID     string    `json:"call_id,omitempty"`
	ReceivedAt time.Time `json:"received_at"`
	Bytes      int       `json:"bytes"`
	// Dropped tells that its content is gone; see Event.
	Dropped bool `json:"content_dropped,omitempty"`
	// States counts the event's deliveries by state.
	States map[State]int `json:"states"`
}

// Accepted is the answer of Accept.
type Accepted struct {
	// EventID is the id of the stored event: the caller's, or the first event's for a duplicate.
	EventID   string
	Duplicate bool
	// Deliveries are the ids given to the deliveries, in the order of the destinations; nil for a duplicate.
	Deliveries []string
}
