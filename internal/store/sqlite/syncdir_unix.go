//go:build !windows

package sqlite

import (
	"errors"
	"os"
)

// syncDir sees to it that the names of a directory's files are on the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
