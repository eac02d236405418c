package doctor

import (
	"syscall"
	"testing"
)

func TestClockAndLimits(t *testing.T) {
	for unsynced, level := range map[bool]Level{true: Warning, false: Fine} {
		var r Report
		r.addClock(unsynced)
		only(t, r, level, "synchronized")
	}
	for files, level := range map[uint64]Level{1024: Warning, 4096: Warning, 8192: Fine, 1 << 40: Fine} {
		var r Report
		r.addFiles(files)
		only(t, r, level, "open")
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs("/dev/shm", &s); err == nil && s.Type == 0x01021994 {
		if v := volume("/dev/shm"); !v.Memory || v.Size == 0 {
			t.Errorf("%+v", v)
		}
	}
}
