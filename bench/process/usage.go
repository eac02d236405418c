package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc. The kernel shows them in USER_HZ, which is 100 on every platform that Go
// supports.
const tick = 10 * time.Millisecond

var errStat = errors.New("/proc has no CPU times of the process in the form of proc(5); it needs Linux")

// CPUTime is what a process used so far, all of its threads together.
func CPUTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("CPU time of process %d cannot be read; check the pid: %w", pid, err)
	}
	return parseStat(stat)
}

// parseStat reads utime and stime, fields 14 and 15 of proc_pid_stat(5). The second field is the command in
// parentheses, and may hold anything.
func parseStat(stat []byte) (time.Duration, error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, errStat
	}
	user, err := strconv.ParseUint(string(fields[11]), 10, 40)
	if err != nil {
		return 0, errStat
	}
	system, err := strconv.ParseUint(string(fields[12]), 10, 40)
	if err != nil {
		return 0, errStat
	}
	return time.Duration(user+system) * tick, nil
}

// parseParent reads the parent of a process, field 4 of proc_pid_stat(5); 0 if it cannot be read.
func parseParent(stat []byte) int {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return parent
}

// Children are the processes that a process has started and that still run; none where the system does not tell.
func Children(pid int) (children []int) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue // not a process
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		if err == nil && parseParent(stat) == pid { // one that has ended meanwhile is no child any more
			children = append(children, child)
		}
	}
	return children
}

// Memory is what a process holds in memory and the most it ever held, in bytes; zero if that cannot be read.
func Memory(pid int) (rss, peak int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0
	}
	return parseStatus(string(status))
}

// Written is how many bytes a process has had written to disks so far, or will have once the system writes what it holds for
// it; 0 if that cannot be read.
func Written(pid int) int64 {
	io, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0
	}
	return parseIO(string(io))
}

// parseIO reads write_bytes of proc_pid_io(5).
func parseIO(io string) int64 {
	for line := range strings.Lines(io) {
		if value, ok := strings.CutPrefix(line, "write_bytes:"); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64) // 0 if it is no number
			return n
		}
	}
	return 0
}

// parseStatus reads VmRSS and VmHWM of proc_pid_status(5).
func parseStatus(status string) (rss, peak int64) {
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		var into *int64
		switch name {
		case "VmRSS":
			into = &rss
		case "VmHWM":
			into = &peak
		default:
			continue
		}
		if kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 50); err == nil {
			*into = kb << 10
		}
	}
	return rss, peak
}
