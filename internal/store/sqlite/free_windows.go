package sqlite

import (
	"math"

	"golang.org/x/sys/windows"
)

// freeSpace tells how many bytes of the volume that a directory is on are free for this user, and how many it has.
func freeSpace(path string) (free, size int64, err error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, 0, err
	}
	var available, total uint64
	if err := windows.GetDiskFreeSpaceEx(name, &available, &total, nil); err != nil {
		return 0, 0, err
	}
	return int64(min(available, math.MaxInt64)), int64(min(total, math.MaxInt64)), nil
}
