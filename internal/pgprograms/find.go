// Package pgprograms finds the programs of an installed PostgreSQL, for tests and benchmarks that start servers.
package pgprograms

import (
	"cmp"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// Find is the directory of the newest PostgreSQL's programs, where Debian has them or else on PATH; empty if there are none.
func Find() string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is well formed
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	if len(found) > 0 {
		return filepath.Dir(found[0])
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path)
	}
	return ""
}
