package examples_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
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
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("validate: %v\n%s", err, out)
			}
			lostCalls(t, string(out))
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
		text := readFile(t, file)
		for _, m := range fromEnvironment.FindAllStringSubmatch(text, -1) {
			env = append(env, m[1]+"="+valueFor(t, m[1]))
		}
		if strings.Contains(text, "{$CREDENTIALS_DIRECTORY:") {
			env = append(env, "CREDENTIALS_DIRECTORY="+secretFiles(t))
		}
	}
	return env
}

// valueFor is a value of the kind that a variable's name promises.
func valueFor(t *testing.T, name string) string {
	t.Helper()
	switch {
	case strings.HasSuffix(name, "_KEY_FILE"):
		return keyFile(t)
	case name == "DATABASE_URL":
		return "postgres://callgate@db.example/callgate?sslmode=verify-full"
	case name == "CALLGATE_GATEWAY":
		return "gateway-a"
	case strings.HasSuffix(name, "_URL"), strings.HasSuffix(name, "_BASE"):
		return "https://receiver.example/hooks"
	case name == "SF_INSTANCE":
		return "https://acme.my.salesforce.com"
	case name == "CALLGATE_AUDIT_KEY":
		private, _, err := note.GenerateKey(rand.Reader, "clinic.example/callgate/1")
		if err != nil {
			t.Fatal(err)
		}
		return private
	case name == "CALLGATE_KEY":
		return strings.Repeat("0123456789abcdef", 4)
	default: // another for each name; it is base64 too, as some schemes want it
		return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%-33s", name))
	}
}

// keyFile is a private key, made for the test.
func keyFile(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// noWarning are what no Caddyfile of ours may be warned of when it is loaded.
var noWarning = []string{"empty 200", "never reached", "no handler after the route could answer", "did you mean"}

// lostCalls fails for each warning that calls would be lost.
func lostCalls(t *testing.T, printed string) {
	t.Helper()
	for _, w := range noWarning {
		if strings.Contains(printed, w) {
			t.Errorf("warns of %q:\n%s", w, printed)
		}
	}
}
