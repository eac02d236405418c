package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/callgate/callgate/internal/audit"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/lanes"
	"github.com/callgate/callgate/internal/store/sealed"
	"github.com/oklog/ulid/v2"
)

const (
	maxDestinations = 1000
	// rowOverhead is about what an event costs beyond its payload: its own row, its indexes, its unique key.
	rowOverhead = 400
	// deliveryOverhead is about what a delivery costs.
	deliveryOverhead = 120
	// subjectOverhead is about what a subject costs, with its index.
	subjectOverhead = 60
	// leafBytes is about what a leaf of the audit log takes, with its hashes and what lies beside it.
	leafBytes = 512
)

// accepting is the events of one request on their way into the store.
type accepting struct{ events []*event }

// event is one of them.
type event struct {
	*store.Event
	id           [16]byte
	day          int64
	received     int64
	bucket       int
	size         int64
	payload      sealed.Payload
	destinations []string
	besideStored []byte // nil if no audit log is kept
	subject      audit.Commitment

	// What became of it.
	accepted store.Accepted
	made     bool
}

// Accept is store.Store's. The event's ID must be a ULID that was not used before.
func (s *Store) Accept(ctx context.Context, e *store.Event, destinations []string) (store.Accepted, error) {
	all, err := s.AcceptAll(ctx, []*store.Event{e}, [][]string{destinations})
	if err != nil {
		return store.Accepted{}, err
	}
	return all[0], nil
}

// AcceptAll is store.Store's. Sealing is done by the caller's goroutine, so that the writer does nothing but write.
func (s *Store) AcceptAll(ctx context.Context, events []*store.Event, destinations [][]string) ([]store.Accepted, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	a := &accepting{events: make([]*event, len(events))}
	now := s.nowNanos()
	for i, e := range events {
		one, err := s.newEvent(ctx, e, destinations[i], now)
		if err != nil {
			return nil, err
		}
		a.events[i] = one
	}
	err := s.accepts.Do(ctx, a)
	for tries := 0; errors.Is(err, errKeyLost) && tries < 3; tries++ { // there is a new one, or there will be
		for _, e := range a.events {
			s.seals.Forget(e.Tenant)
		}
		for _, e := range a.events {
			if e.payload, err = s.sealPayload(ctx, e.Event, e.destinations); err != nil {
				return nil, keyError(err)
			}
		}
		err = s.accepts.Do(ctx, a)
	}
	if err != nil {
		return nil, err
	}
	all := make([]store.Accepted, len(a.events))
	for i, e := range a.events {
		all[i] = e.accepted
	}
	return all, nil
}

// newEvent prepares an event for the writer.
func (s *Store) newEvent(ctx context.Context, e *store.Event, to []string, now int64) (*event, error) {
	id, err := ulid.ParseStrict(e.ID)
	if err != nil {
		return nil, errors.New("the event's ID is not a ULID: make one with ulid.Make")
	}
	if len(to) > maxDestinations {
		return nil, fmt.Errorf("an event can have %d destinations and has %d: split them over several routes", maxDestinations, len(to))
	}
	one := &event{Event: e, id: id, day: clampDay(id, dayOf(now)), received: nanos(e.ReceivedAt), bucket: store.Bucket(e), destinations: to}
	if one.received == 0 {
		one.received = now
	}
	if one.payload, err = s.sealPayload(ctx, e, to); err != nil {
		return nil, keyError(err)
	}
	var beside audit.Beside
	if beside, one.besideStored, err = s.beside(e); err != nil {
		return nil, err
	}
	one.subject = beside.Subject()
	p := &one.payload
	one.size = int64(len(p.Request)+len(p.Body)+len(p.Record)) + rowOverhead + deliveryOverhead*int64(len(to)) + subjectOverhead*int64(len(e.Subjects))
	if one.besideStored != nil {
		one.size += 2 * leafBytes
	}
	return one, nil
}

// copyOf notes that an event is a copy of another one.
func (e *event) copyOf(first string) {
	e.made = false
	e.accepted = store.Accepted{EventID: first, Duplicate: true}
}

// stored notes that an event is in the store: by this statement, if made, or by one before of which nobody knew.
func (e *event) stored(made bool) {
	e.made = made
	e.accepted = store.Accepted{EventID: e.ID}
	for n := range e.destinations {
		e.accepted.Deliveries = append(e.accepted.Deliveries, lanes.Key{Event: e.id, N: int64(n)}.String())
	}
}
