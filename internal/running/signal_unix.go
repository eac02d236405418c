//go:build unix

package running

import (
	"os/exec"
	"syscall"
)

// signal reaches a process, and with it those that it has started if it leads a group.
func signal(cmd *exec.Cmd, s syscall.Signal) error {
	if a := cmd.SysProcAttr; a != nil && a.Setpgid {
		return syscall.Kill(-cmd.Process.Pid, s)
	}
	return cmd.Process.Signal(s)
}
