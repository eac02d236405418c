//go:build unix

package durable_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/running"
	"github.com/callgate/callgate/internal/standin"
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
	receiver, stop := r.server(blocks[0][1], r.receiver)
	r.server(blocks[1][1], r.gateway)
	r.command(blocks[2][1], blocks[2][2])
	running.Await(t, "the first call has arrived", func() bool { return len(ids(receiver.Tail(1<<20))) == 1 })
	stop()

	r.command(blocks[3][1], blocks[3][2])
	r.command(blocks[4][1], "")
	r.server(blocks[5][1], r.gateway)
	again, _ := r.server(blocks[6][1], r.receiver)
	running.Await(t, "the second call has arrived", func() bool { return len(ids(again.Tail(1<<20))) == 1 })
	time.Sleep(300 * time.Millisecond) // the time in which the first one could come again
	if first, second := ids(receiver.Tail(1<<20)), ids(again.Tail(1<<20)); len(second) != 1 || first[0] == second[0] {
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
	top := t.TempDir()
	r := &reader{t: t, dir: filepath.Join(top, "examples", "durable"), receiver: standin.FreePort(t), gateway: standin.FreePort(t)}
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
	if err := os.Symlink(filepath.Join(running.Root(t), "testdata"), filepath.Join(top, "testdata")); err != nil {
		t.Fatal(err)
	}
	r.env = running.Environment(top, "CADDY_ADMIN=localhost:"+strconv.Itoa(standin.FreePort(t)),
		"CALLGATE_PORT="+strconv.Itoa(r.gateway), "PORT="+strconv.Itoa(r.receiver),
		"PATH="+filepath.Dir(running.Program(t))+string(os.PathListSeparator)+os.Getenv("PATH"))
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

// server starts one, as a reader does in a terminal, and waits until it listens. stop is Ctrl-C.
func (r *reader) server(text string, port int) (p *running.Process, stop func()) {
	r.t.Helper()
	p = running.Start(r.t, text, r.shell(text))
	p.AwaitPort(port)
	if strings.Contains(text, "callgate run") {
		p.AwaitGateway()
	}
	return p, func() {
		p.Signal(syscall.SIGINT)
		_ = p.End() // as the shell sees fit
	}
}
