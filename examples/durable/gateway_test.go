//go:build unix

// Package durable_test runs the gateway of this directory's Caddyfile as a process of its own, ends it in every way in
// which a process can end, takes its disk away, and counts what arrives.
package durable_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/running"
	"github.com/callgate/callgate/internal/standin"
)

// secret is what senders sign with.
const secret = "secret-of-the-test"

func TestMain(m *testing.M) { running.Main(m) }

// heavy tells whether the long form of a test was asked for.
func heavy() bool { return os.Getenv("CALLGATE_HEAVY") == "1" }

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
	return &site{t: t, port: standin.FreePort(t), admin: standin.FreePort(t), home: dir, store: filepath.Join(dir, "store"), env: env}
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

// launch starts a gateway that delivers to a port, and does not wait for it. It is killed when the test ends.
func (s *site) launch(receiver int) *running.Process {
	s.t.Helper()
	s.generation++
	cmd := exec.Command(running.Program(s.t), "run", "--config", cmp.Or(s.config, "Caddyfile"), "--adapter", "caddyfile")
	cmd.Env = append(running.Environment(s.home, "CADDY_ADMIN=localhost:"+strconv.Itoa(s.admin), "NEXTPHONE_SECRET="+secret,
		"CALLGATE_PORT="+strconv.Itoa(s.port), "CALLGATE_STORE="+filepath.Join(s.store, "callgate.db"),
		"PORT="+strconv.Itoa(receiver)), s.env...)
	return running.Start(s.t, fmt.Sprintf("gateway %d", s.generation), cmd)
}

// start starts a gateway and waits until it takes calls.
func (s *site) start(receiver int) *running.Process {
	s.t.Helper()
	g := s.launch(receiver)
	g.AwaitGateway()
	return g
}
