//go:build unix

package examples_test

import (
	"os/exec"
	"syscall"
)

// stopSignal asks a process to stop.
func stopSignal(cmd *exec.Cmd) error { return cmd.Process.Signal(syscall.SIGTERM) }
