//go:build unix

package wire

import (
	"io"
	"syscall"
	"time"
)

// probe looks at a connection without reading from it.
type probe struct {
	raw  syscall.RawConn
	look func(fd uintptr) bool
	open bool
	byte [1]byte

	read func(fd uintptr) bool
	into []byte // what read reads into
	n    int    // what it read
	err  error
}

func (p *probe) init(sc syscall.Conn) {
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	p.raw = raw
	p.look = func(fd uintptr) bool {
		_, _, err := syscall.Recvfrom(int(fd), p.byte[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		// Nothing to read is what an idle connection should say. An end, or bytes nobody asked for, are both
		// reasons not to use it.
		p.open = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
		return true
	}
	p.read = func(fd uintptr) bool {
		p.n, p.err = syscall.Read(int(fd), p.into) // the system does not let it wait: Go's connections never do
		return true
	}
}

// sees tells whether the connection can be looked at.
func (p *probe) sees() bool { return p.raw != nil }

// take reads what is there, without waiting.
func (p *probe) take(b []byte) (int, error) {
	if p.raw == nil {
		return 0, errNothing
	}
	p.into = b
	err := p.raw.Read(p.read)
	p.into = nil
	switch {
	case err != nil:
		return 0, err
	case p.err == syscall.EAGAIN, p.err == syscall.EWOULDBLOCK:
		return 0, errNothing
	case p.err != nil:
		return 0, p.err
	case p.n == 0 && len(b) > 0:
		return 0, io.EOF
	}
	return p.n, nil
}

// quiet tells whether the connection is open and has nothing to read. A connection that cannot be looked at counts as
// quiet only for a short time after it was used.
func (p *probe) quiet(idle time.Duration) bool {
	if p.raw == nil {
		return idle < unprobed
	}
	p.open = false
	return p.raw.Read(p.look) == nil && p.open
}
