// Package examples_test runs what stands in this directory as its readers would: the gateway as a process of its own,
// and before or behind it the receivers, libraries and commands that the examples are about.
//
// Most tests need nothing but Go. Those that also need Node.js, npm, Chromium, podman or Python with Flask run when
// CALLGATE_HEAVY=1 is set, and fail then if one of these is missing. Packages from npm are installed once, as the lock files
// say, into callgate-test in the user's cache directory.
package examples_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/running"
	"github.com/callgate/callgate/internal/standin"
)

func TestMain(m *testing.M) { running.Main(m) }

// root is the directory of the module.
var root, _ = filepath.Abs("..") // which fails nowhere that this runs

// binary is the gateway, built once for all tests.
func binary(t *testing.T) string {
	t.Helper()
	return running.Program(t)
}

// process is a server that runs until the test ends.
type process struct {
	*running.Process
	told bool // something else than the end of the test is to end it
}

// start starts a server and waits until something listens on the port. When the test ends, the server is asked to
// stop, and has to; its output is shown if the test has failed.
func start(t *testing.T, cmd *exec.Cmd, port int) *process {
	t.Helper()
	p := &process{Process: running.Start(t, cmd.Path, cmd)}
	t.Cleanup(func() {
		if p.Ended() && !p.told {
			t.Errorf("%s has ended by itself: %v", cmd.Path, p.End())
		}
		p.Signal(syscall.SIGTERM)
		p.awaitEnd()
	})
	p.AwaitPort(port)
	return p
}

// awaitConfiguration waits until a gateway has started as a whole.
func (p *process) awaitConfiguration() { p.AwaitGateway() }

// awaitEnd waits until a process that was told to stop is gone. Those that are no gateways end as they see fit.
func (p *process) awaitEnd() { _ = p.End() }

// freePort is a port of the loopback interface that nothing listens on.
func freePort(t *testing.T) int {
	t.Helper()
	return standin.FreePort(t)
}

// gateway is a running gateway.
type gateway struct {
	*process
	url string
	env []string
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
	g := &gateway{process: start(t, cmd, port), url: "http://127.0.0.1:" + strconv.Itoa(port), env: cmd.Env}
	g.awaitConfiguration()
	return g
}

// environment is a test's own, with an admin address that nobody else has.
func environment(t *testing.T) []string {
	t.Helper()
	return running.Environment(t.TempDir(), "CADDY_ADMIN=localhost:"+strconv.Itoa(freePort(t)))
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
