package operate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
)

// DataKeyList lists data keys in the order of tenants and of their making.
type DataKeyList struct {
	Keys []CheckedDataKey `json:"keys"`
}

// CheckedDataKey is a data key, and what a check has found.
type CheckedDataKey struct {
	store.DataKey
	// Error says why it cannot be unwrapped now, if it was tried.
	Error string `json:"error,omitempty"`
}

// TenantChoice is of one tenant. The one without a name is meant by NoTenant.
type TenantChoice struct {
	Tenant   string `json:"tenant,omitempty"`
	NoTenant bool   `json:"no_tenant,omitempty"`
}

func (c *TenantChoice) check(sc scope) error {
	if c.NoTenant && !sc.has("") {
		return &Error{Kind: ErrForbidden, text: "you may not do that: you are bound to tenants, and what has none is not yours"}
	}
	if (c.Tenant == "") != c.NoTenant {
		return badRequest(`say which tenant is meant: "tenant", or "no_tenant": true for what has none`)
	}
	return nil
}

// Destruction is of the data keys of one tenant.
type Destruction struct {
	TenantChoice
	// Reason says why, for the audit log.
	Reason string `json:"reason,omitempty"`
	DryRun bool   `json:"dry_run,omitempty"`
}

// DestroyedKeys is what a destruction did.
type DestroyedKeys struct {
	DryRun bool `json:"dry_run"`
	store.Destroyed
	// Left says what is still to be done elsewhere.
	Left string `json:"left,omitempty"`
}

// dataKeyed is the store, if its tenants can have data keys.
func (s *Service) dataKeyed() (store.DataKeyed, error) {
	k, ok := s.o.Store.(store.DataKeyed)
	if !ok {
		return nil, &Error{Kind: ErrUnavailable, text: "the store has no data keys"}
	}
	return k, nil
}

// beginKeys begins an operation on data keys.
func (s *Service) beginKeys(ctx context.Context, a Actor, r Record) (scope, store.DataKeyed, error) {
	sc, err := s.permitStored(ctx, a, r)
	if err != nil {
		return sc, nil, err
	}
	k, err := s.dataKeyed()
	if err != nil {
		return sc, nil, err
	}
	return sc, k, s.note(ctx, a, r)
}

// keysError gives an error of data keys its kind.
func keysError(err error) error {
	switch {
	case errors.Is(err, store.ErrNoDataKeys):
		return &Error{Kind: ErrUnavailable, cause: err, text: err.Error()}
	case errors.Is(err, store.ErrNotFound):
		return &Error{Kind: ErrNotFound, cause: err, text: "the tenant never had a data key; is data_keys configured, and the name right?"}
	case errors.Is(err, seal.ErrUnavailable) && !errors.Is(err, store.ErrUnavailable):
		return &Error{Kind: ErrUnavailable, cause: err, text: err.Error()}
	}
	return stored(err)
}

// DataKeys lists the data keys of the tenants, those that were destroyed too.
func (s *Service) DataKeys(ctx context.Context, a Actor) (*DataKeyList, error) {
	sc, k, err := s.beginKeys(ctx, a, Record{Operation: "DataKeys"})
	if err != nil {
		return nil, err
	}
	list, err := k.DataKeys(ctx, sc.filter())
	if err != nil {
		return nil, keysError(err)
	}
	answer := &DataKeyList{Keys: make([]CheckedDataKey, len(list))}
	for i := range list {
		answer.Keys[i].DataKey = list[i]
	}
	return answer, nil
}

// CheckDataKeys unwraps every data key anew and tells of which that fails. It lists those that are not destroyed.
func (s *Service) CheckDataKeys(ctx context.Context, a Actor) (*DataKeyList, error) {
	_, k, err := s.beginKeys(ctx, a, Record{Operation: "CheckDataKeys"})
	if err != nil {
		return nil, err
	}
	answer := &DataKeyList{Keys: []CheckedDataKey{}}
	err = k.VerifyDataKeys(ctx, func(key store.DataKey, err error) {
		checked := CheckedDataKey{DataKey: key}
		if err != nil {
			checked.Error = err.Error()
		}
		answer.Keys = append(answer.Keys, checked)
	})
	if err != nil {
		return nil, keysError(err)
	}
	return answer, nil
}

// RotateDataKey has a tenant's new content sealed with a new data key. The one before goes on opening what it has sealed.
func (s *Service) RotateDataKey(ctx context.Context, a Actor, c TenantChoice) (*store.DataKey, error) {
	r := Record{Operation: "RotateDataKey", Tenant: c.Tenant}
	sc, err := s.permitStored(ctx, a, r)
	if err != nil {
		return nil, err
	}
	k, err := s.dataKeyed()
	if err == nil {
		err = c.check(sc)
	}
	if err == nil {
		err = s.hasKeysOrIsKnown(ctx, k, c.Tenant)
	}
	if err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	made, err := k.RotateDataKey(a.by(ctx), c.Tenant)
	if err != nil {
		return nil, keysError(err)
	}
	s.o.Log.Info("an operator has given a tenant a new data key", zap.String("tenant", c.Tenant), zap.String("key", made.ID), zap.String("by", a.Name), zap.String("via", a.Via))
	return &made, nil
}

// hasKeysOrIsKnown keeps a misspelt name from being given a key.
func (s *Service) hasKeysOrIsKnown(ctx context.Context, k store.DataKeyed, tenant string) error {
	if s.o.Names == nil || tenant == "" {
		return nil
	}
	names := s.o.Names().Tenants
	if slices.Contains(names, tenant) {
		return nil
	}
	list, err := k.DataKeys(ctx, []string{tenant})
	if err != nil || len(list) > 0 {
		return keysError(err)
	}
	return noSuch("tenant", tenant, names)
}

// DestroyDataKeys destroys all data keys of a tenant, with which all that they have sealed is gone, and takes the content of
// all its events away. A new call of the tenant's has a new key.
func (s *Service) DestroyDataKeys(ctx context.Context, a Actor, d Destruction) (*DestroyedKeys, error) {
	r := Record{Operation: "DestroyDataKeys", Tenant: d.Tenant, Reason: d.Reason, DryRun: d.DryRun}
	sc, err := s.permitStored(ctx, a, r)
	if err != nil {
		return nil, err
	}
	k, err := s.dataKeyed()
	if err == nil {
		err = d.check(sc)
	}
	if err == nil && !isNote(d.Reason) {
		err = badRequest("reason must be a line of up to %d bytes", maxNote)
	}
	if err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	done, err := k.DestroyDataKeys(a.by(ctx), d.Tenant, d.DryRun)
	answer := &DestroyedKeys{DryRun: d.DryRun, Destroyed: done}
	log := s.o.Log.With(zap.String("tenant", d.Tenant), zap.String("by", a.Name), zap.String("via", a.Via))
	switch {
	case errors.Is(err, store.ErrWrapperKept):
		log.Error("an operator has destroyed a tenant's data keys, and something is left", zap.Error(err))
		answer.Left = err.Error()
	case err != nil && done.Keys > 0 && !d.DryRun:
		log.Error("the destruction of a tenant's data keys stopped on the way; the keys are gone", zap.Error(err))
		return nil, partly(err)
	case err != nil:
		return nil, keysError(err)
	case !d.DryRun:
		log.Info("an operator has destroyed a tenant's data keys", zap.Int("keys", done.Keys), zap.Int("events", done.Events), zap.Int("deliveries", done.Deliveries))
	}
	return answer, nil
}

// RekeyTenants seals all that tenants have with data keys that are made for it, and destroys those before. It tells progress
// like Rekey.
func (s *Service) RekeyTenants(ctx context.Context, a Actor, tenants []string, progress func(done, total int)) error {
	r := Record{Operation: "RekeyTenants"}
	if len(tenants) == 1 {
		r.Tenant = tenants[0]
	}
	_, k, err := s.beginKeys(ctx, a, r)
	if err != nil {
		return err
	}
	list, err := k.DataKeys(ctx, tenants)
	if err != nil {
		return keysError(err)
	}
	for _, tenant := range tenants {
		if !slices.ContainsFunc(list, func(key store.DataKey) bool { return key.Tenant == tenant }) {
			return &Error{Kind: ErrNotFound, text: fmt.Sprintf("tenant %q has no data key; run rekey without --tenant first, which seals with data keys what has none", tenant)}
		}
	}
	return keysError(k.RekeyTenants(a.by(ctx), tenants, progress))
}
