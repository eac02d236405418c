package delivery

import (
	"time"

	"github.com/callgate/callgate/internal/store"
)

const (
	// maxCalls bounds the calls whose order is watched. Calls beyond it are delivered as they fall due.
	maxCalls = 10_000
	// orderGrace is how long after its time a delivery that is to be tried again is believed to keep its call's turn.
	// Then the store is asked: it may have been erased, or the destination was paused or down all the while.
	orderGrace = 5 * time.Minute
	// confirmEvery is the time between two looks for turns past their grace, and maxConfirm how many are asked for in
	// one.
	confirmEvery, maxConfirm = time.Minute, 100
)

type callKey struct{ tenant, id string }

// callOrder keeps the events of one call apart: never two attempts at once, which could create a contact twice, and
// in a lane that keeps order none while an earlier one is to be tried again. It lives as long as the process; after a
// restart deliveries go in the order in which they fall due. A lane that was another gateway's begins with what that one
// kept, see recallTurns.
type callOrder map[callKey]callTurn

// callTurn is the delivery whose turn it is.
type callTurn struct {
	delivery string
	// until is when it has to be confirmed that the delivery is still to be tried again; zero while it is under way.
	until time.Time
}

func keyOf(c store.Claimed) (callKey, bool) {
	return callKey{c.Tenant, c.Event.CallID}, c.Event.CallID != ""
}

// busy reports whether another delivery of the call goes first.
func (o callOrder) busy(c store.Claimed, ordered bool) bool {
	key, ok := keyOf(c)
	if !ok {
		return false
	}
	turn, ok := o[key]
	if !ok || turn.delivery == c.ID {
		return false
	}
	if !turn.until.IsZero() && !ordered {
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

// leave takes the turn back from a delivery that was not attempted. One that is to be tried again keeps it: later ones
// of its call fell due before it, and would be claimed first.
func (o callOrder) leave(c store.Claimed, now time.Time) {
	key, ok := keyOf(c)
	switch {
	case !ok || o[key].delivery != c.ID:
	case c.Attempts > 0:
		o[key] = callTurn{delivery: c.ID, until: now.Add(orderGrace)}
	default:
		delete(o, key)
	}
}

// keep gives a delivery its call's turn that is about to be claimed again.
func (o callOrder) keep(c store.Claimed, now time.Time) {
	if key, ok := keyOf(c); ok && len(o) < maxCalls {
		o[key] = callTurn{delivery: c.ID, until: now.Add(orderGrace)}
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

// recallTurns takes up, in a lane that keeps order and was another gateway's, the turns of deliveries that are to be tried
// again: what came in after them in their calls waits on. It gives how long to wait when the store cannot tell; 0 when that
// is done. Beyond maxCalls deliveries that wait it does not look.
func (l *lane) recallTurns(t *terms) (wait time.Duration) {
	if l.e.keeper == nil || t.Concurrency != 1 {
		return 0
	}
	f := store.Filter{Destination: l.name, State: store.Pending}
	retried := map[string]store.Delivery{} // by event
	const page = 1000
	for before, n := "", 0; n < maxCalls; n += page {
		list, err := l.e.store.Deliveries(l.serving.ctx, f, store.Page{Before: before, Limit: page})
		if err != nil {
			return l.storeFailed("tell what is to be tried again", err)
		}
		for _, d := range list {
			if before = d.ID; d.Attempts > 0 {
				retried[d.EventID] = d
			}
		}
		if len(list) < page {
			break
		}
	}
	turns := callOrder{}
	for before, n := "", 0; len(retried) > 0 && n < maxCalls; n += page {
		list, err := l.e.store.Events(l.serving.ctx, f, store.Page{Before: before, Limit: page})
		if err != nil {
			return l.storeFailed("tell what is to be tried again", err)
		}
		for _, e := range list {
			before = e.ID
			if d, ok := retried[e.ID]; ok {
				delete(retried, e.ID)
				if e.CallID != "" {
					turns[callKey{e.Tenant, e.CallID}] = callTurn{delivery: d.ID, until: d.NextAt.Add(orderGrace)}
				}
			}
		}
		if len(list) < page {
			break
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tenure == l.serving {
		l.calls = turns
	}
	return 0
}

// overdue lists turns that have to be confirmed.
func (o callOrder) overdue(now time.Time) map[callKey]string {
	list := map[callKey]string{}
	for key, turn := range o {
		if len(list) == maxConfirm {
			break
		}
		if !turn.until.IsZero() && now.After(turn.until) {
			list[key] = turn.delivery
		}
	}
	return list
}

// confirmed is told whether an overdue turn's delivery is still to be tried again.
func (o callOrder) confirmed(key callKey, delivery string, waits bool, now time.Time) {
	turn := o[key]
	switch {
	case turn.delivery != delivery || turn.until.IsZero(): // it moved on meanwhile
	case waits:
		o[key] = callTurn{delivery: delivery, until: now.Add(orderGrace)}
	default:
		delete(o, key)
	}
}

// confirmTurns asks the store about deliveries that were to be tried again long ago.
func (l *lane) confirmTurns(now time.Time) {
	if now.Before(l.confirmAt) {
		return
	}
	l.confirmAt = now.Add(confirmEvery)
	l.mu.Lock()
	overdue := l.calls.overdue(now)
	l.mu.Unlock()
	for key, id := range overdue {
		f := store.Filter{Destination: l.name, DeliveryID: id, State: store.Pending}
		list, err := l.e.store.Deliveries(l.e.ctx, f, store.Page{Limit: 1})
		if err != nil {
			return // claiming is going to say so
		}
		l.mu.Lock()
		l.calls.confirmed(key, id, len(list) > 0, now)
		l.mu.Unlock()
	}
}
