package sqlite

import (
	"context"

	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sealed"
)

// sealPayload seals what is kept of an event. The error is seal.ErrUnavailable if its tenant's data key cannot be had now.
func (s *Store) sealPayload(ctx context.Context, e *store.Event, destinations []string) (sealed.Payload, error) {
	if s.o.Keys == nil {
		return sealed.Seal(nil, e, destinations)
	}
	sealer, err := s.seals.Sealer(ctx, e.Tenant)
	if err != nil {
		return sealed.Payload{}, err
	}
	return sealed.Seal(&sealer, e, destinations)
}

// openPayload puts a payload into its event, which is number seq, and tells for which destinations it was sealed; nil if it
// does not say.
func (s *Store) openPayload(ctx context.Context, e *store.Event, seq int64, p sealed.Payload) (destinations []string, err error) {
	if p.KeyID == nil && seq >= s.sealing.event {
		return nil, sealed.ErrUnsealed
	}
	sealer := s.seals.Opener(ctx)
	return p.Fill(&sealer, len(p.KeyID) == seal.KeyIDSize, e)
}
