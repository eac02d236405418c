package sqlite

import (
	"context"
	"fmt"

	"github.com/callgate/callgate/internal/store"
)

// Probe finds out whether the store can write now, by a commit that changes nothing: the page of the counters is written to
// the log once more, and synced. Like new events it is refused with store.ErrFull while the disk has no more free than is
// kept for what is stored.
func (s *Store) Probe(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	if reserve, free, _ := s.reserve(); reserve > 0 && free < reserve+s.queues.Unsettled()*s.outcomeBytes() {
		return fmt.Errorf("%w: its disk has %d bytes free, and %d are kept for the deliveries of what is stored (min_free): make room on the disk, or shorten the retention", store.ErrFull, free, reserve)
	}
	return s.write(ctx, true, func(b *batch) error {
		_, err := b.c.exec("UPDATE counters SET value = value WHERE name = 'events'")
		return err
	})
}
