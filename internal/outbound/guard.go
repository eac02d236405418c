package outbound

import (
	"maps"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/callgate/callgate/internal/wire"
)

// maxIdleConns is how many connections are kept for reuse, to all receivers of a client together.
const maxIdleConns = 256

// maxAnswerHead bounds the head of an answer: 64 KiB of headers are more than any receiver needs to tell us anything.
const maxAnswerHead = 64 << 10

// idleTime is how long connections are kept for reuse.
const idleTime = 90 * time.Second

// newTransport is http.DefaultTransport with the options' bounds and the guard over addresses, and beside it what carries the
// usual unencrypted request.
func newTransport(o Options) http.RoundTripper {
	proxy := o.Proxy
	if proxy != nil && !o.AllowPrivate {
		proxy = unguarded(proxy)
	}
	dialer := &net.Dialer{
		Timeout:   10 * time.Second,
		KeepAlive: 30 * time.Second,
		// Control sees the address that the name led to, so that a name which answers differently the second time
		// (DNS rebinding) is judged by where the connection really goes.
		Control: func(_, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil || !reachable(at.Addr(), o.AllowPrivate) {
				return ErrAddressRefused
			}
			return nil
		},
	}
	all := &http.Transport{
		Proxy:                  proxy,
		OnProxyConnectResponse: heardConnect,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        tlsConfig(o),
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		IdleConnTimeout:        idleTime,
		MaxIdleConns:           maxIdleConns,
		MaxIdleConnsPerHost:    maxIdleConns, // fewer than a destination's concurrency would be opened again and again
		MaxConnsPerHost:        o.MaxConnsPerHost,
		MaxResponseHeaderBytes: maxAnswerHead,
	}
	var rt http.RoundTripper = &plain{all: once{all}, proxy: proxy, wire: &wire.Client{
		Gzip: true, IgnoreKeys: true,
		Dial: dialer.DialContext, IdleTimeout: idleTime, MaxIdleConns: maxIdleConns, MaxIdleConnsPerHost: maxIdleConns,
		MaxConnsPerHost: o.MaxConnsPerHost, MaxResponseHeader: maxAnswerHead,
	}}
	if len(o.Pins) > 0 {
		rt = encrypted{rt}
	}
	return rt
}

// once keeps http.Transport from sending a request again by itself. It does so when a connection that was kept open
// breaks before the answer, if the request bears an Idempotency-Key or X-Idempotency-Key; but a receiver that knows
// nothing of that header would then create a second record, and whether to try again is for the delivery engine to say.
// It looks for the headers by their canonical names only, and names of headers have no case (RFC 9110,
// section 5.1). A wire.Client is told to ignore them.
type once struct{ *http.Transport }

func (t once) RoundTrip(req *http.Request) (*http.Response, error) {
	for name, plain := range map[string]string{"Idempotency-Key": "idempotency-key", "X-Idempotency-Key": "x-idempotency-key"} {
		v, ok := req.Header[name]
		if !ok {
			continue
		}
		own := *req
		own.Header = maps.Clone(req.Header)
		delete(own.Header, name)
		own.Header[plain] = v
		req = &own
	}
	return t.Transport.RoundTrip(req)
}

// never are networks that no receiver is in: "this" network, protocol assignments, benchmarks, reserved addresses
// (RFC 6890), and the local-use NAT64 prefix (RFC 8215).
var never = prefixes("0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "64:ff9b:1::/48", "100::/64", "2001:db8::/32")

// shared is the space of carrier-grade NAT (RFC 6598), which overlay networks use as private.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// nat64 and sixToFour carry an IPv4 address in an IPv6 one (RFC 6052, RFC 3056).
var (
	nat64     = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour = netip.MustParsePrefix("2002::/16")
)

// metadata are metadata services of clouds outside the link-local range (AWS over IPv6, Alibaba Cloud).
var metadata = map[netip.Addr]bool{
	netip.MustParseAddr("fd00:ec2::254"):   true,
	netip.MustParseAddr("100.100.100.200"): true,
}

// reachable reports whether a connection may go to the address.
func reachable(a netip.Addr, allowPrivate bool) bool {
	a = a.WithZone("").Unmap()
	switch {
	case nat64.Contains(a):
		b := a.As16()
		return reachable(netip.AddrFrom4([4]byte(b[12:])), allowPrivate)
	case sixToFour.Contains(a):
		b := a.As16()
		return reachable(netip.AddrFrom4([4]byte(b[2:6])), allowPrivate)
	case !a.IsValid(), a.IsUnspecified(), a.IsMulticast(), a.IsLinkLocalUnicast(), metadata[a]:
		return false
	case private(a):
		return allowPrivate
	}
	for _, p := range never {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// private reports whether the address belongs to the machine or its own network.
func private(a netip.Addr) bool {
	return a.IsLoopback() || a.IsPrivate() || shared.Contains(a)
}

func prefixes(all ...string) []netip.Prefix {
	ps := make([]netip.Prefix, len(all))
	for i, s := range all {
		ps[i] = netip.MustParsePrefix(s)
	}
	return ps
}
