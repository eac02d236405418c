package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

// previewed is the answer of a route in test mode: what was understood of the call, and what would be sent.
type previewed struct {
	Status string `json:"status"`
	// EventID and EventType are what the event is known by.
	EventID    string             `json:"event_id"`
	EventType  string             `json:"event_type,omitempty"`
	Call       *call.Call         `json:"call"`
	Deliveries []previewedRequest `json:"deliveries"`
	// Skipped are the destinations that the call would not go to.
	Skipped []skipped `json:"skipped,omitempty"`
	// Nothing says why nothing would be delivered, if that is so.
	Nothing string `json:"nothing,omitempty"`
}

type previewedRequest struct {
	Destination string                `json:"destination"`
	Requests    []destination.Request `json:"requests,omitempty"`
	// Error says why the destination could not be rendered.
	Error string `json:"error,omitempty"`
}

type skipped struct {
	Destination string `json:"destination"`
	Reason      string `json:"reason"`
}

// preview answers a request in test mode. Nothing is stored and nothing is sent. The sender is the tenant itself, by
// its signature, so it may see what its own call became; secrets are masked.
func (rq *Request) preview(w http.ResponseWriter) (*refusal, error) {
	c, err := rq.record()
	if err != nil {
		return malformed(err), nil
	}
	if rq.plan.Keep != nil {
		c = rq.plan.Keep(c) // destinations see what is stored
	}
	answer := previewed{Status: "test", EventID: rq.eventID, EventType: rq.identity.EventType, Call: c, Deliveries: []previewedRequest{}}
	var names []string
	switch {
	case len(rq.plan.Deliver) == 0:
		answer.Nothing = "neither the route nor the tenant has a deliver line, so that the request would be handed on to the next handler"
	case rq.senderWaits():
		answer.Nothing = "the sender of such an event waits for what the answer says, so that the request would be handed on to the next handler"
	default:
		if names, err = rq.destinations(); err != nil {
			return malformed(err), nil
		}
		if names, answer.Skipped = rq.skips(names, c); len(names) == 0 {
			answer.Nothing = "no destination takes this call; see under skipped why"
		}
	}
	for _, name := range names {
		p := previewedRequest{Destination: name}
		if p.Requests, err = rq.route.Render(name, rq.item(c)); err != nil {
			p.Error = err.Error()
		}
		answer.Deliveries = append(answer.Deliveries, p)
	}
	rq.outcome = tested
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // XML is to be read as it is sent
	enc.SetIndent("", "  ")
	if err := enc.Encode(answer); err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(http.StatusOK)
	_, err = w.Write(body.Bytes())
	return nil, ignoreGone(rq.r, err)
}

// skips tells the destinations that take the call of those that do not, and why these do not. chosen are those whose
// condition on the route is met.
func (rq *Request) skips(chosen []string, c *call.Call) (taken []string, not []skipped) {
	ev := &store.Event{Tenant: rq.plan.Tenant, Source: rq.route.Source, EventType: rq.identity.EventType}
	for _, name := range chosen {
		if reason := rq.route.Refuses(rq.r.Context(), name, ev, c); reason != "" {
			not = append(not, skipped{name, reason})
			continue
		}
		taken = append(taken, name)
	}
	for _, t := range rq.plan.Deliver {
		if !slices.Contains(chosen, t.To) {
			not = append(not, skipped{t.To, "its condition is not met: " + t.Condition.String()})
		}
	}
	return taken, not
}

// item is the request as destinations see it, before it is stored.
func (rq *Request) item(c *call.Call) destination.Item {
	return destination.Item{
		DeliveryID: "preview", EventID: rq.eventID, Attempt: 1, Tenant: rq.plan.Tenant, Vars: rq.plan.Vars, Call: c,
		ReceivedAt: time.Now(), Body: rq.body, ContentType: rq.r.Header.Get("Content-Type"),
		ContentEncoding: rq.r.Header.Get("Content-Encoding"), Traceparent: rq.r.Header.Get("Traceparent"),
	}
}
