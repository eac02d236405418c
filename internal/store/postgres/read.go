package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/callgate/callgate/internal/store"
)

// read has f ask the database something that is answered in no time, and gives up if it is not. What failed since its connection
// was lost is asked once more on another one.
func (s *Store) read(ctx context.Context, f func(context.Context) error) error {
	soon, cancel := context.WithTimeout(ctx, s.o.Patience)
	defer cancel()
	var err error
	for range s.o.Readers + 1 { // each of the connections may be dead
		if err = f(soon); err == nil || code(err) != "" || !isNet(err) || soon.Err() != nil {
			break
		}
	}
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("%w: its database does not answer: %w", store.ErrUnavailable, err)
	}
	return public(err)
}
