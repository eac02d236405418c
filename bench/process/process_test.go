package process

import (
	"context"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// shell is a program that runs a script.
func shell(t *testing.T, script string, env ...string) Program {
	t.Helper()
	path, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh on this machine")
	}
	return Program{Name: "sample", Path: path, Args: []string{"-c", script}, Dir: t.TempDir(), Env: env}
}

func start(t *testing.T, ctx context.Context, p Program) *Process {
	t.Helper()
	started, err := Start(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(started.Kill)
	return started
}

func TestStop(t *testing.T) {
	for name, end := range map[string]func(*Process){"stop": (*Process).Stop, "kill": (*Process).Kill} {
		p := start(t, t.Context(), shell(t, "echo ready; exec sleep 60"))
		if line, err := p.FirstLine(); err != nil || line != "ready" || !p.Running() {
			t.Errorf("%s: %q %v", name, line, err)
		}
		end(p)
		if p.Running() {
			t.Errorf("%s: it still runs", name)
		}
		end(p) // may be called again
	}
}

func TestFailedTellsWhatWentWrong(t *testing.T) {
	p := start(t, t.Context(), shell(t, "echo what went wrong >&2; exit 1"))
	if err := p.WaitFor(t.Context(), "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "what went wrong") {
		t.Errorf("%v", err)
	}
	if _, err := p.FirstLine(); err == nil || !strings.Contains(err.Error(), "what went wrong") {
		t.Errorf("%v", err)
	}
	if _, err := Start(t.Context(), Program{Name: "sample", Path: "/no/such/program", Dir: t.TempDir()}); err == nil {
		t.Error("a program that does not exist was started")
	}
}

func TestEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := start(t, ctx, shell(t, "exec sleep 60"))
	cancel()
	select {
	case <-p.Done():
	case <-time.After(20 * time.Second):
		t.Error("it outlives its context")
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("BENCH_KEPT", "kept")
	t.Setenv("BENCH_REMOVED", "removed")
	t.Setenv("BENCH_CHANGED", "before")
	p := start(t, t.Context(), shell(t, `echo "$BENCH_KEPT ${BENCH_REMOVED-none} $BENCH_CHANGED $BENCH_NEW $HOME"`,
		"BENCH_REMOVED", "BENCH_CHANGED=after", "BENCH_NEW=new=1"))
	line, err := p.FirstLine()
	if err != nil || !strings.HasPrefix(line, "kept none after new=1 /") {
		t.Errorf("%q %v", line, err)
	}
}

func TestChildren(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux has /proc in this form")
	}
	p := start(t, t.Context(), shell(t, "sleep 60 & echo ready; wait; exit"))
	if _, err := p.FirstLine(); err != nil {
		t.Fatal(err)
	}
	children := Children(p.PID())
	if len(children) != 1 || slices.Contains(children, p.PID()) {
		t.Fatalf("children of %d: %v", p.PID(), children)
	}
	child, err := os.FindProcess(children[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Kill(); err != nil {
		t.Error(err)
	}
	<-p.Done()
	if left := Children(p.PID()); len(left) != 0 {
		t.Errorf("children of a process that has ended: %v", left)
	}
}

func TestFreeAddress(t *testing.T) {
	address, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
