// Package destination says what a destination is: something that turns call records into requests to one receiving
// system, sends them, and can tell what became of each.
package destination

import (
	"context"
	"net/http"
	"time"

	"github.com/callgate/callgate/internal/call"
)

// Destination is one receiving system, configured. Implementations are safe for concurrent use, hold no state that
// a restart could lose, and never log or return payload values or secrets.
type Destination interface {
	// Deliver sends the items and answers with one Result for each, in their order. It returns when ctx ends,
	// with Retry for every item whose outcome is not known. len(items) is at most MaxBatch().
	Deliver(ctx context.Context, items []Item) []Result

	// Preview lists the exact requests that Deliver would send for the items if every answer were the expected
	// one, secrets masked, and sends nothing (no token is fetched either).
	Preview(items []Item) ([]Request, error)

	// MaxBatch is how many items one Deliver can take: 1 where the receiving system has no batches.
	MaxBatch() int
}

// Item is one event on its way to one destination.
type Item struct {
	// DeliveryID names the delivery in every attempt; it goes out as webhook-id and Idempotency-Key.
	DeliveryID string
	// EventID is the gateway's id of the event (not the provider's).
	EventID string
	// Attempt counts from 1.
	Attempt int
	Tenant  string
	// Source and EventType are what conditions know of the event beside the call: the name of the source, and the
	// provider's own name for the event.
	Source, EventType string
	// Vars are the tenant's variables (owner_name, website, booking_url, …).
	Vars map[string]string
	// Call is the record. Destinations must not change it: other deliveries share it. It may be nil for one that says by
	// Forwarder that it does not look at it.
	Call *call.Call
	// ReceivedAt is when the gateway accepted the event.
	ReceivedAt time.Time
	// Body, ContentType and ContentEncoding are the provider's request as it came in, for destinations that pass it on.
	Body            []byte
	ContentType     string
	ContentEncoding string
	// Steps are the values that steps of the destination before this one have kept of their answers, as "contact.id"; nil
	// outside of a chain.
	Steps map[string]string
	// Traceparent is the W3C trace context that the event arrived with, or empty.
	Traceparent string
}

// Outcome is what became of a delivery attempt.
type Outcome uint8

// The outcomes. The zero value is Retry, so that a forgotten classification loses nothing.
const (
	// Retry means: not delivered, or not known to be; another attempt may succeed.
	Retry Outcome = iota
	// Delivered means that the receiving system confirmed it.
	Delivered
	// Dead means that no later attempt of the same request can succeed.
	Dead
)

// String returns "retry", "delivered" or "dead".
func (o Outcome) String() string {
	switch o {
	case Delivered:
		return "delivered"
	case Dead:
		return "dead"
	default:
		return "retry"
	}
}

// Result tells what became of one item in one attempt.
type Result struct {
	Outcome Outcome
	// RetryAfter is how long the receiver asked to be left alone; 0 when it did not say. Only with Retry.
	RetryAfter time.Duration
	// Reason says in one line why the outcome is not Delivered, and what an operator can do. It quotes error codes
	// and field names of the receiver, never values of the call.
	Reason string
	// Status is the HTTP status that decided, 0 when there was none.
	Status int
	// RemoteID is the id of the record that the receiving system created or updated, if it told.
	RemoteID string
	// Pause asks for the destination to be paused: it is gone (410), or its credentials are refused.
	Pause bool
	// Spent says that the account as a whole may not send anything for now, for hours perhaps: what it may send in a
	// day is used up, or it is being moved. That passes by itself, and no delivery is given up for it. Only with Retry.
	Spent bool
	// Astray says that the answer is about the way to the receiver and not about the call: nothing is at the URL, or
	// another thing than what was meant; a redirect, a web page, a certificate that is not to be trusted. No call gets
	// through there, and none is at fault, so that the destination is held when several calls meet with it. Only with
	// Retry.
	Astray bool
	// Own says that the gateway itself was in trouble: no descriptors, no memory, no name server, no network. It is
	// nobody's failure, and the attempt does not count. Only with Retry.
	Own bool
	// Unsent says that no connection came about, so that the receiver saw nothing of the call.
	Unsent bool
	// Unhealthy says that the failure was the receiver's as a whole (refused, timeout, 5xx), so that a circuit
	// breaker should count it. An answer about one record (a 400) is the sign of a healthy receiver.
	Unhealthy bool
	// Warnings are things that were delivered around: a property dropped, a value truncated.
	Warnings []string
	// Excerpt is the beginning of the receiver's answer, bounded; the delivery engine keeps it only when asked to.
	Excerpt []byte
}

// Request is one outgoing request as Preview shows it.
type Request struct {
	Method string      `json:"method"`
	URL    string      `json:"url"`
	Header http.Header `json:"headers"`
	// Body is the exact body. It is text for every destination in this module.
	Body string `json:"body,omitempty"`
	// Note says when the request is sent, where that depends on an earlier answer.
	Note string `json:"note,omitempty"`
}

// Field is a field of an account that a destination writes to.
type Field struct {
	// Name is the name that the account knows it by, and Label what people see.
	Name  string `json:"name"`
	Label string `json:"label,omitempty"`
	// Type is what it holds, in the words of the system.
	Type string `json:"type,omitempty"`
	// Required tells that no record is made without it.
	Required bool `json:"required,omitempty"`
	// Values are those that it takes, where it takes no others.
	Values []string `json:"values,omitempty"`
}

// Forwarder is a Destination that may send what a provider sent as it came.
type Forwarder interface {
	// Forwards reports whether nothing that it sends or decides is of the call record.
	Forwards() bool
}

// Describer is a Destination whose system tells which fields its account has.
type Describer interface {
	// AccountFields asks for those that can be written, by name. Its error says what to do about it, and quotes nothing.
	AccountFields(ctx context.Context) ([]Field, error)
}
