package postgres

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// userTimeout bounds how long what was sent may go unacknowledged by the other machine.
func userTimeout(network, _ string, c syscall.RawConn) error {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return nil
	}
	var err error
	if controlErr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadPeer.Milliseconds()))
	}); controlErr != nil {
		return controlErr
	}
	return err
}
