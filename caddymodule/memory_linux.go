package caddymodule

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// dropProgram lets go of the pages of the program itself that starting has read in: most are of Caddy's modules, each of which
// looks at its tables once. They are read-only and in the page cache, from where those in use come back when they are asked for.
// Where that cannot be done nothing is lost but memory.
func dropProgram() {
	_ = eachReadOnlyPart(func(start, length uintptr) error {
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, start, length, syscall.MADV_DONTNEED)
		return nil
	})
}

// eachReadOnlyPart calls f for every part of the program in memory that nobody can have written to.
func eachReadOnlyPart(f func(start, length uintptr) error) error {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(maps)) {
		if start, end, ok := readOnlyPart(line, self); ok {
			if err := f(start, end-start); err != nil {
				return err
			}
		}
	}
	return nil
}

// readOnlyPart is where a line of /proc/self/maps has a part of the program in memory that nobody can have written to.
func readOnlyPart(line, program string) (start, end uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || fields[5] != program || len(fields[1]) != 4 || fields[1][1] != '-' || fields[1][3] != 'p' {
		return 0, 0, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	a, errA := strconv.ParseUint(from, 16, 64)
	b, errB := strconv.ParseUint(to, 16, 64)
	return uintptr(a), uintptr(b), errA == nil && errB == nil && a < b
}
