package machine

import "syscall"

// InMemory names the kind of a file system that keeps its files in memory; empty for all others.
func InMemory(dir string) string {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return ""
	}
	switch uint32(s.Type) {
	case 0x01021994:
		return "a tmpfs"
	case 0x858458f6:
		return "a ramfs"
	}
	return ""
}
