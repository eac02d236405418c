package operate

import (
	"context"
	"slices"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/store"
)

// Wait is what a pending delivery waits for.
type Wait string

// What deliveries wait for. Where several apply, it is the one that has to come first.
const (
	// WaitConfiguration is for a configuration that has the destination.
	WaitConfiguration Wait = "configuration"
	// WaitResume is for somebody to resume the destination, which is paused.
	WaitResume Wait = "resume"
	// WaitHold is for a probe to get through to the destination, which is held because no call does.
	WaitHold Wait = "hold"
	// WaitSchedule is for the time of the next attempt.
	WaitSchedule Wait = "schedule"
	// WaitBreaker is for the breaker of the destination, which is open or tries whether the receiver is back.
	WaitBreaker Wait = "breaker"
	// WaitRetryAfter is for the time until when the receiver asked to be left alone.
	WaitRetryAfter Wait = "retry_after"
	// WaitTurn is for its turn: it goes out at the pace of the destination.
	WaitTurn Wait = "turn"
)

// rows says of deliveries what they wait for.
func (s *Service) rows(ctx context.Context, list []store.Delivery) ([]DeliveryRow, error) {
	rows := make([]DeliveryRow, len(list))
	for i := range list {
		rows[i].Delivery = list[i]
	}
	waits := func(r DeliveryRow) bool { return r.State == store.Pending && !r.Leased }
	if s.o.Engine == nil || !slices.ContainsFunc(rows, waits) {
		return rows, nil
	}
	known, err := s.o.Engine.Status(ctx)
	if err != nil {
		return nil, err
	}
	destinations := map[string]*delivery.DestinationStatus{}
	for i := range known {
		destinations[known[i].Name] = &known[i]
	}
	for i := range rows {
		if waits(rows[i]) {
			rows[i].WaitsFor = s.waitsFor(&rows[i].Delivery, destinations[rows[i].Destination])
		}
	}
	return rows, nil
}

func (s *Service) waitsFor(d *store.Delivery, at *delivery.DestinationStatus) Wait {
	now := s.o.Now()
	switch {
	case at == nil || !at.Known:
		return WaitConfiguration
	case at.Paused:
		return WaitResume
	case at.Held != "":
		return WaitHold
	case d.NextAt.After(now):
		return WaitSchedule
	case at.Breaker == breaker.Open.String() || at.Breaker == breaker.HalfOpen.String():
		return WaitBreaker
	case at.HeldUntil.After(now):
		return WaitRetryAfter
	}
	return WaitTurn
}
