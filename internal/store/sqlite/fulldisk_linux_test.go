package sqlite_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/callgate/callgate/internal/store/sqlite"
)

// TestFullDisk fills a small file system.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("mounting a small tmpfs needs the right to mount: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	s := openStore(t, sqlite.Options{Path: filepath.Join(dir, "store.db"), WALBytes: 1 << 20})
	defer s.Close()
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, bytes.Repeat([]byte{1}, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	err := runFull(s, func(full bool) error {
		if full {
			return nil
		}
		return os.Remove(ballast)
	})
	if err != nil {
		t.Fatal(errors.Unwrap(err), err)
	}
}
