package sqlite

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Restore makes a store of a backup, where there is none. It reads all of the backup and compares its checksum before
// there is a store. It is refused when the store exists or is open, and when an earlier one has left its log there.
func Restore(ctx context.Context, file, path string) (b Backed, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return b, err
	}
	if path, err = followLinks(path); err != nil {
		return b, err
	}
	in, err := os.Open(file)
	if err != nil {
		return b, err
	}
	defer in.Close()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return b, err
	}
	if err := absent(path); err != nil {
		return b, err
	}
	lock, err := acquireLock(path + ".lock")
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, lock.release()) }()
	for _, left := range []string{path + "-wal", path + "-shm", path + "-journal"} {
		if err := absent(left); err != nil {
			return b, fmt.Errorf("%s belongs to a store that was here before: move it away together with that store's file: %w", left, err)
		}
	}
	return b, newFile(path, func(part string) error {
		if err := unpack(ctx, in, part, &b); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if fresh, err := checkFile(part); err != nil || fresh {
			return fmt.Errorf("%s: %w", file, cmp.Or(err, ErrNotAStore))
		}
		return b.count(ctx, part)
	})
}

// unpack writes a backup without its last line, and compares the checksum.
func unpack(ctx context.Context, in *os.File, name string, b *Backed) error {
	info, err := in.Stat()
	if err != nil {
		return err
	}
	b.Bytes = info.Size()
	line := make([]byte, trailerSize)
	at := b.Bytes - int64(trailerSize)
	if at < 0 {
		return ErrNotABackup
	}
	if _, err := in.ReadAt(line, at); err != nil {
		return err
	}
	sum, size, err := parseTrailer(line)
	if err != nil {
		return err
	}
	if size != at {
		return ErrBackupDamaged
	}
	out, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(out, hash), &contextReader{ctx, io.LimitReader(in, at)})
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	if n != at || [sha256.Size]byte(hash.Sum(nil)) != sum {
		return ErrBackupDamaged
	}
	return nil
}

// contextReader reads until its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
