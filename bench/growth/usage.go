package main

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/bench/process"
)

// rss is the memory that this process holds; 0 where the system does not tell.
func rss() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	return field(text, 1) * int64(os.Getpagesize())
}

// used is the CPU time of this process so far, and how much it has had written to disks; 0 where the system does not tell.
func used() (cpu time.Duration, written int64) {
	if stat, err := os.ReadFile("/proc/self/stat"); err == nil {
		// The second field is the command in parentheses, and may hold anything. Times are in hundredths of a second.
		rest := stat[bytes.LastIndexByte(stat, ')')+1:]
		cpu = time.Duration(field(rest, 11)+field(rest, 12)) * 10 * time.Millisecond
	}
	return cpu, process.Written(os.Getpid())
}

// field is a number among others; 0 if there is none.
func field(text []byte, i int) int64 {
	fields := strings.Fields(string(text))
	if i >= len(fields) {
		return 0
	}
	n, _ := strconv.ParseInt(fields[i], 10, 64)
	return n
}
