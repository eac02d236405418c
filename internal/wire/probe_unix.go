//go:build unix

package wire

import (
	"syscall"
	"time"
)

// probe looks at a connection without reading from it.
type probe struct {
	raw  syscall.RawConn
	look func(fd uintptr) bool
	open bool
	byte [1]byte
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
