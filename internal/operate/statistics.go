package operate

import (
	"context"
	"strings"

	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/store"
)

// Statistics are how much is stored and how each destination stands.
type Statistics struct {
	Events       int64                        `json:"events"`
	Bytes        int64                        `json:"bytes"`
	MaxBytes     int64                        `json:"max_bytes,omitempty"`
	Destinations []delivery.DestinationStatus `json:"destinations"`
	// Audit is how the audit log and its checkpoints stand; nil if none is kept.
	Audit *auditor.Status `json:"audit,omitempty"`
}

// Statistics summarises the store and the destinations.
func (s *Service) Statistics(ctx context.Context, a Actor) (*Statistics, error) {
	r := Record{Operation: "Statistics"}
	if _, err := s.permitDelivering(ctx, a, r); err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	sum, err := s.o.Store.Stats(ctx)
	if err != nil {
		return nil, stored(err)
	}
	list, err := s.o.Engine.Status(ctx)
	if err != nil {
		return nil, stored(err)
	}
	stats := &Statistics{Events: sum.Events, Bytes: sum.Bytes, MaxBytes: sum.MaxBytes, Destinations: list}
	if keeper := s.auditor(); keeper != nil {
		status, err := keeper.Status(ctx)
		if err != nil {
			return nil, stored(err)
		}
		stats.Audit = &status
	}
	return stats, nil
}

// DestinationList is how each destination stands, by name.
type DestinationList struct {
	Destinations []delivery.DestinationStatus `json:"destinations"`
}

// Destinations lists the destinations that are configured or have deliveries.
func (s *Service) Destinations(ctx context.Context, a Actor) (*DestinationList, error) {
	list, err := s.seen(ctx, a, Record{Operation: "Destinations"})
	if err != nil {
		return nil, err
	}
	return &DestinationList{list}, nil
}

// seen are the destinations that somebody may see.
func (s *Service) seen(ctx context.Context, a Actor, r Record) ([]delivery.DestinationStatus, error) {
	sc, err := s.permitDelivering(ctx, a, r)
	if err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	list, err := s.o.Engine.Status(ctx)
	if err == nil && sc.bound {
		list, err = s.narrowed(ctx, sc, list)
	}
	if err != nil {
		return nil, stored(err)
	}
	return list, nil
}

// reached are the destinations to which calls of the tenants of a scope may go, where that is known.
func (s *Service) reached(sc scope) map[string]bool {
	names := map[string]bool{}
	if s.o.Reach == nil {
		return names
	}
	for _, tenant := range sc.tenants {
		for _, name := range s.o.Reach(tenant) {
			if of, _, own := strings.Cut(name, "/"); !own || sc.has(of) {
				names[name] = true
			}
		}
	}
	return names
}

// narrowed is a list of destinations for those who are bound to tenants: those that have deliveries of theirs or may have some,
// and those that are theirs, with the numbers of their deliveries. What is said of the others' is left out.
func (s *Service) narrowed(ctx context.Context, sc scope, list []delivery.DestinationStatus) ([]delivery.DestinationStatus, error) {
	counts, err := s.o.Store.Counts(ctx, sc.filter())
	if err != nil {
		return nil, err
	}
	theirs := map[string]store.Count{}
	for _, c := range counts {
		sum := theirs[c.Destination]
		sum.Pending, sum.Delivered, sum.Dead = sum.Pending+c.Pending, sum.Delivered+c.Delivered, sum.Dead+c.Dead
		theirs[c.Destination] = sum
	}
	reached := s.reached(sc)
	narrow := []delivery.DestinationStatus{}
	for i := range list {
		d := &list[i]
		of, _, own := strings.Cut(d.Name, "/")
		if n, ok := theirs[d.Name]; ok || reached[d.Name] || own && sc.has(of) {
			narrow = append(narrow, delivery.DestinationStatus{
				Name: d.Name, Known: d.Known, Paused: d.Paused, Breaker: d.Breaker, HeldUntil: d.HeldUntil, TestMode: d.TestMode,
				Pending: n.Pending, Delivered: n.Delivered, Dead: n.Dead,
			})
		}
	}
	return narrow, nil
}
