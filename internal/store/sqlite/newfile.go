package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// newFile has a file written under another name beside its own, which it gets when it is whole and on the disk, unless
// there is one of that name by then.
func newFile(name string, write func(part string) error) (err error) {
	if err := absent(name); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".part-*") // readable for its owner only
	if err != nil {
		return err
	}
	part := f.Name()
	defer func() { err = errors.Join(err, gone(os.Remove(part))) }()
	if err := f.Close(); err != nil {
		return err
	}
	if err := write(part); err != nil {
		return err
	}
	if err := syncFile(part); err != nil {
		return err
	}
	switch err := os.Link(part, name); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s: %w", name, ErrExists)
	case err != nil: // the file system has no links
		if err := absent(name); err != nil {
			return err
		}
		if err := os.Rename(part, name); err != nil {
			return err
		}
	}
	return syncDir(filepath.Dir(name))
}

func absent(name string) error {
	_, err := os.Lstat(name)
	switch {
	case err == nil:
		return fmt.Errorf("%s: %w", name, ErrExists)
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

// gone is the error of removing a file, which need not exist.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func syncFile(name string) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
