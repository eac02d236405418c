package main

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

func TestUsage(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells")
	}
	cpu, written := used()
	if err := os.WriteFile(filepath.Join(onDisk(t), "file"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 100*time.Millisecond; { // busy
	}
	cpuAfter, writtenAfter := used()
	if cpuAfter <= cpu || cpuAfter > time.Hour || writtenAfter-written < 1<<20 || writtenAfter-written > 2<<20 {
		t.Errorf("CPU %v to %v, written %d to %d", cpu, cpuAfter, written, writtenAfter)
	}
	if m := rss(); m < 1<<20 || m > 1<<32 {
		t.Errorf("memory %d", m)
	}
}
