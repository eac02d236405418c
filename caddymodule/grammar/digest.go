package grammar

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// maxDigested is how much of a file is looked at: more than any that a configuration reads may have.
const maxDigested = 16 << 20

// Digest is a digest of the names and contents of the files that match the patterns, for the configuration that is made of a
// Caddyfile: Caddy takes a reload with an unchanged configuration for nothing to do, and only so does it see that a file
// has changed which the Caddyfile names. Files that cannot be read here count for nothing, and without any it is empty.
func Digest(patterns ...string) string {
	var names []string
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err == nil {
			names = append(names, found...)
		}
	}
	slices.Sort(names)
	all, read := sha256.New(), false
	for _, name := range slices.Compact(names) {
		sum, err := sumOf(name)
		if err != nil {
			continue
		}
		read = true
		_, _ = io.WriteString(all, name+"\x00")
		_, _ = all.Write(sum)
	}
	if !read {
		return ""
	}
	return hex.EncodeToString(all.Sum(nil)[:8])
}

func sumOf(name string) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a pipe would be waited for
		return nil, os.ErrInvalid
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, io.LimitReader(f, maxDigested)); err != nil {
		return nil, err
	}
	return sum.Sum(nil), nil
}
