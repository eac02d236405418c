//go:build unix

package examples_test

import (
	"os/exec"
	"syscall"
)

// stopSignal asks a process to stop, and with it those that it has started if it leads a group.
func stopSignal(cmd *exec.Cmd) error {
	if a := cmd.SysProcAttr; a != nil && a.Setpgid {
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	}
	return cmd.Process.Signal(syscall.SIGTERM)
}
