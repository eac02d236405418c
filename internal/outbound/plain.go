package outbound

import (
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/callgate/callgate/internal/wire"
)

// plain carries what goes to a receiver unencrypted and straight, as to a program on this machine or in the own network, on
// the goroutine of its attempt. http.Transport has two more goroutines for each connection, whose waking up costs a third of
// all that a delivery takes. What it does not carry goes by http.Transport: TLS, which may lead to HTTP/2, proxies, large
// bodies, and names that have to be translated.
//
// Receivers see no difference, and neither does who reads the answer.
type plain struct {
	wire  *wire.Client
	all   once
	proxy func(*http.Request) (*url.URL, error)
	last  atomic.Pointer[heading]
}

// heading is where requests to a host go.
type heading struct {
	host string
	to   wire.Target
}

// RoundTrip implements http.RoundTripper.
func (p *plain) RoundTrip(req *http.Request) (*http.Response, error) {
	to, ok := p.target(req)
	if !ok {
		return p.all.RoundTrip(req)
	}
	res, err := p.wire.Do(req, to)
	if err == nil && wire.AsksForGzip(req) && strings.EqualFold(res.Header.Get("Content-Encoding"), "gzip") {
		res.Body = &unzipped{zipped: res.Body}
		res.Header.Del("Content-Encoding")
		res.Header.Del("Content-Length")
		res.ContentLength, res.Uncompressed = -1, true
	}
	return res, err
}

// target is where a request goes; false if it goes by http.Transport.
func (p *plain) target(req *http.Request) (to wire.Target, ok bool) {
	if req.URL == nil || req.URL.Scheme != "http" || !wire.Carries(req, wire.DefaultMaxBody) {
		return to, false
	}
	if p.proxy != nil {
		if u, err := p.proxy(req); u != nil || err != nil {
			return to, false
		}
	}
	last := p.last.Load() // mostly there is one host only
	if last != nil && last.host == req.URL.Host {
		return last.to, true
	}
	if strings.ContainsFunc(req.URL.Host, translated) {
		return to, false
	}
	port := req.URL.Port()
	if port == "" {
		port = "80"
	}
	to = wire.Target{Network: "tcp", Address: net.JoinHostPort(req.URL.Hostname(), port)}
	p.last.Store(&heading{req.URL.Host, to})
	return to, true
}

// translated tells whether a host with this character is not dialled as it is written: an international name, or an address
// with a zone.
func translated(r rune) bool { return r >= 0x80 || r == '%' }

// CloseIdleConnections closes the connections that wait for reuse.
func (p *plain) CloseIdleConnections() {
	p.wire.CloseIdle()
	p.all.CloseIdleConnections()
}

// unzipped is a body that came in gzip.
type unzipped struct {
	zipped io.ReadCloser
	reader *gzip.Reader
	err    error
}

// Read implements io.Reader.
func (u *unzipped) Read(p []byte) (int, error) {
	if u.reader == nil && u.err == nil {
		u.reader, u.err = gzip.NewReader(u.zipped)
	}
	if u.err != nil {
		return 0, u.err
	}
	return u.reader.Read(p)
}

// Close implements io.Closer.
func (u *unzipped) Close() error { return u.zipped.Close() }
