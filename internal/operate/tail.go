package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/store"
)

const (
	// maxStreams bounds the streams at once, each of which asks the store once per streamEvery.
	maxStreams  = 16
	streamEvery = time.Second
	// streamRows is how many of the newest events and deliveries a stream looks at.
	streamRows = 500
)

// The kinds of messages of a stream.
const (
	// TailEvent is an event that was accepted: a store.EventInfo.
	TailEvent = "event"
	// TailAttempt is an attempt at a delivery: a TailedAttempt.
	TailAttempt = "attempt"
	// TailGap is that more happened than the stream can follow: a Gap.
	TailGap = "gap"
)

// Message is one message of a stream.
type Message struct {
	Kind string
	Data any
}

// TailedAttempt is an attempt as a stream tells of it.
type TailedAttempt struct {
	EventID     string `json:"event_id"`
	DeliveryID  string `json:"delivery_id"`
	Tenant      string `json:"tenant"`
	Destination string `json:"destination"`
	AttemptDetail
}

// Gap says in words that something is missing.
type Gap struct {
	Message string `json:"message"`
}

// TailMembers are those members of a filter by which a stream can be narrowed. What changes with an attempt would make
// old deliveries look new.
var TailMembers = []string{"destination", "tenant", "source", "event_type", "event", "call_id"}

// TailParameter finds a member by which a stream can be narrowed; nil if there is none of that name.
func (f *Filter) TailParameter(name string) *string {
	if slices.Contains(TailMembers, name) {
		return f.Parameter(name)
	}
	return nil
}

// Stream tells what is new. It is for one goroutine, which ends it with Close.
type Stream struct {
	s      *Service
	filter store.Filter
	ticker *time.Ticker

	events     map[string]bool
	deliveries map[string]tailed
}

// tailed is what was last known of a delivery.
type tailed struct {
	attempts int
	updated  time.Time
}

// Tail begins a stream of what happens from now on. It looks at the newest 500 events and deliveries once a second, so
// that it costs the store little. There are 16 streams at most.
func (s *Service) Tail(ctx context.Context, a Actor, f Filter) (*Stream, error) {
	r := f.record("Tail")
	sc, err := s.permitStored(ctx, a, r)
	if err != nil {
		return nil, err
	}
	var narrowed Filter
	for _, name := range TailMembers {
		*narrowed.Parameter(name) = *f.Parameter(name)
	}
	if narrowed != f {
		return nil, badRequest("a stream is narrowed by %s only", strings.Join(TailMembers, ", "))
	}
	filters, err := s.compile(ctx, sc, &f)
	if err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	if s.streams.Add(1) > maxStreams {
		s.streams.Add(-1)
		return nil, &Error{Kind: ErrUnavailable, text: fmt.Sprintf("%d streams run already; end one of them", maxStreams)}
	}
	t := &Stream{s: s, filter: filters[0], ticker: time.NewTicker(streamEvery)}
	if err := t.baseline(ctx); err != nil {
		t.Close()
		return nil, stored(err)
	}
	return t, nil
}

// Close ends the stream.
func (t *Stream) Close() {
	t.ticker.Stop()
	t.s.streams.Add(-1)
}

// baseline notes what is there already.
func (t *Stream) baseline(ctx context.Context) error {
	if _, err := t.newEvents(ctx); err != nil {
		return err
	}
	_, err := t.newAttempts(ctx)
	return err
}

// Next waits for the next look and gives what is new since the last one, oldest first; that may be nothing.
func (t *Stream) Next(ctx context.Context) ([]Message, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.ticker.C:
	}
	events, err := t.newEvents(ctx)
	if err != nil {
		return nil, stored(err)
	}
	attempts, err := t.newAttempts(ctx)
	if err != nil {
		return nil, stored(err)
	}
	var news []Message
	if len(events) == streamRows {
		news = append(news, Message{TailGap, Gap{"more happened than can be followed; list the events and deliveries for the rest"}})
	}
	for i := len(events) - 1; i >= 0; i-- {
		news = append(news, Message{TailEvent, events[i]})
	}
	for i := range attempts {
		news = append(news, Message{TailAttempt, attempts[i]})
	}
	return news, nil
}

// newEvents are those that were not there the last time, newest first.
func (t *Stream) newEvents(ctx context.Context) (fresh []store.EventInfo, err error) {
	list, err := t.s.o.Store.Events(ctx, t.filter, store.Page{Limit: streamRows})
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(list))
	older := false
	for i := range list {
		id := list[i].ID
		seen[id] = true
		// After one that was known come older ones only: they move up when others are erased.
		older = older || t.events[id]
		if t.events != nil && !older {
			fresh = append(fresh, list[i])
		}
	}
	t.events = seen
	return fresh, nil
}

// newAttempts are those that were made since the last time, each delivery's in their order.
func (t *Stream) newAttempts(ctx context.Context) (fresh []TailedAttempt, err error) {
	list, err := t.s.o.Store.Deliveries(ctx, t.filter, store.Page{Limit: streamRows})
	if err != nil {
		return nil, err
	}
	now := make(map[string]tailed, len(list))
	older := false
	for i := range list {
		d := &list[i]
		now[d.ID] = tailed{d.Attempts, d.UpdatedAt}
		before, known := t.deliveries[d.ID]
		older = older || known
		changed := known && !(before.updated.Equal(d.UpdatedAt) && before.attempts == d.Attempts)
		if t.deliveries == nil || d.Attempts == 0 || !changed && older {
			continue
		}
		made := d.Attempts
		if known && made > before.attempts {
			made -= before.attempts
		}
		attempts, err := t.s.o.Store.Attempts(ctx, d.ID)
		if err != nil {
			continue // erased meanwhile
		}
		all := history(attempts)
		for j := max(0, len(all)-made); j < len(all); j++ {
			fresh = append(fresh, TailedAttempt{d.EventID, d.ID, d.Tenant, d.Destination, all[j]})
		}
	}
	t.deliveries = now
	return fresh, nil
}
