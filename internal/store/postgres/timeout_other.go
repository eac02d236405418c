//go:build !linux

package postgres

import "syscall"

// userTimeout does nothing: keepalives find out that the other machine is gone.
func userTimeout(string, string, syscall.RawConn) error { return nil }
