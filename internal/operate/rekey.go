package operate

import (
	"context"
	"errors"
	"fmt"

	"github.com/callgate/callgate/internal/seal"
)

// Rekey seals everything that is stored with the first key of the ring that the store was opened with. It tells progress
// of how many records are done, of how many. It can be stopped and begun again.
func (s *Service) Rekey(ctx context.Context, a Actor, progress func(done, total int)) error {
	if err := s.beginStored(a, "Rekey"); err != nil {
		return err
	}
	err := s.o.Store.Rekey(a.by(ctx), progress)
	if errors.Is(err, seal.ErrNoKey) {
		return &Error{Kind: ErrBadRequest, cause: err, text: fmt.Sprintf(
			"%s: encryption_key has to hold the new key first, and the old ones that the store was written with", err)}
	}
	return stored(err)
}
