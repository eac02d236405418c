// Package store says what the durable store keeps and promises. Package store/sqlite is the embedded implementation,
// store/storetest the contract every implementation has to pass and an in-memory reference of it.
package store

import (
	"context"
	"errors"
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
	// store for the others. The event, and all that it refers to, is not to be changed afterwards: who claims it may get the
	// same memory.
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
	// ErrRecord means that the record of an event cannot be written as JSON.
	ErrRecord = errors.New("the call record cannot be written")
	// ErrNotFound means that there is no such event or delivery.
	ErrNotFound = errors.New("not found")
	// ErrClosed means that the store was closed.
	ErrClosed = errors.New("store is closed")
)

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
