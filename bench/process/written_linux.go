package process

import (
	"os"
	"syscall"
)

// written is what a process has had written, all in all, which is counted in blocks of 512 bytes.
func written(state *os.ProcessState) int64 {
	if usage, ok := state.SysUsage().(*syscall.Rusage); ok {
		return int64(usage.Oublock) * 512
	}
	return 0
}
