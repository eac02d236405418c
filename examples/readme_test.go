//go:build unix

package examples_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// snippet is a block of commands in a README. One that is followed by a block of text ends by itself, and prints each
// line of that text in this order; any other starts a server, and goes on until it is stopped.
type snippet struct {
	commands string
	prints   []string
}

var fence = regexp.MustCompile("(?ms)^```(\\w*)[^\n]*\n(.*?)^```$")

func snippets(t *testing.T, readme string) (all []snippet) {
	t.Helper()
	for _, m := range fence.FindAllStringSubmatch(readFile(t, readme), -1) {
		switch kind, text := m[1], strings.TrimSuffix(m[2], "\n"); {
		case kind == "sh":
			all = append(all, snippet{commands: text})
		case kind == "text" && len(all) > 0 && all[len(all)-1].prints == nil:
			all[len(all)-1].prints = strings.Split(text, "\n")
		default:
			t.Fatalf("%s: a block of %q cannot be tested here: %s", readme, kind, text)
		}
	}
	return all
}

// TestREADMEs does what the READMEs say, on other ports.
func TestREADMEs(t *testing.T) {
	for _, r := range []struct {
		dir     string
		heavy   bool
		listens []int // the ports of the servers that the snippets start, in this order
		// own starts the reader's own system, if another one is needed than one that takes everything, and then looks at what
		// that got.
		own func(*testing.T) (port int, check func())
	}{
		{"sidecar", false, []int{8080}, nil},
		{"tenants", false, []int{8080}, nil},
		{"operators", false, []int{8080}, nil},
		{"agency", false, []int{8080}, nil},
		{"backup", false, []int{8080, 8080, 8080, 8080}, nil},
		{"troubleshooting", false, []int{8080}, nil},
		{"audit", false, []int{8080, 8080}, nil},
		{"clinic", false, []int{8080}, startClinic},
		{"contractor", false, []int{8080}, startDispatch},
		{"law-firm", false, []int{8080}, startFirm},
		{"express-receiver", true, []int{3000, 8080}, nil},
		{"flask-receiver", true, []int{3000, 8080}, nil},
		{"data-keys", false, []int{8080}, nil},
	} {
		t.Run(r.dir, func(t *testing.T) {
			if r.heavy {
				heavy(t)
			}
			ports := map[int]int{8080: freePort(t), 3000: freePort(t)}
			check := func() {}
			switch {
			case r.own != nil:
				ports[3000], check = r.own(t)
			case r.listens[0] != 3000: // then the receiver is the reader's own system
				ports[3000] = startReceiver(t).port
			}
			env := append(environment(t), "CALLGATE_PORT="+strconv.Itoa(ports[8080]), "PORT="+strconv.Itoa(ports[3000]),
				"PATH="+commandDir(t, r.heavy)+string(os.PathListSeparator)+os.Getenv("PATH"))
			dir := workingCopy(t, r.dir)
			servers := r.listens
			var last *process
			for _, s := range snippets(t, filepath.Join(r.dir, "README.md")) {
				text := strings.NewReplacer("3000", strconv.Itoa(ports[3000]), "8080", strconv.Itoa(ports[8080])).Replace(s.commands)
				if s.prints != nil {
					if last != nil && strings.Contains(text, "kill ") {
						last.told = true // the README stops what it has started
					}
					runSnippet(t, dir, env, text, s.prints)
					continue
				}
				if len(servers) == 0 {
					t.Fatalf("neither a known server nor followed by what it prints:\n%s", s.commands)
				}
				if last != nil && last.told {
					// A reader is slower than a test: the program is gone altogether, with its admin endpoint, when the next starts.
					last.awaitEnd()
				}
				cmd := exec.Command("sh", "-euc", text)
				cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, env, &syscall.SysProcAttr{Setpgid: true}
				last = start(t, cmd, ports[servers[0]])
				if strings.Contains(text, "callgate run") {
					last.awaitConfiguration()
				}
				servers = servers[1:]
			}
			if len(servers) > 0 {
				t.Errorf("the README does not start the servers on %v", servers)
			}
			check()
		})
	}
}

func runSnippet(t *testing.T, dir string, env []string, text string, prints []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-uc", text)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	// A refused request is no success for the command either.
	if wantErr := strings.HasPrefix(prints[0], "HTTP/1.1 4"); wantErr != (err != nil) {
		t.Errorf("%v\n%s\n%s", err, text, out)
	}
	rest := string(out)
	for _, line := range prints {
		_, after, found := strings.Cut(rest, line)
		if !found {
			t.Errorf("does not print %q:\n%s\n%s", line, text, out)
			return
		}
		rest = after
	}
}

// commandDir holds callgate, and a python3 that has Flask if that may be needed.
func commandDir(t *testing.T, withPython bool) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink(binary(t), filepath.Join(dir, "callgate")); err != nil {
		t.Fatal(err)
	}
	if withPython {
		script := "#!/bin/sh\nexec '" + python(t) + "' \"$@\"\n" // a link would look for its packages elsewhere
		if err := os.WriteFile(filepath.Join(dir, "python3"), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// workingCopy is a copy of an example that can be written to, with the test data where they are for the original.
func workingCopy(t *testing.T, example string) string {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "examples", example)
	if err := os.CopyFS(dir, os.DirFS(example)); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "testdata"), filepath.Join(top, "testdata")); err != nil {
		t.Fatal(err)
	}
	return dir
}
