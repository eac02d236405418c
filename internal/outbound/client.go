// Package outbound sends the gateway's own requests: to the systems that receive calls, and to the token servers that
// let it in there. It bounds what a receiver can do to the gateway (time, size of the answer, redirects, addresses),
// turns every failure into a reason that an operator can act on, and keeps secrets and callers' data out of errors.
//
// Which addresses may be reached follows who wrote the URL. The host of a URL is never filled from a call (CheckURL
// refuses a variable there), so a caller can not choose it. An operator who configures a receiver in the own network
// means it: use AllowPrivate for such URLs. URLs that a tenant may set need the zero value, which refuses to connect to
// loopback, private, shared and link-local addresses, whatever name led to them.
package outbound

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/charset"
)

// Defaults of Options.
const (
	DefaultTimeout   = 30 * time.Second
	DefaultMaxAnswer = 1 << 20
)

// Options configures a Client. The zero value is usable and strict.
type Options struct {
	// Transport carries the requests; nil builds one from the options below, which have no effect otherwise.
	Transport http.RoundTripper
	// Timeout bounds one request from dialling to the end of the answer's body; 0 means DefaultTimeout.
	Timeout time.Duration
	// MaxAnswer is how many bytes of an answer are read, after decompression; 0 means DefaultMaxAnswer.
	MaxAnswer int64
	// AllowPrivate lets requests go to loopback, private (RFC 1918, RFC 4193) and shared (RFC 6598) addresses.
	// Link-local addresses, where clouds keep their metadata services, stay refused.
	AllowPrivate bool
	// TLS holds client certificates and own authorities. The version is TLS 1.2 at least.
	TLS *tls.Config
	// Pins are keys of which the receiver must show one; authorities, names and dates of certificates do not count then, and
	// nothing is sent unencrypted. They do not hold for token servers, which are verified as without pins. They do not go
	// together with a proxy that is itself reached by https.
	Pins []Pin
	// UnsafeTLS lets the connection be as old as this version, tls.VersionTLS10 or tls.VersionTLS11, with the ciphers of
	// that time. Who stands between can read and change what is sent. 0 means TLS 1.2 at least.
	UnsafeTLS uint16
	// Proxy chooses a proxy as http.Transport does; nil means none. The addresses behind a proxy are the proxy's
	// business: the guard then sees the proxy's address only. Without AllowPrivate no request goes through a proxy; what
	// Proxy would send there is refused.
	Proxy func(*http.Request) (*url.URL, error)
	// Fence bounds the hosts that requests go to; nil does not.
	Fence *Fence
	// MaxConnsPerHost bounds connections to one receiver; 0 means no bound. Idle ones are kept for reuse.
	MaxConnsPerHost int
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	http      *http.Client
	tokens    *http.Client // for token servers, where the receiver is pinned and they are not; nil for the same
	timeout   time.Duration
	maxAnswer int64
	last      lately
}

// NewClient returns a client with the options.
func NewClient(o Options) *Client {
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxAnswer <= 0 {
		o.MaxAnswer = DefaultMaxAnswer
	}
	var tokens *http.Client
	if len(o.Pins) > 0 {
		// A client of its own, which keeps to all else.
		unpinned := o
		unpinned.Pins = nil
		tokens = NewClient(unpinned).http
	}
	if o.Transport == nil {
		o.Transport = newTransport(o)
	}
	if o.Fence != nil {
		o.Transport = fenced{o.Transport, o.Fence}
	}
	return &Client{
		http: &http.Client{
			Transport: o.Transport,
			// A redirect of a webhook is a failure (Standard Webhooks): following one would send the caller's data
			// and our credentials to an address that nobody configured.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		tokens:    tokens,
		timeout:   o.Timeout,
		maxAnswer: o.MaxAnswer,
	}
}

// forTokens is the client for token servers.
func (c *Client) forTokens() *http.Client {
	if c.tokens != nil {
		return c.tokens
	}
	return c.http
}

// Answer is what a receiver answered.
type Answer struct {
	Status int
	Header http.Header
	// Body is the answer's body as far as it was read; what comes in a charset that internal/charset knows is in UTF-8.
	Body []byte
	// Truncated says that Body is not all of it: it was longer than MaxAnswer, or the connection ended early. The
	// status stands nevertheless; who needs the body to know the outcome must take the outcome for unknown.
	Truncated bool

	// signed is the scheme by which the request was signed in, in small letters.
	signed string
}

// Do sends the request as it is and reads the answer, whatever its status. The error is nil exactly if there was an
// answer, and a *Error otherwise. Under a context of Recorded what is sent is noted.
func (c *Client) Do(ctx context.Context, req *http.Request) (*Answer, error) {
	began := time.Now()
	within := ctx
	if by, ok := ctx.Deadline(); !ok || by.Sub(began) > c.timeout {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	trial := trialOf(ctx)
	req = trial.mark(req)
	sent := req
	if req.Context().Done() != within.Done() { // otherwise it ends with the same, and need not be copied
		sent = req.WithContext(within)
	}
	res, err := c.roundTrip(sent)
	if err != nil {
		err := explain(ctx, err, req.URL.Host)
		noteSent(ctx, req, err, &c.last)
		trial.note(req, nil, err, time.Since(began))
		return nil, err
	}
	noteSent(ctx, req, nil, &c.last)
	defer res.Body.Close()
	body, err := readBody(res, c.maxAnswer+1)
	a := &Answer{Status: res.StatusCode, Header: res.Header, Body: body, Truncated: err != nil}
	scheme, _, _ := strings.Cut(req.Header.Get("Authorization"), " ")
	a.signed = strings.ToLower(scheme)
	if int64(len(body)) > c.maxAnswer {
		a.Body, a.Truncated = body[:c.maxAnswer], true
	}
	if res.Header.Get("Content-Encoding") == "" {
		a.Body = charset.Text(a.Body, res.Header.Get("Content-Type"))
	}
	trial.note(req, a, nil, time.Since(began))
	return a, nil
}

// roundTrip is the Do of http.Client without what has nothing to do where no redirect is followed and no cookies are kept.
func (c *Client) roundTrip(req *http.Request) (*http.Response, error) {
	if req.URL == nil || req.URL.User != nil || req.Header == nil || req.RequestURI != "" {
		return c.http.Do(req)
	}
	return c.http.Transport.RoundTrip(req)
}

// readBody reads up to limit bytes of an answer, into memory that is as large as it says that it is.
func readBody(res *http.Response, limit int64) ([]byte, error) {
	if res.Body == http.NoBody {
		return nil, nil
	}
	size := int64(512)
	if n := res.ContentLength; n > 0 && n <= 64<<10 {
		size = n + 1 // the end is found out with the last byte
	}
	b := make([]byte, 0, size)
	for int64(len(b)) < limit {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := res.Body.Read(b[len(b):min(int64(cap(b)), limit)])
		b = b[:len(b)+n]
		switch err {
		case nil:
		case io.EOF:
			return b, nil
		default:
			return b, err
		}
	}
	return b, nil
}

// Send is Do with credentials: it lets auth sign the request in, and where the receiver refuses the credentials and
// auth can renew them, sends it once more. auth may be nil. The request needs a body that can be read twice, as
// http.NewRequest makes of a bytes.Reader or strings.Reader, or none. The request given is not changed.
//
// The error is a *Error, or what auth.Apply returned; ResultFrom understands both.
func (c *Client) Send(ctx context.Context, auth Authorizer, req *http.Request) (*Answer, error) {
	if auth == nil {
		return c.Do(ctx, req)
	}
	heard := func(*http.Request, *Answer) {}
	if c, ok := auth.(Challenged); ok {
		x := c.Exchange()
		auth, heard = x, x.Heard
	}
	for first := true; ; first = false {
		r := req.Clone(ctx)
		if req.GetBody != nil {
			body, err := req.GetBody()
			if err != nil {
				return nil, errors.New("the request's body can not be read a second time")
			}
			r.Body = body
		}
		if err := auth.Apply(unrecorded(ctx), r); err != nil {
			return nil, err
		}
		a, err := c.Do(ctx, r)
		if err == nil {
			heard(r, a)
		}
		if err != nil || !first || a.Status < 400 || !auth.Rejected(unrecorded(ctx), r, a.Status, a.Body) {
			return a, err
		}
		if req.Body != nil && req.GetBody == nil {
			return a, nil
		}
	}
}

// CloseIdle closes connections that wait for reuse; call it when the client is no longer needed.
func (c *Client) CloseIdle() {
	c.http.CloseIdleConnections()
	c.forTokens().CloseIdleConnections()
}

// NewRequest is http.NewRequestWithContext with a body that can be sent twice, and an error that does not quote the
// URL. A nil body means none.
func NewRequest(ctx context.Context, method, address string, body []byte) (*http.Request, error) {
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, address, r)
	if err != nil {
		return nil, ErrBadURL
	}
	return req, nil
}

// NewRequestTo is NewRequest to the URL of an earlier request, which is not read again. The request has the header, which must not
// be nil.
func NewRequestTo(ctx context.Context, method string, to url.URL, header http.Header, body []byte) *http.Request {
	req := (&http.Request{Method: method, URL: &to, Host: to.Host, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	if len(body) > 0 {
		req.ContentLength = int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody()
	}
	return req
}
