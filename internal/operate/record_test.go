package operate

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/source"
	"github.com/callgate/callgate/internal/store"
)

// attempts are all operations with something that is right to ask for, of one tenant where they are of tenants.
var attempts = map[string]func(ctx context.Context, s *Service, a Actor, tenant, event string) error{
	"Events": func(ctx context.Context, s *Service, a Actor, tenant, _ string) error {
		_, err := s.Events(ctx, a, Listing{Filter: Filter{Tenant: tenant, Caller: "+15551234567"}})
		return err
	},
	"Deliveries": func(ctx context.Context, s *Service, a Actor, tenant, _ string) error {
		_, err := s.Deliveries(ctx, a, Listing{Filter: Filter{Tenant: tenant}})
		return err
	},
	"Event": func(ctx context.Context, s *Service, a Actor, _, event string) error {
		_, err := s.Event(ctx, a, event)
		return err
	},
	"RevealEvent": func(ctx context.Context, s *Service, a Actor, _, event string) error {
		e, err := s.RevealEvent(ctx, a, event, "a complaint")
		if err != nil && e != nil {
			return errors.New("content with an error")
		}
		return err
	},
	"Destinations": func(ctx context.Context, s *Service, a Actor, _, _ string) error {
		_, err := s.Destinations(ctx, a)
		return err
	},
	"Overview": func(ctx context.Context, s *Service, a Actor, _, _ string) error {
		_, err := s.Overview(ctx, a, OverviewChoice{})
		return err
	},
	"Cluster": func(ctx context.Context, s *Service, a Actor, _, _ string) error {
		_, err := s.Cluster(ctx, a)
		return err
	},
	"Statistics": func(ctx context.Context, s *Service, a Actor, _, _ string) error {
		_, err := s.Statistics(ctx, a)
		return err
	},
	"Rotations": func(ctx context.Context, s *Service, a Actor, _, _ string) error {
		l, err := s.Rotations(ctx, a)
		if err == nil && len(l.Rotations) != 1 {
			return errors.New("not the one that is theirs")
		}
		return err
	},
	"Tail": func(ctx context.Context, s *Service, a Actor, tenant, _ string) error {
		t, err := s.Tail(ctx, a, Filter{Tenant: tenant})
		if err == nil {
			t.Close()
		}
		return err
	},
	"Ready": func(ctx context.Context, s *Service, a Actor, _, _ string) error {
		_, err := s.Ready(ctx, a, ReadyInput{})
		return err
	},
	"Replay": func(ctx context.Context, s *Service, a Actor, tenant, _ string) error {
		_, err := s.Replay(ctx, a, ReplaySelection{Selection: Selection{Filter: Filter{Tenant: tenant}}})
		return err
	},
	"SendNow": func(ctx context.Context, s *Service, a Actor, tenant, _ string) error {
		_, err := s.SendNow(ctx, a, Selection{Filter: Filter{Tenant: tenant}})
		return err
	},
	"Cancel": func(ctx context.Context, s *Service, a Actor, tenant, _ string) error {
		_, err := s.Cancel(ctx, a, Selection{Filter: Filter{Tenant: tenant}})
		return err
	},
	"Erase": func(ctx context.Context, s *Service, a Actor, tenant, _ string) error {
		_, err := s.Erase(ctx, a, EraseSelection{Selection: Selection{Filter: Filter{Tenant: tenant}}})
		return err
	},
	"StartJob": func(ctx context.Context, s *Service, a Actor, tenant, _ string) error {
		_, err := s.StartJob(ctx, a, JobSelection{Operation: "replay", ReplaySelection: ReplaySelection{Selection: Selection{DryRun: true, Filter: Filter{Tenant: tenant}}}})
		return err
	},
	"StartErasure": func(ctx context.Context, s *Service, a Actor, tenant, _ string) error {
		_, err := s.StartErasure(ctx, a, Selection{DryRun: true, Filter: Filter{Tenant: tenant}})
		return err
	},
	"StopJob": func(ctx context.Context, s *Service, a Actor, _, _ string) error {
		if _, err := s.StopJob(ctx, a, "nothing"); !errors.Is(err, ErrNotFound) {
			return err
		}
		return nil
	},
	"Jobs": func(ctx context.Context, s *Service, a Actor, _, _ string) error {
		_, err := s.Jobs(ctx, a)
		return err
	},
	"Job": func(ctx context.Context, s *Service, a Actor, _, _ string) error {
		if _, err := s.Job(ctx, a, "nothing"); !errors.Is(err, ErrNotFound) {
			return err
		}
		return nil
	},
	"Pause": func(ctx context.Context, s *Service, a Actor, _, _ string) error {
		_, err := s.Pause(ctx, a, "crm", "tea")
		return err
	},
	"Resume": func(ctx context.Context, s *Service, a Actor, _, _ string) error {
		_, err := s.Resume(ctx, a, "crm")
		return err
	},
	"Preview": func(ctx context.Context, s *Service, a Actor, tenant, _ string) error {
		_, err := s.Preview(ctx, a, PreviewInput{Source: "retell", Tenant: tenant, Body: []byte(`{}`)})
		return err
	},
	"Rekey": func(ctx context.Context, s *Service, a Actor, _, _ string) error {
		return s.Rekey(ctx, a, func(int, int) {})
	},
}

// recorded is a gateway with one event, and what is recorded of what is done with it.
type recorded struct {
	*gateway
	event   string
	records []Record
	fails   error
}

func withRecords(t *testing.T, test func(t *testing.T, g *recorded)) {
	inBubble(t, func(t *testing.T, g *gateway) {
		g.crm.down.Store(true)
		r := &recorded{gateway: g, event: g.accept("acme")}
		parser, err := source.New("retell", source.Options{})
		if err != nil {
			t.Fatal(err)
		}
		g.Service = New(Options{
			Store: g.store, Engine: g.engine, Documents: someDocuments(t, g.store), Meter: NewMeter(t.Context(), g.store, nil),
			Drafts: func() Drafts { return takesAll{} },
			Rotations: func() RotationList {
				return RotationList{Rotations: []Rotation{{Tenant: "acme"}, {Tenant: "beta"}}[:1:1]}
			},
			Names: func() Names { return Names{Tenants: []string{"acme", "beta"}} },
			Scene: func(*PreviewInput) (*Scene, error) {
				return &Scene{Parser: parser, Why: "nowhere", Render: func(string, destination.Item) ([]destination.Request, error) { return nil, nil }}, nil
			},
			Record: func(_ context.Context, rec Record) error {
				rec.Actor.May, rec.Actor.Bound = nil, nil // functions cannot be compared
				r.records = append(r.records, rec)
				return r.fails
			},
		})
		test(t, r)
	})
}

// standing is all that an operation could change.
func (g *recorded) standing(t *testing.T) any {
	t.Helper()
	d, err := g.store.Deliveries(t.Context(), store.Filter{}, store.Page{})
	paused, err2 := g.store.Paused(t.Context())
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	return []any{d, paused}
}

// TestNothingIsDoneThatCannotBeRecorded: whatever the operation is, it is recorded first, and refused if that fails.
func TestNothingIsDoneThatCannotBeRecorded(t *testing.T) {
	for name := range operations {
		if strings.HasPrefix(name, "Audit") {
			continue // see TestAuditOperationsAreRecordedFirst
		}
		if attempts[name] == nil {
			t.Errorf("%s is not tried; give it a call in attempts", name)
			continue
		}
		withRecords(t, func(t *testing.T, g *recorded) {
			before := g.standing(t)
			g.fails = errors.New("the disk is full")
			err := attempts[name](t.Context(), g.Service, somebody, "acme", g.event)
			if name == "Ready" { // load balancers ask for it all the time
				if err != nil || len(g.records) != 0 {
					t.Errorf("%s: %v, %+v", name, err, g.records)
				}
				return
			}
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "cannot be recorded") || !errors.Is(err, g.fails) {
				t.Errorf("%s: %v", name, err)
			}
			pass(0)
			if after := g.standing(t); !reflect.DeepEqual(before, after) {
				t.Errorf("%s was done: %+v", name, after)
			}
			if len(g.records) != 1 || g.records[0].Operation != name || g.records[0].Capability != operations[name].capability || g.records[0].Denied || g.records[0].Actor.Name != "ada" {
				t.Errorf("%s: %+v", name, g.records)
			}
			g.fails = nil
			if err := attempts[name](t.Context(), g.Service, somebody, "acme", g.event); err != nil || len(g.records) != 2 {
				t.Errorf("%s: %v, %+v", name, err, g.records)
			}
		})
	}
}

// TestDenialsAreRecorded: and stand, even if they cannot be.
func TestDenialsAreRecorded(t *testing.T) {
	withRecords(t, func(t *testing.T, g *recorded) {
		nobody := Actor{Name: "eve", Via: "test", May: func(Capability) bool { return false }}
		bound := func(tenants ...string) Actor {
			return Actor{Name: "eve", Via: "test", May: Everything, Bound: func(Capability) ([]string, bool) { return tenants, true }}
		}
		for name, try := range attempts {
			for _, g.fails = range []error{nil, errors.New("the disk is full")} {
				g.records = nil
				if err := try(t.Context(), g.Service, nobody, "acme", g.event); !errors.Is(err, ErrForbidden) {
					t.Errorf("%s: %v", name, err)
				}
				if len(g.records) != 1 || !g.records[0].Denied || g.records[0].Operation != name || g.records[0].Actor.Name != "eve" {
					t.Errorf("%s: %+v", name, g.records)
				}
				if err := try(t.Context(), g.Service, bound(), "acme", g.event); !errors.Is(err, ErrForbidden) {
					t.Errorf("%s for somebody who is bound to nothing: %v", name, err)
				}
				// Of others' tenants.
				g.records = nil
				err := try(t.Context(), g.Service, bound("beta"), "acme", g.event)
				switch {
				case OfTheWhole(name):
					if !errors.Is(err, ErrForbidden) || len(g.records) != 1 || !g.records[0].Denied {
						t.Errorf("%s of the whole: %v, %+v", name, err, g.records)
					}
				case slices.Contains([]string{"Destinations", "Overview", "Jobs", "Job", "StopJob", "Rotations", "Ready", "Documents"}, name): // they name no tenant
				case !errors.Is(err, ErrNotFound) || len(g.records) != 1 || !g.records[0].Denied || g.records[0].Tenant != "acme" || !slices.Equal(g.records[0].Tenants, []string{"beta"}):
					t.Errorf("%s of another tenant: %v, %+v", name, err, g.records)
				case strings.Contains(err.Error(), "acme"):
					t.Errorf("%s names another tenant: %v", name, err)
				}
			}
		}
		g.fails, g.records = nil, nil
		if err := Deny(t.Context(), g.Service, nobody, "Erase"); !errors.Is(err, ErrForbidden) || len(g.records) != 1 || g.records[0].Capability != Erase || !g.records[0].Denied {
			t.Errorf("%v, %+v", err, g.records)
		}
		if err := Deny(t.Context(), nil, nobody, ""); !errors.Is(err, ErrForbidden) {
			t.Error(err)
		}
	})
}

// TestARecordHoldsNoValues: names of what it is about, and of a filter only which members it has.
func TestARecordHoldsNoValues(t *testing.T) {
	withRecords(t, func(t *testing.T, g *recorded) {
		sel := Selection{DryRun: true, Filter: Filter{Tenant: "acme", Destination: "crm", Caller: "+15551234567", Reason: "private words", State: "dead"}}
		if _, err := g.Replay(t.Context(), somebody, ReplaySelection{Selection: sel}); err != nil {
			t.Fatal(err)
		}
		if _, err := g.RevealEvent(t.Context(), somebody, g.event, "a complaint"); err != nil {
			t.Fatal(err)
		}
		_, err := g.Event(t.Context(), somebody, "a\nb"+strings.Repeat("x", maxFilterText))
		if !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
		ada := Actor{Name: "ada", Via: "test"}
		want := []Record{
			{Actor: ada, Operation: "Replay", Capability: Operate, Tenant: "acme", Destination: "crm", Filter: []string{"state", "reason", "caller"}, DryRun: true},
			{Actor: ada, Operation: "RevealEvent", Capability: Reveal, Tenant: "acme", Event: g.event, Reason: "a complaint"},
			{Actor: ada, Operation: "Event", Capability: View, Event: notText},
		}
		if !reflect.DeepEqual(g.records, want) {
			t.Errorf("%+v\nwant %+v", g.records, want)
		}
	})
}
