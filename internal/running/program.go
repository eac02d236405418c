// Package running builds the gateway and runs it as a process of its own, as the tests of the examples do.
package running

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// scratch is the directory of what was built; empty before.
var scratch string

// Main runs the tests of a package that calls Program, and takes away what was built for them. TestMain is to be no more than
// this.
func Main(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(scratch)
	os.Exit(code)
}

// Program is the gateway, which is built once for all tests of a package.
func Program(t testing.TB) string {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

var build = sync.OnceValues(func() (program string, err error) {
	root, err := root()
	if err != nil {
		return "", err
	}
	if err := noteSources(root); err != nil {
		return "", err
	}
	if scratch, err = os.MkdirTemp("", "callgate-running-"); err != nil {
		return "", err
	}
	program = filepath.Join(scratch, "callgate")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	cmd := exec.Command("go", "build", "-o", program, "./cmd/callgate")
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/callgate: %w\n%s", err, text)
	}
	return program, nil
})

// Root is the directory of this module.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// root is above where the test runs, which is the directory of its package.
var root = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.Join(errors.New("there is no go.mod above the test"), err)
})

// noteSources lists every directory of the module. Tests of a process do not import what they test, so this is how the go
// command, which keeps track of what a test reads, learns that a result which it remembers is out of date.
func noteSources(root string) error {
	return filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		return err
	})
}

// foreign begin the variables of an environment that would bring in other configuration than the test's.
var foreign = []string{"CALLGATE_", "NEXTPHONE_", "OTEL_", "CADDY_", "PORT=", "METRICS_PORT=", "DATABASE_URL=", "XDG_DATA_HOME=", "XDG_CONFIG_HOME="}

// Environment is this process's without what would bring in other configuration, with a directory of the test's for what the
// gateway keeps, and with own.
func Environment(dir string, own ...string) (env []string) {
	for _, e := range os.Environ() {
		if !slices.ContainsFunc(foreign, func(prefix string) bool { return strings.HasPrefix(e, prefix) }) {
			env = append(env, e)
		}
	}
	env = append(env, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	return append(env, own...)
}
