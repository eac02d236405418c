package manage

import (
	"context"
	"errors"
	"fmt"

	"github.com/callgate/callgate/internal/store"
)

// Follower is a configuration that can tell which versions it has brought into force, so that it can follow what other
// gateways on the same store publish.
type Follower interface {
	// InForce gives the version of each document of a kind that it has brought into force, or tried to; -1 of one that it knows
	// nothing of but its name. The map is the caller's.
	InForce(kind string) map[string]int
	// Apply brings into force what the store says of a document.
	Apply(ctx context.Context, kind, name string) error
}

// followPage is how many documents are read at a time.
const followPage = 1000

// CatchUp brings into force what another gateway has published or removed, and returns how many documents are. Of one
// with a mistake the version before stays in force, and the rest goes on; these are the mistakes. It reads no content but
// that of what has changed. After an error it is not known what else is in the store.
func (s *Service) CatchUp(ctx context.Context, f Follower) (changed int, mistakes []error, err error) {
	for _, kind := range []string{Destination, Tenant} { // tenants deliver to destinations, which have to be there
		have := f.InForce(kind)
		apply := func(name string) error {
			err := f.Apply(ctx, kind, name)
			switch {
			case err == nil:
				changed++
			case ctx.Err() != nil || errors.Is(err, store.ErrUnavailable):
				return err
			default:
				mistakes = append(mistakes, fmt.Errorf("%s %s, as another gateway has published it: %w", kind, name, err))
			}
			return nil
		}
		for after := ""; ; {
			heads, err := s.o.Store.DocumentHeads(ctx, kind, after, followPage)
			if err != nil {
				return changed, mistakes, err
			}
			for _, h := range heads {
				if have[h.Name] != h.InForce {
					if err := apply(h.Name); err != nil {
						return changed, mistakes, err
					}
				}
				delete(have, h.Name)
				after = h.Name
			}
			if len(heads) < followPage {
				break
			}
		}
		for name, version := range have { // forgotten
			if version != 0 {
				if err := apply(name); err != nil {
					return changed, mistakes, err
				}
			}
		}
	}
	return changed, mistakes, nil
}
