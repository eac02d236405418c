package store

import (
	"time"
)

// State is where a delivery stands.
type State string

// The states. A delivery under way is Pending with a lease: a crash gives it back by itself.
const (
	Pending   State = "pending"
	Delivered State = "delivered"
	Dead      State = "dead"
)

// Cancelled is the reason of a delivery that was taken back. It can be replayed like any dead one.
const Cancelled = "cancelled by an operator before it was delivered"

// Claimed is a leased delivery with the event to send.
type Claimed struct {
	Delivery
	Event *Event
}

// Delivery is one event on its way to one destination.
type Delivery struct {
	ID          string `json:"id"`
	EventID     string `json:"event_id"`
	Tenant      string `json:"tenant"`
	Destination string `json:"destination"`
	State       State  `json:"state"`
	// Leased tells that an attempt is under way.
	Leased bool `json:"delivering,omitempty"`
	// Attempts counts the attempts made since the delivery was created or last replayed.
	Attempts  int       `json:"attempts"`
	NextAt    time.Time `json:"next_at,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	// LastStatus and Reason are the last attempt's.
	LastStatus int    `json:"last_status,omitempty"`
	Reason     string `json:"reason,omitempty"`
	RemoteID   string `json:"remote_id,omitempty"`
}

// Attempt is one attempt at a delivery, and what it did to it.
type Attempt struct {
	DeliveryID string        `json:"delivery_id"`
	Number     int           `json:"attempt"`
	At         time.Time     `json:"at"`
	Took       time.Duration `json:"took"`
	Status     int           `json:"status,omitempty"`
	// Reason is empty for a success.
	Reason   string   `json:"reason,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	RemoteID string   `json:"remote_id,omitempty"`
	// Excerpt is the beginning of the receiver's answer, sealed at rest; nil unless the operator asked for it.
	Excerpt []byte `json:"excerpt,omitempty"`
	// Sent is what the attempt sent, without its values; nil if nothing left, or nobody noted what did.
	Sent *Sent `json:"sent,omitempty"`
	// State is the delivery's next state; NextAt says when it is due again if that is Pending.
	State  State     `json:"state"`
	NextAt time.Time `json:"next_at,omitzero"`
	// Uncounted leaves the delivery's Attempts as they were: the attempt only tried whether the receiver is back. It
	// stands among the attempts made all the same, under the number of the next that counts. It is not stored.
	Uncounted bool `json:"-"`
	// Audit is what only the audit log is to know of the attempt. It is not stored with it.
	Audit AuditAttempt `json:"-"`
	// Held is the lane that the attempt was made in, where the store is [Shared]; otherwise the zero Hold. It is not stored.
	// When the lane has changed hands since, Finish lists the attempt and leaves its delivery to who has the lane by now,
	// unless the attempt delivered it: that is always taken down.
	Held Hold `json:"-"`
}

// AttemptInfo is what is counted of an attempt.
type AttemptInfo struct {
	Destination, Tenant string
	Number              int
	At                  time.Time
	Took                time.Duration
	Status              int
	// Reason is empty for a success.
	Reason   string
	Warnings []string
	// State is what it left its delivery in.
	State State
	// Place is where it stands among all attempts that were recorded, from 1 on, as RecentAttempts of a shared store gives it; 0
	// otherwise. One with a lower place can be recorded a little later.
	Place int64
}

// AuditAttempt is what the audit log is to know of an attempt besides.
type AuditAttempt struct {
	// Tenant and Destination are its recipient's, which are known also when the delivery was erased meanwhile; Kind is the
	// destination's, such as hubspot.
	Tenant, Destination, Kind string
	// Digest is a SHA-256 over the bodies that were sent: of one its own, of several that of their digests one after the
	// other. It tells who guesses a body that the guess was right, so that it is kept under a salt only. Zero for none.
	Digest [32]byte
	// Test tells that the attempt only rendered what it would have sent.
	Test bool
	// Returned tells that the attempt counts for nothing, and changes nothing: Finish only records it in the audit log.
	// Its delivery is given back by Return.
	Returned bool
	// Lost tells why the attempt could not be stored, and is recorded in the audit log alone, like one that is Returned.
	Lost bool
}

// Sent is what an attempt sent, without its values. Store it as it is: its size is bounded by who notes it.
type Sent struct {
	// Requests are the requests in their order, but for those that fetched tokens. More is how many followed that are not
	// listed.
	Requests []SentRequest `json:"requests"`
	More     int           `json:"more,omitempty"`
	// Shared is the number of deliveries that went in these requests together; 0 for one alone.
	Shared int `json:"shared_by,omitempty"`
}

// SentRequest is one of its requests.
type SentRequest struct {
	Method string `json:"method"`
	// Host is the receiver's host and port; empty for a request that went on through its own route.
	Host string `json:"host,omitempty"`
	// Bytes is the length of the body, and Hash a keyed hash of it, by which equal bodies are known and no body can be
	// guessed; empty without a body.
	Bytes int64  `json:"bytes"`
	Hash  string `json:"hash,omitempty"`
	// Fields are the names under which values were sent, and MoreFields how many names are left out.
	Fields     []string `json:"fields,omitempty"`
	MoreFields int      `json:"more_fields,omitempty"`
}
