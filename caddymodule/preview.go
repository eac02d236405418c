package caddymodule

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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
func (rq *request) preview(w http.ResponseWriter) (*refusal, error) {
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
		answer.Deliveries = append(answer.Deliveries, rq.h.app.preview(name, rq.item(c)))
	}
	rq.outcome = tested
	body, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(http.StatusOK)
	_, err = w.Write(append(body, '\n'))
	return nil, ignoreGone(rq.r, err)
}

// item is the request as destinations see it, before it is stored.
func (rq *request) item(c *call.Call) destination.Item {
	return destination.Item{
		DeliveryID: "preview", EventID: rq.eventID, Attempt: 1, Tenant: rq.plan.tenant, Vars: rq.plan.vars, Call: c,
		ReceivedAt: time.Now(), Body: rq.body, ContentType: rq.r.Header.Get("Content-Type"),
		ContentEncoding: rq.r.Header.Get("Content-Encoding"), Traceparent: rq.r.Header.Get("Traceparent"),
	}
}

// preview renders the requests of one destination.
func (a *App) preview(name string, item destination.Item) previewedRequest {
	p := previewedRequest{Destination: name}
	c, ok := a.durable.snapshot.Destinations[name]
	if !ok {
		p.Error = "there is no such destination"
		return p
	}
	if c.Minimize != nil {
		item.Call = c.Minimize(item.Call)
	}
	var err error
	if p.Requests, err = c.Destination.Preview([]destination.Item{item}); err != nil {
		p.Error = err.Error()
	}
	return p
}

// converter is implemented by destinations whose request for a call can be made without asking anything first.
type converter interface {
	Convert(context.Context, destination.Item) (*http.Request, error)
}

// requester is another name for it.
type requester interface {
	Request(context.Context, destination.Item) (*http.Request, error)
}

func (a *App) converter(name string) (func(context.Context, destination.Item) (*http.Request, error), error) {
	c, ok := a.durable.snapshot.Destinations[name]
	if !ok {
		return nil, fmt.Errorf("convert: there is no destination %q", name)
	}
	var convert func(context.Context, destination.Item) (*http.Request, error)
	switch d := c.Destination.(type) {
	case converter:
		convert = d.Convert
	case requester:
		convert = d.Request
	default:
		return nil, fmt.Errorf("convert: destination %q asks its system before it writes, so it has no single request; use deliver", name)
	}
	return func(ctx context.Context, item destination.Item) (*http.Request, error) {
		if c.Minimize != nil {
			item.Call = c.Minimize(item.Call)
		}
		return convert(ctx, item)
	}, nil
}

// convert makes the request that goes on the destination's: method, URI, headers and body. Where it goes is up to the
// next handler.
func (rq *request) convert() error {
	c, err := rq.record()
	if err != nil {
		return err
	}
	item := rq.item(c)
	item.DeliveryID = rq.eventID
	out, err := rq.h.convertTo(rq.r.Context(), item)
	if err != nil {
		return err
	}
	var body []byte
	if out.Body != nil {
		if body, err = io.ReadAll(out.Body); err != nil {
			return err
		}
	}
	r := rq.r
	r.Method = out.Method
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery = out.URL.Path, out.URL.RawPath, out.URL.RawQuery
	r.RequestURI = r.URL.RequestURI()
	r.Host = out.URL.Host
	for name := range r.Header {
		delete(r.Header, name)
	}
	for name, values := range out.Header {
		r.Header[name] = values
	}
	if len(body) == 0 && out.Body == nil {
		r.Body, r.ContentLength, r.GetBody = http.NoBody, 0, nil
		return nil
	}
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	rq.setBody(body)
	return nil
}
