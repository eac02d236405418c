package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// maxHeadroom is how many bytes may be allocated from one garbage collection to the next, however small the heap is.
	maxHeadroom = 128 << 20
	// headroomShare is the part of the memory limit that headroom may take: one sixteenth.
	headroomShare = 16
	// usualPercent is Go's own goal, and Caddy's: the heap may double.
	usualPercent = 100
)

// keepHeadroom has the garbage collector wait until maxHeadroom was allocated, where Go would wait for the heap to double.
//
// A collection looks at all that is alive, which in a gateway is mostly answers that are remembered, tens of megabytes
// of them; and a busy gateway doubles that in a fraction of a second. Collections were a quarter of its CPU time; with
// more headroom than this they cost no less that could be measured. On a small machine the headroom is a sixteenth of the
// memory limit, which Caddy sets to what the container or the machine has. A heap larger than the headroom is collected as
// Go would, and who sets GOGC has it their way.
func keepHeadroom() {
	if os.Getenv("GOGC") != "" {
		return
	}
	afterCollection(func() {
		debug.SetGCPercent(percent(alive(), debug.SetMemoryLimit(-1)))
	})
}

// percent is the collector's goal for a heap of which so much is alive, in percent of that.
func percent(alive uint64, memoryLimit int64) int {
	headroom := min(maxHeadroom, uint64(memoryLimit)/headroomShare)
	return max(usualPercent, int(100*headroom/max(alive, 1<<20)))
}

// alive is what the last collection left, in bytes.
func alive() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// afterCollection calls f now and after each garbage collection from now on.
func afterCollection(f func()) {
	f()
	runtime.AddCleanup(new(collected), afterCollection, f)
}

// collected is something that no one holds, so that the next collection takes it. It is not of a size that shares its
// memory with other values (see runtime.AddCleanup).
type collected struct {
	_ [4]*byte
}
