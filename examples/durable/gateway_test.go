//go:build unix

// Package durable_test runs the gateway of this directory's Caddyfile as a process of its own, ends it in every way in
// which a process can end, takes its disk away, and counts what arrives.
package durable_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/standin"
)

// secret is what senders sign with.
const secret = "secret-of-the-test"

var root, scratch string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if root, err = filepath.Abs("../.."); err == nil {
		scratch, err = os.MkdirTemp("", "callgate-durable-")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	return m.Run()
}

// heavy tells whether the long form of a test was asked for.
func heavy() bool { return os.Getenv("CALLGATE_HEAVY") == "1" }

// build makes the gateway once for all tests. It looks at every directory of the module, by which the go command learns
// when a result that it remembers is out of date.
var build = sync.OnceValues(func() (string, error) {
	err := filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		return "", err
	}
	out := filepath.Join(scratch, "callgate")
	cmd := exec.Command("go", "build", "-o", out, "./cmd/callgate")
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/callgate: %w\n%s", err, text)
	}
	return out, nil
})

// site is where a gateway runs: its port, its store and its home, which stay the same when it is started again.
type site struct {
	t          *testing.T
	port       int
	home       string
	store      string // the directory of the store
	env        []string
	admin      int
	generation int
	config     string // the configuration; the example's unless a test has one of its own
}

func newSite(t *testing.T, env ...string) *site {
	t.Helper()
	dir := t.TempDir()
	return &site{t: t, port: freePort(t), admin: freePort(t), home: dir, store: filepath.Join(dir, "store"), env: env}
}

// change has the site's gateways run with the example's configuration, in which every second text takes the place of the
// one before it.
func (s *site) change(texts ...string) {
	s.t.Helper()
	text, err := os.ReadFile("Caddyfile")
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(texts); i += 2 {
		if !strings.Contains(string(text), texts[i]) {
			s.t.Fatalf("the example has no %q", texts[i])
		}
	}
	s.config = filepath.Join(s.t.TempDir(), "Caddyfile")
	if err := os.WriteFile(s.config, []byte(strings.NewReplacer(texts...).Replace(string(text))), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) url() string { return fmt.Sprintf("http://127.0.0.1:%d/webhooks/calls", s.port) }

// gateway is one process.
type gateway struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{}
	err  error // how it ended; to be read when done is closed

	mu  sync.Mutex
	out bytes.Buffer
}

// launch starts a gateway that delivers to a port, and does not wait for it. It is killed when the test ends.
func (s *site) launch(receiver int) *gateway {
	s.t.Helper()
	binary, err := build()
	if err != nil {
		s.t.Fatal(err)
	}
	s.generation++
	g := &gateway{t: s.t, cmd: exec.Command(binary, "run", "--config", cmp.Or(s.config, "Caddyfile"), "--adapter", "caddyfile"), done: make(chan struct{})}
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "CALLGATE_") && !strings.HasPrefix(e, "PORT=") {
			g.cmd.Env = append(g.cmd.Env, e)
		}
	}
	g.cmd.Env = append(g.cmd.Env, "HOME="+s.home, "XDG_DATA_HOME="+s.home, "XDG_CONFIG_HOME="+s.home,
		"CADDY_ADMIN=localhost:"+strconv.Itoa(s.admin), "NEXTPHONE_SECRET="+secret,
		"CALLGATE_PORT="+strconv.Itoa(s.port), "CALLGATE_STORE="+filepath.Join(s.store, "callgate.db"),
		"PORT="+strconv.Itoa(receiver))
	g.cmd.Env = append(g.cmd.Env, s.env...)
	g.cmd.Stdout, g.cmd.Stderr = g, g
	if err := g.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		g.err = g.cmd.Wait()
		close(g.done)
	}()
	number := s.generation
	s.t.Cleanup(func() {
		g.kill()
		if s.t.Failed() {
			s.t.Logf("gateway %d printed:\n%s", number, g.tail(6000))
		}
	})
	return g
}

// start starts a gateway and waits until it listens.
func (s *site) start(receiver int) *gateway {
	s.t.Helper()
	g := s.launch(receiver)
	await(s.t, "the gateway listens", 30*time.Second, func() bool {
		if g.ended() {
			s.t.Fatalf("the gateway ended by itself: %v\n%s", g.err, g.tail(4000))
		}
		return listens(s.port)
	})
	return g
}

func listens(port int) bool {
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// Write takes what the process prints.
func (g *gateway) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.out.Write(b)
}

// tail is the end of what it has printed.
func (g *gateway) tail(n int) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	b := g.out.Bytes()
	return string(b[max(0, len(b)-n):])
}

func (g *gateway) ended() bool {
	select {
	case <-g.done:
		return true
	default:
		return false
	}
}

// kill is kill -9. It returns when the process is gone.
func (g *gateway) kill() {
	_ = g.cmd.Process.Kill() // it may be gone already
	<-g.done
}

// terminate asks the gateway to stop, as systemd and Docker do, and returns how long that took.
func (g *gateway) terminate(atMost time.Duration) time.Duration {
	g.t.Helper()
	began := time.Now()
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		g.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(g.t.Context(), atMost)
	defer cancel()
	select {
	case <-g.done:
	case <-ctx.Done():
		g.t.Fatalf("the gateway did not stop in %v\n%s", atMost, g.tail(4000))
	}
	if g.err != nil {
		g.t.Errorf("a gateway that was asked to stop ended with %v", g.err)
	}
	return time.Since(began)
}

// await waits for something that another process brings about.
func await(t *testing.T, what string, atMost time.Duration, is func() bool) {
	t.Helper()
	for late := time.Now().Add(atMost); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("not after %v: %s", atMost, what)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	return standin.FreePort(t)
}
