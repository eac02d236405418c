package main

import (
	"context"
	"time"

	"github.com/callgate/callgate/internal/operate"
)

// asking is a question.
type asking struct {
	name string
	ask  func(context.Context) (rows int, err error)
}

// questions are all that pages ask.
func (s *subject) questions(ctx context.Context) (list []asking, err error) {
	meter := operate.NewMeter(ctx, s.store, nil)
	s.service = operate.New(operate.Options{
		Store: s.store, Engine: s.engine, Meter: meter, FieldHashes: s.keys.FieldHashes,
		CallerHashes: func(number string) []string { return operate.CallerHashes(s.keys, number) },
		Names:        func() operate.Names { return operate.Names{Fields: []string{"patient_id"}} },
	})
	middle := s.event(s.events / 2)
	day := func(ago time.Duration) string { return s.now.Add(-ago).UTC().Format(time.RFC3339) }
	filters := []struct {
		name string
		f    operate.Listing
	}{
		{"everything", operate.Listing{}},
		{"everything, from the middle on", operate.Listing{Before: middle.ID}},
		{"a destination", operate.Listing{Filter: operate.Filter{Destination: "crm"}}},
		{"a tenant", operate.Listing{Filter: operate.Filter{Tenant: "tenant-07"}}},
		{"a tenant with few events", operate.Listing{Filter: operate.Filter{Tenant: "rare"}}},
		{"dead", operate.Listing{Filter: operate.Filter{State: "dead"}}},
		{"dead of a destination", operate.Listing{Filter: operate.Filter{State: "dead", Destination: "dispatch"}}},
		{"dead of a destination and tenant", operate.Listing{Filter: operate.Filter{State: "dead", Destination: "dispatch", Tenant: "tenant-07"}}},
		{"dead of a destination for a reason", operate.Listing{Filter: operate.Filter{State: "dead", Destination: "dispatch", Reason: "reason 11"}}},
		{"dead for a reason", operate.Listing{Filter: operate.Filter{State: "dead", Reason: "reason 11"}}},
		{"a reason", operate.Listing{Filter: operate.Filter{Reason: "reason 11"}}},
		{"a reason that there is not", operate.Listing{Filter: operate.Filter{Reason: "no such reason"}}},
		{"pending", operate.Listing{Filter: operate.Filter{State: "pending"}}},
		{"pending of a destination", operate.Listing{Filter: operate.Filter{State: "pending", Destination: "crm"}}},
		{"delivered", operate.Listing{Filter: operate.Filter{State: "delivered"}}},
		{"delivered to a destination", operate.Listing{Filter: operate.Filter{State: "delivered", Destination: "crm"}}},
		{"a source", operate.Listing{Filter: operate.Filter{Source: "retell"}}},
		{"an event type", operate.Listing{Filter: operate.Filter{EventType: "call.started"}}},
		{"an event type that there is not", operate.Listing{Filter: operate.Filter{EventType: "call.transferred"}}},
		{"a call id", operate.Listing{Filter: operate.Filter{CallID: callID(s.events / 3)}}},
		{"a call id that there is not", operate.Listing{Filter: operate.Filter{CallID: "nothing"}}},
		{"a caller", operate.Listing{Filter: operate.Filter{Caller: caller(1234)}}},
		{"a caller that there is not", operate.Listing{Filter: operate.Filter{Caller: "+15550999999"}}},
		{"a field", operate.Listing{Filter: operate.Filter{Field: "patient_id", Value: "P77"}}},
		{"an event", operate.Listing{Filter: operate.Filter{Event: middle.ID}}},
		{"a day", operate.Listing{Filter: operate.Filter{From: day(11 * 24 * time.Hour), To: day(10 * 24 * time.Hour)}}},
		{"the dead of a day", operate.Listing{Filter: operate.Filter{State: "dead", From: day(11 * 24 * time.Hour), To: day(10 * 24 * time.Hour)}}},
		{"failed in the last hour", operate.Listing{Filter: operate.Filter{FailedSince: day(time.Hour)}}},
		{"failed in the last day", operate.Listing{Filter: operate.Filter{FailedSince: day(24 * time.Hour)}}},
	}
	everybody := operate.Actor{Name: "bench", Via: "bench", May: operate.Everything}
	bound := everybody
	bound.Bound = func(operate.Capability) ([]string, bool) { return []string{"tenant-03", "tenant-07", "rare"}, true }
	for who, a := range map[string]operate.Actor{"": everybody, " (bound to three tenants)": bound} {
		for _, f := range filters {
			l, onDeliveries := f.f, f.f
			if onDeliveries.Before != "" {
				onDeliveries.Before += ".1"
			}
			list = append(list,
				asking{"events: " + f.name + who, func(ctx context.Context) (int, error) {
					p, err := s.service.Events(ctx, a, l)
					if err != nil {
						return 0, err
					}
					return len(p.Events), nil
				}},
				asking{"deliveries: " + f.name + who, func(ctx context.Context) (int, error) {
					p, err := s.service.Deliveries(ctx, a, onDeliveries)
					if err != nil {
						return 0, err
					}
					return len(p.Deliveries), nil
				}})
		}
		list = append(list, s.sums(a, who)...)
	}
	list = append(list, s.counts(everybody)...)
	// What a process that has just begun reads once.
	for at := time.Now(); ; {
		o, err := s.service.Overview(ctx, everybody, operate.OverviewChoice{Window: "week"})
		if err != nil || o.CountedSince.IsZero() {
			took := time.Since(at)
			return append(list, asking{"(reading a week of attempts, once, in the background: " + took.Round(time.Millisecond).String() + ")", func(context.Context) (int, error) { return 0, nil }}), err
		}
	}
}

// sums are the pages that add something up.
func (s *subject) sums(a operate.Actor, who string) (list []asking) {
	for _, window := range []string{"hour", "day", "week"} {
		list = append(list, asking{"overview: " + window + who, func(ctx context.Context) (int, error) {
			o, err := s.service.Overview(ctx, a, operate.OverviewChoice{Window: window})
			if err != nil {
				return 0, err
			}
			return len(o.Destinations), nil
		}})
	}
	return append(list, asking{"destinations" + who, func(ctx context.Context) (int, error) {
		d, err := s.service.Destinations(ctx, a)
		if err != nil {
			return 0, err
		}
		return len(d.Destinations), nil
	}})
}

// counts are those that come before something is done to everything that matches.
func (s *subject) counts(a operate.Actor) (list []asking) {
	for name, f := range map[string]operate.Filter{
		"all": {}, "of a destination": {Destination: "crm"}, "of a destination for a reason": {Destination: "crm", Reason: "reason 11"},
		"of a tenant": {Tenant: "tenant-07"}, "of a caller": {Caller: caller(1234)},
	} {
		sel := operate.Selection{Filter: f, All: f == operate.Filter{}, DryRun: true}
		list = append(list,
			asking{"count to replay: " + name, func(ctx context.Context) (int, error) {
				n, err := s.service.Replay(ctx, a, operate.ReplaySelection{Selection: sel})
				if err != nil {
					return 0, err
				}
				return n.Deliveries, nil
			}},
			asking{"count to cancel: " + name, func(ctx context.Context) (int, error) {
				n, err := s.service.Cancel(ctx, a, sel)
				if err != nil {
					return 0, err
				}
				return n.Deliveries, nil
			}},
			asking{"count to erase: " + name, func(ctx context.Context) (int, error) {
				n, err := s.service.Erase(ctx, a, operate.EraseSelection{Selection: sel})
				if err != nil {
					return 0, err
				}
				return n.Events, nil
			}})
	}
	return list
}
