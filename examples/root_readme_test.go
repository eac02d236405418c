//go:build unix

package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestRootREADME does what the README and the guide of the project say: it runs their commands, on other ports and with the
// binary in place of `go run`, and loads their configurations.
func TestRootREADME(t *testing.T) {
	ports := map[string]string{"8080": strconv.Itoa(freePort(t)), "8081": strconv.Itoa(freePort(t))}
	env := append(environment(t), "CALLGATE_PORT="+ports["8080"], "RECEIVER_PORT="+ports["8081"],
		"PATH="+commandDir(t, false)+string(os.PathListSeparator)+os.Getenv("PATH"))
	rename := strings.NewReplacer("go run ./cmd/callgate", "callgate", "localhost:8080", "localhost:"+ports["8080"])
	var command string
	configs, commands := 0, 0
	readme := readFile(t, filepath.Join(root, "README.md"))
	if n := strings.Count(readme, "\n"); n >= 200 {
		t.Errorf("the README has %d lines; nobody reads so many", n)
	}
	for _, m := range fence.FindAllStringSubmatch(readme+"\n"+readFile(t, filepath.Join(root, "caddymodule", "GUIDE.md")), -1) {
		kind, block := m[1], strings.TrimSuffix(m[2], "\n")
		switch {
		case block == "go test ./...":
			if !strings.Contains(readFile(t, filepath.Join(root, ".ci", "run")), "\n"+block+"\n") {
				t.Error("CI does not call the README's test command")
			}
		case kind == "sh" && strings.Contains(block, " run --config "):
			cmd := exec.Command("sh", "-euc", rename.Replace(block))
			cmd.Dir, cmd.Env, cmd.SysProcAttr = root, env, &syscall.SysProcAttr{Setpgid: true}
			port, err := strconv.Atoi(ports["8080"])
			if err != nil {
				t.Fatal(err)
			}
			start(t, cmd, port)
		case kind == "sh":
			command = rename.Replace(block)
		case kind == "text" && command != "":
			runSnippet(t, root, env, command, strings.Split(block, "\n"))
			command = ""
			commands++
		case kind == "caddyfile":
			validate(t, block, nil)
			configs++
		case kind == "json":
			dir := t.TempDir()
			tenant := filepath.Join(dir, "clinic.json")
			if err := os.WriteFile(tenant, []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
			validate(t, "{\n\tcallgate {\n\t\ttenants "+dir+"/*.json\n\t}\n}\n\nhttp:// {\n\tcallgate nextphone {\n\t\ttenant {path.0}\n\t}\n\treverse_proxy localhost:3000\n}\n",
				secretsOf(t, tenant))
			configs++
		case kind == "text" && strings.HasPrefix(block, "xcaddy "): // CI builds with it
		default:
			t.Errorf("a block of %q that nothing tests: %s", kind, block)
		}
	}
	if command != "" || commands < 4 || configs < 4 {
		t.Errorf("%d commands and %d configurations tested, and left over: %q", commands, configs, command)
	}
}

// validate loads a Caddyfile as `callgate validate` does, with a value for every secret in it.
func validate(t *testing.T, config string, env []string) {
	t.Helper()
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 4)), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "Caddyfile")
	config = strings.TrimSpace(strings.ReplaceAll(config, "/run/secrets/callgate.key", key)) + "\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"validate", "--config", file}, {"fmt", "--diff", file}} {
		cmd := exec.Command(binary(t), args...)
		cmd.Env = append(append(environment(t), secretsOf(t, file)...), env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v\n%s\n%s", args[0], err, config, out)
		}
		lostCalls(t, string(out))
	}
}
