//go:build darwin || freebsd

package sqlite

import "syscall"

// freeSpace tells how many bytes of the file system that a path leads to are free for this process, and how many it has.
func freeSpace(path string) (free, size int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return 0, 0, err
	}
	return int64(s.Bavail) * int64(s.Bsize), int64(s.Blocks) * int64(s.Bsize), nil
}
