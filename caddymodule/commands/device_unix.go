//go:build unix

package commands

import (
	"errors"
	"os"
	"syscall"
)

// deviceOf reports whether two paths are on one file system.
func deviceOf(a, b string) (same bool, err error) {
	var devices [2]uint64
	for i, path := range []string{a, b} {
		info, err := os.Stat(path)
		if err != nil {
			return false, err
		}
		s, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return false, errors.ErrUnsupported
		}
		devices[i] = uint64(s.Dev)
	}
	return devices[0] == devices[1], nil
}
