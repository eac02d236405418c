package examples_test

import (
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
)

// caddyfiles are all of this directory, and the one that the project starts with.
func caddyfiles(t *testing.T) []string {
	t.Helper()
	files := []string{filepath.Join(root, "Caddyfile.example")}
	err := filepath.WalkDir(filepath.Join(root, "examples"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "Caddyfile" {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 5 {
		t.Fatalf("found only %q", files)
	}
	return files
}

// TestCaddyfiles holds every Caddyfile to the form that caddy fmt gives it, and to being valid.
func TestCaddyfiles(t *testing.T) {
	for _, file := range caddyfiles(t) {
		name, err := filepath.Rel(root, file)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.ToSlash(name), func(t *testing.T) {
			if out, err := callgate(t, nil, "fmt", "--diff", file); err != nil {
				t.Errorf("is not formatted as callgate fmt does it: %v\n%s", err, out)
			}
			cmd := exec.Command(binary(t), "validate", "--config", filepath.Base(file), "--adapter", "caddyfile")
			cmd.Dir = filepath.Dir(file)
			cmd.Env = append(environment(t), secretsOf(t, file)...)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("validate: %v\n%s", err, out)
			}
		})
	}
}

var fromEnvironment = regexp.MustCompile(`\{env\.(\w+)\}`)

// secretsOf gives a value to each secret that a Caddyfile, or a tenant file beside it, takes from the environment.
func secretsOf(t *testing.T, caddyfile string) (env []string) {
	t.Helper()
	tenants, err := filepath.Glob(filepath.Join(filepath.Dir(caddyfile), "tenants", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(tenants, caddyfile) {
		for _, m := range fromEnvironment.FindAllStringSubmatch(readFile(t, file), -1) {
			// It is base64 too, as some schemes want it.
			env = append(env, m[1]+"=c2VjcmV0LW9mLXRoZS10ZXN0LTAxMjM0NTY3ODkwMTIz")
		}
	}
	return env
}
