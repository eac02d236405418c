package operate

import (
	"context"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/store"
)

// EventPage is a page of events.
type EventPage struct {
	Events []store.EventInfo `json:"events"`
	// Next is what before has to be for the page that follows; empty on the last page.
	Next string `json:"next,omitempty"`
}

// Events lists events, newest first.
func (s *Service) Events(ctx context.Context, a Actor, l Listing) (*EventPage, error) {
	if err := s.beginStored(a, "Events"); err != nil {
		return nil, err
	}
	rows, next, err := list(ctx, s, &l, func(f store.Filter, p store.Page) ([]store.EventInfo, error) {
		return s.o.Store.Events(ctx, f, p)
	}, func(e *store.EventInfo) string { return e.ID })
	if err != nil {
		return nil, err
	}
	return &EventPage{rows, next}, nil
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
	if err := s.beginStored(a, "Deliveries"); err != nil {
		return nil, err
	}
	found, next, err := list(ctx, s, &l, func(f store.Filter, p store.Page) ([]store.Delivery, error) {
		return s.o.Store.Deliveries(ctx, f, p)
	}, func(d *store.Delivery) string { return d.ID })
	if err != nil {
		return nil, err
	}
	rows, err := s.rows(ctx, found)
	if err != nil {
		return nil, stored(err)
	}
	return &DeliveryPage{rows, next}, nil
}

// list checks a listing and reads its page. next is empty on the last one.
func list[T any](ctx context.Context, s *Service, l *Listing, read func(store.Filter, store.Page) ([]T, error), id func(*T) string) (rows []T, next string, err error) {
	if err := l.settle(); err != nil {
		return nil, "", err
	}
	filters, err := s.compile(ctx, &l.Filter)
	if err != nil {
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

// EventDetail is one event with all that is known of its way.
type EventDetail struct {
	store.EventInfo
	Method     string           `json:"method,omitempty"`
	Deliveries []DeliveryDetail `json:"deliveries"`
	// Content is there only if it was asked to be revealed.
	Content *EventContent `json:"content,omitempty"`
}

// DeliveryDetail is a delivery with its attempts.
type DeliveryDetail struct {
	DeliveryRow
	// History are all attempts, also those of before a replay, oldest first.
	History []AttemptDetail `json:"history"`
}

// AttemptDetail is one attempt at a delivery.
type AttemptDetail struct {
	Number int `json:"attempt"`
	// Replay is 1 for the attempts after the first replay, whose numbers begin with 1 again, and so on; 0 before.
	Replay   int       `json:"replay,omitempty"`
	At       time.Time `json:"at"`
	TookMS   float64   `json:"took_ms"`
	Status   int       `json:"status,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
	RemoteID string    `json:"remote_id,omitempty"`
	// ExcerptBytes is how much of the receiver's answer was kept, if it was asked to be. Excerpt is that, which is
	// content too.
	ExcerptBytes int    `json:"excerpt_bytes,omitempty"`
	Excerpt      string `json:"excerpt,omitempty"`
	// Sent is what left in the attempt: requests with the names of their fields, their size and a keyed hash, and no
	// values. It is missing where nothing left or nobody noted it.
	Sent   *store.Sent `json:"sent,omitempty"`
	State  store.State `json:"state"`
	NextAt time.Time   `json:"next_at,omitzero"`
}

// EventContent is what a caller said, and what else came with it.
type EventContent struct {
	Record json.RawMessage     `json:"call,omitempty"`
	URI    string              `json:"uri,omitempty"`
	Header map[string][]string `json:"headers,omitempty"`
	// Body is the body if it is text, and BodyBase64 if it is not.
	Body       string `json:"body,omitempty"`
	BodyBase64 []byte `json:"body_base64,omitempty"`
}

// Event shows one event with its deliveries and their attempts.
func (s *Service) Event(ctx context.Context, a Actor, id string) (*EventDetail, error) {
	if err := s.beginStored(a, "Event"); err != nil {
		return nil, err
	}
	e, err := s.readEvent(ctx, id, false)
	return e, stored(err)
}

// RevealEvent shows what Event shows, with what the caller said and what is kept of receivers' answers. The reason is
// logged before anything is read.
func (s *Service) RevealEvent(ctx context.Context, a Actor, id, reason string) (*EventDetail, error) {
	if err := s.beginStored(a, "RevealEvent"); err != nil {
		return nil, err
	}
	if reason == "" || !isNote(reason) {
		return nil, badRequest("reason must say why you look, in a line of up to %d bytes; it is logged", maxNote)
	}
	if len(id) > maxFilterText {
		return nil, stored(store.ErrNotFound)
	}
	s.o.Log.Warn("an operator looks at what a caller said", zap.String("event", id), zap.String("reason", reason),
		zap.String("by", a.Name), zap.String("via", a.Via))
	e, err := s.readEvent(ctx, id, true)
	return e, stored(err)
}

func (s *Service) readEvent(ctx context.Context, id string, content bool) (*EventDetail, error) {
	if id == "" {
		return nil, store.ErrNotFound
	}
	found, err := s.o.Store.Events(ctx, store.Filter{EventID: id}, store.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, store.ErrNotFound
	}
	detail := &EventDetail{EventInfo: found[0], Deliveries: []DeliveryDetail{}}
	deliveries, err := s.o.Store.Deliveries(ctx, store.Filter{EventID: id}, store.Page{Limit: 1000})
	if err != nil {
		return nil, err
	}
	rows, err := s.rows(ctx, deliveries)
	if err != nil {
		return nil, err
	}
	for i := len(rows) - 1; i >= 0; i-- { // in the order in which the route names them
		dd := DeliveryDetail{DeliveryRow: rows[i]}
		if dd.History, err = s.readAttempts(ctx, rows[i].ID, content); err != nil {
			return nil, err
		}
		detail.Deliveries = append(detail.Deliveries, dd)
	}
	if !content {
		return detail, nil
	}
	ev, err := s.o.Store.Event(ctx, id)
	if err != nil {
		return nil, err
	}
	detail.Method = ev.Method
	detail.Content = &EventContent{URI: ev.URI, Header: ev.Header}
	if json.Valid(ev.Record) {
		detail.Content.Record = ev.Record
	}
	if utf8.Valid(ev.Body) {
		detail.Content.Body = string(ev.Body)
	} else {
		detail.Content.BodyBase64 = ev.Body
	}
	return detail, nil
}

func (s *Service) readAttempts(ctx context.Context, delivery string, content bool) ([]AttemptDetail, error) {
	attempts, err := s.o.Store.Attempts(ctx, delivery)
	if err != nil {
		return nil, err
	}
	list := history(attempts)
	for i := range attempts {
		if list[i].ExcerptBytes = len(attempts[i].Excerpt); content {
			list[i].Excerpt = string(attempts[i].Excerpt)
		}
	}
	return list, nil
}

// history are the attempts at a delivery, oldest first. One that follows an attempt with which the delivery had ended was
// made because of a replay, and so was one whose number is lower.
func history(attempts []store.Attempt) []AttemptDetail {
	list := make([]AttemptDetail, len(attempts))
	replay := 0
	for i := range attempts {
		a := &attempts[i]
		if i > 0 && (attempts[i-1].State != store.Pending || a.Number < attempts[i-1].Number) {
			replay++
		}
		list[i] = AttemptDetail{
			Number: a.Number, Replay: replay, At: a.At, TookMS: float64(a.Took.Microseconds()) / 1000, Status: a.Status,
			Reason: a.Reason, Warnings: a.Warnings, RemoteID: a.RemoteID, State: a.State, NextAt: a.NextAt,
			Sent: a.Sent,
		}
	}
	return list
}

// Statistics are how much is stored and how each destination stands.
type Statistics struct {
	Events       int64                        `json:"events"`
	Bytes        int64                        `json:"bytes"`
	MaxBytes     int64                        `json:"max_bytes,omitempty"`
	Destinations []delivery.DestinationStatus `json:"destinations"`
	// Audit is how the audit log and its checkpoints stand; nil if none is kept.
	Audit *auditor.Status `json:"audit,omitempty"`
}

// Statistics summarises the store and the destinations.
func (s *Service) Statistics(ctx context.Context, a Actor) (*Statistics, error) {
	if err := s.beginDelivering(a, "Statistics"); err != nil {
		return nil, err
	}
	sum, err := s.o.Store.Stats(ctx)
	if err != nil {
		return nil, stored(err)
	}
	list, err := s.o.Engine.Status(ctx)
	if err != nil {
		return nil, stored(err)
	}
	stats := &Statistics{Events: sum.Events, Bytes: sum.Bytes, MaxBytes: sum.MaxBytes, Destinations: list}
	if keeper := s.auditor(); keeper != nil {
		status, err := keeper.Status(ctx)
		if err != nil {
			return nil, stored(err)
		}
		stats.Audit = &status
	}
	return stats, nil
}

// DestinationList is how each destination stands, by name.
type DestinationList struct {
	Destinations []delivery.DestinationStatus `json:"destinations"`
}

// Destinations lists the destinations that are configured or have deliveries.
func (s *Service) Destinations(ctx context.Context, a Actor) (*DestinationList, error) {
	if err := s.beginDelivering(a, "Destinations"); err != nil {
		return nil, err
	}
	list, err := s.o.Engine.Status(ctx)
	if err != nil {
		return nil, stored(err)
	}
	return &DestinationList{list}, nil
}
