//go:build !callgate_noui

package pages

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheBuilderIsSmall: what a browser loads for it, compressed, and what it must not have in it.
func TestTheBuilderIsSmall(t *testing.T) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range builderFiles {
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if len(builderFiles) != 2 || b.Len() > 150_000 {
		t.Errorf("%d files, %d bytes compressed", len(builderFiles), b.Len())
	}
	for _, no := range []string{"localStorage", "sessionStorage", "indexedDB", "eval(", "new Function", "sourceMappingURL"} {
		if bytes.Contains(builderScript, []byte(no)) {
			t.Errorf("the script has %s in it", no)
		}
	}
	if n := bytes.Count(builderStyle, []byte("\n")); n > 400 {
		t.Errorf("the style sheet has %d lines", n)
	}
}

// TestWhatTheBuilderIsMadeOf: of what the lock file names, from the public registry, and one of each.
func TestWhatTheBuilderIsMadeOf(t *testing.T) {
	text, err := os.ReadFile("builder/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct {
			Version, Resolved, Integrity string
			HasInstallScript             bool
		}
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for at, p := range lock.Packages {
		_, name, _ := strings.Cut(at, "node_modules/")
		switch {
		case at == "":
			continue
		case seen[name] || strings.Contains(name, "node_modules/"):
			t.Errorf("there are two of %s, and editors that do not know each other", name)
		case name == "codemirror":
			t.Error("the package codemirror has in npm a version that is older than its number; depend on @codemirror/ alone")
		case p.Resolved != "", p.Integrity == "": // whoever installs says from where
			t.Errorf("%s comes from %q, with the digest %q", name, p.Resolved, p.Integrity)
		}
		seen[name] = true
	}
	licences, err := os.ReadFile("builder/LICENSES.txt")
	if err != nil {
		t.Fatal(err)
	}
	var made struct {
		Dependencies map[string]string
	}
	if text, err = os.ReadFile("builder/package.json"); err != nil || json.Unmarshal(text, &made) != nil {
		t.Fatal(err)
	}
	for name, version := range made.Dependencies {
		if strings.Trim(version, "0123456789.") != "" {
			t.Errorf("%s is asked for as %s, which may be another one tomorrow", name, version)
		}
		if !bytes.Contains(licences, []byte("== "+name+"\n")) {
			t.Errorf("LICENSES.txt has nothing of %s", name)
		}
	}
	sources, err := filepath.Glob("builder/src/*")
	if err != nil || len(sources) < 5 {
		t.Fatal(err)
	}
	for _, file := range sources {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, no := range []string{"innerHTML", "localStorage", "sessionStorage", "indentWithTab", "style={", "console."} {
			if bytes.Contains(text, []byte(no)) {
				t.Errorf("%s has %s in it", file, no)
			}
		}
	}
}

// TestTheBuilderIsBuiltFromItsSources builds it again, and compares.
func TestTheBuilderIsBuiltFromItsSources(t *testing.T) {
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("needs npm and its registry: set CALLGATE_HEAVY=1 to run it")
	}
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "builder", "src"), os.DirFS("builder/src")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", "package-lock.json", ".npmrc"} {
		text, err := os.ReadFile(filepath.Join("builder", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "builder", name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "assets"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"ci", "--ignore-scripts"}, {"run", "build"}} {
		cmd := exec.CommandContext(t.Context(), "npm", args...)
		cmd.Dir = filepath.Join(dir, "builder")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("npm %s: %v\n%s", args[0], err, out)
		}
	}
	built, err := os.ReadFile(filepath.Join(dir, "assets", "builder.js"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, builderScript) {
		t.Error("assets/builder.js is not what the sources make; run npm ci --ignore-scripts && npm run build in internal/pages/builder, and commit it")
	}
}
