package operate

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// boundTo is somebody who may do everything, to some tenants.
func boundTo(tenants ...string) Actor {
	return Actor{Name: "eve", Via: "test", May: Everything, Bound: func(Capability) ([]string, bool) { return tenants, true }}
}

// TestNamesOfOthersAreNotTold: neither by what is found nor by how it is refused.
func TestNamesOfOthersAreNotTold(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.accept("acme")
		hash := func(_, value string) [][16]byte { return [][16]byte{{value[0]}} }
		other := &store.Event{
			ID: "01JC0Q4Z6W5P9G2N8S3T7V1X0Y", Tenant: "beta", Source: "beta-source", EventType: "t", ReceivedAt: time.Now(), Body: []byte("x"),
			Key: [16]byte{9}, Subjects: []store.Subject{{'b'}},
		}
		if _, err := g.engine.Accept(t.Context(), other, []string{"log"}); err != nil {
			t.Fatal(err)
		}
		g.Service = New(Options{Store: g.store, Engine: g.engine, FieldHashes: hash, Names: func() Names {
			return Names{Tenants: []string{"acme", "beta"}, Sources: []string{"retell", "beta-source"}, Fields: []string{"patient_id"}}
		}})
		ask := func(f Filter) (int, error) {
			t.Helper()
			p, err := g.Events(t.Context(), boundTo("acme"), Listing{Filter: f})
			if err != nil {
				return 0, err
			}
			return len(p.Events), nil
		}
		// What there is elsewhere, and what there is nowhere.
		for _, pair := range [][2]Filter{
			{{Tenant: "beta"}, {Tenant: "nobody"}},
			{{Source: "beta-source"}, {Source: "nothing"}},
			{{Field: "ward", Value: "b"}, {Field: "ward", Value: "c"}},
			{{Destination: "nowhere"}, {Destination: "elsewhere"}},
		} {
			_, there := ask(pair[0])
			_, nowhere := ask(pair[1])
			if !errors.Is(there, ErrNotFound) || nowhere == nil || there.Error() != nowhere.Error() {
				t.Errorf("%+v: %v; %v", pair, there, nowhere)
			}
		}
		for _, f := range []Filter{{Event: other.ID}, {Delivery: other.ID + ".0"}, {Field: "patient_id", Value: "b"}} {
			if n, err := ask(f); n != 0 || err != nil {
				t.Errorf("%+v: %d, %v", f, n, err)
			}
		}
		for _, f := range []Filter{{}, {Tenant: "acme"}, {Source: "retell"}, {Destination: "log"}} {
			if n, err := ask(f); n != 1 || err != nil {
				t.Errorf("%+v: %d, %v", f, n, err)
			}
		}
		list, err := g.Destinations(t.Context(), boundTo("acme"))
		if err != nil || len(list.Destinations) != 2 || list.Destinations[1].Delivered != 1 {
			t.Errorf("%+v, %v", list, err)
		}
		if list, err = g.Destinations(t.Context(), boundTo("beta")); err != nil || len(list.Destinations) != 1 || list.Destinations[0].Name != "log" {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// TestReadinessOfThoseWhoAreBound has no numbers of others, and no names.
func TestReadinessOfThoseWhoAreBound(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.crm.slow.Store(true)
		g.accept("acme")
		g.Service = New(Options{Store: g.store, Engine: g.engine, Faulty: func() []string { return []string{"acme", "beta"} }})
		all, err := g.Ready(t.Context(), somebody, ReadyInput{})
		if err != nil || all.Pending != 1 || len(all.FaultyTenants) != 2 {
			t.Errorf("%+v, %v", all, err)
		}
		theirs, err := g.Ready(t.Context(), boundTo("beta", "gamma"), ReadyInput{})
		if err != nil || !reflect.DeepEqual(theirs, &Readiness{Ready: true, FaultyTenants: []string{"beta"}}) {
			t.Errorf("%+v, %v", theirs, err)
		}
	})
}

// TestWhyADestinationIsPausedIsOfAll: an operator may have named others in it.
func TestWhyADestinationIsPausedIsOfAll(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		if _, err := g.Pause(t.Context(), somebody, "crm", "beta has moved"); err != nil {
			t.Fatal(err)
		}
		id := g.accept("acme")
		for _, tt := range []struct {
			a      Actor
			reason string
		}{{somebody, "beta has moved"}, {boundTo("acme"), ""}} {
			e, err := g.Event(t.Context(), tt.a, id)
			if err != nil || e.Deliveries[0].WaitsFor != WaitResume || e.Deliveries[0].WaitReason != tt.reason {
				t.Errorf("%+v, %v", e, err)
			}
			p, err := g.Deliveries(t.Context(), tt.a, Listing{Filter: Filter{Destination: "crm"}})
			if err != nil || !slices.ContainsFunc(p.Deliveries, func(d DeliveryRow) bool { return d.WaitReason == tt.reason && d.WaitsFor == WaitResume }) {
				t.Errorf("%+v, %v", p, err)
			}
		}
	})
}
