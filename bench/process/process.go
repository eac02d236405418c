// Package process starts the programs that are measured, ends them, and reads what they have used.
package process

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Program is what to start, and how.
type Program struct {
	Name string // in messages, and of its log
	Path string
	Args []string
	// Dir is its home directory, and where its error output goes.
	Dir string
	// Env changes the environment that it has from this program: "NAME=value" sets a variable, "NAME" removes it.
	Env []string
}

// Process is a program that this one has started and will end.
type Process struct {
	name string
	cmd  *exec.Cmd
	out  io.ReadCloser
	log  string
	done chan struct{} // closed when it has ended
}

// Start starts a program. It ends with ctx.
func Start(ctx context.Context, program Program) (*Process, error) {
	p := &Process{name: program.Name, log: filepath.Join(program.Dir, program.Name+".log"), done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the program has it too
	p.cmd = exec.CommandContext(ctx, program.Path, program.Args...)
	p.cmd.Env = changed(os.Environ(), append([]string{
		"HOME=" + program.Dir, "XDG_CONFIG_HOME=" + program.Dir, "XDG_DATA_HOME=" + program.Dir,
	}, program.Env...))
	p.cmd.Stderr = log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(os.Interrupt) }
	p.cmd.WaitDelay = 5 * time.Second
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.out, p.cmd.Stdout = read, write
	err = p.cmd.Start()
	if closeErr := write.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = read.Close()
		return nil, fmt.Errorf("%s cannot be started: %w", p.name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.done)
	}()
	return p, nil
}

// changed is an environment with changes as in Program.
func changed(env, changes []string) []string {
	env = slices.Clone(env)
	for _, c := range changes {
		name, _, set := strings.Cut(c, "=")
		env = slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if set {
			env = append(env, c)
		}
	}
	return env
}

// PID is the number under which the system knows the program.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is the file that its error output goes to.
func (p *Process) Log() string { return p.log }

// FirstLine is the first line that the program prints.
func (p *Process) FirstLine() (string, error) {
	line, err := bufio.NewReader(p.out).ReadString('\n')
	if err != nil {
		return "", p.Failed()
	}
	return strings.TrimSpace(line), nil
}

// startTimeout is how long a program may take to listen; a busy machine is slow.
const startTimeout = 60 * time.Second

// WaitFor waits until the program listens.
func (p *Process) WaitFor(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.done:
			return p.Failed()
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on %s: %w", p.name, address, errors.Join(ctx.Err(), p.Failed()))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Failed is an error with the end of the program's log.
func (p *Process) Failed() error {
	text, _ := os.ReadFile(p.log) // without it there is less to say
	return fmt.Errorf("%s failed; the end of its log:\n%s", p.name, bytes.TrimSpace(text[max(0, len(text)-2000):]))
}

// Done is closed when the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running says whether the program is still there.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Stop asks the program to end, and waits for it.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended already
	select {
	case <-p.done:
		_ = p.out.Close()
	case <-time.After(10 * time.Second):
		p.Kill()
	}
}

// Written is like the function of that name, of a program that has ended, and so has what it wrote at its end.
func (p *Process) Written() int64 {
	select {
	case <-p.done:
		return written(p.cmd.ProcessState)
	default:
		return Written(p.PID())
	}
}

// Kill ends the program at once, where what it was about to do does not matter any more.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.done
	_ = p.out.Close()
}
