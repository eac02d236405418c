package operate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

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
