package caddymodule

import (
	"math"
	"runtime/debug"
	"sync"

	"github.com/callgate/callgate/internal/idempotency"
)

// memorySmall is the word that the line memory takes.
const memorySmall = "small"

// smallMemory is what Go may take of a small machine. The pages of the program that are in use come on top, some 30 MiB.
const smallMemory = 52 << 20

// smallStore is the page cache of the store there, and smallUnverified what bodies that are not verified yet may take at least.
const (
	smallStore      = 4 << 20
	smallUnverified = 12 << 20
)

var smallCache = idempotency.Limits{Entries: 5_000, Bytes: 4 << 20, Keys: 50_000, OwnerKeys: 25_000}

// processMemory is the memory limit of the process before anything here has set one: that of its environment or container.
var processMemory = sync.OnceValue(func() int64 { return debug.SetMemoryLimit(-1) })

// memoryLimit is the limit of a configuration.
func (a *App) memoryLimit() int64 {
	if a.Memory == memorySmall {
		return min(processMemory(), smallMemory)
	}
	return processMemory()
}

// cacheLimits are what is configured, over what the size of the machine suggests.
func (a *App) cacheLimits() idempotency.Limits {
	base := defaultCache
	if a.Memory == memorySmall {
		base = smallCache
	}
	return a.IdempotencyCache.over(base)
}

// unverifiedDefault is the memory for unverified bodies where nobody says otherwise.
func (a *App) unverifiedDefault() int64 {
	if a.Memory == memorySmall {
		return smallUnverified
	}
	return defaultUnverified(a.memoryLimit())
}

// settle gives back what only starting took, which is more than half of what an idle gateway would hold. It is done once for
// each configuration: loading one has made garbage of the one before, so that a collection is due in any case, and it takes
// some milliseconds. What is needed of the program again comes back from the page cache.
func settle() {
	debug.FreeOSMemory()
	dropProgram()
}

// setMemory puts a limit in force; 0 is none of ours.
func setMemory(limit int64) {
	if limit == 0 {
		limit = math.MaxInt64
	}
	debug.SetMemoryLimit(limit)
}
