//go:build unix && !solaris && !aix

package sqlite

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
)

// fileLock keeps a second process from opening the store. The system gives it back when the process ends, however it
// ends; the file itself stays, since removing it would let two processes lock two different files.
type fileLock struct{ file *os.File }

func acquireLock(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
		if pid, _ := io.ReadAll(io.LimitReader(f, 20)); len(pid) > 0 {
			return nil, fmt.Errorf("%w (process %s has %s locked)", ErrLocked, strings.TrimSpace(string(pid)), path)
		}
		return nil, ErrLocked
	}
	// The number is for people; the lock does not depend on it.
	if f.Truncate(0) == nil {
		fmt.Fprintf(f, "%d\n", os.Getpid())
	}
	return &fileLock{f}, nil
}

func (l *fileLock) release() error { return l.file.Close() }
