package operate

import (
	"context"
	"fmt"
	"slices"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/store"
)

// Wait is what a pending delivery waits for.
type Wait string

// What deliveries wait for. Where several apply, it is the one that has to come first.
const (
	// WaitConfiguration is for a configuration that has the destination and the tenant.
	WaitConfiguration Wait = "configuration"
	// WaitResume is for somebody to resume the destination, which is paused.
	WaitResume Wait = "resume"
	// WaitHold is for a probe to get through to the destination, which is held because no call does.
	WaitHold Wait = "hold"
	// WaitGateway is for the end of trouble that the gateway itself is in, such as that it has no descriptors left.
	WaitGateway Wait = "gateway"
	// WaitSchedule is for the time of the next attempt.
	WaitSchedule Wait = "schedule"
	// WaitBreaker is for the breaker of the destination, which is open or tries whether the receiver is back.
	WaitBreaker Wait = "breaker"
	// WaitRetryAfter is for the time until when the receiver asked to be left alone.
	WaitRetryAfter Wait = "retry_after"
	// WaitTurn is for its turn: it goes out at the pace of the destination.
	WaitTurn Wait = "turn"
)

// rows says of deliveries what they wait for. Why a destination is paused or held can tell of others, and is for those who
// may see all.
func (s *Service) rows(ctx context.Context, sc scope, list []store.Delivery) ([]DeliveryRow, error) {
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
	stranded, err := s.o.Engine.Stranded(ctx)
	if err != nil {
		return nil, err
	}
	unknown := map[[2]string]string{}
	for _, n := range stranded {
		unknown[[2]string{n.Destination, n.Tenant}] = n.Reason
	}
	for i := range rows {
		if r := &rows[i]; waits(*r) {
			r.WaitsFor, r.WaitReason = s.waitsFor(&r.Delivery, destinations[r.Destination], unknown[[2]string{r.Destination, r.Tenant}])
			if sc.bound && r.WaitsFor != WaitConfiguration {
				r.WaitReason = ""
			}
		}
	}
	return rows, nil
}

// waitsFor says what a delivery waits for, and why. unknown says which name of it the configuration does not know, if there
// is one.
func (s *Service) waitsFor(d *store.Delivery, at *delivery.DestinationStatus, unknown string) (w Wait, reason string) {
	now := s.o.Now()
	switch {
	case unknown != "":
		return WaitConfiguration, unknown
	case at == nil || !at.Known:
		return WaitConfiguration, fmt.Sprintf("destination %q is not configured", d.Destination)
	case at.Paused:
		return WaitResume, at.PauseReason
	case at.Held != "":
		return WaitHold, at.Held
	case d.NextAt.After(now):
		return WaitSchedule, ""
	case at.Trouble != "":
		return WaitGateway, at.Trouble
	case at.Breaker == breaker.Open.String() || at.Breaker == breaker.HalfOpen.String():
		return WaitBreaker, ""
	case at.HeldUntil.After(now):
		return WaitRetryAfter, ""
	}
	return WaitTurn, ""
}
