package lanes

import (
	"errors"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// Expiry is one kind of event that goes when its retention is over: those that were delivered everywhere, or those that
// have a dead delivery.
type Expiry struct {
	Dead   bool
	Before int64 // its last delivery ended before this, in nanoseconds since 1970
}

// Keeps tells whether a delivery keeps its event from going. Without an Expiry none does.
func (e *Expiry) Keeps(state, updated int64) bool {
	return e != nil && (state == Pending || state == Dead && !e.Dead || updated >= e.Before)
}

// ErrNoBatch refuses to expire nothing at a time.
var ErrNoBatch = errors.New("expiring needs a batch of at least one event")

// Expire expires up to limit events whose retention is over, those that were delivered before the dead. kind expires up to so
// many of a kind, and tells how many also when it fails.
func Expire(r store.Retention, now time.Time, limit int, kind func(e *Expiry, limit int) (int, error)) (expired store.Expired, err error) {
	if r.Done > 0 {
		n, err := kind(&Expiry{Before: now.Add(-r.Done).UnixNano()}, limit)
		expired.Done = int64(n)
		if err != nil {
			return expired, err
		}
	}
	if left := limit - int(expired.Done); r.Dead > 0 && left > 0 {
		n, err := kind(&Expiry{Dead: true, Before: now.Add(-r.Dead).UnixNano()}, left)
		expired.Dead = int64(n)
		if err != nil {
			return expired, err
		}
	}
	return expired, nil
}
