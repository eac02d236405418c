package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// failingKeys is a store whose data keys fail.
type failingKeys struct {
	store.DataKeyed
	err  error
	done store.Destroyed
}

func (f *failingKeys) DestroyDataKeys(context.Context, string, bool) (store.Destroyed, error) {
	return f.done, f.err
}

func (f *failingKeys) RotateDataKey(context.Context, string) (store.DataKey, error) {
	return store.DataKey{}, f.err
}

func (f *failingKeys) VerifyDataKeys(_ context.Context, each func(store.DataKey, error)) error {
	each(store.DataKey{ID: "01", Tenant: "acme"}, f.err)
	return nil
}

// TestDataKeyErrorsSayWhatToDo: each has its kind, and what was done is not hidden by what was not.
func TestDataKeyErrorsSayWhatToDo(t *testing.T) {
	f := &failingKeys{DataKeyed: storetest.NewMemory(storetest.Options{}).(store.DataKeyed)}
	s := New(Options{Store: f})
	acme := Destruction{TenantChoice: TenantChoice{Tenant: "acme"}}
	for _, c := range []struct {
		err        error
		kind       error
		says, gone string
	}{
		{fmt.Errorf("%w: tenant acme: sealed", seal.ErrUnavailable), ErrUnavailable, "sealed", ""},
		{store.ErrNoDataKeys, ErrUnavailable, "write data_keys", ""},
		{store.ErrNotFound, ErrNotFound, "never had a data key", ""},
		{fmt.Errorf("%w: delete it there", store.ErrWrapperKept), nil, "", "delete it there"},
	} {
		f.err = c.err
		got, err := s.DestroyDataKeys(t.Context(), somebody, acme)
		if c.gone != "" {
			if err != nil || !strings.Contains(got.Left, c.gone) {
				t.Errorf("%v: %+v, %v", c.err, got, err)
			}
			continue
		}
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v", c.err, err)
		}
		if _, err := s.RotateDataKey(t.Context(), somebody, acme.TenantChoice); !errors.Is(err, c.kind) {
			t.Errorf("rotating, %v: %v", c.err, err)
		}
		if l, err := s.CheckDataKeys(t.Context(), somebody); err != nil || len(l.Keys) != 1 || l.Keys[0].Error == "" {
			t.Errorf("checking, %v: %+v, %v", c.err, l, err)
		}
	}
	f.done, f.err = store.Destroyed{Keys: 1}, errors.New("the disk is full")
	if _, err := s.DestroyDataKeys(t.Context(), somebody, acme); err == nil || !strings.Contains(err.Error(), "a part was done") {
		t.Error(err)
	}
}

// TestOneTenantIsNamed: neither a name that was forgotten nor one that was misspelt is taken for another.
func TestOneTenantIsNamed(t *testing.T) {
	m := storetest.NewMemory(storetest.Options{DataKeys: true})
	s := New(Options{Store: m, Names: func() Names { return Names{Tenants: []string{"acme"}} }})
	bound := Actor{Name: "eve", Via: "test", May: Everything, Bound: func(Capability) ([]string, bool) { return []string{"acme"}, true }}
	for _, c := range []struct {
		choice TenantChoice
		by     Actor
		want   error
	}{
		{TenantChoice{}, somebody, ErrBadRequest},
		{TenantChoice{Tenant: "acme", NoTenant: true}, somebody, ErrBadRequest},
		{TenantChoice{Tenant: "acne"}, somebody, ErrNotFound},
		{TenantChoice{NoTenant: true}, bound, ErrForbidden},
		{TenantChoice{}, bound, ErrBadRequest},
		{TenantChoice{NoTenant: true}, somebody, nil},
		{TenantChoice{Tenant: "acme"}, bound, nil},
	} {
		if _, err := s.RotateDataKey(t.Context(), c.by, c.choice); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, want %v", c.choice, err, c.want)
		}
	}
	if _, err := s.DestroyDataKeys(t.Context(), somebody, Destruction{TenantChoice: TenantChoice{Tenant: "acme"}, Reason: "two\nlines"}); !errors.Is(err, ErrBadRequest) {
		t.Error(err)
	}
	if l, err := s.DataKeys(t.Context(), bound); err != nil || len(l.Keys) != 1 || l.Keys[0].Tenant != "acme" {
		t.Errorf("%+v, %v", l, err)
	}
}

// erasing is an engine that erases and does nothing else.
type erasing struct {
	Engine
	n int
}

func (e *erasing) Erase(_ context.Context, _ store.Filter, dryRun bool) (n int, err error) {
	if n = e.n; !dryRun {
		e.n = 0
	}
	return n, nil
}

// TestATenantIsErasedWithItsKeys: in one, recorded as both, and only where the whole tenant is meant.
func TestATenantIsErasedWithItsKeys(t *testing.T) {
	for _, asJob := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			m := storetest.NewMemory(storetest.Options{DataKeys: true})
			e := &erasing{n: 2}
			var records []string
			s := New(Options{Store: m, Engine: e, Record: func(_ context.Context, r Record) error {
				records = append(records, r.Operation+" "+r.Tenant+" "+strings.Join(r.Filter, " ")+r.Ended)
				return nil
			}})
			for _, tenant := range []string{"acme", "beta"} {
				if _, err := s.RotateDataKey(t.Context(), somebody, TenantChoice{Tenant: tenant}); err != nil {
					t.Fatal(err)
				}
			}
			erase := func(sel EraseSelection) error {
				t.Helper()
				if !asJob {
					_, err := s.Erase(t.Context(), somebody, sel)
					return err
				}
				_, err := s.StartErasure(t.Context(), somebody, sel)
				synctest.Wait()
				return err
			}
			left := func() (tenants []string) {
				l, err := s.DataKeys(t.Context(), somebody)
				if err != nil {
					t.Fatal(err)
				}
				for _, k := range l.Keys {
					if k.Destroyed.IsZero() {
						tenants = append(tenants, k.Tenant)
					}
				}
				return tenants
			}
			for _, sel := range []Selection{{All: true}, {Filter: Filter{Tenant: "acme", To: "2026-01-01T00:00:00Z"}}, {Filter: Filter{Caller: "+15550100000"}}} {
				if err := erase(EraseSelection{Selection: sel, DestroyKey: true}); !errors.Is(err, ErrBadRequest) {
					t.Errorf("%+v: %v", sel, err)
				}
			}
			acme := Selection{Filter: Filter{Tenant: "acme"}}
			counted := acme
			counted.DryRun = true
			if err := erase(EraseSelection{Selection: counted, DestroyKey: true}); err != nil || e.n != 2 || len(left()) != 2 {
				t.Errorf("%v, %d events, keys of %v", err, e.n, left())
			}
			if err := erase(EraseSelection{Selection: Selection{Filter: Filter{Tenant: "nobody"}}, DestroyKey: true}); !errors.Is(err, ErrNotFound) || e.n != 2 {
				t.Errorf("a tenant without keys: %v, %d events", err, e.n)
			}
			// What a halt between the two has left is done by doing it again, also for a tenant that is not configured any more.
			s.o.Names = func() Names { return Names{Tenants: []string{"beta"}} }
			records = nil
			if err := erase(EraseSelection{Selection: acme, DestroyKey: true}); err != nil || e.n != 0 {
				t.Errorf("%v, %d events", err, e.n)
			}
			want := []string{"Erase acme destroy_key", "DestroyDataKeys acme "}
			if asJob {
				want = []string{"StartErasure acme destroy_key", "DestroyDataKeys acme ", "StartErasure acme destroy_keydone"}
			}
			if !slices.Equal(records, want) {
				t.Errorf("recorded %q", records)
			}
			if got := left(); !slices.Equal(got, []string{"beta"}) {
				t.Errorf("keys of %v are left", got)
			}
		})
	}
}
