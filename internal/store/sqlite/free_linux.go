package sqlite

import (
	"cmp"
	"syscall"
)

// freeSpace tells how many bytes of the file system that a path leads to are free for this process, and how many it has.
func freeSpace(path string) (free, size int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, 0, err
	}
	block := int64(cmp.Or(s.Frsize, s.Bsize)) // blocks are counted in fragments where there are any
	return int64(s.Bavail) * block, int64(s.Blocks) * block, nil
}
