//go:build !linux

package machine

// InMemory names the kind of a file system that keeps its files in memory; empty for all others, and where the system is
// not asked.
func InMemory(string) string { return "" }
