//go:build unix

package cluster_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/pgtest"
	"github.com/callgate/callgate/internal/standin"
	"github.com/callgate/callgate/internal/store"
)

// site is what the page describes: a pair of database servers, two gateways and a balancer, as processes of this machine.
type site struct {
	t        *testing.T
	gateways []*machine
	ledger   *ledger
	balancer string // its URL
	sender   *sender
	sent     atomic.Int64
}

func newSite(t *testing.T, database string) *site { return newSiteOf(t, database, "Caddyfile", "") }

// newSiteOf has gateways with another configuration, and of another program than the one that is tested.
func newSiteOf(t *testing.T, database, config, program string) *site {
	t.Helper()
	s := &site{t: t, ledger: newLedger(t, nil), sender: newSender(t)}
	var addresses []string
	for _, name := range []string{"a", "b"} {
		m := newMachine(t, name, database, config, s.ledger)
		m.binary = program
		m.start()
		s.gateways = append(s.gateways, m)
		addresses = append(addresses, fmt.Sprintf("127.0.0.1:%d", m.port))
	}
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	port := standin.FreePort(t)
	home := t.TempDir()
	cmd := exec.Command(binary, "run", "--config", filepath.Join("balancer", "Caddyfile"), "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home, fmt.Sprintf("CADDY_ADMIN=localhost:%d", standin.FreePort(t)),
		fmt.Sprintf("BALANCER_PORT=%d", port), "GATEWAYS="+strings.Join(addresses, " "))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	await(t, "the balancer listens", time.Minute, func() bool { return listens(port) })
	s.balancer = fmt.Sprintf("http://127.0.0.1:%d/webhooks/calls", port)
	return s
}

// send sends one more call to the balancer, and gives the status of the answer.
func (s *site) send() int {
	n := s.sent.Add(1)
	status, _, err := s.sender.send(s.balancer, call(fmt.Sprintf("call-%d", n), 0))
	if err != nil {
		return 0
	}
	return status
}

// accepted sends calls that have to be accepted.
func (s *site) accepted(n int) {
	s.t.Helper()
	for range n {
		if status := s.send(); status != http.StatusOK {
			s.t.Fatalf("a call is answered with %d", status)
		}
	}
}

func (s *site) awaitArrivals(n int, atMost time.Duration) {
	s.t.Helper()
	for _, d := range []string{"contacts", "deals", "dispatch"} {
		await(s.t, fmt.Sprintf("%d calls have arrived at %s", n, d), atMost, func() bool { return s.ledger.arrived(d) >= n })
	}
}

// TestExample does what the page says, with the processes started by hand: calls through the balancer, a gateway that is
// lost, the primary that is lost.
func TestExample(t *testing.T) {
	heavy(t)
	t.Parallel()
	primary := pgtest.Start(t)
	standby := primary.Pair()
	s := newSite(t, pgtest.Several(primary, standby))
	s.accepted(20)
	s.awaitArrivals(20, 30*time.Second)

	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "cluster", "--address", fmt.Sprintf("localhost:%d", s.gateways[0].admin))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("callgate cluster: %v\n%s", err, out)
	}
	for _, want := range []string{`(?m)^GATEWAY\s`, `(?m)^contacts\s.*\s\d+\s`, `(?m)^deals\s`, `(?m)^dispatch\s`} {
		if !regexp.MustCompile(want).Match(out) {
			t.Errorf("callgate cluster does not print %s:\n%s", want, out)
		}
	}

	s.gateways[0].g.kill()
	s.accepted(20)
	s.awaitArrivals(40, store.TTL+20*time.Second)
	s.gateways[0].start()

	primary.Kill()
	if status := s.send(); status == http.StatusOK {
		t.Error("a call is acknowledged without a primary")
	}
	standby.Promote()
	standby.Set("synchronous_standby_names = '*'") // as if another standby were on its way; with require_sync there has to be a name
	if status := s.send(); status == http.StatusOK {
		t.Error("a call is acknowledged without a standby, where require_sync is written")
	}
	standby.Standby("c")
	await(t, "calls are accepted on the new primary", time.Minute, func() bool { return s.send() == http.StatusOK })
	s.accepted(10)
	s.awaitArrivals(51, time.Minute)
}

// TestRollingRestart stops and starts one gateway after the other under load, as for a new version. Nothing is refused, and
// nothing arrives twice.
func TestRollingRestart(t *testing.T) {
	heavy(t)
	t.Parallel()
	primary := pgtest.Start(t)
	primary.Pair()
	s := newSite(t, primary.DSN())
	var stop atomic.Bool
	var wg sync.WaitGroup
	var refused atomic.Int64
	for range 4 {
		wg.Go(func() {
			for !stop.Load() {
				if status := s.send(); status != http.StatusOK {
					refused.Add(1)
					t.Errorf("a call is answered with %d", status)
				}
				time.Sleep(150 * time.Millisecond)
			}
		})
	}
	for _, m := range s.gateways {
		before := s.sent.Load()
		await(t, "calls are sent", 20*time.Second, func() bool { return s.sent.Load() > before+20 })
		m.g.terminate(t)
		m.start()
	}
	stop.Store(true)
	wg.Wait()
	n := int(s.sent.Load())
	s.awaitArrivals(n, time.Minute)
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	if copies := len(s.ledger.all) - 3*n; copies != 0 {
		t.Errorf("%d copies of %d deliveries", copies, 3*n)
	}
	t.Logf("%d calls, %d refused", n, refused.Load())
}

// TestFiles holds the files for Compose and systemd to what is beside them.
func TestFiles(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	compose, unit, page, caddyfile := read("compose.yaml"), read("systemd/callgate.service"), read("README.md"), read("Caddyfile")
	for _, m := range regexp.MustCompile(`(?m)^\s+- \./(\S+?):`).FindAllStringSubmatch(compose, -1) {
		if _, err := os.Stat(m[1]); err != nil {
			t.Errorf("compose.yaml mounts %s: %v", m[1], err)
		}
	}
	for _, m := range regexp.MustCompile(`\{env\.(\w+)\}`).FindAllStringSubmatch(caddyfile, -1) {
		for name, text := range map[string]string{"compose.yaml": compose, "systemd/callgate.service": unit} {
			if !strings.Contains(text, m[1]) {
				t.Errorf("%s gives no value to %s", name, m[1])
			}
		}
	}
	for _, f := range []string{"postgres/primary.sh", "postgres/standby.sh"} {
		if out, err := exec.Command("sh", "-n", f).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", f, err, out)
		}
		if !strings.Contains(page, f) {
			t.Errorf("the page says nothing of %s", f)
		}
	}
}
