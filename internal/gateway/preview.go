package gateway

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
)

// previewed is the answer of a route in test mode: what was understood of the call, and what would be sent.
type previewed struct {
	Status     string             `json:"status"`
	Call       *call.Call         `json:"call"`
	Deliveries []previewedRequest `json:"deliveries"`
}

type previewedRequest struct {
	Destination string                `json:"destination"`
	Requests    []destination.Request `json:"requests,omitempty"`
	// Error says why the destination could not be rendered.
	Error string `json:"error,omitempty"`
}

// preview answers a request in test mode. Nothing is stored and nothing is sent. The sender is the tenant itself, by
// its signature, so it may see what its own call became; secrets are masked.
func (rq *Request) preview(w http.ResponseWriter) (*refusal, error) {
	c, err := rq.record()
	if err != nil {
		return malformed(err), nil
	}
	names, err := rq.destinations()
	if err != nil {
		return malformed(err), nil
	}
	answer := previewed{Status: "test", Call: c, Deliveries: []previewedRequest{}}
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
	enc.SetEscapeHTML(false) // people read it, and XML in it
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

// item is the request as destinations see it, before it is stored.
func (rq *Request) item(c *call.Call) destination.Item {
	return destination.Item{
		DeliveryID: "preview", EventID: rq.eventID, Attempt: 1, Tenant: rq.plan.Tenant, Vars: rq.plan.Vars, Call: c,
		ReceivedAt: time.Now(), Body: rq.body, ContentType: rq.r.Header.Get("Content-Type"),
		ContentEncoding: rq.r.Header.Get("Content-Encoding"), Traceparent: rq.r.Header.Get("Traceparent"),
	}
}
