package delivery

import (
	"context"
	"fmt"
	"strings"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/store"
)

// Refuses says why an event does not go to the destination, in words for who configured it; empty if it does. record is
// the event's.
func (c *Config) Refuses(ctx context.Context, e *store.Event, record *call.Call) string {
	if !c.takesType(e.EventType) {
		return fmt.Sprintf("the destination takes events of the type %s only, and this is of %q", strings.Join(c.EventTypes, ", "), e.EventType)
	}
	takes, err := c.takes(ctx, e, func() (*call.Call, error) { return record, nil })
	if err == nil && !takes {
		return "the destination's own condition is not met"
	}
	return "" // also if the condition fails, as when an event is accepted
}
