package delivery

import (
	"context"
	"time"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

// Observer is told what the engine does: for metrics, alerts and the audit log. Its methods are called from the
// engine's own goroutines, several at once; they must return quickly and must not call the engine.
type Observer interface {
	// Accepted is called after an event was made durable, or found to be a duplicate. destinations are those that
	// it goes to, and ctx is that of the request: it tells what is not stored, such as the request's id.
	Accepted(ctx context.Context, e *store.Event, a store.Accepted, destinations []string)
	// AttemptFinished is called once for each delivery of each attempt, before its outcome is made durable.
	AttemptFinished(Attempted)
	// Failing is called after a delivery was recorded as having failed five times, once: it is tried again for as long
	// as its schedule goes on, but somebody should look. Where the schedule ends there it is a dead letter instead.
	Failing(Attempted)
	// DeadLetter is called after a delivery was recorded as dead.
	DeadLetter(Attempted)
	// Paused and Resumed are called when a destination's flag has changed, and when one that no call gets through to is
	// held until one does.
	Paused(destination, reason string)
	Resumed(destination string)
	// BreakerChanged is called soon after a destination's breaker changed its state.
	BreakerChanged(destination string, from, to breaker.State)
	// GatewayTrouble is called when deliveries wait because the gateway itself is in trouble, at most once a minute for
	// each destination.
	GatewayTrouble(destination, reason string)
	// Rendered hands over what test mode would have sent.
	Rendered(Attempted, []destination.Request)
	// Gateways is called when the number of gateways that share the store has become another.
	Gateways(n int)
	// DocumentsChanged is called when another gateway has published, removed or forgotten a document, or may have.
	DocumentsChanged()
}

// Attempted is one delivery of one attempt, and what became of it.
type Attempted struct {
	Destination string
	// Item is what was handed to the destination. It holds the caller's data: it may be hashed or its fields
	// named, but not logged or kept.
	Item destination.Item
	// Event is the event without its body and record.
	Source, Route, EventType, CallID string
	CreatedAt, At                    time.Time
	Took                             time.Duration
	Outcome                          destination.Outcome
	Status                           int
	// Reason says why it was not delivered, and for how long the receiver asked to be left alone.
	Reason     string
	RetryAfter time.Duration
	Warnings   []string
	RemoteID   string
	// State and NextAt are what the outcome made of the delivery.
	State  store.State
	NextAt time.Time
	// Uncounted tells that the attempt took nothing from the delivery's schedule: it only tried whether the receiver is
	// back, or the receiver's failure is not the delivery's.
	Uncounted bool
	// Returned tells that the attempt counts for nothing and will be made again under the same number: the engine was
	// closed during it, so that its outcome is not known, or the gateway itself was in trouble.
	Returned bool
	// TestMode tells that nothing was sent.
	TestMode bool
}

// NopObserver ignores everything. Embed it to implement a part of Observer.
type NopObserver struct{}

// Accepted does nothing.
func (NopObserver) Accepted(context.Context, *store.Event, store.Accepted, []string) {}

// AttemptFinished does nothing.
func (NopObserver) AttemptFinished(Attempted) {}

// Failing does nothing.
func (NopObserver) Failing(Attempted) {}

// DeadLetter does nothing.
func (NopObserver) DeadLetter(Attempted) {}

// Paused does nothing.
func (NopObserver) Paused(string, string) {}

// Resumed does nothing.
func (NopObserver) Resumed(string) {}

// BreakerChanged does nothing.
func (NopObserver) BreakerChanged(string, breaker.State, breaker.State) {}

// GatewayTrouble does nothing.
func (NopObserver) GatewayTrouble(string, string) {}

// Rendered does nothing.
func (NopObserver) Rendered(Attempted, []destination.Request) {}

// Gateways does nothing.
func (NopObserver) Gateways(int) {}

// DocumentsChanged does nothing.
func (NopObserver) DocumentsChanged() {}
