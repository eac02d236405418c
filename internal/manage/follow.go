package manage

import (
	"context"
	"errors"
	"fmt"
)

// Follower is a Gateway that can tell which versions it has brought into force, so that it can follow what other gateways
// on the same store publish.
type Follower interface {
	Gateway
	// InForce gives the version of each document of a kind that it has brought into force, or tried to. The map is the
	// caller's.
	InForce(kind string) map[string]int
}

// followPage is how many documents are read at a time.
const followPage = 1000

// CatchUp brings into force what another gateway has published or removed, and returns how many documents were. Of one
// with a mistake the version before stays in force, and the rest goes on; the errors are joined. It reads no content but
// that of what has changed.
func (s *Service) CatchUp(ctx context.Context) (changed int, err error) {
	g, ok := s.o.Gateway().(Follower)
	if !ok {
		return 0, nil
	}
	var failed []error
	for _, kind := range Kinds() {
		have := g.InForce(kind)
		apply := func(name string) {
			changed++
			if err := g.Apply(ctx, kind, name); err != nil {
				failed = append(failed, fmt.Errorf("%s %s, as another gateway has published it: %w", kind, name, err))
			}
		}
		for after := ""; ; {
			heads, err := s.o.Store.DocumentHeads(ctx, kind, after, followPage)
			if err != nil {
				return changed, err
			}
			for _, h := range heads {
				if have[h.Name] != h.InForce {
					apply(h.Name)
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
				apply(name)
			}
		}
	}
	return changed, errors.Join(failed...)
}
