package sqlite

import (
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/sealed"
)

func (s *Store) sealPayload(e *store.Event, destinations []string) (sealed.Payload, error) {
	if s.o.Keys == nil {
		return sealed.Seal(nil, nil, e, destinations)
	}
	return sealed.Seal(s.o.Keys.Sealer(), s.sealedBy, e, destinations)
}

// openPayload puts a payload into its event, which is number seq, and tells for which destinations it was sealed; nil if it
// does not say.
func (s *Store) openPayload(e *store.Event, seq int64, p sealed.Payload) (destinations []string, err error) {
	if p.KeyID == nil && seq >= s.sealing.event {
		return nil, errUnsealed
	}
	return p.Fill(s.o.Keys.Sealer(), len(p.KeyID) == keyIDSize, e)
}
