package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/store"
)

// What is stored with the header of a spooled request and is no header of it; storedRequest takes it out again. Who the
// sender was and whether it used TLS decide what reverse_proxy tells the receiver in X-Forwarded-*, and whether it
// believes what the sender said there; and the URL that the sender called is what some schemes sign.
const (
	spooledHost   = "Callgate-Host"
	spooledRemote = "Callgate-Remote-Addr"
	spooledURI    = "Callgate-Original-Uri"
	spooledTLS    = "Callgate-Tls" // with the name of the server; not there without TLS
)

// spooledHeader is the header that a receiver is to get, when the request is sent to it again later.
func (rt *Route) spooledHeader(r *http.Request) http.Header {
	h := r.Header.Clone()
	for _, name := range hopHeaders {
		h.Del(name)
	}
	h[spooledHost] = []string{r.Host}
	h[spooledRemote] = []string{r.RemoteAddr}
	h[spooledURI] = []string{rt.calledURI(r)}
	delete(h, spooledTLS)
	if r.TLS != nil {
		h[spooledTLS] = []string{r.TLS.ServerName}
	}
	return h
}

// storedRequest makes a stored request again. prepare gets it as it came to the server, before handlers in front of the
// route changed its URI.
func storedRequest(ctx context.Context, ev *store.Event, item *destination.Item, prepare func(*http.Request) *http.Request) (*http.Request, error) {
	invalid := errors.New("the stored request has no valid method or URI")
	r, err := http.NewRequestWithContext(ctx, ev.Method, "/", bytes.NewReader(ev.Body))
	if err != nil {
		return nil, invalid
	}
	// NewRequest would take the beginning of a path with two slashes for a host.
	here, err := url.ParseRequestURI(ev.URI)
	if err != nil {
		return nil, invalid
	}
	r.Header = http.Header(ev.Header).Clone()
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	delete(r.Header, store.VerifiedHeader)
	r.Host, _ = takeOut(r.Header, spooledHost)
	r.RemoteAddr = "127.0.0.1:0"
	if v, ok := takeOut(r.Header, spooledRemote); ok {
		r.RemoteAddr = v
	}
	if name, ok := takeOut(r.Header, spooledTLS); ok {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, HandshakeComplete: true, ServerName: name}
	}
	r.URL, r.RequestURI = here, ev.URI
	if uri, ok := takeOut(r.Header, spooledURI); ok {
		if u, err := url.ParseRequestURI(uri); err == nil {
			r.URL, r.RequestURI = u, uri
		}
	}
	r = prepare(r)
	r.URL, r.RequestURI = here, ev.URI
	if item.Traceparent != "" && item.Traceparent != r.Header.Get("Traceparent") { // that of this attempt
		r.Header.Set("Traceparent", item.Traceparent)
	}
	r.Header.Set("Idempotency-Key", item.DeliveryID)
	r.Header.Set("X-Callgate-Attempt", fmt.Sprint(item.Attempt))
	return r, nil
}

// takeOut removes a header and gives the value that it had.
func takeOut(h http.Header, name string) (string, bool) {
	v := h[name]
	delete(h, name)
	if len(v) == 0 {
		return "", false
	}
	return v[0], true
}

// signAgain gives a stored request a signature of this moment: receivers refuse old ones.
func (rt *Route) signAgain(r *http.Request, ev *store.Event) error {
	p := rt.planOf(ev.Tenant)
	if p == nil && rt.Faulty[ev.Tenant] {
		return errors.New("the tenant's settings have a mistake")
	}
	if p == nil || p.Signer == nil {
		return nil
	}
	called := rt.publicURL(r, p.PublicURL)
	m := signature.Message{Method: r.Method, URL: called, Header: r.Header, Body: ev.Body}
	if err := p.Signer.Sign(&m, ev.EventID, time.Now()); err != nil {
		return err
	}
	takeQuery(r, called, m.URL)
	r.Body, r.ContentLength = bodyOf(m.Body), int64(len(m.Body))
	r.GetBody = func() (io.ReadCloser, error) { return bodyOf(m.Body), nil }
	r.Header.Set("Content-Length", strconv.Itoa(len(m.Body)))
	return nil
}
