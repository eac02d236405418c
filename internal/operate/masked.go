package operate

import (
	"context"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/store"
)

// callers are the masked numbers of events' callers. Those that cannot be read are left out.
func (s *Service) callers(ctx context.Context, rows []store.EventInfo) map[string]string {
	all := map[string]string{}
	for i := range rows {
		if rows[i].Dropped {
			continue
		}
		ev, err := s.o.Store.Event(ctx, rows[i].ID)
		if err != nil {
			continue
		}
		if c, err := call.Decode(ev.Record); err == nil && c.CallerNumber != "" {
			all[ev.ID] = call.MaskNumber(c.CallerNumber)
		}
	}
	return all
}
