package outbound

import (
	"compress/gzip"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"

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
	all   *http.Transport
	proxy func(*http.Request) (*url.URL, error)
}

// RoundTrip implements http.RoundTripper.
func (p *plain) RoundTrip(req *http.Request) (*http.Response, error) {
	to, ok := p.target(req)
	if !ok {
		return p.all.RoundTrip(req)
	}
	// As http.Transport does: who does not ask for an encoding gets none to see.
	unzip := req.Method != http.MethodHead && req.Header["Accept-Encoding"] == nil && req.Header["Range"] == nil
	if unzip {
		own := *req
		own.Header = maps.Clone(req.Header)
		own.Header["Accept-Encoding"] = []string{"gzip"}
		req = &own
	}
	res, err := p.wire.Do(req, to)
	if err == nil && unzip && strings.EqualFold(res.Header.Get("Content-Encoding"), "gzip") {
		res.Body = &unzipped{zipped: res.Body}
		res.Header.Del("Content-Encoding")
		res.Header.Del("Content-Length")
		res.ContentLength, res.Uncompressed = -1, true
	}
	return res, err
}

// target is where a request goes; false if it goes by http.Transport.
func (p *plain) target(req *http.Request) (to wire.Target, ok bool) {
	if req.URL == nil || req.URL.Scheme != "http" || !wire.Carries(req, wire.DefaultMaxBody) || strings.ContainsFunc(req.URL.Host, translated) {
		return to, false
	}
	if p.proxy != nil {
		if u, err := p.proxy(req); u != nil || err != nil {
			return to, false
		}
	}
	port := req.URL.Port()
	if port == "" {
		port = "80"
	}
	return wire.Target{Network: "tcp", Address: net.JoinHostPort(req.URL.Hostname(), port)}, true
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
