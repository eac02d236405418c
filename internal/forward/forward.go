// Package forward hands requests on to the one receiver of a route, and its answers to the senders, as an HTTP proxy does:
// what belongs to a connection stays there (RFC 9110, section 7.6.1), and the receiver is told who sent what, and how.
//
// It does what Caddy's reverse_proxy does with one upstream and nothing else configured, for requests whose body is in
// memory, and no more than that: nothing of a request is cloned, and its headers are written to the connection directly.
package forward

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/wire"
)

// Exchange is a request to hand on.
type Exchange struct {
	// Request is not changed, and its body is not read.
	Request *http.Request
	Body    []byte
	// Trusted says that the request came from a proxy whose X-Forwarded headers count.
	Trusted bool
	// By is when the receiver must have begun to answer; zero is never.
	By time.Time
}

// ErrLate says that the receiver did not begin to answer in time.
var ErrLate error = wire.ErrLate

// StatusClientGone is written for a client that has gone, as nginx does; nobody reads it.
const StatusClientGone = 499

// Forward hands a request on and answers with what the receiver answers. An error says that there was no answer of it. An
// answer that breaks off ends in a panic with http.ErrAbortHandler, which has the server break off its own.
func (rc *Receiver) Forward(w http.ResponseWriter, x Exchange) error {
	res, err := rc.send(&x)
	if errors.Is(err, context.Canceled) {
		w.WriteHeader(StatusClientGone)
		return nil
	}
	if err != nil {
		return err
	}
	rc.answer(w, res)
	return nil
}

// StatusOf is the status that an error of Forward is answered with.
func StatusOf(err error) int {
	if e, ok := err.(net.Error); ok && e.Timeout() {
		return http.StatusGatewayTimeout
	}
	return http.StatusBadGateway
}

// hostOf is the host that the receiver is told.
func (rc *Receiver) hostOf(r *http.Request) string {
	if rc.target.TLS || r.Host == "" {
		return rc.host
	}
	return r.Host
}

func (rc *Receiver) send(x *Exchange) (*http.Response, error) {
	if rc.wire == nil || rc.declined.Load() || len(x.Body) > wire.DefaultMaxBody {
		return rc.sendStandard(x)
	}
	m := wire.NewMessage()
	defer m.Free()
	if !x.write(m, rc.hostOf(x.Request)) {
		return rc.sendStandard(x)
	}
	res, err := rc.wire.Send(x.Request, m.B, rc.target, x.By)
	if errors.Is(err, wire.ErrNotHTTP1) {
		rc.declined.Store(true)
		return rc.sendStandard(x)
	}
	return res, err
}

// url is that of the receiver, without a path.
func (rc *Receiver) url() *url.URL {
	switch {
	case rc.target.TLS:
		return &url.URL{Scheme: "https", Host: rc.host}
	case rc.target.Network == "unix":
		return &url.URL{Scheme: "http", Host: "localhost"}
	}
	return &url.URL{Scheme: "http", Host: rc.target.Address}
}

// sendStandard sends a request by net/http.
func (rc *Receiver) sendStandard(x *Exchange) (*http.Response, error) {
	r := x.Request
	u := rc.url()
	u.Opaque, u.Path, u.RawPath, u.ForceQuery, u.RawQuery = r.URL.Opaque, r.URL.Path, r.URL.RawPath, r.URL.ForceQuery, r.URL.RawQuery
	out := &http.Request{Method: r.Method, URL: u, Host: rc.hostOf(r), Header: make(http.Header, len(r.Header)+4), ContentLength: int64(len(x.Body))}
	out.Header["User-Agent"] = []string{""} // or net/http would invent one
	x.fields(func(name, value string) bool {
		switch name {
		case "User-Agent":
			out.Header[name] = nil
		case "Idempotency-Key", "X-Idempotency-Key":
			// Whether to send a call again is not for http.Transport to say, which knows these by this case of letters only.
			name = strings.ToLower(name)
		}
		out.Header[name] = append(out.Header[name], value)
		return true
	})
	if body := x.Body; len(body) > 0 {
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		out.Body, _ = out.GetBody()
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	if !x.By.IsZero() {
		limit := time.AfterFunc(time.Until(x.By), func() { cancel(ErrLate) })
		defer limit.Stop()
	}
	res, err := rc.standard.RoundTrip(out.WithContext(ctx))
	if err == nil && res.StatusCode < http.StatusOK {
		err = wire.ErrMalformed
		if res.StatusCode == http.StatusSwitchingProtocols {
			err = wire.ErrUpgrade
		}
		_ = res.Body.Close()
	}
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		cancel(nil)
		return nil, err
	}
	res.Body = &ending{res.Body, cancel}
	return res, nil
}

// ending is a body with whose end its context ends.
type ending struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (e *ending) Close() error {
	err := e.ReadCloser.Close()
	e.cancel(nil)
	return err
}

// write makes m the request, and reports whether it could: what is unusual or not valid is left to net/http.
func (x *Exchange) write(m *wire.Message, host string) bool {
	r := x.Request
	uri := r.URL.RequestURI()
	if !wire.Plain(r.Method, uri, host) {
		return false
	}
	b := wire.AppendRequestLine(m.B[:0], r.Method, uri, host)
	b = wire.AppendLength(b, r.Method, int64(len(x.Body)))
	valid := x.fields(func(name, value string) bool {
		if !valid(name, value) {
			return false
		}
		b = wire.AppendField(b, name, value)
		return true
	})
	b = append(b, "\r\n"...)
	m.B = append(b, x.Body...)
	return valid
}
