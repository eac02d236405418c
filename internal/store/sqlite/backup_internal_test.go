package sqlite

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"
)

func FuzzTrailer(f *testing.F) {
	f.Add(trailer(sha256.Sum256([]byte("x")), 1<<40))
	f.Add(trailer([32]byte{}, 0))
	f.Add([]byte("\ncallgate backup 1 sha256  bytes \n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		sum, size, err := parseTrailer(line)
		switch {
		case err != nil:
			if !errors.Is(err, ErrNotABackup) {
				t.Fatal(err)
			}
		case len(line) != trailerSize || size < 0 || !bytes.Equal(trailer(sum, size), line):
			t.Fatalf("%q is read as %x, %d", line, sum, size)
		}
	})
}
