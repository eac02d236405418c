// Package store says what the durable store keeps and promises. Package store/sqlite is the embedded implementation,
// store/storetest the contract every implementation has to pass and an in-memory reference of it.
package store

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"
)

// Store keeps events, their deliveries and the attempts made. All methods are safe for concurrent use, and each
// method that changes something returns only after the change is durable.
type Store interface {
	// Accept persists an event with its deliveries in one transaction, unless an event with the same Key was
	// accepted within the deduplication window; then it stores nothing and reports the first event's ID.
	// ErrFull means that nothing was stored, and ErrUnavailable that nothing is known to be. An event that turns out to be
	// stored under its own ID, by an attempt to store it whose answer was lost, is no duplicate. Before an event is refused for want of room, events that
	// were delivered everywhere lose their content, the oldest first; and a tenant is refused before it has filled the
	// store for the others.
	Accept(ctx context.Context, e *Event, destinations []string) (Accepted, error)
	// AcceptAll is Accept for the events of one request, in one transaction: either all of them are durable when it
	// returns, or none is. destinations has a list for each event.
	AcceptAll(ctx context.Context, events []*Event, destinations [][]string) ([]Accepted, error)

	// Claim leases up to limit deliveries of one destination that are Pending and due at now, oldest first within
	// a tenant and taking turns between tenants. A lease ends with Finish or Return, when it runs out, or with the
	// process; then the delivery is claimable again. Tenants in skip are left out.
	Claim(ctx context.Context, destination string, now time.Time, lease time.Duration, limit int, skip []string) ([]Claimed, error)
	// ClaimOne leases one delivery by its id, or gives nil if it cannot be claimed at now: it is not Pending or not due,
	// it is leased already, or its destination is paused.
	ClaimOne(ctx context.Context, deliveryID string, now time.Time, lease time.Duration) (*Claimed, error)
	// Next tells when the earliest Pending delivery of a destination that is not leased falls due; the zero time
	// when there is none.
	Next(ctx context.Context, destination string) (time.Time, error)
	// Finish records attempts and moves their deliveries to the next state.
	Finish(ctx context.Context, results []Attempt) error
	// Return gives leased deliveries back untried: no attempt is burnt.
	Return(ctx context.Context, deliveryIDs []string) error

	// Pause and Resume set and clear the flag that keeps a destination's deliveries from being claimed. It survives
	// a restart. Pausing a paused destination changes the reason only.
	Pause(ctx context.Context, destination, reason string) error
	Resume(ctx context.Context, destination string) error
	Paused(ctx context.Context) (map[string]string, error)

	// Replay makes deliveries that are Dead or Delivered Pending again with a fresh schedule, and returns how many. They
	// fall due one after the other from now on, oldest event first and every apart; 0 makes them due now. Those whose
	// event has lost its content stay as they are. With dryRun it only counts.
	Replay(ctx context.Context, f Filter, now time.Time, every time.Duration, dryRun bool) (int, error)
	// SendNow makes Pending deliveries that fall due later due now, and returns how many. They keep the attempts made.
	// With dryRun it only counts.
	SendNow(ctx context.Context, f Filter, now time.Time, dryRun bool) (int, error)
	// Cancel makes Pending deliveries Dead with Cancelled as their reason, and returns how many. One whose attempt is
	// under way is cancelled too, unless that attempt delivers it. With dryRun it only counts.
	Cancel(ctx context.Context, f Filter, dryRun bool) (int, error)
	// Erase deletes the matching events with all that belongs to them, whatever their state, and returns how many.
	// The uniqueness of their keys is kept, so that a sender's retry does not bring them back.
	Erase(ctx context.Context, f Filter, dryRun bool) (int, error)
	// Expire deletes, in one bounded batch, events that are past their retention at now, and unique keys older than
	// the deduplication window. What has a delivery that is Pending never goes, and what has one that is Dead only if
	// the retention says so for the dead. It returns how many events of which kind went, so that callers can loop, as
	// long as they are as many as the batch, and can say it. When a call deletes fewer than that, what was deleted is
	// gone from the disk too, unless somebody else is reading it.
	Expire(ctx context.Context, r Retention, now time.Time, batch int) (Expired, error)

	Events(ctx context.Context, f Filter, p Page) ([]EventInfo, error)
	Event(ctx context.Context, id string) (*Event, error)
	Deliveries(ctx context.Context, f Filter, p Page) ([]Delivery, error)
	Attempts(ctx context.Context, deliveryID string) ([]Attempt, error)
	// RecentAttempts gives attempts at all deliveries, the last recorded first, at most limit: from the last one on if
	// before is 0, and else those that were recorded before that place. next is the place to go on from, 0 at the end.
	// Those of events that are gone are gone.
	RecentAttempts(ctx context.Context, before int64, limit int) (list []AttemptInfo, next int64, err error)
	// Groups counts the deliveries that a filter matches by state, destination and reason, the largest group first and at most
	// limit of them. partial tells that only the newest deliveries were counted, since there are more than can be in a moment.
	Groups(ctx context.Context, f Filter, limit int) (groups []Group, partial bool, err error)
	// Stats summarises the queue of every destination that has one.
	Stats(ctx context.Context) (Stats, error)

	// Waiting counts the Pending deliveries of every destination and tenant that has any, by their names.
	Waiting(ctx context.Context) ([]Waiting, error)

	// Counts counts the deliveries of every destination and tenant that has any, by their names: of these tenants only,
	// unless tenants is nil.
	Counts(ctx context.Context, tenants []string) ([]Count, error)

	// Note keeps a value for a destination under a name of its own until a time, in place of what was noted there before:
	// what it has done a moment ago, and would do again without knowing. Names and values may tell of callers: where there
	// are keys, values are sealed and names hashed. At most MaxNotes are kept, of which the first to end go; all go when an
	// event is erased. A value has 1 to MaxNote bytes.
	Note(ctx context.Context, destination, name string, value []byte, until time.Time) error
	// Noted is what was noted under a name; nil when there is nothing, or its time is over.
	Noted(ctx context.Context, destination, name string) ([]byte, error)
	// Forget takes a note away, if it is there.
	Forget(ctx context.Context, destination, name string) error

	// Keep keeps how far a delivery of several steps has come, in place of what was kept of it before; an empty value takes
	// that away. It is sealed where there are keys, stays until it is delivered, also while it is dead, and goes with
	// its event at the latest. A value has at most MaxNote bytes. A delivery that is not there, which may just have been erased, is
	// ErrNotFound.
	Keep(ctx context.Context, deliveryID string, value []byte) error
	// Kept is what was kept of a delivery; nil when there is nothing.
	Kept(ctx context.Context, deliveryID string) ([]byte, error)

	Documents

	// Rekey seals every stored body, record and document again with the first key of the ring, in batches, calling progress
	// after each with the number done and the total.
	Rekey(ctx context.Context, progress func(done, total int)) error

	Close() error
}

// Bounds of notes: how many, and how many bytes each.
const (
	MaxNotes = 4096
	MaxNote  = 4096
)

// ErrNoteSize means that a note is empty or too large.
var ErrNoteSize = errors.New("a note is empty or longer than 4096 bytes")

// Errors that callers tell apart. Implementations wrap them with what an operator can do.
var (
	// ErrFull means that the store reached max_size, or that its disk has no more free than is kept for what is stored.
	ErrFull = errors.New("store is full")
	// ErrUnavailable means that the store cannot write now; a later call may succeed. Of a store on another machine it means
	// that nothing was acknowledged: what was to be written may have been, and a repetition finds it.
	ErrUnavailable = errors.New("store is unavailable")
	// ErrNotFound means that there is no such event or delivery.
	ErrNotFound = errors.New("not found")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("store is closed")
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
	// Dropped tells that the event was delivered everywhere and has lost its content (Method, URI, Header, Body and
	// Record) to make room for others. Accept does not look at it.
	Dropped bool
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

// Filter selects events or deliveries. Zero fields match everything.
type Filter struct {
	Destination string
	Tenant      string
	// Tenants matches what is of one of these tenants, and nothing if it is empty; nil matches everything.
	Tenants []string
	State   State
	// Reason matches deliveries whose reason contains the text.
	Reason     string
	Source     string
	EventType  string
	EventID    string // the gateway's id
	DeliveryID string
	CallID     string
	CallerHash string
	Subject    Subject   // zero matches everything
	From, To   time.Time // received at: From inclusive, To exclusive
	// FailedSince matches deliveries of which an attempt that failed was begun at this time or later.
	FailedSince time.Time
}

// Page selects a part of a listing, newest first.
type Page struct {
	// Before continues after the last id of the page before; empty for the first page.
	Before string
	// Limit is the number of rows, 1 to 1000; 0 means 100.
	Limit int
}

// Quota bounds what a tenant may hold; 0 means no bound. What is delivered makes room.
type Quota struct {
	// Bytes is about what its events take in the store, with their deliveries.
	Bytes int64
	// Events counts those with content.
	Events int64
}

// Retention says for how long an event is kept after its last delivery has ended, or after it was received if it has
// none. 0 keeps it until it is erased.
type Retention struct {
	// Done is for events that were delivered to every destination.
	Done time.Duration
	// Dead is for events that have a dead delivery, which nobody else has got.
	Dead time.Duration
}

// Expired counts events that are past their retention and were deleted.
type Expired struct {
	Done int64 `json:"done"`
	// Dead are those that had a dead delivery.
	Dead int64 `json:"dead"`
}

// Total is the number of events of either kind.
func (e Expired) Total() int64 { return e.Done + e.Dead }

// Stats summarises the store.
type Stats struct {
	Events   int64 `json:"events"`
	Bytes    int64 `json:"bytes"`
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// LogBytes is the length of the write-ahead log beside it, which is counted in MaxBytes as far as it is longer than
	// it should be; 0 if the store has none.
	LogBytes int64 `json:"log_bytes,omitempty"`
	// DiskBytes and DiskFree are how large its file system is, and what is free there; 0 and 0 if that is not known.
	DiskBytes int64 `json:"disk_bytes,omitempty"`
	DiskFree  int64 `json:"disk_free,omitempty"`
	// Dropped counts events that have lost their content to make room, since the store was made.
	Dropped int64 `json:"dropped,omitempty"`
	// Expired counts what Expire has deleted since the store was made.
	Expired      Expired            `json:"expired"`
	Destinations []DestinationStats `json:"destinations"`
}

// Waiting is how many deliveries of a tenant wait for a destination.
type Waiting struct {
	Destination, Tenant string
	Pending             int64
}

// Count counts the deliveries of a tenant to a destination.
type Count struct {
	Destination, Tenant      string
	Pending, Delivered, Dead int64
}

// Group counts deliveries that are alike.
type Group struct {
	State       State  `json:"state"`
	Destination string `json:"destination"`
	Reason      string `json:"reason,omitempty"`
	Deliveries  int64  `json:"deliveries"`
	// Oldest and Newest are when the first and the last of their events in the order of the store were received.
	Oldest time.Time `json:"oldest"`
	Newest time.Time `json:"newest"`
}

// SortGroups sorts groups as Groups gives them: the largest first, and equal ones by destination, reason and state.
func SortGroups(groups []Group) {
	slices.SortFunc(groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.Deliveries, a.Deliveries), cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.State, b.State))
	})
}

// DestinationStats summarises one destination's queue.
type DestinationStats struct {
	Destination string `json:"destination"`
	Pending     int64  `json:"pending"`
	Delivered   int64  `json:"delivered"`
	Dead        int64  `json:"dead"`
	// OldestPending is when the oldest waiting delivery was created.
	OldestPending time.Time `json:"oldest_pending,omitzero"`
	Paused        bool      `json:"paused"`
	PauseReason   string    `json:"pause_reason,omitempty"`
}
