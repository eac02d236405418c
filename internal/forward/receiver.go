package forward

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/wire"
)

// Receiver is where requests go. It is safe for concurrent use.
type Receiver struct {
	target   wire.Target
	host     string
	wire     *wire.Client    // nil carries nothing
	standard *http.Transport // the rest: large bodies, what has to be translated, and receivers without HTTP/1.1 over TLS
	log      *zap.Logger
	declined atomic.Bool // by the receiver: HTTP/1.1 over TLS
}

// What reverse_proxy and transport callgate have where nothing is configured.
const (
	dialTimeout  = 3 * time.Second
	probeEvery   = 30 * time.Second
	idleTimeout  = 2 * time.Minute
	idlePerHost  = 256
	standardIdle = 32
)

// New returns a receiver that is dialled at target. host is the host that requests name if they have come without one, and
// over TLS always. What is dialled may be left to a proxy that the process's environment names.
func New(target wire.Target, host string, log *zap.Logger) *Receiver {
	rc := &Receiver{target: target, host: host, log: log}
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Interval: probeEvery}}
	direct := true
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if direct {
			network, address = target.Network, target.Address
		}
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, dialError{err}
		}
		return conn, nil
	}
	t := &http.Transport{
		DialContext: dial, DisableCompression: true, ForceAttemptHTTP2: target.TLS,
		MaxIdleConnsPerHost: standardIdle, IdleConnTimeout: idleTimeout,
	}
	rc.standard = t
	if target.Network != "unix" {
		t.Proxy = http.ProxyFromEnvironment
		if u, err := t.Proxy(&http.Request{URL: rc.url()}); u != nil || err != nil {
			direct = false
			return rc
		}
	}
	rc.wire = &wire.Client{Dial: dial, IdleTimeout: idleTimeout, MaxIdleConnsPerHost: idlePerHost, IgnoreKeys: true}
	return rc
}

// Address is what is dialled.
func (rc *Receiver) Address() string { return rc.target.Address }

// CloseIdle closes connections as soon as no exchange needs them. Further requests are served, each on one of its own.
func (rc *Receiver) CloseIdle() {
	if rc.wire != nil {
		rc.wire.CloseIdle()
	}
	rc.standard.CloseIdleConnections()
}

// dialError is an error of connecting. That it may be a time limit is hidden, since it is told as any other receiver that
// cannot be reached.
type dialError struct{ error }

func (e dialError) Unwrap() error { return e.error }
