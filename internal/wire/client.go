// Package wire is an HTTP/1.1 client that does a whole exchange on the goroutine that asks for it.
//
// net/http.Transport keeps two goroutines on every connection, so that a body can be sent while an answer is being
// read, and pays for it with wake-ups that cost more than all the rest of a small request. A webhook's body is small
// and its length is known, so here it is written whole, in one call, before the answer is read.
//
// The answer is read by net/http's own [http.ReadResponse] all the same, so its headers, chunks, trailers and lengths,
// HEAD, 204 and 304 are treated exactly as net/http treats them, and no other parser is exposed to servers. New is only
// what is around it: writing the request, the pool of connections, time limits, cancellation and the decision to send
// again.
//
// Not every request can be carried this way; [Carries] tells which. The caller sends the others by other means.
package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"
)

// Errors that [Client.Do] returns besides those of the network.
var (
	// ErrNotHTTP1 says that the server speaks TLS but declined HTTP/1.1 in the handshake (RFC 7301). Nothing of the
	// request was sent or read.
	ErrNotHTTP1 = errors.New("the server does not speak HTTP/1.1 over TLS; send this request over HTTP/2")
	// ErrHeaderTooLarge says that the head of the answer is larger than [Client.MaxResponseHeader].
	ErrHeaderTooLarge = errors.New("the head of the answer is larger than allowed; raise max_response_header if the server is right")
	// ErrMalformed says that what came back is not an answer in HTTP/1.
	ErrMalformed = errors.New("what the server sent is not an HTTP/1.1 answer; check what listens at this address")
	// ErrUpgrade says that the server switched protocols without having been asked to.
	ErrUpgrade = errors.New("the server switched protocols although the request did not ask for it; check what listens at this address")
	// ErrBodyClosed is returned by reads from an answer's body that was closed before.
	ErrBodyClosed = errors.New("the body of the answer was read after it was closed; read it first")
)

// timeoutError is a [net.Error], so that callers see a time limit in it and not a broken connection.
type timeoutError string

func (e timeoutError) Error() string { return string(e) }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
func (timeoutError) Is(err error) bool {
	return err == context.DeadlineExceeded
}

const (
	errHeaderTimeout    = timeoutError("the server took longer to answer than response_header_timeout allows; raise it or look at the server")
	errHandshakeTimeout = timeoutError("the TLS handshake took longer than tls_timeout allows; raise it or look at the server")
)

// DefaultMaxResponseHeader bounds the head of an answer, as net/http does: 10 MiB.
const DefaultMaxResponseHeader = 10 << 20

// Client sends requests. Its fields must not be changed after the first [Client.Do]. The zero value of every field
// but Dial is usable.
type Client struct {
	// Dial opens a connection; required. Its errors are returned as they are.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// TLS is the configuration for targets that want TLS. The protocol and, unless it is set, the server name are
	// filled in. Nil means Go's defaults.
	TLS *tls.Config
	// TLSHandshakeTimeout bounds a handshake. 0 means no limit.
	TLSHandshakeTimeout time.Duration
	// ResponseHeaderTimeout bounds the time between the end of writing and the head of the final answer. 0 means no
	// limit.
	ResponseHeaderTimeout time.Duration
	// ReadTimeout and WriteTimeout bound each single read and write. 0 means no limit.
	ReadTimeout, WriteTimeout time.Duration
	// IdleTimeout closes connections not used for this long. 0 means never.
	IdleTimeout time.Duration
	// MaxConnsPerHost bounds the connections to one target, idle ones included; who finds none free waits. 0 means no
	// limit.
	MaxConnsPerHost int
	// MaxIdleConns bounds the idle connections to all targets together: the one idle longest is closed. 0 means no
	// limit.
	MaxIdleConns int
	// MaxIdleConnsPerHost bounds the idle connections to one target. 0 means no limit; negative keeps none.
	MaxIdleConnsPerHost int
	// MaxResponseHeader bounds the bytes of an answer's head. 0 means [DefaultMaxResponseHeader].
	MaxResponseHeader int64
	// Gzip asks for answers in gzip with the requests of which [AsksForGzip] says so. They are given as they come.
	Gzip bool
	// IgnoreKeys has an Idempotency-Key header not make a request one that may be repeated.
	IgnoreKeys bool
	// ReadBufferSize is the size of each connection's read buffer in bytes. 0 means 4096.
	ReadBufferSize int

	stall time.Duration // stallTime, but for tests
	pool  pool
}

// Target is where a request goes. Connections are kept per target.
type Target struct {
	// Network and Address are what is dialled: "tcp" and "host:port", or "unix" and a path.
	Network, Address string
	// ServerName is the name to ask for and to verify in TLS. It is used only if TLS is true.
	ServerName string
	// TLS says whether to speak TLS.
	TLS bool
}

// Do sends req to t and returns its answer. The request must be one that [Carries] accepts, and is consumed: its body
// is read and closed.
//
// Nothing is sent before the request's body has come in whole, so a request that breaks off never reaches the server.
//
// The answer's body is read from the connection as the caller reads it, so that answers of any length and streams
// pass through; it must be closed. Informational answers (1xx) are given to the request's
// [httptrace.ClientTrace.Got1xxResponse].
//
// A request is sent again, on another connection, only if it met a connection kept from an earlier request, and
// either not a byte of it was written, or not a byte of an answer was received and the request may be repeated: GET,
// HEAD, OPTIONS, TRACE, or one with an Idempotency-Key header unless [Client.IgnoreKeys] is set. These are net/http's rules.
//
// Errors are those of Dial, of the network, of TLS, of reading the request's body, the cause of the context's end, or
// one of this package.
func (c *Client) Do(req *http.Request, t Target) (*http.Response, error) {
	ctx := req.Context()
	var msg *Message
	defer func() {
		if msg != nil {
			msg.Free()
		}
	}()
	for {
		cn, err := c.acquire(ctx, t, time.Time{})
		if err != nil {
			if msg == nil && req.Body != nil {
				req.Body.Close()
			}
			switch {
			case ctx.Err() != nil:
				err = context.Cause(ctx)
			case msg != nil && req.Body != nil && req.Body != http.NoBody:
				err = spentError{err}
			}
			return nil, err
		}
		if cn.used && !cn.alive() {
			c.release(cn, false)
			continue
		}
		if msg == nil {
			// Only now: a caller that tries the next server after a failed dial needs the body untouched. The dial
			// may come after a connection was found to be gone, as all are when a server has gone.
			begun := time.Now()
			msg = NewMessage()
			msg.gzip = c.Gzip && AsksForGzip(req)
			if err := msg.write(req); err != nil {
				c.release(cn, true)
				if ctx.Err() != nil {
					err = context.Cause(ctx)
				}
				return nil, err
			}
			// If the body's sender took its time, a new connection may be gone too.
			if time.Since(begun) > slowBody && !cn.alive() {
				c.release(cn, false)
				continue
			}
		}
		res, again, err := cn.exchange(req, msg.B, time.Time{})
		if err == nil {
			return res, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !again {
			return nil, err
		}
	}
}

// slowBody is how long reading a body may take before the connection that waits for it is looked at again.
const slowBody = time.Millisecond

// spentError is an error of opening a connection after the request's body was read. Its kind is hidden: who saw that
// nothing was sent would send the request elsewhere, and find that there is no body any more.
type spentError struct{ error }

// Timeout tells whether the hidden error is a time limit.
func (e spentError) Timeout() bool {
	var ne net.Error
	return errors.As(e.error, &ne) && ne.Timeout()
}

// Temporary is as in [net.Error].
func (e spentError) Temporary() bool { return e.Timeout() }

// CloseIdle closes the connections that are idle, and from now on every other one when its answer has been read.
// Requests under way are not disturbed, and further ones are served, each on a connection of its own.
func (c *Client) CloseIdle() {
	c.pool.close()
}

// open dials t, and does the TLS handshake.
func (c *Client) open(ctx context.Context, t Target) (*conn, error) {
	raw, err := c.Dial(ctx, t.Network, t.Address)
	if err != nil {
		return nil, err
	}
	cn := newConn(c, t, raw)
	if !t.TLS {
		return cn, nil
	}
	if err := cn.handshake(ctx); err != nil {
		return nil, err
	}
	return cn, nil
}
