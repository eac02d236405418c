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

// eachReadOnlyPart calls f for every part of the program in memory that nobody has written to.
func eachReadOnlyPart(f func(start, length uintptr) error) error {
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	for _, part := range readOnlyParts(string(maps), self) {
		if err := f(part.start, part.end-part.start); err != nil {
			return err
		}
	}
	return nil
}

// part is a part of memory.
type part struct{ start, end uintptr }

// readOnlyParts are the parts of /proc/self/smaps that have the program in memory as it is in its file. A part that can only be
// read now may have been written to before: in a program that is position-independent the loader puts addresses into tables
// and then takes the right to write away. Such pages are not those of the file, and cannot come back from there.
func readOnlyParts(smaps, program string) (parts []part) {
	of := false // whether the last part is what the line is about
	for line := range strings.Lines(smaps) {
		name, amount, ok := strings.Cut(line, ":")
		if !ok || strings.Contains(name, " ") { // the head of a part
			var p part
			if p.start, p.end, of = readOnlyPart(line, program); of {
				parts = append(parts, p)
			}
			continue
		}
		if written := strings.TrimSpace(amount) != "0 kB"; of && written && (name == "Anonymous" || name == "Swap") {
			parts, of = parts[:len(parts)-1], false
		}
	}
	return parts
}

// readOnlyPart is where a head in /proc/self/smaps has a part of the program in memory that nobody can write to.
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
