package examples_test

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// credentials are the files that the Caddyfile takes secrets from.
func credentials(t *testing.T) []string {
	t.Helper()
	names := make(map[string]bool)
	for _, m := range regexp.MustCompile(`CREDENTIALS_DIRECTORY:/run/secrets}/([\w-]+)}`).FindAllStringSubmatch(readFile(t, "deploy/Caddyfile"), -1) {
		names[m[1]] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// secretFiles makes a directory with a file for each.
func secretFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range credentials(t) {
		if err := os.WriteFile(filepath.Join(dir, name), fmt.Appendf(nil, "%x", sha256.Sum256([]byte(name))), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
