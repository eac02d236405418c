//go:build unix

package destination_test

import (
	"syscall"
	"time"
)

// cpuTime is what the process has used of the CPUs, which is the same on a busy machine, where time is not.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
