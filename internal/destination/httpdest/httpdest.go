// Package httpdest delivers calls to any HTTP endpoint: the request comes from a definition's templates, or is the
// provider's own request passed on.
package httpdest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/internal/charset"
	"github.com/callgate/callgate/internal/condition"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
)

// Rendered is a request as templates make it: without credentials, signature and the headers of the delivery.
type Rendered struct {
	Method string
	URL    string
	Header http.Header
	// Body is empty for a request without one.
	Body []byte
	// Warnings are what was rendered around, such as a value that did not fit its declared type.
	Warnings []string
}

// Renderer makes the request for an item. Its errors name variables, never values. It must return a Header that the
// caller may change.
type Renderer interface {
	Render(item destination.Item) (Rendered, error)
}

// SignFunc signs a request: it sets headers from the method, the URL, the body, the delivery's id and the time.
type SignFunc func(method, url string, h http.Header, body []byte, id string, now time.Time) error

// Config configures a destination.
type Config struct {
	// Renderer makes the requests. Fixed serves where nothing in them varies but the body.
	Renderer Renderer
	// PassThrough sends the provider's body and content type, byte for byte, in place of the rendered body.
	PassThrough bool
	// Auth signs in, nil for none.
	Auth outbound.Authorizer
	// Sign signs what is sent, nil for none, with the time of the attempt. It sees every header but those of Auth.
	Sign SignFunc
	// Client sends; nil means a client with zero Options.
	Client *outbound.Client
	// Success are statuses that mean delivered besides 2xx, for receivers with habits of their own: a 302 to a page
	// that says thanks, a 409 for what is there already.
	Success []int
	// Condition, if set, must hold of an answer that means delivered by its status.
	Condition *condition.Success
	// Plain takes SOAP faults and web pages with such a status for delivered.
	Plain bool
	// AllowHTTP lets requests go unencrypted to hosts that are neither loopback nor private by their address.
	AllowHTTP bool
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Destination sends one request for each item. It implements destination.Destination.
type Destination struct {
	cfg      Config
	forwards bool
	// first is the first URL that something was sent to: the only one, unless it has variables.
	first atomic.Pointer[checked]
}

// checked is a URL that may be sent to.
type checked struct {
	address string
	url     *url.URL
}

var _ destination.Destination = (*Destination)(nil)

// New checks the configuration and returns the destination.
func New(cfg Config) (*Destination, error) {
	if cfg.Renderer == nil {
		return nil, errors.New("an http destination needs a definition, or a URL to pass requests on to")
	}
	for _, s := range cfg.Success {
		if s < 300 || s > 599 {
			return nil, fmt.Errorf("success status %d: give statuses from 300 to 599; 2xx is success already", s)
		}
	}
	if f, ok := cfg.Renderer.(Fixed); ok {
		if err := outbound.CheckURL(f.URL, cfg.AllowHTTP, true); err != nil {
			return nil, err
		}
		if !cfg.PassThrough && f.Body == nil {
			return nil, errors.New("a fixed URL without a body template: pass the provider's request on, or give a template")
		}
	}
	if cfg.Client == nil {
		cfg.Client = outbound.NewClient(outbound.Options{})
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	d := &Destination{cfg: cfg}
	if c, ok := cfg.Renderer.(interface{ Constant() bool }); ok {
		d.forwards = cfg.PassThrough && c.Constant()
	}
	return d, nil
}

// Forwards implements destination.Forwarder.
func (d *Destination) Forwards() bool { return d.forwards }

// MaxBatch returns 1.
func (d *Destination) MaxBatch() int { return 1 }

// Deliver sends the items one after the other.
func (d *Destination) Deliver(ctx context.Context, items []destination.Item) []destination.Result {
	results := make([]destination.Result, len(items))
	for i, item := range items {
		results[i] = d.deliver(ctx, item)
	}
	return results
}

func (d *Destination) deliver(ctx context.Context, item destination.Item) destination.Result {
	req, _, warnings, err := d.build(ctx, item)
	if err != nil {
		// The same call renders the same way next time: only another configuration helps, and then a replay.
		return destination.Result{Outcome: destination.Dead, Reason: err.Error()}
	}
	a, err := d.cfg.Client.Send(ctx, d.cfg.Auth, req)
	r := d.judge(ctx, req, a, err)
	r.Warnings = warnings
	return r
}

// judge says what the answer to a request means, or the error in place of one.
func (d *Destination) judge(ctx context.Context, req *http.Request, a *outbound.Answer, err error) destination.Result {
	if err == nil {
		own := slices.Contains(d.cfg.Success, a.Status)
		if own || outbound.Classify(a.Status) == destination.Delivered {
			return outbound.Confirm(ctx, a, outbound.Expect{Condition: d.cfg.Condition, Plain: d.cfg.Plain || own, Pages: !data(req.Header)})
		}
	}
	return outbound.ResultFrom(a, err, d.cfg.Now())
}

// data reports whether a request carries data as APIs take it, so that a web page is no answer to it.
func data(h http.Header) bool {
	kind, _ := charset.MediaType(h.Get("Content-Type"))
	return strings.HasSuffix(kind, "json") || strings.HasSuffix(kind, "xml")
}

// Convertible says why Request cannot serve; nil if it can.
func (d *Destination) Convertible() error { return outbound.Alone(d.cfg.Auth) }

// Request returns the request that Deliver would send first, complete with its credentials, which may have to be
// fetched. The caller may send it its own way.
func (d *Destination) Request(ctx context.Context, item destination.Item) (*http.Request, error) {
	req, _, _, err := d.build(ctx, item)
	if err != nil {
		return nil, err
	}
	if d.cfg.Auth != nil {
		if err := d.cfg.Auth.Apply(ctx, req); err != nil {
			return nil, err
		}
	}
	return req, nil
}

// Preview renders the requests with secrets masked: credentials, signatures, whatever header or query parameter is
// called like a secret, and what the Renderer knows to be one.
func (d *Destination) Preview(items []destination.Item) ([]destination.Request, error) {
	requests := make([]destination.Request, 0, len(items))
	for _, item := range items {
		r, err := d.show(item, item.DeliveryID)
		if err != nil {
			return nil, err
		}
		requests = append(requests, r)
	}
	return requests, nil
}

// show is the request of an item as Preview shows it.
func (d *Destination) show(item destination.Item, id string) (destination.Request, error) {
	req, body, _, err := d.buildAs(context.Background(), item, id)
	if err != nil {
		return destination.Request{}, err
	}
	h := req.Header
	d.mask(h)
	if req.Host != "" && req.Host != req.URL.Host {
		h.Set("Host", req.Host)
	}
	address := req.URL.String()
	if s, ok := d.cfg.Renderer.(Shower); ok {
		if address, err = s.ShowURL(item); err != nil {
			return destination.Request{}, err
		}
	}
	return destination.Request{Method: req.Method, URL: outbound.MaskURL(address), Header: h, Body: string(charset.Shown(body, h.Get("Content-Type")))}, nil
}

// mask masks what is secret among headers.
func (d *Destination) mask(h http.Header) {
	if s, ok := d.cfg.Renderer.(secretive); ok {
		for name := range h {
			if s.Secret(name) {
				h[name] = []string{outbound.Masked}
			}
		}
	}
	outbound.MaskSecrets(h)
	if d.cfg.Auth != nil {
		d.cfg.Auth.Mask(h)
	}
}

// build renders, stamps and signs the request of an item.
func (d *Destination) build(ctx context.Context, item destination.Item) (*http.Request, []byte, []string, error) {
	return d.buildAs(ctx, item, item.DeliveryID)
}

// buildAs is build with an id of its own, by which the receiver knows a repetition.
func (d *Destination) buildAs(ctx context.Context, item destination.Item, id string) (*http.Request, []byte, []string, error) {
	out, err := d.cfg.Renderer.Render(item)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("the request can not be made from this call: %w", err)
	}
	if out.Header == nil {
		out.Header = http.Header{}
	}
	h, body := out.Header, out.Body
	if d.cfg.PassThrough {
		body = item.Body
		if item.ContentType != "" {
			h.Set("Content-Type", item.ContentType)
		}
		if item.ContentEncoding != "" {
			h.Set("Content-Encoding", item.ContentEncoding)
		}
	}
	if out.Method == http.MethodGet {
		body = nil // RFC 9110, section 9.3.1: it has no meaning there, and some servers refuse it
	}
	if len(body) == 0 {
		body = nil
	}
	req, err := d.request(ctx, item, id, out.Method, out.URL, h, body)
	return req, body, out.Warnings, err
}

// request makes a request of what was rendered.
func (d *Destination) request(ctx context.Context, item destination.Item, id, method, address string, h http.Header, body []byte) (*http.Request, error) {
	req, err := d.requestTo(ctx, method, address, h, body)
	if err != nil {
		return nil, err
	}
	item.DeliveryID = id
	outbound.StampHeaders(h, item)
	if host := h.Get("Host"); host != "" {
		req.Host = host
	}
	for _, name := range [...]string{"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Te", "Trailer"} {
		delete(h, name) // the connection's own business (RFC 9110, section 7.6.1)
	}
	if d.cfg.Sign != nil {
		if err := d.cfg.Sign(method, address, h, body, id, d.cfg.Now()); err != nil {
			return nil, fmt.Errorf("the request can not be signed: %w", err)
		}
	}
	return req, nil
}

// requestTo makes a request. The URL was checked when it was configured. A mistake in rendering it would send
// callers' data to a wrong place, so what came out is checked once more, unless it was.
func (d *Destination) requestTo(ctx context.Context, method, address string, h http.Header, body []byte) (*http.Request, error) {
	if first := d.first.Load(); first != nil && first.address == address {
		return outbound.NewRequestTo(ctx, method, *first.url, h, body), nil
	}
	if err := outbound.CheckURL(address, d.cfg.AllowHTTP, true); err != nil {
		return nil, err
	}
	req, err := outbound.NewRequest(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	if d.first.Load() == nil {
		u := *req.URL
		d.first.CompareAndSwap(nil, &checked{address, &u})
	}
	req.Header = h
	return req, nil
}

// Fixed is a Renderer of one and the same request, for passing requests on.
type Fixed struct {
	Method string // empty means POST
	URL    string
	Header http.Header
	Body   []byte
}

// Constant reports that nothing in it is of the call.
func (Fixed) Constant() bool { return true }

// Render returns the request.
func (f Fixed) Render(destination.Item) (Rendered, error) {
	if f.Method == "" {
		f.Method = http.MethodPost
	}
	h := f.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	return Rendered{Method: f.Method, URL: f.URL, Header: h, Body: f.Body}, nil
}
