//go:build !unix

package running

import (
	"os/exec"
	"syscall"
)

// signal ends a process: where there are no signals, it cannot be asked.
func signal(cmd *exec.Cmd, _ syscall.Signal) error { return cmd.Process.Kill() }
