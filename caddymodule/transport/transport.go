// Package transport is a transport for Caddy's reverse_proxy that needs less work per request than the standard one.
//
// Importing it registers the module http.reverse_proxy.transport.callgate. It takes the options of Caddy's transport
// "http", by the same names, and uses Caddy's code for dialling, resolving, TLS settings and everything it does not
// carry itself. Only the exchange of one request and one answer over HTTP/1.1 is done differently: on one goroutine
// instead of three, by package wire.
package transport

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/callgate/callgate/internal/wire"
)

func init() {
	caddy.RegisterModule(new(Transport))
}

// DefaultIdleConnsPerHost is how many idle connections to one upstream are kept unless keep_alive says otherwise. It
// is more than the 32 of transport "http": with more requests in parallel than idle connections, every burst opens new
// ones, which costs more than keeping them.
const DefaultIdleConnsPerHost = 256

// Transport sends reverse_proxy's requests over HTTP/1.1 with little work per request. What it cannot carry goes
// through Caddy's standard transport, with the same settings, request by request:
//
//   - upgrades (WebSocket), CONNECT, "Expect: 100-continue", trailers, and requests that ask to be passed on
//     incrementally (RFC 10036);
//   - bodies of unknown length, and bodies larger than max_request_body;
//   - everything, if versions names anything but 1.1 (h2c:// upstreams do so by themselves), with proxy_protocol, and
//     with "keepalive off";
//   - requests for which a network (forward) proxy is in force;
//   - upstreams that decline HTTP/1.1 in the TLS handshake.
//
// Answers are passed on as they come in, whatever their length, so event streams work.
//
// It differs from transport "http" in this:
//
//   - it sends nothing before a request's body has come in whole, so what breaks off never reaches the upstream;
//   - what an upstream sends that is not HTTP/1.1 is not quoted in errors, as it may hold personal data;
//   - it never asks the upstream for compression by itself (as with "compression off");
//   - it speaks HTTP/1.1 over TLS unless versions says 2;
//   - it keeps up to [DefaultIdleConnsPerHost] idle connections for each upstream;
//   - the limits max_conns_per_host and keepalive_idle_conns hold for its own connections and, once more, for those of
//     the standard transport;
//   - header lines are sent in no particular order.
type Transport struct {
	// All options of transport "http". Compression cannot be turned on.
	reverseproxy.HTTPTransport

	// The largest request body, in bytes, to be sent without the standard transport. Default: 256 KiB. A much
	// larger value suits only upstreams that read a request to its end before they answer, which nearly all do; with
	// another one, a request whose answer is as large can wait for 30 seconds.
	MaxRequestBody int64 `json:"max_request_body,omitempty"`

	client     *wire.Client
	serverName string // the configured TLS server name, "" to use the upstream's host
	naming     bool   // the server name has placeholders
	declined   declined
}

// CaddyModule returns the Caddy module information.
func (*Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.transport.callgate",
		New: func() caddy.Module { return new(Transport) },
	}
}

// Provision sets up both transports.
func (t *Transport) Provision(ctx caddy.Context) error {
	if t.Compression != nil && *t.Compression {
		return errors.New("transport callgate does not compress; remove compression, or use transport http")
	}
	if t.MaxRequestBody < 0 {
		return fmt.Errorf("max_request_body is %d; it must not be negative", t.MaxRequestBody)
	}
	if t.MaxRequestBody == 0 {
		t.MaxRequestBody = wire.DefaultMaxBody
	}
	t.Compression = new(bool)
	if t.KeepAlive == nil {
		t.KeepAlive = new(reverseproxy.KeepAlive)
	}
	if t.KeepAlive.MaxIdleConnsPerHost == 0 {
		t.KeepAlive.MaxIdleConnsPerHost = DefaultIdleConnsPerHost
	}
	standardOnly := t.standardOnly()

	// Time limits of single reads and writes are set by package wire, together with its other ones.
	dialer := reverseproxy.HTTPTransport{
		DialTimeout:   t.DialTimeout,
		FallbackDelay: t.FallbackDelay,
		LocalAddress:  t.LocalAddress,
		Versions:      []string{"1.1"},
	}
	keepAlive := *t.KeepAlive
	dialer.KeepAlive = &keepAlive
	if t.Resolver != nil {
		dialer.Resolver = &reverseproxy.UpstreamResolver{Addresses: slices.Clone(t.Resolver.Addresses)}
	}
	if err := t.HTTPTransport.Provision(ctx); err != nil {
		return err
	}
	if standardOnly {
		return nil
	}
	if err := dialer.Provision(ctx); err != nil {
		return err
	}
	t.client = &wire.Client{
		Dial:                  dialer.Transport.DialContext,
		ResponseHeaderTimeout: time.Duration(t.ResponseHeaderTimeout),
		ReadTimeout:           time.Duration(t.ReadTimeout),
		WriteTimeout:          time.Duration(t.WriteTimeout),
		IdleTimeout:           time.Duration(t.KeepAlive.IdleConnTimeout),
		MaxConnsPerHost:       t.MaxConnsPerHost,
		MaxIdleConns:          t.KeepAlive.MaxIdleConns,
		MaxIdleConnsPerHost:   t.KeepAlive.MaxIdleConnsPerHost,
		MaxResponseHeader:     t.MaxResponseHeaderSize,
		ReadBufferSize:        t.ReadBufferSize,
	}
	if t.TLS != nil {
		t.client.TLS = t.Transport.TLSClientConfig
		t.client.TLSHandshakeTimeout = time.Duration(t.TLS.HandshakeTimeout)
		t.serverName = t.TLS.ServerName
		t.naming = strings.Contains(t.serverName, "{")
	}
	return nil
}

// standardOnly tells whether the settings ask for something that only the standard transport does.
func (t *Transport) standardOnly() bool {
	return slices.ContainsFunc(t.Versions, func(v string) bool { return v != "1.1" }) ||
		t.ProxyProtocol != "" ||
		t.KeepAlive.Enabled != nil && !*t.KeepAlive.Enabled
}

// RoundTrip sends req to the upstream that reverse_proxy chose. It implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.client == nil {
		return t.HTTPTransport.RoundTrip(req)
	}
	t.SetScheme(req)
	target, ok := t.target(req)
	if !ok || !wire.Carries(req, t.MaxRequestBody) {
		return t.HTTPTransport.RoundTrip(req)
	}
	res, err := t.client.Do(req, target)
	if err != nil && errors.Is(err, wire.ErrNotHTTP1) {
		t.declined.add(target)
		return t.HTTPTransport.RoundTrip(req)
	}
	return res, err
}

// target tells where req goes, or that the standard transport has to find out.
func (t *Transport) target(req *http.Request) (wire.Target, bool) {
	to, ok := reverseproxy.GetDialInfo(req.Context())
	if !ok {
		return wire.Target{}, false
	}
	switch to.Network {
	case "tcp", "tcp4", "tcp6", "unix":
	default:
		return wire.Target{}, false
	}
	if to.Network != "unix" {
		if proxy, err := t.Transport.Proxy(req); proxy != nil || err != nil {
			return wire.Target{}, false
		}
	}
	target := wire.Target{Network: to.Network, Address: to.Address}
	switch req.URL.Scheme {
	case "http":
		return target, true
	case "https":
	default:
		return wire.Target{}, false
	}
	target.TLS = true
	switch {
	case t.naming:
		repl, ok := req.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		if !ok {
			return wire.Target{}, false
		}
		target.ServerName = repl.ReplaceAll(t.serverName, "")
	case t.serverName != "":
		target.ServerName = t.serverName
	default:
		target.ServerName = req.URL.Hostname()
	}
	return target, !t.declined.has(target)
}

// Cleanup closes the idle connections of both transports, and those in use as soon as their answers have been read.
// Requests that arrive later are still served.
func (t *Transport) Cleanup() error {
	if t.client != nil {
		t.client.CloseIdle()
	}
	return t.HTTPTransport.Cleanup()
}

// declined remembers the upstreams that do not speak HTTP/1.1, so that not every request has to find out.
type declined struct {
	mu  sync.RWMutex
	set map[wire.Target]struct{}
}

// maxDeclined bounds what is remembered: upstreams can have any number of names.
const maxDeclined = 1024

func (d *declined) add(t wire.Target) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.set == nil || len(d.set) >= maxDeclined {
		d.set = make(map[wire.Target]struct{})
	}
	d.set[t] = struct{}{}
}

func (d *declined) has(t wire.Target) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	_, ok := d.set[t]
	return ok
}

var (
	_ caddy.Module                                     = (*Transport)(nil)
	_ caddy.Provisioner                                = (*Transport)(nil)
	_ caddy.CleanerUpper                               = (*Transport)(nil)
	_ http.RoundTripper                                = (*Transport)(nil)
	_ reverseproxy.TLSTransport                        = (*Transport)(nil)
	_ reverseproxy.H2CTransport                        = (*Transport)(nil)
	_ reverseproxy.HealthCheckSchemeOverriderTransport = (*Transport)(nil)
	_ reverseproxy.ProxyProtocolTransport              = (*Transport)(nil)
	_ reverseproxy.RequestHeaderOpsTransport           = (*Transport)(nil)
)
