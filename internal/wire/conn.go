package wire

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"syscall"
	"time"
)

// conn is one connection. One goroutine at a time uses it; only cancel may be called by another.
type conn struct {
	net.Conn // TCP, a unix socket, or TLS over one of them

	client *Client
	target Target
	host   *host // that of the target: it is not forgotten while it has this connection
	br     *bufio.Reader
	tls    *tls.ConnectionState
	under  *under   // what TLS is over; nil without
	raw    net.Conn // under TLS, and the same as Conn without
	probe  probe
	end    func() // cancel, made into a value once
	used   bool   // it was idle before, so the server may have closed it

	headLeft  int64     // how many bytes may still be read
	readErr   error     // of the last read, if it failed
	headBy    time.Time // when the head must have been read; zero without limit
	idleSince time.Time
}

func newConn(c *Client, t Target, raw net.Conn) *conn {
	cn := &conn{Conn: raw, raw: raw, client: c, target: t, idleSince: time.Now()}
	size := c.ReadBufferSize
	if size <= 0 {
		size = 4096
	}
	cn.br = bufio.NewReaderSize(cn, size)
	cn.end = cn.cancel
	if sc, ok := raw.(syscall.Conn); ok {
		cn.probe.init(sc)
	}
	return cn
}

// Read reads from the connection, within the limits that are in force.
func (cn *conn) Read(p []byte) (int, error) {
	if cn.headLeft <= 0 {
		return 0, ErrHeaderTooLarge
	}
	if int64(len(p)) > cn.headLeft {
		p = p[:cn.headLeft]
	}
	if limit := cn.client.ReadTimeout; limit > 0 {
		by := time.Now().Add(limit)
		if !cn.headBy.IsZero() && cn.headBy.Before(by) {
			by = cn.headBy
		}
		if err := cn.Conn.SetReadDeadline(by); err != nil {
			return 0, err
		}
	}
	n, err := cn.Conn.Read(p)
	cn.headLeft -= int64(n)
	cn.readErr = err
	return n, err
}

// cancel ends whatever the connection is doing. The connection under TLS is closed, as closing TLS itself would wait
// to say goodbye.
func (cn *conn) cancel() { cn.raw.Close() }

// alive tells whether the server has neither closed the connection nor sent anything unasked.
// net/http learns this from the goroutine that always reads; here it costs one system call that does not wait.
func (cn *conn) alive() bool {
	if cn.br.Buffered() > 0 {
		return false
	}
	if cn.under != nil {
		return cn.under.quiet(cn.Conn, cn.used) && (cn.probe.sees() || time.Since(cn.idleSince) < unprobed)
	}
	return cn.probe.quiet(time.Since(cn.idleSince))
}

// unprobed is how long an idle connection is trusted that cannot be looked at: servers keep idle connections for
// several seconds at least.
const unprobed = time.Second

// exchange writes msg, which is req, and reads the answer, whose head must be there by the given time unless that is zero.
// On an error the connection is closed, and again tells whether the request may be sent again on another one.
func (cn *conn) exchange(req *http.Request, msg []byte, by time.Time) (res *http.Response, again bool, err error) {
	ctx := req.Context()
	b := &body{conn: cn, ctx: ctx}
	if ctx.Done() != nil {
		b.stop = context.AfterFunc(ctx, cn.end)
	}
	reused := cn.used
	if !by.IsZero() {
		if err := cn.Conn.SetDeadline(by); err != nil {
			b.finish(false)
			return nil, reused, err
		}
	}
	n, werr := cn.send(msg, by)
	if werr != nil {
		if n == 0 {
			b.finish(false)
			return nil, reused, werr
		}
		// The server may have answered before it had everything and then hung up. Its answer says more than
		// the error does.
		cn.headBy = sooner(time.Now().Add(earlyAnswer), by)
	} else if d := cn.client.ResponseHeaderTimeout; d > 0 {
		cn.headBy = sooner(time.Now().Add(d), by)
	} else {
		cn.headBy = by
	}
	if !cn.headBy.Equal(by) {
		if err := cn.Conn.SetReadDeadline(cn.headBy); err != nil {
			b.finish(false)
			return nil, false, err
		}
	}
	res, again, err = cn.receive(req)
	if err != nil {
		b.finish(false)
		switch {
		case werr != nil:
			return nil, false, fmt.Errorf("the connection broke while the request was being sent: %w", werr)
		case cn.client.ResponseHeaderTimeout > 0 && errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(cn.headBy):
			return nil, false, errHeaderTimeout
		}
		return nil, again && reused && (repeatable(req) || !cn.client.IgnoreKeys && keyed(req)), err
	}
	if !cn.headBy.IsZero() || cn.client.ReadTimeout > 0 {
		cn.headBy = time.Time{}
		if err := cn.Conn.SetDeadline(time.Time{}); err != nil {
			b.finish(false)
			return nil, false, err
		}
	}
	res.TLS = cn.tls
	b.last = res.Close || werr != nil
	if req.Method == http.MethodHead || res.ContentLength == 0 {
		b.finish(true)
		return res, false, nil
	}
	b.from, res.Body = res.Body, b
	return res, false, nil
}

// sooner is the earlier of two times, of which by may be zero, which is never.
func sooner(t, by time.Time) time.Time {
	if !by.IsZero() && by.Before(t) {
		return by
	}
	return t
}

// earlyAnswer is how long an answer is waited for on a connection that no longer takes the request.
const earlyAnswer = 50 * time.Millisecond

// send writes msg, by a time that may be zero, and returns how many bytes of it the system took.
//
// A server that answers before it has read the request, and at length, could wait for its answer to be read while
// this waits for the request to be taken. What fits into the buffers of a connection is written in one call. More is
// written piece by piece, and if a piece is not taken in stallTime and there is something to read, or it cannot be seen
// whether there is, exchange looks for that answer.
func (cn *conn) send(msg []byte, by time.Time) (int, error) {
	limit, piece := cn.client.WriteTimeout, len(msg)
	patient := limit == 0 && cn.tls == nil // after a time limit, TLS cannot go on writing
	if len(msg) > onePiece {
		piece = onePiece
		if limit == 0 {
			limit = cn.client.stall
			if limit == 0 {
				limit = stallTime
			}
			defer cn.Conn.SetWriteDeadline(time.Time{}) //nolint:errcheck // a connection on which it fails is broken anyway
		}
	}
	sent := 0
	for sent < len(msg) {
		if limit > 0 {
			if err := cn.Conn.SetWriteDeadline(sooner(time.Now().Add(limit), by)); err != nil {
				return sent, err
			}
		}
		n, err := cn.Conn.Write(msg[sent:min(sent+piece, len(msg))])
		sent += n
		if err != nil {
			if patient && errors.Is(err, os.ErrDeadlineExceeded) && !passed(by) && cn.probe.sees() && cn.probe.quiet(0) {
				continue // it is slow, but there is no answer that it waits for us to read
			}
			return sent, err
		}
	}
	return sent, nil
}

const (
	// onePiece is what fits into the window of a new connection, with a head of the usual size.
	onePiece = 68 << 10
	// stallTime is how long a server may take no piece of a request before it is looked whether it answers already, if
	// WriteTimeout does not say.
	stallTime = 30 * time.Second
)

// receive reads informational answers and the head of the final one. Nothing was received if none tells so.
func (cn *conn) receive(req *http.Request) (res *http.Response, none bool, err error) {
	trace := httptrace.ContextClientTrace(req.Context())
	cn.headLeft = cn.client.MaxResponseHeader
	if cn.headLeft <= 0 {
		cn.headLeft = DefaultMaxResponseHeader
	}
	limit := cn.headLeft
	if _, err := cn.br.Peek(1); err != nil {
		return nil, true, err
	}
	if trace != nil && trace.GotFirstResponseByte != nil {
		trace.GotFirstResponseByte()
	}
	for {
		res, err = http.ReadResponse(cn.br, req)
		if err != nil {
			return nil, false, cn.headError(err)
		}
		switch code := res.StatusCode; {
		case code < 100: // nobody could pass it on: net/http's server panics on it
			return nil, false, ErrMalformed
		case code == http.StatusSwitchingProtocols:
			return nil, false, ErrUpgrade
		case code > 199:
			cn.headLeft = math.MaxInt64
			return res, false, nil
		}
		if trace != nil && trace.Got1xxResponse != nil {
			if err := trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
				return nil, false, err
			}
			// Who looks at informational answers also limits how many there may be.
			cn.headLeft = limit
		}
	}
}

// headError says why no head was read. What net/http says about a malformed one quotes it; answers may hold personal
// data, and errors go into logs.
func (cn *conn) headError(err error) error {
	var ne net.Error
	switch {
	case cn.headLeft <= 0:
		return ErrHeaderTooLarge
	case errors.As(err, &ne), errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case errors.As(cn.readErr, &ne): // net/http finds fault with the line that it cut off
		return cn.readErr
	}
	return ErrMalformed
}

// repeatable tells whether doing what req's method asks twice does no harm. The list is net/http's; the body need not be
// fetched again, as it is in memory.
func repeatable(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return false
}

// keyed tells whether req has a key by which the server knows a repetition.
func keyed(req *http.Request) bool {
	_, ok := req.Header["Idempotency-Key"]
	if !ok {
		_, ok = req.Header["X-Idempotency-Key"]
	}
	return ok
}
