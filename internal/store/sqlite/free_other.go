//go:build !linux && !darwin && !freebsd && !windows

package sqlite

import "errors"

// freeSpace is not known on this system, so that nothing is kept free.
func freeSpace(string) (free, size int64, err error) { return 0, 0, errors.ErrUnsupported }
