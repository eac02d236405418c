package operate

import (
	"context"
	"errors"

	"github.com/callgate/callgate/internal/store"
)

// EventPage is a page of events.
type EventPage struct {
	Events []store.EventInfo `json:"events"`
	// Callers are the masked numbers of the events' callers by the events' ids, if they were asked for.
	Callers map[string]string `json:"callers,omitempty"`
	// Next is what before has to be for the page that follows; empty on the last page.
	Next string `json:"next,omitempty"`
}

// Events lists events, newest first.
func (s *Service) Events(ctx context.Context, a Actor, l Listing) (*EventPage, error) {
	r := l.record("Events")
	sc, err := s.permitStored(ctx, a, r)
	if err != nil {
		return nil, err
	}
	rows, next, err := list(ctx, s, a, sc, r, &l, func(f store.Filter, p store.Page) ([]store.EventInfo, error) {
		return s.o.Store.Events(ctx, f, p)
	}, func(e *store.EventInfo) string { return e.ID })
	if err != nil {
		return nil, err
	}
	page := &EventPage{Events: rows, Next: next}
	if l.Callers {
		page.Callers = s.callers(ctx, rows)
	}
	return page, nil
}

// DeliveryPage is a page of deliveries.
type DeliveryPage struct {
	Deliveries []DeliveryRow `json:"deliveries"`
	Next       string        `json:"next,omitempty"`
}

// DeliveryRow is a delivery in a listing.
type DeliveryRow struct {
	store.Delivery
	// WaitsFor says what a pending delivery waits for, if no attempt is under way; see the constants.
	WaitsFor Wait `json:"waits_for,omitempty"`
	// WaitReason says why, where there is more to say: the name that the configuration does not know, why the destination
	// is paused or held, or what trouble the gateway is in.
	WaitReason string `json:"wait_reason,omitempty"`
}

// Deliveries lists deliveries, newest first.
func (s *Service) Deliveries(ctx context.Context, a Actor, l Listing) (*DeliveryPage, error) {
	r := l.record("Deliveries")
	sc, err := s.permitStored(ctx, a, r)
	if err != nil {
		return nil, err
	}
	found, next, err := list(ctx, s, a, sc, r, &l, func(f store.Filter, p store.Page) ([]store.Delivery, error) {
		return s.o.Store.Deliveries(ctx, f, p)
	}, func(d *store.Delivery) string { return d.ID })
	if err != nil {
		return nil, err
	}
	rows, err := s.rows(ctx, sc, found)
	if err != nil {
		return nil, stored(err)
	}
	return &DeliveryPage{rows, next}, nil
}

// list checks a listing, has it recorded, and reads its page. next is empty on the last one.
func list[T any](ctx context.Context, s *Service, a Actor, sc scope, r Record, l *Listing, read func(store.Filter, store.Page) ([]T, error), id func(*T) string) (rows []T, next string, err error) {
	if err := l.settle(); err != nil {
		return nil, "", err
	}
	filters, err := s.compile(ctx, sc, &l.Filter)
	if err != nil {
		return nil, "", err
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, "", err
	}
	rows, more, err := listPages(filters, store.Page{Before: l.Before, Limit: l.Limit}, read, id)
	if err != nil {
		return nil, "", listError(l, err)
	}
	if more {
		next = id(&rows[len(rows)-1])
	}
	if rows == nil {
		rows = []T{} // an empty list in JSON too
	}
	return rows, next, nil
}

// listError tells a place to go on from that is none from a failure of the store.
func listError(l *Listing, err error) error {
	for _, known := range []error{store.ErrClosed, store.ErrUnavailable, store.ErrFull, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return stored(err)
		}
	}
	if l.Before != "" {
		return badRequest("before is not the member next of a page of this listing")
	}
	return stored(err)
}
