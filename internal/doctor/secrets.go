package doctor

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// minSecret is how many characters a secret has that nobody guesses: 128 bits as hexadecimal digits, less as base64.
const minSecret = 20

// wellKnown are words that stand in examples, and in the first list that anybody tries.
var wellKnown = []string{"change-me", "changeme", "change_me", "development-secret", "password", "secret123", "example", "s3cret", "test-secret", "123456", "a-secret-of"}

// Weak says what is wrong with the value of a secret; empty if nothing is. It never quotes it.
func Weak(value string) string {
	lower := strings.ToLower(value)
	switch {
	case slices.ContainsFunc(wellKnown, func(w string) bool { return strings.Contains(lower, w) }):
		return "it is one of an example, or a word that is tried first"
	case len(value) < minSecret:
		return fmt.Sprintf("it has %d characters, and whoever has one signed request can try all others until it fits; use 32 random bytes", len(value))
	case alike(value):
		return "it is made of very few different characters"
	}
	return ""
}

func alike(s string) bool {
	seen := make(map[rune]bool)
	for _, r := range s {
		seen[r] = true
	}
	return len(seen) < 6
}

// SecretFile looks at a file that holds a secret.
func (r *Report) SecretFile(where, file string) {
	info, err := os.Stat(file)
	if err != nil {
		return // who resolves it tells that
	}
	if runtime.GOOS == "windows" {
		return // the mode says nothing there
	}
	if mode := info.Mode().Perm(); mode&0o004 != 0 {
		r.Add("secrets", Warning, where, fmt.Sprintf("%s can be read by every user of this machine (%s)", file, mode), "chmod 600 "+file+", owned by the user that the gateway runs as")
	} else if mode&0o022 != 0 {
		r.Add("secrets", Warning, where, fmt.Sprintf("%s can be written by others than its owner (%s)", file, mode), "chmod 600 "+file)
	}
	dir := filepath.Dir(file)
	if d, err := os.Stat(dir); err == nil && d.Mode().Perm()&0o002 != 0 && d.Mode()&fs.ModeSticky == 0 {
		r.Add("secrets", Warning, where, dir+" can be written by every user of this machine, who can put another file in the place of "+file, "chmod o-w "+dir)
	}
}
