package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/manage"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

func init() {
	for name, try := range map[string]func(ctx context.Context, s *Service, a Actor, tenant string) error{
		"Documents": func(ctx context.Context, s *Service, a Actor, _ string) error {
			_, err := s.Documents(ctx, a, manage.Tenant, DocumentListing{})
			return err
		},
		"Document": func(ctx context.Context, s *Service, a Actor, tenant string) error {
			_, err := s.Document(ctx, a, manage.Tenant, tenant, DocumentChoice{})
			return err
		},
		"DocumentVersions": func(ctx context.Context, s *Service, a Actor, tenant string) error {
			_, err := s.DocumentVersions(ctx, a, manage.Tenant, tenant)
			return err
		},
		"CompareDocument": func(ctx context.Context, s *Service, a Actor, tenant string) error {
			_, err := s.CompareDocument(ctx, a, manage.Tenant, tenant, DocumentPair{})
			return err
		},
		"SaveDocument": func(ctx context.Context, s *Service, a Actor, tenant string) error {
			_, err := s.SaveDocument(ctx, a, manage.Tenant, tenant, manage.Draft{Body: []byte(`{"n":9}`)})
			return err
		},
		"PublishDocument": func(ctx context.Context, s *Service, a Actor, tenant string) error {
			_, err := s.PublishDocument(ctx, a, manage.Tenant, tenant, DocumentChoice{})
			return err
		},
		"RollbackDocument": func(ctx context.Context, s *Service, a Actor, tenant string) error {
			_, err := s.RollbackDocument(ctx, a, manage.Tenant, tenant, DocumentRollback{})
			return err
		},
		"RemoveDocument": func(ctx context.Context, s *Service, a Actor, tenant string) error {
			_, err := s.RemoveDocument(ctx, a, manage.Tenant, tenant, DocumentRemoval{})
			return err
		},
	} {
		attempts[name] = func(ctx context.Context, s *Service, a Actor, tenant, _ string) error { return try(ctx, s, a, tenant) }
	}
}

// takesAll is a configuration that takes every document.
type takesAll struct{}

func (takesAll) Taken(string, string) string { return "" }

func (takesAll) Check(context.Context, *store.Document) ([]string, error) { return nil, nil }

func (takesAll) Apply(context.Context, string, string) error { return nil }

// someDocuments has the tenants acme, with two versions that were published and a draft, and beta.
func someDocuments(t *testing.T, s store.Store) *manage.Service {
	t.Helper()
	m := manage.New(manage.Options{Store: s, Gateway: func() manage.Gateway { return takesAll{} }})
	for _, d := range []struct {
		name    string
		publish bool
		body    string
	}{{"acme", true, `{"n":1}`}, {"acme", true, `{"n":2}`}, {"acme", false, `{"n":3}`}, {"beta", true, `{}`}} {
		if _, err := m.Save(t.Context(), "ann", manage.Tenant, d.name, manage.Draft{Body: []byte(d.body), Publish: d.publish}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Save(t.Context(), "ann", manage.Destination, "crm", manage.Draft{Body: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestWhoIsBoundHasTheirDocuments: of their tenants, and no destination.
func TestWhoIsBoundHasTheirDocuments(t *testing.T) {
	withRecords(t, func(t *testing.T, g *recorded) {
		bound := Actor{Name: "bea", Via: "test", May: func(c Capability) bool { return c == Build },
			Bound: func(Capability) ([]string, bool) { return []string{"beta", "new"}, true }}
		list, err := g.Documents(t.Context(), bound, manage.Tenant, DocumentListing{})
		if err != nil || len(list.Documents) != 1 || list.Documents[0].Name != "beta" {
			t.Errorf("%+v, %v", list, err)
		}
		if _, err := g.Documents(t.Context(), bound, manage.Destination, DocumentListing{}); !errors.Is(err, ErrForbidden) {
			t.Errorf("destinations: %v", err)
		}
		if _, err := g.SaveDocument(t.Context(), bound, manage.Destination, "crm", manage.Draft{Body: []byte(`{"a":1}`)}); !errors.Is(err, ErrForbidden) {
			t.Errorf("a destination: %v", err)
		}
		if c, err := g.SaveDocument(t.Context(), bound, manage.Tenant, "new", manage.Draft{Body: []byte(`{}`), Publish: true}); err != nil || c.Version != 1 {
			t.Errorf("a new tenant of theirs: %+v, %v", c, err)
		}
		// Erasing is another capability.
		if _, err := g.RemoveDocument(t.Context(), bound, manage.Tenant, "beta", DocumentRemoval{Erase: true}); !errors.Is(err, ErrForbidden) {
			t.Errorf("erased: %v", err)
		}
		if d, err := g.Document(t.Context(), bound, manage.Tenant, "beta", DocumentChoice{}); err != nil || d.State != store.Published || d.Author != "ann" {
			t.Errorf("after it was refused: %+v, %v", d, err)
		}
	})
}

func TestARemovedTenantIsErasedAsAsked(t *testing.T) {
	withRecords(t, func(t *testing.T, g *recorded) {
		everything := Actor{Name: "ada", Via: "test", May: Everything}
		dry, err := g.RemoveDocument(t.Context(), everything, manage.Tenant, "acme", DocumentRemoval{Erase: true, DryRun: true})
		if err != nil || dry.Events != 1 {
			t.Errorf("dry: %+v, %v", dry, err)
		}
		if _, err := g.store.Event(t.Context(), g.event); err != nil {
			t.Errorf("a dry run erased it: %v", err)
		}
		done, err := g.RemoveDocument(t.Context(), everything, manage.Tenant, "acme", DocumentRemoval{Erase: true, Note: "their contract ended"})
		if err != nil || done.Events != 1 || done.State != store.Removed {
			t.Errorf("%+v, %v", done, err)
		}
		if _, err := g.store.Event(t.Context(), g.event); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the event is there: %v", err)
		}
		if _, err := g.Document(t.Context(), everything, manage.Tenant, "acme", DocumentChoice{}); !errors.Is(err, ErrNotFound) {
			t.Errorf("its versions are there: %v", err)
		}
		if _, err := g.RemoveDocument(t.Context(), everything, manage.Destination, "crm", DocumentRemoval{Erase: true}); !errors.Is(err, ErrBadRequest) {
			t.Errorf("a destination: %v", err)
		}
		if _, err := g.PublishDocument(t.Context(), everything, manage.Tenant, "beta", DocumentChoice{Version: 7}); !errors.Is(err, ErrConflict) {
			t.Errorf("a version that is not the last: %v", err)
		}
	})
}

// TestChangesOfDocumentsNameWhoMadeThem: in the transaction of the change, and nothing for one that was refused or only tried.
func TestChangesOfDocumentsNameWhoMadeThem(t *testing.T) {
	s, db, _ := audited(t)
	s.o.Documents = manage.New(manage.Options{Store: db, Gateway: func() manage.Gateway { return takesAll{} }})
	for _, do := range []func() error{
		func() error {
			_, err := s.SaveDocument(t.Context(), somebody, manage.Tenant, "acme", manage.Draft{Body: []byte(`{"n":1}`), Note: "new"})
			return err
		},
		func() error {
			_, err := s.SaveDocument(t.Context(), somebody, manage.Tenant, "acme", manage.Draft{Body: []byte(`{"n":2}`), DryRun: true})
			return err
		},
		func() error {
			_, err := s.PublishDocument(t.Context(), somebody, manage.Tenant, "acme", DocumentChoice{})
			return err
		},
		func() error {
			if _, err := s.PublishDocument(t.Context(), somebody, manage.Tenant, "acme", DocumentChoice{}); !errors.Is(err, ErrConflict) {
				return fmt.Errorf("published twice: %w", err)
			}
			return nil
		},
		func() error {
			_, err := s.SaveDocument(t.Context(), somebody, manage.Tenant, "acme", manage.Draft{Body: []byte(`{"n":2}`), Publish: true})
			return err
		},
		func() error {
			_, err := s.RollbackDocument(t.Context(), somebody, manage.Tenant, "acme", DocumentRollback{})
			return err
		},
		func() error {
			_, err := s.RemoveDocument(t.Context(), somebody, manage.Tenant, "acme", DocumentRemoval{Note: "over", Erase: true})
			return err
		},
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	if err := db.AuditLines(t.Context(), 0, func(_ int64, line []byte) error {
		l, err := audit.ParseLine(line)
		if err == nil && strings.HasPrefix(string(l.Kind), "document.") {
			got = append(got, fmt.Sprintf("%s %s %d %s by %s", l.Kind, l.Tenant, l.Version, l.Why, l.Actor.ID))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"document.saved acme 1 new by ada", "document.published acme 1  by ada", "document.published acme 2  by ada",
		"document.published acme 3 back to version 1 by ada", "document.removed acme 4 over by ada", "document.forgotten acme 0  by ada",
	}
	if !slices.Equal(got, want) {
		t.Errorf("recorded are\n%s", strings.Join(got, "\n"))
	}
}

// refuses is a configuration in which a document has something that another tenant has.
type refuses struct {
	takesAll
	atCheck bool
	of      string
}

func (r refuses) mistake() error {
	says := func(of string) string { return "it has the same secret as " + of }
	return fmt.Errorf("tenant beta:1:2: %w", &manage.OfAnother{Tenant: r.of, Text: says("tenant " + r.of), Unnamed: says("another tenant")})
}

func (r refuses) Check(context.Context, *store.Document) ([]string, error) {
	if r.atCheck {
		return nil, r.mistake()
	}
	return nil, nil
}

func (r refuses) Apply(context.Context, string, string) error { return r.mistake() }

// TestNoMistakeNamesAnotherTenant: to whom may not see that one.
func TestNoMistakeNamesAnotherTenant(t *testing.T) {
	build := func(tenants ...string) Actor {
		a := Actor{Name: "bea", Via: "test", May: Everything}
		if tenants != nil {
			a.Bound = func(Capability) ([]string, bool) { return tenants, true }
		}
		return a
	}
	for _, atCheck := range []bool{true, false} {
		for _, tt := range []struct {
			who  Actor
			want string
		}{
			{build("beta"), "tenant beta:1:2: it has the same secret as another tenant"},
			{build("beta", "acme"), "tenant beta:1:2: it has the same secret as tenant acme"},
			{build(), "tenant beta:1:2: it has the same secret as tenant acme"},
		} {
			s := New(Options{Documents: manage.New(manage.Options{Store: storetest.NewMemory(storetest.Options{}),
				Gateway: func() manage.Gateway { return refuses{of: "acme", atCheck: atCheck} }})})
			_, err := s.SaveDocument(t.Context(), tt.who, manage.Tenant, "beta", manage.Draft{Body: []byte(`{}`), Publish: true})
			if err == nil || err.Error() != tt.want || errors.Is(err, ErrBadRequest) != atCheck {
				t.Errorf("%v, want %s", err, tt.want)
			}
		}
	}
}
