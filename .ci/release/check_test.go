package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckFindsWhatWouldNotCompile: in a program that is right on one platform, and on each of the others wrong in another way.
func TestCheckFindsWhatWouldNotCompile(t *testing.T) {
	source := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":               "module example.com/p\n\ngo 1.26\n",
		".ci/tags":             "tagged\n",
		"cmd/callgate/main.go": "package main\n\nimport (\n\t\"os\"\n\n\t\"example.com/p/some\"\n)\n\nconst large = 1 << 40\n\nfunc main() { os.Exit(some.Number + size() + body()) }\n",
		// A number that is too large for an int there.
		"cmd/callgate/size_arm.go":   "package main\n\nfunc size() int { return large }\n",
		"cmd/callgate/size_other.go": "//go:build !arm\n\npackage main\n\nfunc size() int { return large }\n",
		// A function that is declared only.
		"cmd/callgate/body_darwin.go": "package main\n\nfunc body() int\n",
		"cmd/callgate/body_other.go":  "//go:build !darwin\n\npackage main\n\nimport _ \"unsafe\"\n\nfunc body() int { return now() }\n\n//go:linkname now runtime.nanotime\nfunc now() int\n",
		// A package with no file.
		"some/some.go": "//go:build !windows && tagged\n\npackage some\n\nconst Number = 1\n",
		// A fault inside a function.
		"some/more_s390x.go": "package some\n\nfunc init() { println(absent) }\n",
	} {
		file := filepath.Join(source, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := release{source: source}
	for platform, want := range map[string]string{
		"linux/amd64": "", "freebsd/arm64": "",
		"linux/arm":     "size_arm.go:3:26: cannot use large",
		"darwin/arm64":  "function body has no body",
		"windows/amd64": "build constraints exclude all Go files in ",
		"linux/s390x":   "undefined: absent",
		"linux/pdp11":   "linux/pdp11: ",
		"linux":         `"linux" is no platform; write it as linux/amd64`,
	} {
		err := r.check(platform)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", platform, err, want)
		}
	}
	r.platforms = []string{"linux/amd64", "linux/arm", "darwin/arm64"}
	if err := r.checkAll(); err == nil || !strings.Contains(err.Error(), "linux/arm: ") || !strings.Contains(err.Error(), "darwin/arm64: ") {
		t.Errorf("all: %v", err)
	}
}
