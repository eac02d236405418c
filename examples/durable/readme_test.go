//go:build unix

package durable_test

import (
	"fmt"
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

var commands = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?")

// TestREADME does what the README says, on other ports.
func TestREADME(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := commands.FindAllStringSubmatch(string(text), -1)
	if len(blocks) != 7 {
		t.Fatalf("%d blocks of commands: this test knows 7, receiver, gateway, send, send, kill, gateway, receiver", len(blocks))
	}
	r := newReader(t)
	receiver := r.server(blocks[0][1], r.receiver)
	r.server(blocks[1][1], r.gateway)
	r.command(blocks[2][1], blocks[2][2])
	await(t, "the first call has arrived", 10*time.Second, func() bool { return len(ids(receiver.tail(1<<20))) == 1 })
	receiver.stop()

	r.command(blocks[3][1], blocks[3][2])
	r.command(blocks[4][1], "")
	r.server(blocks[5][1], r.gateway)
	again := r.server(blocks[6][1], r.receiver)
	await(t, "the second call has arrived", 20*time.Second, func() bool { return len(ids(again.tail(1<<20))) == 1 })
	time.Sleep(300 * time.Millisecond) // the time in which the first one could come again
	if first, second := ids(receiver.tail(1<<20)), ids(again.tail(1<<20)); len(second) != 1 || first[0] == second[0] {
		t.Errorf("the receiver got %q before and %q after the kill; want one call each, and not the same", first, second)
	}
}

// ids are those of the deliveries that a receiver has printed.
func ids(log string) (list []string) {
	for _, m := range webhookID.FindAllStringSubmatch(log, -1) {
		list = append(list, m[1])
	}
	return list
}

var webhookID = regexp.MustCompile(`"Webhook-Id":\["([^"]+)"\]`)

// reader is somebody who follows a README.
type reader struct {
	t                 *testing.T
	dir               string
	env               []string
	receiver, gateway int
}

func newReader(t *testing.T) *reader {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	top := t.TempDir()
	r := &reader{t: t, dir: filepath.Join(top, "examples", "durable"), receiver: freePort(t), gateway: freePort(t)}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "Caddyfile"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(root, "testdata"), filepath.Join(top, "testdata")); err != nil {
		t.Fatal(err)
	}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "CALLGATE_") && !strings.HasPrefix(e, "NEXTPHONE_") {
			r.env = append(r.env, e)
		}
	}
	r.env = append(r.env, "HOME="+top, "XDG_DATA_HOME="+top, "XDG_CONFIG_HOME="+top, "CADDY_ADMIN=localhost:"+strconv.Itoa(freePort(t)),
		"CALLGATE_PORT="+strconv.Itoa(r.gateway), "PORT="+strconv.Itoa(r.receiver),
		"PATH="+filepath.Dir(binary)+string(os.PathListSeparator)+os.Getenv("PATH"))
	return r
}

func (r *reader) shell(text string) *exec.Cmd {
	text = strings.NewReplacer("3000", strconv.Itoa(r.receiver), "8080", strconv.Itoa(r.gateway)).Replace(text)
	cmd := exec.Command("sh", "-euc", text)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = r.dir, r.env, &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// command runs commands that end by themselves and print certain lines.
func (r *reader) command(text, prints string) {
	r.t.Helper()
	out, err := r.shell(text).CombinedOutput()
	if err != nil {
		r.t.Fatalf("%v\n%s\n%s", err, text, out)
	}
	rest := string(out)
	for line := range strings.Lines(prints) {
		line = strings.TrimSpace(line)
		_, after, found := strings.Cut(rest, line)
		if !found {
			r.t.Fatalf("does not print %q:\n%s\n%s", line, text, out)
		}
		rest = after
	}
}

// served is a server that a reader has started in a terminal.
type served struct{ *gateway }

// stop is Ctrl-C.
func (s served) stop() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGINT)
	<-s.done
}

// server starts one and waits until it listens.
func (r *reader) server(text string, port int) served {
	r.t.Helper()
	s := served{&gateway{t: r.t, cmd: r.shell(text), done: make(chan struct{})}}
	s.cmd.Stdout, s.cmd.Stderr = s, s
	if err := s.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	r.t.Cleanup(func() {
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.done
		if r.t.Failed() {
			r.t.Logf("%s\nprinted:\n%s", text, s.tail(4000))
		}
	})
	await(r.t, fmt.Sprintf("port %d is listened on", port), time.Minute, func() bool { return listens(port) || s.ended() })
	if strings.Contains(text, "callgate run") { // its sites listen before its store is in force
		await(r.t, "its configuration is in force", time.Minute, func() bool {
			return strings.Contains(s.tail(1<<20), "serving initial configuration") || s.ended()
		})
	}
	if s.ended() {
		r.t.Fatalf("it has ended: %v\n%s\n%s", s.err, text, s.tail(4000))
	}
	return s
}
