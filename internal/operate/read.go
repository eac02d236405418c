package operate

import (
	"context"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/auditor"
	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/delivery"
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

// EventDetail is one event with all that is known of its way.
type EventDetail struct {
	store.EventInfo
	Method string `json:"method,omitempty"`
	// Verified is by what its request was verified, where that was noted and is there still.
	Verified *store.Verified `json:"verified,omitempty"`
	// Call is what the call has, masked: which fields, and nothing of what was said. It is missing where the content is, and
	// where it cannot be read. MoreFields is how many fields it leaves out.
	Call       []call.Masked `json:"fields,omitempty"`
	MoreFields int           `json:"more_fields,omitempty"`
	// Copies are those that came of it; nil where nobody counts.
	Copies     *Copies          `json:"copies,omitempty"`
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
	r := Record{Operation: "Event", Event: id}
	sc, err := s.permitStored(ctx, a, r)
	if err != nil {
		return nil, err
	}
	found, err := s.oneOfTheirs(ctx, a, sc, &r)
	if errors.Is(err, errTheirs) {
		return nil, stored(store.ErrNotFound)
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, stored(err)
	}
	e, err := s.readEvent(ctx, sc, found, false)
	return e, stored(err)
}

// RevealEvent shows what Event shows, with what the caller said and what is kept of receivers' answers. The reason is
// recorded and logged before anything of that is read.
func (s *Service) RevealEvent(ctx context.Context, a Actor, id, reason string) (*EventDetail, error) {
	r := Record{Operation: "RevealEvent", Event: id, Reason: reason}
	sc, err := s.permitStored(ctx, a, r)
	if err != nil {
		return nil, err
	}
	if reason == "" || !isNote(reason) {
		return nil, badRequest("reason must say why you look, in a line of up to %d bytes; it is logged", maxNote)
	}
	if len(id) > maxFilterText {
		return nil, stored(store.ErrNotFound)
	}
	found, err := s.oneOfTheirs(ctx, a, sc, &r)
	if errors.Is(err, errTheirs) {
		return nil, stored(store.ErrNotFound)
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	s.o.Log.Warn("an operator looks at what a caller said", zap.String("event", id), zap.String("reason", reason),
		zap.String("by", a.Name), zap.String("via", a.Via))
	if err != nil {
		return nil, stored(err)
	}
	e, err := s.readEvent(ctx, sc, found, true)
	return e, stored(err)
}

// errTheirs means that an event is of a tenant that an actor is not bound to, which was recorded.
var errTheirs = errors.New("the event is of another tenant")

// oneOfTheirs finds the event that a record names, without its content, and completes the record with its tenant.
func (s *Service) oneOfTheirs(ctx context.Context, a Actor, sc scope, r *Record) (*store.EventInfo, error) {
	if r.Event == "" {
		return nil, store.ErrNotFound
	}
	found, err := s.o.Store.Events(ctx, store.Filter{EventID: r.Event}, store.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, store.ErrNotFound
	}
	r.Tenant = found[0].Tenant
	if !sc.has(r.Tenant) {
		return nil, s.deny(ctx, a, *r, errTheirs)
	}
	return &found[0], nil
}

func (s *Service) readEvent(ctx context.Context, sc scope, e *store.EventInfo, content bool) (*EventDetail, error) {
	id := e.ID
	detail := &EventDetail{EventInfo: *e, Deliveries: []DeliveryDetail{}}
	if s.o.Meter != nil {
		detail.Copies = s.o.Meter.copies(e.Route, e.Tenant, e.EventID)
	}
	deliveries, err := s.o.Store.Deliveries(ctx, store.Filter{EventID: id}, store.Page{Limit: 1000})
	if err != nil {
		return nil, err
	}
	rows, err := s.rows(ctx, sc, deliveries)
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
	ev, err := s.o.Store.Event(ctx, id)
	if err != nil && (content || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrUnavailable)) {
		return nil, err
	}
	if err != nil { // how it went is worth having even if its content cannot be read, as without its key
		return detail, nil
	}
	detail.Verified = ev.VerifiedBy()
	delete(ev.Header, store.VerifiedHeader)
	if c, err := call.Decode(ev.Record); err == nil {
		detail.Call, detail.MoreFields = c.Mask()
	}
	if !content {
		return detail, nil
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
	r := Record{Operation: "Statistics"}
	if _, err := s.permitDelivering(ctx, a, r); err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, r); err != nil {
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
	r := Record{Operation: "Destinations"}
	sc, err := s.permitDelivering(ctx, a, r)
	if err != nil {
		return nil, err
	}
	if err := s.note(ctx, a, r); err != nil {
		return nil, err
	}
	list, err := s.o.Engine.Status(ctx)
	if err == nil && sc.bound {
		list, err = s.narrowed(ctx, sc, list)
	}
	if err != nil {
		return nil, stored(err)
	}
	return &DestinationList{list}, nil
}

// narrowed is a list of destinations for those who are bound to tenants: those that have deliveries of theirs, with the
// numbers of these. What is said of the others' is left out.
func (s *Service) narrowed(ctx context.Context, sc scope, list []delivery.DestinationStatus) ([]delivery.DestinationStatus, error) {
	counts, err := s.o.Store.Counts(ctx, sc.filter())
	if err != nil {
		return nil, err
	}
	theirs := map[string]store.Count{}
	for _, c := range counts {
		sum := theirs[c.Destination]
		sum.Pending, sum.Delivered, sum.Dead = sum.Pending+c.Pending, sum.Delivered+c.Delivered, sum.Dead+c.Dead
		theirs[c.Destination] = sum
	}
	narrow := []delivery.DestinationStatus{}
	for i := range list {
		d := &list[i]
		if n, ok := theirs[d.Name]; ok {
			narrow = append(narrow, delivery.DestinationStatus{
				Name: d.Name, Known: d.Known, Paused: d.Paused, Breaker: d.Breaker, HeldUntil: d.HeldUntil, TestMode: d.TestMode,
				Pending: n.Pending, Delivered: n.Delivered, Dead: n.Dead,
			})
		}
	}
	return narrow, nil
}
