package storetest

import (
	"time"

	"github.com/callgate/callgate/internal/store"
)

// groups: deliveries counted by state, destination and reason, of everything and of what filters match.
func groups(b *bench) {
	end := func(state store.State, reason string, deliveries ...string) {
		for _, d := range deliveries {
			b.finish(store.Attempt{DeliveryID: d, State: state, At: b.now, Reason: reason, NextAt: b.now.Add(time.Hour)})
		}
	}
	first := b.now
	for i := range 6 {
		tenant := "acme"
		if i == 5 {
			tenant = "beta"
		}
		d := b.accept(b.event(tenant), "crm", "ehr").Deliveries
		if i < 4 {
			end(store.Dead, "404", d[0])
		} else {
			end(store.Dead, "410", d[0])
		}
		if i < 3 {
			end(store.Delivered, "", d[1])
		} else if i < 5 {
			end(store.Pending, "404", d[1])
		}
		b.tick(time.Minute)
	}
	at := func(i int) time.Time { return first.Add(time.Duration(i) * time.Minute) }
	for _, tt := range []struct {
		name string
		f    store.Filter
		most int
		want []store.Group
	}{
		{"all", store.Filter{}, 10, []store.Group{
			{State: store.Dead, Destination: "crm", Reason: "404", Deliveries: 4, Oldest: at(0), Newest: at(3)},
			{State: store.Delivered, Destination: "ehr", Deliveries: 3, Oldest: at(0), Newest: at(2)},
			{State: store.Dead, Destination: "crm", Reason: "410", Deliveries: 2, Oldest: at(4), Newest: at(5)},
			{State: store.Pending, Destination: "ehr", Reason: "404", Deliveries: 2, Oldest: at(3), Newest: at(4)},
			{State: store.Pending, Destination: "ehr", Deliveries: 1, Oldest: at(5), Newest: at(5)},
		}},
		{"the largest", store.Filter{}, 1, []store.Group{{State: store.Dead, Destination: "crm", Reason: "404", Deliveries: 4, Oldest: at(0), Newest: at(3)}}},
		{"dead of a tenant", store.Filter{State: store.Dead, Tenants: []string{"beta"}}, 10, []store.Group{
			{State: store.Dead, Destination: "crm", Reason: "410", Deliveries: 1, Oldest: at(5), Newest: at(5)}}},
		{"for a reason, since", store.Filter{Reason: "404", From: at(3)}, 10, []store.Group{
			{State: store.Pending, Destination: "ehr", Reason: "404", Deliveries: 2, Oldest: at(3), Newest: at(4)},
			{State: store.Dead, Destination: "crm", Reason: "404", Deliveries: 1, Oldest: at(3), Newest: at(3)}}},
		{"of a destination that there is not", store.Filter{Destination: "erp"}, 10, nil},
		{"pending of a destination that has none", store.Filter{Destination: "crm", State: store.Pending}, 10, nil},
	} {
		got, partial, err := b.s.Groups(ctx, tt.f, tt.most)
		if err != nil || partial {
			b.Fatalf("%s: %v, partial %v", tt.name, err, partial)
		}
		equal(b, tt.name, got, tt.want)
	}
}
