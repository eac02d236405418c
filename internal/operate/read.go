package operate

import (
	"context"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/store"
)

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
