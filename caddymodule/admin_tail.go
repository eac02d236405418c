package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/callgate/callgate/internal/store"
)

const (
	// maxTails bounds the streams at once, each of which asks the store once per tailEvery.
	maxTails  = 16
	tailEvery = time.Second
	// tailRows is how many of the newest events and deliveries a stream looks at.
	tailRows = 500
	// tailSilence is after how long without news a comment is sent, so that a connection that is dead is noticed.
	tailSilence = 15 * time.Second
)

var tails atomic.Int32

// tailAttempt is an attempt as a stream tells of it.
type tailAttempt struct {
	EventID     string `json:"event_id"`
	DeliveryID  string `json:"delivery_id"`
	Tenant      string `json:"tenant"`
	Destination string `json:"destination"`
	attemptDetail
}

// tail streams what is new: "event" for an event that was accepted, "attempt" for an attempt at a delivery, and "gap"
// when more happened than the stream can follow. Its filter has destination, tenant, source, event_type, event and
// call_id. It looks at the newest 500 deliveries once a second, so that it costs
// the store little, and ends with the configuration.
func (a *Admin) tail(w http.ResponseWriter, r *http.Request) error {
	var f adminFilter
	err := readAdminQuery(r, func(name string) *string {
		switch name {
		case "destination", "tenant", "source", "event_type", "event", "call_id":
			return f.parameter(name)
		}
		return nil // what changes with an attempt would make old deliveries look new
	})
	if err != nil {
		return err
	}
	d, err := openDispatcher()
	if err != nil {
		return err
	}
	filters, err := f.compile(d.callerHashes)
	if err != nil {
		return err
	}
	if tails.Add(1) > maxTails {
		tails.Add(-1)
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("%d streams run already; end one of them", maxTails)}
	}
	defer tails.Add(-1)
	t := &tailer{d: d, filter: filters[0]}
	if err := t.baseline(r.Context()); err != nil {
		return storeError(err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	t.w = http.NewResponseController(w)
	t.out = w
	_ = t.w.SetReadDeadline(time.Time{}) // the admin endpoint's is for requests that end soon
	return t.follow(r.Context(), a.ctx)
}

// tailer is one stream.
type tailer struct {
	d      *dispatcher
	filter store.Filter
	out    http.ResponseWriter
	w      *http.ResponseController

	events     map[string]bool
	deliveries map[string]tailed
}

// tailed is what was last known of a delivery.
type tailed struct {
	attempts int
	updated  time.Time
}

// baseline notes what is there already.
func (t *tailer) baseline(ctx context.Context) error {
	if _, err := t.newEvents(ctx); err != nil {
		return err
	}
	_, err := t.newAttempts(ctx)
	return err
}

func (t *tailer) follow(ctx, config context.Context) error {
	var replaced <-chan struct{}
	if config.Err() == nil { // else this configuration failed, and the endpoint serves the one before
		replaced = config.Done()
	}
	fmt.Fprint(t.out, ": following\n\n")
	if err := t.w.Flush(); err != nil {
		return nil // nobody is there
	}
	ticker := time.NewTicker(tailEvery)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-replaced:
			return nil
		case <-ticker.C:
		}
		wrote, err := t.step(ctx)
		if err != nil || caddy.Exiting() {
			return nil // the answer has begun: ending it is all that can be said
		}
		if !wrote && time.Since(last) < tailSilence {
			continue
		}
		if !wrote {
			fmt.Fprint(t.out, ": nothing new\n\n")
		}
		last = time.Now()
		if err := t.w.Flush(); err != nil {
			return nil
		}
	}
}

// step writes what is new, oldest first.
func (t *tailer) step(ctx context.Context) (wrote bool, err error) {
	events, err := t.newEvents(ctx)
	if err != nil {
		return false, err
	}
	attempts, err := t.newAttempts(ctx)
	if err != nil {
		return false, err
	}
	if len(events) == tailRows {
		if err := t.write("gap", struct {
			Message string `json:"message"`
		}{"more happened than can be followed; list the events and deliveries for the rest"}); err != nil {
			return false, err
		}
	}
	for i := len(events) - 1; i >= 0; i-- {
		if err := t.write("event", events[i]); err != nil {
			return false, err
		}
	}
	for i := range attempts {
		if err := t.write("attempt", attempts[i]); err != nil {
			return false, err
		}
	}
	return len(events)+len(attempts) > 0, nil
}

func (t *tailer) write(kind string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.out, "event: %s\ndata: %s\n\n", kind, data)
	return err
}

// newEvents are those that were not there the last time, newest first.
func (t *tailer) newEvents(ctx context.Context) (fresh []store.EventInfo, err error) {
	list, err := t.d.store.Events(ctx, t.filter, store.Page{Limit: tailRows})
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
func (t *tailer) newAttempts(ctx context.Context) (fresh []tailAttempt, err error) {
	list, err := t.d.store.Deliveries(ctx, t.filter, store.Page{Limit: tailRows})
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
		attempts, err := t.d.store.Attempts(ctx, d.ID)
		if err != nil {
			continue // erased meanwhile
		}
		for j := max(0, len(attempts)-made); j < len(attempts); j++ {
			fresh = append(fresh, tailAttempt{d.EventID, d.ID, d.Tenant, d.Destination, attemptOf(&attempts[j])})
		}
	}
	t.deliveries = now
	return fresh, nil
}
