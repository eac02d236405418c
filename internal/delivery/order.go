package delivery

import (
	"time"

	"github.com/callgate/callgate/internal/store"
)

const (
	// maxCalls bounds the calls whose order is watched. Calls beyond it are delivered as they fall due.
	maxCalls = 10_000
	// orderGrace is how long after its time a delivery that is to be tried again keeps later ones of its call
	// waiting. It may have been erased.
	orderGrace = 5 * time.Minute
)

type callKey struct{ tenant, id string }

// callOrder keeps the events of one call apart: never two attempts at once, which could create a contact twice, and
// in a lane that keeps order none while an earlier one is to be tried again. It lives as long as the process; after a
// restart deliveries go in the order in which they fall due.
type callOrder map[callKey]callTurn

// callTurn is the delivery whose turn it is.
type callTurn struct {
	delivery string
	// until is when a delivery that is to be tried again stops blocking others; zero while it is under way.
	until time.Time
}

func keyOf(c store.Claimed) (callKey, bool) {
	return callKey{c.Tenant, c.Event.CallID}, c.Event.CallID != ""
}

// busy reports whether another delivery of the call goes first.
func (o callOrder) busy(c store.Claimed, ordered bool, now time.Time) bool {
	key, ok := keyOf(c)
	if !ok {
		return false
	}
	turn, ok := o[key]
	if !ok || turn.delivery == c.ID {
		return false
	}
	if turn.until.IsZero() {
		return true
	}
	if !ordered || now.After(turn.until) {
		delete(o, key)
		return false
	}
	return true
}

// enter gives a delivery its call's turn.
func (o callOrder) enter(c store.Claimed) {
	if key, ok := keyOf(c); ok && len(o) < maxCalls {
		o[key] = callTurn{delivery: c.ID}
	}
}

// leave takes the turn back from a delivery that was not attempted. One that waits to be tried again loses its place
// only until it is claimed again, which is at once.
func (o callOrder) leave(c store.Claimed) {
	if key, ok := keyOf(c); ok && o[key].delivery == c.ID {
		delete(o, key)
	}
}

// settle ends the turn of a delivery that was attempted, or keeps it if it is tried again at retryAt.
func (o callOrder) settle(c store.Claimed, retryAt time.Time, ordered bool) {
	key, ok := keyOf(c)
	if !ok || o[key].delivery != c.ID {
		return
	}
	if retryAt.IsZero() || !ordered {
		delete(o, key)
		return
	}
	o[key] = callTurn{delivery: c.ID, until: retryAt.Add(orderGrace)}
}
