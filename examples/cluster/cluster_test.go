//go:build unix

// Package cluster_test runs the gateways of this directory's Caddyfile as processes of their own on one PostgreSQL, ends,
// freezes and cuts them off, and counts what arrives. CALLGATE_HEAVY=1 asks for it.
package cluster_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/standin"
)

const secret = "secret-of-the-test"

var root, scratch string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if root, err = filepath.Abs("../.."); err == nil {
		scratch, err = os.MkdirTemp("", "callgate-cluster-")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(scratch)
	return m.Run()
}

// heavy skips a test that starts many processes unless it was asked for.
func heavy(t *testing.T) {
	t.Helper()
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("starts servers and gateways; set CALLGATE_HEAVY=1")
	}
}

var build = sync.OnceValues(func() (string, error) {
	out := filepath.Join(scratch, "callgate")
	cmd := exec.Command("go", "build", "-o", out, "./cmd/callgate")
	cmd.Dir = root
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/callgate: %w\n%s", err, text)
	}
	return out, nil
})

// machine is where a gateway runs: its ports, which stay the same when it is started again.
type machine struct {
	t           *testing.T
	name        string
	port, admin int
	database    string // how it reaches the database
	config      string
	binary      string // another than the one that is tested; empty for that
	ledger      *ledger
	env         []string

	starts int
	g      *gateway
}

func newMachine(t *testing.T, name, database, config string, l *ledger) *machine {
	return &machine{t: t, name: name, port: standin.FreePort(t), admin: standin.FreePort(t), database: database, config: config, ledger: l}
}

// gateway is one process.
type gateway struct {
	label string // of its deliveries at the receiver
	cmd   *exec.Cmd
	done  chan struct{}
	err   error // how it ended; to be read when done is closed

	mu  sync.Mutex
	out bytes.Buffer
}

// launch starts a gateway, and does not wait for it. It is killed when the test ends.
func (m *machine) launch() {
	m.t.Helper()
	binary, err := m.binary, error(nil)
	if binary == "" {
		binary, err = build()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	m.starts++
	g := &gateway{label: fmt.Sprintf("%s%d", m.name, m.starts), done: make(chan struct{})}
	g.cmd = exec.Command(binary, "run", "--config", m.config, "--adapter", "caddyfile")
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "CALLGATE_") && !strings.HasPrefix(e, "DATABASE_URL=") {
			g.cmd.Env = append(g.cmd.Env, e)
		}
	}
	home := m.t.TempDir()
	g.cmd.Env = append(g.cmd.Env, "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home, fmt.Sprintf("CADDY_ADMIN=localhost:%d", m.admin),
		fmt.Sprintf("CALLGATE_PORT=%d", m.port), "NEXTPHONE_SECRET="+secret, "CALLGATE_KEY="+strings.Repeat("0123456789abcdef", 4), "DATABASE_URL="+m.database,
		"CRM_URL="+m.ledger.server.URL+"/"+g.label, "CALLGATE_GATEWAY="+m.name)
	g.cmd.Env = append(g.cmd.Env, m.env...)
	g.cmd.Stdout, g.cmd.Stderr = g, g
	if err := g.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() {
		g.err = g.cmd.Wait()
		close(g.done)
	}()
	m.g = g
	m.t.Cleanup(func() {
		g.kill()
		if m.t.Failed() {
			m.t.Logf("gateway %s printed:\n%s", g.label, g.tail(5000))
		}
	})
}

// start starts a gateway and waits until it is ready.
func (m *machine) start() {
	m.t.Helper()
	m.launch()
	m.awaitReady()
}

func (m *machine) awaitReady() {
	m.t.Helper()
	await(m.t, m.name+" is ready", time.Minute, func() bool {
		if m.g.ended() {
			m.t.Fatalf("gateway %s ended by itself: %v\n%s", m.g.label, m.g.err, m.g.tail(4000))
		}
		return m.status("/ready") == http.StatusOK
	})
}

// status is what a path is answered with; 0 without an answer.
func (m *machine) status(path string) int {
	c := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get(fmt.Sprintf("http://127.0.0.1:%d%s", m.port, path))
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

// Write takes what the process prints.
func (g *gateway) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.out.Write(b)
}

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

func (g *gateway) signal(s syscall.Signal) { _ = g.cmd.Process.Signal(s) }

// terminate asks the gateway to stop, as systemd and Docker do, and waits until it has.
func (g *gateway) terminate(t *testing.T) {
	t.Helper()
	g.signal(syscall.SIGTERM)
	select {
	case <-g.done:
	case <-time.After(45 * time.Second):
		t.Fatalf("gateway %s did not stop\n%s", g.label, g.tail(4000))
	}
	if g.err != nil {
		t.Errorf("gateway %s, which was asked to stop, ended with %v", g.label, g.err)
	}
}

// await waits for something that another process brings about.
func await(t *testing.T, what string, atMost time.Duration, is func() bool) {
	t.Helper()
	for late := time.Now().Add(atMost); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(late) {
			t.Fatalf("not after %v: %s", atMost, what)
		}
	}
}

// call is the body of the n-th event of a call.
func call(id string, n int) []byte {
	return fmt.Appendf(nil, `{"lead":{"name":"Mike Johnson","phone":"+15559876543","call_id":%q,"notes":"event %d of the call %s"},"call_id":%[1]q,"event_id":"%[3]s-%[2]d","n":%[2]d}`, id, n, id)
}

// sender sends signed calls.
type sender struct {
	client *http.Client
	signer signature.Signer
}

func newSender(t *testing.T) *sender {
	t.Helper()
	signer, err := signature.NewSigner(signature.Config{Scheme: "nextphone", Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &sender{client: &http.Client{Transport: transport, Timeout: 4 * time.Second}, signer: signer}
}

// send gives the status of the answer.
func (s *sender) send(url string, body []byte) (status int, text string, err error) {
	m := signature.Message{Method: http.MethodPost, URL: url, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
	if err := s.signer.Sign(&m, "", time.Now()); err != nil {
		return 0, "", err
	}
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header = m.Header
	res, err := s.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, string(answer), err
}

// event names an event of a call.
type event struct {
	call string
	n    int
}

// arrival is one request that the receiver got.
type arrival struct {
	event
	destination, gateway, webhookID string
	at                              time.Time
}

// ledger is the receiver, and all that it got.
type ledger struct {
	server *httptest.Server
	mu     sync.Mutex
	all    []arrival
	first  map[string]map[event]arrival // by destination
	count  atomic.Int64                 // of requests
	any    atomic.Bool                  // whatever they are
}

// requests counts all that came.
func (l *ledger) requests() int { return int(l.count.Load()) }

func newLedger(t *testing.T, takes func() time.Duration) *ledger {
	l := &ledger{first: map[string]map[event]arrival{}}
	l.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the gateway was killed in the middle of it
		}
		var c struct {
			Call string `json:"call_id"`
			N    int    `json:"n"`
		}
		l.count.Add(1)
		if l.any.Load() {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		if err := json.Unmarshal(body, &c); err != nil || !bytes.Equal(body, call(c.Call, c.N)) {
			t.Errorf("a request that is no call as it was sent: %v\n%q", err, body)
			return
		}
		gateway, destination, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		a := arrival{event{c.Call, c.N}, destination, gateway, r.Header.Get("Webhook-Id"), at}
		l.mu.Lock()
		l.all = append(l.all, a)
		if l.first[destination] == nil {
			l.first[destination] = map[event]arrival{}
		}
		if _, copied := l.first[destination][a.event]; !copied {
			l.first[destination][a.event] = a
		}
		l.mu.Unlock()
		if takes != nil {
			time.Sleep(takes())
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	l.server.Config.ReadTimeout = time.Minute
	l.server.Start()
	t.Cleanup(l.server.Close)
	return l
}

// arrived counts the events that have come to a destination.
func (l *ledger) arrived(destination string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.first[destination])
}

// received is all that has come so far, in its order.
func (l *ledger) received() []arrival {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all)
}

// listens tells whether somebody does on a port of this machine.
func listens(port int) bool {
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	c.Close()
	return true
}
