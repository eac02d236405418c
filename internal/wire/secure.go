package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"
)

// under is the connection under TLS.
//
// TLS reads ahead: what a server sent after its answer may already lie in the memory of [tls.Conn], where no look at
// the socket finds it, and would be taken for the answer to the next request. So an idle connection is looked at by
// reading from TLS, while reads from under it do not wait.
type under struct {
	net.Conn
	probe   *probe
	limits  *Client // during the handshake: whose ReadTimeout and WriteTimeout are in force
	looking bool    // reads do not wait
	took    bool    // a look found something in the socket
	byte    [1]byte
}

// errNothing says that there is nothing to read now. TLS takes it for a time limit, after which one may go on.
const errNothing = timeoutError("nothing to read")

// Read reads from the connection, without waiting if it is being looked at.
func (u *under) Read(p []byte) (int, error) {
	if u.looking {
		n, err := u.probe.take(p)
		u.took = u.took || n > 0
		return n, err
	}
	if u.limits != nil && u.limits.ReadTimeout > 0 {
		if err := u.Conn.SetReadDeadline(time.Now().Add(u.limits.ReadTimeout)); err != nil {
			return 0, err
		}
	}
	return u.Conn.Read(p)
}

// Write writes to the connection.
func (u *under) Write(p []byte) (int, error) {
	if u.limits != nil && u.limits.WriteTimeout > 0 {
		if err := u.Conn.SetWriteDeadline(time.Now().Add(u.limits.WriteTimeout)); err != nil {
			return 0, err
		}
	}
	return u.Conn.Write(p)
}

// quiet tells whether secure, which is over u, is open and has nothing to read. A connection that was not used yet may
// have got session tickets, which TLS consumes. Later, anything in the socket is a reason not to use it: it may be a
// part of something that was not asked for.
func (u *under) quiet(secure net.Conn, used bool) bool {
	u.looking, u.took = true, false
	n, err := secure.Read(u.byte[:])
	u.looking = false
	return n == 0 && err == errNothing && !(used && u.took)
}

// handshake makes cn a connection over TLS. If that fails, the connection is closed.
func (cn *conn) handshake(ctx context.Context) error {
	c := cn.client
	cfg := c.TLS.Clone()
	if cfg == nil {
		cfg = new(tls.Config)
	}
	cfg.NextProtos = []string{"http/1.1"}
	cfg.ServerName = cn.target.ServerName
	cn.under = &under{Conn: cn.raw, probe: &cn.probe, limits: c}
	secure := tls.Client(cn.under, cfg)
	hctx := ctx
	if c.TLSHandshakeTimeout > 0 {
		var cancel context.CancelFunc
		hctx, cancel = context.WithTimeoutCause(ctx, c.TLSHandshakeTimeout, errHandshakeTimeout)
		defer cancel()
	}
	err := secure.HandshakeContext(hctx)
	if err == nil && (c.ReadTimeout > 0 || c.WriteTimeout > 0) {
		err = cn.raw.SetDeadline(time.Time{})
	}
	if err != nil {
		cn.raw.Close()
		if declined(err) {
			return fmt.Errorf("%w: %w", ErrNotHTTP1, err)
		}
		if ctx.Err() == nil && hctx.Err() != nil {
			return errHandshakeTimeout
		}
		return err
	}
	cn.under.limits = nil
	state := secure.ConnectionState()
	cn.Conn, cn.tls = secure, &state
	return nil
}

// declined tells whether err is the alert no_application_protocol of RFC 7301, section 3.2. The type that crypto/tls
// has for alerts received over TCP is not exported; its text is.
func declined(err error) bool {
	var remote *net.OpError
	return errors.As(err, &remote) && remote.Op == "remote error" && remote.Err.Error() == tls.AlertError(120).Error()
}
