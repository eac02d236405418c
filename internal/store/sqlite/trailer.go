package sqlite

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
)

// The line behind a backup: its checksum, and how long it is without the line.
const (
	trailerFormat = "\ncallgate backup 1 sha256 %x bytes %020d\n"
	trailerSize   = len("\ncallgate backup 1 sha256 ") + 2*sha256.Size + len(" bytes ") + 20 + len("\n")
)

func trailer(sum [sha256.Size]byte, size int64) []byte {
	return fmt.Appendf(nil, trailerFormat, sum, size)
}

// parseTrailer reads what trailer has written.
func parseTrailer(line []byte) (sum [sha256.Size]byte, size int64, err error) {
	rest, ok := bytes.CutPrefix(line, []byte("\ncallgate backup 1 sha256 "))
	digits, rest, middle := bytes.Cut(rest, []byte(" bytes "))
	number, _ := bytes.CutSuffix(rest, []byte("\n"))
	if !ok || !middle || len(digits) != hex.EncodedLen(len(sum)) {
		return sum, 0, ErrNotABackup
	}
	if _, err := hex.Decode(sum[:], digits); err != nil {
		return sum, 0, ErrNotABackup
	}
	if size, err = strconv.ParseInt(string(number), 10, 64); err != nil || !bytes.Equal(trailer(sum, size), line) {
		return [sha256.Size]byte{}, 0, ErrNotABackup
	}
	return sum, size, nil
}

func appendTrailer(name string) (size int64, err error) {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	hash := sha256.New()
	n, err := io.Copy(hash, f)
	if err != nil {
		return 0, err
	}
	_, err = f.Write(trailer([sha256.Size]byte(hash.Sum(nil)), n))
	return n + int64(trailerSize), err
}
