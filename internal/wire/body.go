package wire

import (
	"context"
	"io"
	"sync/atomic"
	"time"
)

// body is the body of an answer. It is read from the connection directly, and gives the connection back at its end.
type body struct {
	from   io.ReadCloser
	conn   *conn
	ctx    context.Context
	stop   func() bool // ends the watch over ctx; nil if it has no end
	last   bool        // the connection is not to be used again
	done   atomic.Bool // the connection was given back or closed
	closed atomic.Bool
}

// Read reads from the body. If the context ended, the error is its cause.
func (b *body) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, ErrBodyClosed
	}
	n, err := b.from.Read(p)
	switch err {
	case nil:
	case io.EOF:
		b.finish(true)
	default:
		b.finish(false)
		if b.ctx.Err() != nil {
			err = context.Cause(b.ctx)
		}
	}
	return n, err
}

// Arrived tells whether a part of an answer's body is in memory already, so that to read it is not to wait. It is to be asked
// before the first read.
func Arrived(from io.Reader) bool {
	b, ok := from.(*body)
	return ok && !b.done.Load() && b.conn.br.Buffered() > 0
}

// Close closes the connection unless the body was read to its end. The rest is not read: it may be without end.
func (b *body) Close() error {
	b.closed.Store(true)
	b.finish(false)
	return nil
}

// finish gives the connection back if the answer was read to its end, and closes it otherwise.
func (b *body) finish(read bool) {
	if b.done.Swap(true) {
		return
	}
	// If the watch has already acted, or is about to, the connection is closed or soon will be.
	watched := b.stop == nil || b.stop()
	cn := b.conn
	keep := read && watched && !b.last && cn.br.Buffered() == 0
	if keep && cn.client.ReadTimeout > 0 {
		// The limit of the last read must not run on while the connection is idle.
		keep = cn.Conn.SetReadDeadline(time.Time{}) == nil
	}
	cn.client.release(cn, keep)
}
