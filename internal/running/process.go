package running

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long tests wait for what has to come: a busy machine is slow, and nothing that works needs as long.
const Patience = 2 * time.Minute

// Process is one that a test has started.
type Process struct {
	t    testing.TB
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error // of its end; to be read when done is closed

	mu  sync.Mutex
	out bytes.Buffer
}

// Start starts a process under a name for messages, and does not wait for it. It is killed when the test ends, with all that
// it has started if it leads a process group, and what it printed is shown if the test has failed.
func Start(t testing.TB, name string, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{t: t, name: name, cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, p.Tail(6000))
		}
	})
	return p
}

// Write takes what the process prints.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

// Tail is the end of what it has printed so far.
func (p *Process) Tail(bytes int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.out.Bytes()
	return string(b[max(0, len(b)-bytes):])
}

// ID is the number under which the system knows it.
func (p *Process) ID() int { return p.cmd.Process.Pid }

// Ended tells whether it has.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// End waits until it ends, and is how it did.
func (p *Process) End() error {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(Patience):
		p.t.Fatalf("%s has not ended in %v\n%s", p.name, Patience, p.Tail(4000))
	}
	return p.err
}

// Kill is kill -9. It returns when the process is gone.
func (p *Process) Kill() {
	_ = signal(p.cmd, syscall.SIGKILL) // it may be gone already
	<-p.done
}

// Signal sends a signal to a process that may be gone already.
func (p *Process) Signal(s syscall.Signal) {
	p.t.Helper()
	if err := signal(p.cmd, s); err != nil && !errors.Is(err, os.ErrProcessDone) && !p.Ended() {
		p.t.Errorf("%s cannot be sent a signal: %v", p.name, err)
	}
}

// Terminate asks it to stop, as systemd and Docker do, waits until it has, and gives how long that took.
func (p *Process) Terminate() time.Duration {
	p.t.Helper()
	began := time.Now()
	p.Signal(syscall.SIGTERM)
	if err := p.End(); err != nil {
		p.t.Errorf("%s, which was asked to stop, ended with %v", p.name, err)
	}
	return time.Since(began)
}

// Await waits for something that the process brings about, and has to before it ends.
func (p *Process) Await(what string, is func() bool) {
	p.t.Helper()
	Await(p.t, what, func() bool {
		if p.Ended() {
			p.t.Fatalf("%s ended by itself (%v) before this: %s\n%s", p.name, p.err, what, p.Tail(4000))
		}
		return is()
	})
}

// AwaitPort waits until somebody listens on a port of this machine, as the process is to.
func (p *Process) AwaitPort(port int) {
	p.t.Helper()
	p.Await("port "+strconv.Itoa(port)+" is listened on", func() bool { return Listens(port) })
}

// AwaitGateway waits until a gateway has started as a whole: its sites listen before its store is in force, and whoever asks
// for something then is told that it is just starting.
func (p *Process) AwaitGateway() {
	p.t.Helper()
	p.Await("its configuration is in force", func() bool { return strings.Contains(p.Tail(1<<20), "serving initial configuration") })
}

// Await waits for something that another process brings about.
func Await(t testing.TB, what string, is func() bool) {
	t.Helper()
	for late := time.Now().Add(Patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("not after %v: %s", Patience, what)
		}
	}
}

// Listens tells whether somebody does on a port of this machine.
func Listens(port int) bool {
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	c.Close()
	return true
}
