package operate

import (
	"context"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// settles is after what time an attempt is recorded that took its place in the store's order before another one.
const settles = time.Minute

// latest is up to where the attempts of all gateways are counted. Only who reads uses it.
type latest struct {
	// looks are the highest places that were seen, and when; the first one is of so long ago that nothing below it is recorded
	// any more. counted are the places above it that are counted.
	looks   []seenAt
	counted map[int64]bool
	// most is how many attempts are read at once.
	most int
}

type seenAt struct {
	place int64
	at    time.Time
}

func newLatest() *latest {
	return &latest{looks: []seenAt{{}}, counted: map[int64]bool{}, most: mostLatest}
}

// begin begins with the attempt that was recorded last; those before it are read otherwise.
func (l *latest) begin(a *store.AttemptInfo, now time.Time) { l.looks = []seenAt{{a.Place, now}} }

// settle forgets what cannot come any more.
func (l *latest) settle(highest int64, now time.Time) {
	if highest > l.looks[len(l.looks)-1].place {
		l.looks = append(l.looks, seenAt{highest, now})
	}
	for len(l.looks) > 1 && now.Sub(l.looks[1].at) >= settles {
		l.looks = l.looks[1:]
	}
	for place := range l.counted {
		if place <= l.looks[0].place {
			delete(l.counted, place)
		}
	}
}

// mostLatest bounds what is read at once, at some hundred bytes each.
const mostLatest = 200_000

// readLatest counts the attempts that were recorded since it was called last. If there are more than can be read, it is said
// that those before are not counted.
func (m *Meter) readLatest(ctx context.Context) error {
	l := m.shared
	if l == nil {
		return nil
	}
	now := m.now()
	last := l.looks[0].place
	var fresh []store.AttemptInfo
	highest, ended := l.looks[len(l.looks)-1].place, false
	for before := int64(0); !ended && len(fresh) < l.most; {
		list, next, err := m.store.RecentAttempts(ctx, before, readAtOnce)
		if err != nil {
			return err
		}
		before, ended = next, next == 0
		recent := false
		for _, a := range list {
			highest = max(highest, a.Place)
			// Without a place to go by, as when the store was away at the start, the time says what is another process's.
			if a.Place <= last || last == 0 && a.At.Before(m.began) {
				continue
			}
			if recent = true; !l.counted[a.Place] {
				fresh = append(fresh, a)
			}
		}
		ended = ended || !recent
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !ended { // what lies between is not read any more
		m.gap = fresh[len(fresh)-1].At
	}
	for _, a := range slices.Backward(fresh) {
		l.counted[a.Place] = true
		m.count(&a, false)
	}
	if l.settle(highest, now); !ended {
		l.looks, l.counted = []seenAt{{highest, now}}, map[int64]bool{}
	}
	return nil
}
