package delivery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/store"
)

// DestinationStatus is how a destination stands.
type DestinationStatus struct {
	Name string `json:"name"`
	// Known tells that the configuration in force has it. Deliveries to others wait.
	Known       bool   `json:"known"`
	Paused      bool   `json:"paused"`
	PauseReason string `json:"pause_reason,omitempty"`
	// Held says why nothing is delivered but a probe now and then: no call gets through, and it is not the calls' fault.
	Held string `json:"held,omitempty"`
	// Trouble says what of the gateway's own keeps deliveries from being attempted, such as that it has no descriptors left.
	Trouble string `json:"trouble,omitempty"`
	// Breaker is "closed", "half-open" or "open".
	Breaker string `json:"breaker,omitempty"`
	// HeldUntil is until when a Retry-After keeps the destination waiting, or when the next probe of one that is held is.
	HeldUntil time.Time `json:"held_until,omitzero"`
	// InFlight counts the attempts under way. A batch is one.
	InFlight      int       `json:"in_flight"`
	Concurrency   int       `json:"concurrency,omitempty"`
	Pending       int64     `json:"pending"`
	Delivered     int64     `json:"delivered"`
	Dead          int64     `json:"dead"`
	OldestPending time.Time `json:"oldest_pending,omitzero"`
	TestMode      bool      `json:"test_mode,omitempty"`
}

// Status lists the destinations that are configured or have deliveries, by name. With an error of the store the
// counts are missing and the rest is there.
func (e *Engine) Status(ctx context.Context) ([]DestinationStatus, error) {
	stats, err := e.store.Stats(ctx)
	all := map[string]*DestinationStatus{}
	of := func(name string) *DestinationStatus {
		if all[name] == nil {
			all[name] = &DestinationStatus{Name: name}
		}
		return all[name]
	}
	for _, s := range stats.Destinations {
		d := of(s.Destination)
		d.Pending, d.Delivered, d.Dead, d.OldestPending = s.Pending, s.Delivered, s.Dead, s.OldestPending
		d.Paused, d.PauseReason = s.Paused, s.PauseReason
	}
	elsewhere := 0
	for _, l := range e.listLanes() {
		d := of(l.name)
		l.status(d, e.o.Now())
		if d.Held == "" && d.Known && !l.isMine() && elsewhere < maxElsewhere {
			elsewhere++
			d.Held = l.notedHold(ctx)
		}
	}
	list := make([]DestinationStatus, 0, len(all))
	for _, d := range all {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b DestinationStatus) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

// maxElsewhere bounds the destinations of other gateways of which is asked whether they are held.
const maxElsewhere = 100

// isMine tells whether the lane is this gateway's.
func (l *lane) isMine() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tenure != nil
}

// Gateways is how many gateways share the store, as far as is known: what it was last when the store is away, and 1 where
// the store is not shared.
func (e *Engine) Gateways() int {
	if e.keeper == nil {
		return 1
	}
	return int(e.keeper.live.Load())
}

// Skew is how far the clock of a shared store is ahead of this machine's; negative when it is behind.
func (e *Engine) Skew() time.Duration {
	if e.keeper == nil {
		return 0
	}
	e.keeper.mu.Lock()
	defer e.keeper.mu.Unlock()
	return e.keeper.skew
}

// Cluster lists who shares the store; ok is false where it is not shared.
func (e *Engine) Cluster(ctx context.Context) (c store.Cluster, ok bool, err error) {
	if e.keeper == nil {
		return c, false, nil
	}
	c, err = e.keeper.shared.Cluster(ctx)
	return c, true, err
}

// Stranded are deliveries that wait because the configuration in force does not know a name of theirs.
type Stranded struct {
	Destination string `json:"destination"`
	Tenant      string `json:"tenant,omitempty"`
	Pending     int64  `json:"pending"`
	// Reason says which name, as in: tenant "acme" is not configured.
	Reason string `json:"reason"`
}

// Stranded lists what waits for a destination or a tenant that was removed or renamed, for a warning when a configuration
// is loaded: such deliveries are kept until one knows the name again, or somebody cancels or erases them. Without a
// snapshot in force it lists nothing.
func (e *Engine) Stranded(ctx context.Context) ([]Stranded, error) {
	s := e.current()
	if s == nil {
		return nil, nil
	}
	waiting, err := e.store.Waiting(ctx)
	if err != nil {
		return nil, err
	}
	t := terms{snapshot: s}
	var list []Stranded
	for _, w := range waiting {
		reason := ""
		if !e.knows(s, w.Destination) {
			reason = fmt.Sprintf("destination %q is not configured", w.Destination)
		} else if _, known := t.vars(w.Tenant); !known {
			reason = fmt.Sprintf("tenant %q is not configured", w.Tenant)
		}
		if reason != "" {
			list = append(list, Stranded{Destination: w.Destination, Tenant: w.Tenant, Pending: w.Pending, Reason: reason})
		}
	}
	return list, nil
}

func (e *Engine) knows(a *attached, name string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, known := a.config(name)
	return known
}

func (l *lane) status(d *DestinationStatus, now time.Time) {
	l.mu.Lock()
	d.InFlight += l.running
	d.Known = d.Known || l.terms != nil
	if l.paused {
		d.Paused, d.PauseReason = true, l.pauseReason
	}
	if l.terms != nil {
		d.Concurrency, d.TestMode = l.terms.Concurrency, l.terms.snapshot.TestMode
	}
	until := l.holdUntil
	if h := l.health.hold; h != nil {
		d.Held, until = h.reason, later(until, h.until)
	}
	if l.health.ownUntil.After(now) {
		d.Trouble = l.health.own
	}
	if until.After(now) {
		d.HeldUntil = until
	}
	var b *breaker.Breaker
	if d.Known { // a lane that is about to end has one still
		b = l.breaker
	}
	l.mu.Unlock()
	if b != nil {
		d.Breaker = b.State().String() // asked without l.mu, which the breaker's hook takes
	}
}
