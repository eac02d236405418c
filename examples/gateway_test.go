// Package examples_test runs what stands in this directory as its readers would: the gateway as a process of its own,
// and before or behind it the receivers, libraries and commands that the examples are about.
//
// Most tests need nothing but Go. Those that also need Node.js, npm, Chromium or Python with Flask run when CALLGATE_HEAVY=1 is
// set, and fail then if one of these is missing. Packages from npm are installed once, as the lock files say, into
// callgate-test in the user's cache directory.
package examples_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/standin"
)

// root is the directory of the module, and scratch one that lasts as long as the tests.
var root, scratch string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if root, err = filepath.Abs(".."); err == nil {
		scratch, err = os.MkdirTemp("", "callgate-examples-")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	return m.Run()
}

// binary is the gateway, built once for all tests.
func binary(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var build = sync.OnceValues(func() (string, error) {
	if err := noteSources(); err != nil {
		return "", err
	}
	name := "callgate"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	out := filepath.Join(scratch, name)
	cmd := exec.Command("go", "build", "-o", out, "./cmd/callgate")
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/callgate: %w\n%s", err, text)
	}
	return out, nil
})

// noteSources lists every directory of the module. The tests do not import what they test, so this is how the go
// command, which keeps track of what a test reads, learns that a result which it remembers is out of date.
func noteSources() error {
	return filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		return err
	})
}

// process is a server that runs until the test ends. Its output can be read while it runs.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of its end; to be read when done is closed
	told bool  // something else than stop was to end it

	mu  sync.Mutex
	out bytes.Buffer
}

// start starts a server and waits until something listens on the port. When the test ends, the server is asked to
// stop, and has to; its output is shown if the test has failed.
func start(t *testing.T, cmd *exec.Cmd, port int) *process {
	t.Helper()
	p := &process{t: t, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.stop)
	p.await(fmt.Sprintf("port %d", port), func() bool {
		c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
	return p
}

// Write takes what the process prints.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

// output is all that the process has printed so far.
func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// await waits for something that the process brings about.
func (p *process) await(what string, is func() bool) {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	const within = 2 * time.Minute
	late := time.After(within)
	for !is() {
		select {
		case <-p.done:
			p.t.Fatalf("%s ended (%v) before %s", p.cmd.Path, p.err, what)
		case <-late:
			p.t.Fatalf("%s: no %s after %s", p.cmd.Path, what, within)
		case <-tick.C:
		}
	}
}

// awaitConfiguration waits until a gateway has started as a whole: its sites listen before its store is in force, and a
// command that asks it for something then is told that it is just starting.
func (p *process) awaitConfiguration() {
	p.t.Helper()
	p.await("its configuration is in force", func() bool { return strings.Contains(p.output(), "serving initial configuration") })
}

func (p *process) stop() {
	select {
	case <-p.done:
		if !p.told {
			p.t.Errorf("%s has ended by itself: %v", p.cmd.Path, p.err)
		}
	default:
		if err := stopSignal(p.cmd); err != nil && !errors.Is(err, os.ErrProcessDone) {
			p.t.Errorf("cannot stop %s: %v", p.cmd.Path, err)
		}
	}
	p.awaitEnd()
	if p.t.Failed() {
		p.t.Logf("%s printed:\n%s", p.cmd.Path, p.output())
	}
}

// awaitEnd waits until a process that was told to stop is gone.
func (p *process) awaitEnd() {
	p.t.Helper()
	const within = time.Minute
	select {
	case <-p.done:
	case <-time.After(within):
		p.t.Errorf("%s did not stop in %s", p.cmd.Path, within)
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// freePort is a port of the loopback interface that nothing listens on.
func freePort(t *testing.T) int {
	t.Helper()
	return standin.FreePort(t)
}

// gateway is a running gateway.
type gateway struct {
	*process
	url string
}

// startGateway runs a Caddyfile. The receiver is to be on the given port; env has what else the file wants to know.
func startGateway(t *testing.T, caddyfile string, receiver int, env ...string) *gateway {
	t.Helper()
	port := freePort(t)
	env = append(env, "CALLGATE_PORT="+strconv.Itoa(port), "PORT="+strconv.Itoa(receiver))
	return runCaddyfile(t, caddyfile, port, env...)
}

// runCaddyfile runs one that listens on the given port, in the directory where it stands.
func runCaddyfile(t *testing.T, file string, port int, env ...string) *gateway {
	t.Helper()
	cmd := exec.Command(binary(t), "run", "--config", filepath.Base(file), "--adapter", "caddyfile")
	cmd.Dir = filepath.Dir(file)
	cmd.Env = append(environment(t), env...)
	g := &gateway{process: start(t, cmd, port), url: "http://127.0.0.1:" + strconv.Itoa(port)}
	g.awaitConfiguration()
	return g
}

// environment is ours without what would bring in other configuration, and with directories and an admin address of
// the test's own.
func environment(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "CALLGATE_") && !strings.HasPrefix(e, "NEXTPHONE_") {
			env = append(env, e)
		}
	}
	return append(env, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "CADDY_ADMIN=localhost:"+strconv.Itoa(freePort(t)))
}

// callgate runs a command of the gateway to its end.
func callgate(t *testing.T, stdin []byte, args ...string) (out string, err error) {
	t.Helper()
	program := binary(t) // building it is not in the time
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("callgate %s: %w\n%s", args[0], err, stderr.Bytes())
	}
	return stdout.String(), nil
}

// heavy skips a test that needs more than Go, unless it was asked for.
func heavy(t *testing.T) {
	t.Helper()
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("needs Node.js, npm, Chromium or Flask: set CALLGATE_HEAVY=1 to run it")
	}
}
