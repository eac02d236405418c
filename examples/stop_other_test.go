//go:build !unix

package examples_test

import "os/exec"

// stopSignal ends a process: where there are no signals, it cannot be asked.
func stopSignal(cmd *exec.Cmd) error { return cmd.Process.Kill() }
