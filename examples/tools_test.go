package examples_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// tool finds a command that a heavy test cannot do without.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("CALLGATE_HEAVY=1 asks for tests that need %s: %v", name, err)
	}
	return path
}

// flaskPython finds a Python that has Flask. Debian's python3-flask is for /usr/bin/python3, which need not be the
// first python3 of the PATH.
var flaskPython = sync.OnceValue(func() string {
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if err := exec.Command(name, "-c", "import flask").Run(); err == nil {
			if path, err := exec.LookPath(name); err == nil {
				return path
			}
		}
	}
	return ""
})

func python(t *testing.T) string {
	t.Helper()
	path := flaskPython()
	if path == "" {
		t.Fatal("CALLGATE_HEAVY=1 asks for tests that need Flask, and no python3 has it: on Debian, install python3-flask")
	}
	return path
}

// nodeProject copies files of a directory into one that has beside them the packages that its lock file names.
func nodeProject(t *testing.T, dir string, files ...string) string {
	t.Helper()
	modules := nodeModules(t, dir)
	project := t.TempDir()
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(project, f), []byte(readFile(t, filepath.Join(dir, f))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(modules, filepath.Join(project, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return project
}

// nodeModules installs what package.json and package-lock.json ask for, and keeps it for the next time.
func nodeModules(t *testing.T, dir string) string {
	t.Helper()
	npm := tool(t, "npm")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, "callgate-test")
	spec, lock := readFile(t, filepath.Join(dir, "package.json")), readFile(t, filepath.Join(dir, "package-lock.json"))
	sum := sha256.Sum256([]byte(spec + "\x00" + lock))
	installed := filepath.Join(cache, hex.EncodeToString(sum[:12]))
	modules := filepath.Join(installed, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	// It is installed under another name, so that an installation that was cut off is never taken for a whole one.
	temp, err := os.MkdirTemp(cache, "installing-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(temp)
	for name, text := range map[string]string{"package.json": spec, "package-lock.json": lock} {
		if err := os.WriteFile(filepath.Join(temp, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "install", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = temp
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm install of %s: %v\n%s", dir, err, out)
	}
	if err := os.Rename(temp, installed); err != nil {
		if _, other := os.Stat(modules); other != nil { // nobody else has installed it meanwhile
			t.Fatal(err)
		}
	}
	return modules
}

// script runs a program of another language to its end.
func script(t *testing.T, dir string, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(name), err, stderr.Bytes())
	}
	return stdout.Bytes()
}
