package main

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
	"strings"
	"time"
)

// process is a program that this one has started and will end.
type process struct {
	name string
	cmd  *exec.Cmd
	out  io.ReadCloser
	log  string
	done chan struct{} // closed when it has ended
}

// startProcess starts a program with a home directory of its own and its error output in a file. It ends with ctx.
func startProcess(ctx context.Context, dir, name, program string, args ...string) (*process, error) {
	p := &process{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the program has it too
	p.cmd = exec.CommandContext(ctx, program, args...)
	p.cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_DATA_HOME="+dir)
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
		return nil, fmt.Errorf("%s cannot be started: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.done)
	}()
	return p, nil
}

// firstLine is the first line that the program prints.
func (p *process) firstLine() (string, error) {
	line, err := bufio.NewReader(p.out).ReadString('\n')
	if err != nil {
		return "", p.failed()
	}
	return strings.TrimSpace(line), nil
}

// waitFor waits until the program listens.
func (p *process) waitFor(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.done:
			return p.failed()
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on %s: %w", p.name, address, errors.Join(ctx.Err(), p.failed()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// failed is an error with the end of the program's log.
func (p *process) failed() error {
	text, _ := os.ReadFile(p.log) // without it there is less to say
	if len(text) > 2000 {
		text = text[len(text)-2000:]
	}
	return fmt.Errorf("%s failed; the end of its log:\n%s", p.name, bytes.TrimSpace(text))
}

// running says whether the program is still there.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// stop ends the program and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(os.Interrupt) // it may have ended already
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	_ = p.out.Close()
}
