package operate

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
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
		if _, err := ask(Filter{Field: "ward", Value: "c"}); strings.Contains(err.Error(), "patient_id") {
			t.Errorf("a field that others are found by: %v", err)
		}
		if _, err := g.Events(t.Context(), somebody, Listing{Filter: Filter{Field: "ward", Value: "c"}}); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "patient_id") {
			t.Errorf("to somebody who is not bound: %v", err)
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
		if r, err := g.Ready(t.Context(), boundTo("beta"), ReadyInput{MaxQueueAge: "1m"}); !errors.Is(err, ErrForbidden) {
			t.Errorf("how long others' wait: %+v, %v", r, err)
		}
		if r, err := g.Ready(t.Context(), somebody, ReadyInput{MaxQueueAge: "1m"}); err != nil || !r.Ready {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestDestinationsOfOthersAreNotPreviewed: what a tenant has for itself is shown to nobody who is bound to another.
func TestDestinationsOfOthersAreNotPreviewed(t *testing.T) {
	var records []Record
	asked := errors.New("the configuration was asked")
	s := New(Options{
		Scene:  func(*PreviewInput) (*Scene, error) { return nil, asked },
		Record: func(_ context.Context, r Record) error { records = append(records, r); return nil },
	})
	for name, want := range map[string]error{"crm": asked, "acme/crm": asked, "beta/crm": ErrForbidden, "nobody/crm": ErrForbidden, "/crm": ErrForbidden} {
		records = nil
		_, err := s.Preview(t.Context(), boundTo("acme"), PreviewInput{Source: "retell", Tenant: "acme", Destinations: []string{"log", name}})
		if !errors.Is(err, want) {
			t.Errorf("%s: %v", name, err)
		}
		if last := records[len(records)-1]; last.Denied != (want == ErrForbidden) || last.Denied && last.Destination != name {
			t.Errorf("%s: recorded %+v", name, last)
		}
	}
	if _, err := s.Preview(t.Context(), somebody, PreviewInput{Source: "retell", Destinations: []string{"beta/crm"}}); !errors.Is(err, asked) {
		t.Errorf("somebody who is not bound: %v", err)
	}
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

// TestWhereCallsMayGoIsTold to those who are bound to the tenant, before there was a call; and nothing of others.
func TestWhereCallsMayGoIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.accept("beta")
		may := map[string][]string{"acme": {"crm", "beta/crm", "nowhere"}}
		g.Service = New(Options{Store: g.store, Engine: g.engine, Reach: func(tenant string) []string { return may[tenant] }})
		list, err := g.Destinations(t.Context(), boundTo("acme"))
		if err != nil || len(list.Destinations) != 1 || list.Destinations[0].Name != "crm" || list.Destinations[0].Delivered+list.Destinations[0].Pending != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		if d, err := g.Destination(t.Context(), boundTo("acme"), "crm"); err != nil || d.Name != "crm" {
			t.Errorf("%+v, %v", d, err)
		}
		if _, err := g.Destination(t.Context(), boundTo("acme"), "log"); !errors.Is(err, ErrNotFound) || strings.Contains(err.Error(), "log") {
			t.Error(err)
		}
		for name, want := range map[string]error{"crm": nil, "log": ErrNotFound, "beta/crm": ErrNotFound} {
			if p, err := g.Deliveries(t.Context(), boundTo("acme"), Listing{Filter: Filter{Destination: name}}); !errors.Is(err, want) || err == nil && len(p.Deliveries) != 0 {
				t.Errorf("%s: %+v, %v", name, p, err)
			}
		}
		if list, err = g.Destinations(t.Context(), boundTo("gamma")); err != nil || len(list.Destinations) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
	})
}
