package delivery

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/breaker"
)

// DestinationStatus is how a destination stands.
type DestinationStatus struct {
	Name string `json:"name"`
	// Known tells that the configuration in force has it. Deliveries to others wait.
	Known       bool   `json:"known"`
	Paused      bool   `json:"paused"`
	PauseReason string `json:"pause_reason,omitempty"`
	// Breaker is "closed", "half-open" or "open".
	Breaker string `json:"breaker,omitempty"`
	// HeldUntil is until when a Retry-After keeps the destination waiting.
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
	e.mu.Lock()
	lanes := make([]*lane, 0, len(e.lanes))
	for _, l := range e.lanes {
		lanes = append(lanes, l)
	}
	e.mu.Unlock()
	for _, l := range lanes {
		l.status(of(l.name), e.o.Now())
	}
	list := make([]DestinationStatus, 0, len(all))
	for _, d := range all {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b DestinationStatus) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

func (l *lane) status(d *DestinationStatus, now time.Time) {
	l.mu.Lock()
	d.InFlight, d.Known = l.running, l.terms != nil
	if l.paused {
		d.Paused, d.PauseReason = true, l.pauseReason
	}
	if l.terms != nil {
		d.Concurrency, d.TestMode = l.terms.Concurrency, l.terms.snapshot.TestMode
	}
	if l.holdUntil.After(now) {
		d.HeldUntil = l.holdUntil
	}
	var b *breaker.Breaker = l.breaker
	l.mu.Unlock()
	if b != nil {
		d.Breaker = b.State().String() // asked without l.mu, which the breaker's hook takes
	}
}
