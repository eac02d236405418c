package sealed

import (
	"context"
	"errors"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
)

// TenantOf tells whose a delivery is; store.ErrNotFound if it is gone.
type TenantOf func(ctx context.Context, k lanes.Key) (string, error)

// DeliverySealer seals what is kept of a delivery: with its tenant's data key, where tenants have such.
func DeliverySealer(ctx context.Context, keys *seal.Keys, k lanes.Key, tenantOf TenantOf) (seal.Sealer, error) {
	if !keys.Tenants() {
		return keys.Opener(ctx), nil
	}
	tenant, err := tenantOf(ctx, k)
	if err != nil {
		return seal.Sealer{}, err
	}
	return keys.Sealer(ctx, tenant)
}

// Excerpt is what a receiver has answered to an attempt, before it is sealed.
type Excerpt struct {
	data   []byte
	sealer seal.Sealer
	seals  bool // it is to be sealed
}

// PrepareExcerpt finds what the excerpt of an attempt is sealed with; keys are nil where nothing is. Without its tenant's data
// key the attempt is stored without it, and log hears of it: what came of the attempt does not wait for that.
func PrepareExcerpt(ctx context.Context, keys *seal.Keys, a *store.Attempt, k lanes.Key, tenantOf TenantOf, log func(msg string, err error)) (Excerpt, error) {
	x := Excerpt{data: a.Excerpt, seals: keys != nil && len(a.Excerpt) > 0}
	if !x.seals {
		return x, nil
	}
	var err error
	x.sealer, err = DeliverySealer(ctx, keys, k, tenantOf)
	switch {
	case errors.Is(err, store.ErrNotFound): // erased meanwhile
		return Excerpt{}, nil
	case errors.Is(err, seal.ErrUnavailable), errors.Is(err, seal.ErrNoKey):
		log("what a receiver answered to delivery "+a.DeliveryID+" is not kept", err)
		return Excerpt{}, nil
	}
	return x, err
}

// KeyID is how the id of the key is stored that seals it; nil if none does.
func (x *Excerpt) KeyID() []byte {
	if !x.seals {
		return nil
	}
	return x.sealer.StoredID()
}

// Seal gives what is stored of it, at its place; nil if there is none.
func (x *Excerpt) Seal(p seal.Place) []byte {
	switch {
	case len(x.data) == 0:
		return nil
	case !x.seals:
		return x.data
	}
	return x.sealer.Seal(x.data, p)
}
