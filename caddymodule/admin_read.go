package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/callgate/callgate/internal/delivery"
	"github.com/callgate/callgate/internal/store"
)

// eventPage is a page of events.
type eventPage struct {
	Events []store.EventInfo `json:"events"`
	// Next is what before has to be for the page that follows; empty on the last page.
	Next string `json:"next,omitempty"`
}

func (a *Admin) events(w http.ResponseWriter, r *http.Request) error {
	l, d, filters, err := listingOf(w, r)
	if err != nil {
		return err
	}
	page := eventPage{}
	more := false
	page.Events, more, err = listPages(filters, store.Page{Before: l.Before, Limit: l.Limit}, func(f store.Filter, p store.Page) ([]store.EventInfo, error) {
		return d.store.Events(r.Context(), f, p)
	}, func(e *store.EventInfo) string { return e.ID })
	if err != nil {
		return listError(&l, err)
	}
	if more {
		page.Next = page.Events[len(page.Events)-1].ID
	}
	if page.Events == nil {
		page.Events = []store.EventInfo{}
	}
	return writeAdminJSON(w, page)
}

// deliveryPage is a page of deliveries.
type deliveryPage struct {
	Deliveries []store.Delivery `json:"deliveries"`
	Next       string           `json:"next,omitempty"`
}

func (a *Admin) deliveries(w http.ResponseWriter, r *http.Request) error {
	l, d, filters, err := listingOf(w, r)
	if err != nil {
		return err
	}
	page := deliveryPage{}
	more := false
	page.Deliveries, more, err = listPages(filters, store.Page{Before: l.Before, Limit: l.Limit}, func(f store.Filter, p store.Page) ([]store.Delivery, error) {
		return d.store.Deliveries(r.Context(), f, p)
	}, func(d *store.Delivery) string { return d.ID })
	if err != nil {
		return listError(&l, err)
	}
	if more {
		page.Next = page.Deliveries[len(page.Deliveries)-1].ID
	}
	if page.Deliveries == nil {
		page.Deliveries = []store.Delivery{}
	}
	return writeAdminJSON(w, page)
}

func listingOf(w http.ResponseWriter, r *http.Request) (adminListing, *dispatcher, []store.Filter, error) {
	l, err := readListing(w, r)
	if err != nil {
		return l, nil, nil, err
	}
	d, err := openDispatcher()
	if err != nil {
		return l, nil, nil, err
	}
	filters, err := l.compile(d.callerHashes)
	return l, d, filters, err
}

// listError tells a place to go on from that is none from a failure of the store.
func listError(l *adminListing, err error) error {
	for _, known := range []error{store.ErrClosed, store.ErrUnavailable, store.ErrFull, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return storeError(err)
		}
	}
	if l.Before != "" {
		return badRequest("before is not the member next of a page of this listing")
	}
	return storeError(err)
}

// eventDetail is one event with all that is known of its way.
type eventDetail struct {
	store.EventInfo
	Method     string           `json:"method,omitempty"`
	Deliveries []deliveryDetail `json:"deliveries"`
	Content    *eventContent    `json:"content,omitempty"`
}

type deliveryDetail struct {
	store.Delivery
	Attempts []attemptDetail `json:"attempts"`
	// Made is how many attempts were made since the delivery was created or last replayed.
	Made int `json:"attempts_made"`
}

type attemptDetail struct {
	Number   int       `json:"attempt"`
	At       time.Time `json:"at"`
	TookMS   float64   `json:"took_ms"`
	Status   int       `json:"status,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
	RemoteID string    `json:"remote_id,omitempty"`
	// Excerpt is the beginning of the receiver's answer, which is content too.
	Excerpt string      `json:"excerpt,omitempty"`
	State   store.State `json:"state"`
	NextAt  time.Time   `json:"next_at,omitzero"`
}

// eventContent is what a caller said, and what else came with it.
type eventContent struct {
	Record json.RawMessage     `json:"call,omitempty"`
	URI    string              `json:"uri,omitempty"`
	Header map[string][]string `json:"headers,omitempty"`
	// Body is the body if it is text, and BodyBase64 if it is not.
	Body       string `json:"body,omitempty"`
	BodyBase64 []byte `json:"body_base64,omitempty"`
}

func (a *Admin) event(w http.ResponseWriter, r *http.Request, id string) error {
	var content string
	err := readAdminQuery(r, func(name string) *string {
		if name == "content" {
			return &content
		}
		return nil
	})
	if err != nil {
		return err
	}
	if content != "" && content != "0" && content != "1" {
		return badRequest("content is 1 to see what the caller said, or left out")
	}
	d, err := openDispatcher()
	if err != nil {
		return err
	}
	detail, err := readEvent(r.Context(), d, id, content == "1")
	if err != nil {
		return storeError(err)
	}
	return writeAdminJSON(w, detail)
}

func readEvent(ctx context.Context, d *dispatcher, id string, content bool) (*eventDetail, error) {
	if id == "" {
		return nil, store.ErrNotFound
	}
	found, err := d.store.Events(ctx, store.Filter{EventID: id}, store.Page{Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, store.ErrNotFound
	}
	detail := &eventDetail{EventInfo: found[0], Deliveries: []deliveryDetail{}}
	deliveries, err := d.store.Deliveries(ctx, store.Filter{EventID: id}, store.Page{Limit: 1000})
	if err != nil {
		return nil, err
	}
	for i := len(deliveries) - 1; i >= 0; i-- { // in the order in which the route names them
		dd := deliveryDetail{Delivery: deliveries[i], Made: deliveries[i].Attempts}
		if dd.Attempts, err = readAttempts(ctx, d, deliveries[i].ID, content); err != nil {
			return nil, err
		}
		detail.Deliveries = append(detail.Deliveries, dd)
	}
	if !content {
		return detail, nil
	}
	ev, err := d.store.Event(ctx, id)
	if err != nil {
		return nil, err
	}
	detail.Method = ev.Method
	detail.Content = &eventContent{URI: ev.URI, Header: ev.Header}
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

func readAttempts(ctx context.Context, d *dispatcher, delivery string, content bool) ([]attemptDetail, error) {
	attempts, err := d.store.Attempts(ctx, delivery)
	if err != nil {
		return nil, err
	}
	list := make([]attemptDetail, len(attempts))
	for i := range attempts {
		list[i] = attemptOf(&attempts[i])
		if content {
			list[i].Excerpt = string(attempts[i].Excerpt)
		}
	}
	return list, nil
}

func attemptOf(a *store.Attempt) attemptDetail {
	return attemptDetail{
		Number: a.Number, At: a.At, TookMS: float64(a.Took.Microseconds()) / 1000, Status: a.Status, Reason: a.Reason,
		Warnings: a.Warnings, RemoteID: a.RemoteID, State: a.State, NextAt: a.NextAt,
	}
}

// storeSummary is the answer of stats.
type storeSummary struct {
	Events       int64                        `json:"events"`
	Bytes        int64                        `json:"bytes"`
	MaxBytes     int64                        `json:"max_bytes,omitempty"`
	Destinations []delivery.DestinationStatus `json:"destinations"`
}

func (a *Admin) stats(w http.ResponseWriter, r *http.Request) error {
	if err := readAdminQuery(r, noQuery); err != nil {
		return err
	}
	d, err := openDispatcher()
	if err != nil {
		return err
	}
	s, err := d.store.Stats(r.Context())
	if err != nil {
		return storeError(err)
	}
	list, err := d.engine.Status(r.Context())
	if err != nil {
		return storeError(err)
	}
	return writeAdminJSON(w, storeSummary{Events: s.Events, Bytes: s.Bytes, MaxBytes: s.MaxBytes, Destinations: list})
}

func (a *Admin) destinations(w http.ResponseWriter, r *http.Request) error {
	if err := readAdminQuery(r, noQuery); err != nil {
		return err
	}
	d, err := openDispatcher()
	if err != nil {
		return err
	}
	list, err := d.engine.Status(r.Context())
	if err != nil {
		return storeError(err)
	}
	return writeAdminJSON(w, struct {
		Destinations []delivery.DestinationStatus `json:"destinations"`
	}{list})
}
