//go:build linux

// Package diskfault makes the disk of another process fail, for tests. It is strace which does it: it is attached to the
// process and answers chosen system calls with an error instead of letting them through to the kernel.
package diskfault

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Fault is a disk that fails, until End is called or the test ends.
type Fault struct {
	cmd   *exec.Cmd
	calls string // strace's record of the calls that it answered
	end   sync.Once
}

// Syncs makes every fsync and fdatasync of a process fail with EIO, or those of certain files only. When it returns no
// call is let through any more, but for those that had begun before. The test is skipped where there is no strace, or
// where the system does not let one process trace another.
func Syncs(t testing.TB, pid int, files ...string) *Fault {
	t.Helper()
	f := &Fault{calls: filepath.Join(t.TempDir(), "calls")}
	args := append(arguments(f.calls, "fsync,fdatasync", files), "-e", failing, "-p", strconv.Itoa(pid))
	f.cmd = exec.Command(program(t), args...)
	said := new(output)
	f.cmd.Stderr = said
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.End)
	// It says so when it has attached to all threads; later threads are followed from their beginning.
	for late := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		switch text := said.String(); {
		case strings.Contains(text, " attached"):
			return f
		case strings.Contains(text, "Operation not permitted"):
			t.Skipf("this system does not let one process trace another, which playing a failing disk needs: %s", text)
		case time.Now().After(late):
			t.Fatalf("strace did not attach to process %d in 20 s: %s", pid, text)
		}
	}
}

// SyncsOf is a command as which another one runs with every fsync and fdatasync of certain files failing from its start.
func SyncsOf(t testing.TB, cmd *exec.Cmd, files ...string) *exec.Cmd {
	t.Helper()
	return wrap(t, cmd, append(arguments(os.DevNull, "fsync,fdatasync", files), "-e", failing))
}

// Watched is a command as which another one runs while its writes to certain files and its syncs of them are written
// down in the file record, which Calls reads.
func Watched(t testing.TB, cmd *exec.Cmd, record string, files ...string) *exec.Cmd {
	t.Helper()
	return wrap(t, cmd, arguments(record, "pwrite64,fsync,fdatasync", files))
}

// Calls are the system calls that a record of Watched holds, a line for each. A write stands where it ended and a sync
// where it began, so what stands before a sync was there for it.
func Calls(record string) []string {
	var calls []string
	begun := map[string]string{} // by thread: the call that another thread's line has interrupted in the record
	for line := range strings.Lines(record) {
		thread, call, _ := strings.Cut(strings.TrimSpace(line), " ")
		call = strings.TrimLeft(call, " ")
		if start, is := strings.CutSuffix(call, " <unfinished ...>"); is {
			if call = start; !strings.Contains(start, "sync(") {
				begun[thread] = start
				continue
			}
		} else if name, rest, is := strings.Cut(call, " resumed>"); is && strings.HasPrefix(name, "<... ") {
			start, held := begun[thread]
			if !held {
				continue // a sync, which stands where it began
			}
			delete(begun, thread)
			call = start + rest
		}
		calls = append(calls, call)
	}
	return calls
}

const failing = "inject=fsync,fdatasync:error=EIO"

// arguments are strace's for calls that concern certain files, or any.
func arguments(record, calls string, files []string) []string {
	args := []string{"-f", "-o", record, "-e", "trace=" + calls}
	for _, file := range files {
		args = append(args, "-P", file)
	}
	return args
}

func wrap(t testing.TB, cmd *exec.Cmd, args []string) *exec.Cmd {
	t.Helper()
	strace := program(t)
	if text, err := exec.Command(strace, "-o", os.DevNull, os.Args[0], "-test.run=^$").CombinedOutput(); err != nil {
		t.Skipf("this system does not let one process trace another, which playing a failing disk needs: %v: %s", err, text)
	}
	wrapped := exec.Command(strace, append(append(args, "-qq"), cmd.Args...)...)
	wrapped.Env, wrapped.Dir, wrapped.Stdin, wrapped.Stdout, wrapped.Stderr = cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr
	return wrapped
}

func program(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("a disk that fails needs strace to play it: apt-get install strace")
	}
	return path
}

// End lets the disk work again. When it returns every call is let through.
func (f *Fault) End() {
	f.end.Do(func() {
		_ = f.cmd.Process.Signal(syscall.SIGTERM) // strace lets go of the process and ends
		_ = f.cmd.Wait()                          // with the status of the signal
	})
}

// Failed is how many calls were answered with the error, once the fault has ended.
func (f *Fault) Failed(t testing.TB) int {
	t.Helper()
	text, err := os.ReadFile(f.calls)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("(INJECTED)"))
}

// output is what a process has printed so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
