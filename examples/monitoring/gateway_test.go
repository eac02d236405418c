//go:build unix

// Package monitoring_test runs the gateway of this directory's Caddyfile and holds the rules and the dashboard to the
// metrics that it has.
package monitoring_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/standin"
)

const secret = "secret-of-the-test"

// gateway is a running gateway.
type gateway struct {
	t             *testing.T
	port, metrics int

	mu  sync.Mutex
	out bytes.Buffer
}

// startGateway builds the gateway and runs the Caddyfile until the test ends.
func startGateway(t *testing.T, receiver int) *gateway {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "callgate")
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// The go command keeps track of what a test reads. This is how it learns when a result that it remembers is out of
	// date.
	if err := filepath.WalkDir(root, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", binary, "./cmd/callgate")
	build.Dir = root
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build ./cmd/callgate: %v\n%s", err, text)
	}
	g := &gateway{t: t, port: freePort(t), metrics: freePort(t)}
	cmd := exec.Command(binary, "run", "--config", "Caddyfile", "--adapter", "caddyfile")
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "CALLGATE_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(cmd.Env, "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir,
		"CADDY_ADMIN=localhost:"+strconv.Itoa(freePort(t)), "NEXTPHONE_SECRET="+secret,
		"CALLGATE_STORE="+filepath.Join(dir, "store.db"), "PORT="+strconv.Itoa(receiver),
		"CALLGATE_PORT="+strconv.Itoa(g.port), "METRICS_PORT="+strconv.Itoa(g.metrics))
	cmd.Stdout, cmd.Stderr = g, g
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended already
		_ = cmd.Wait()
		if t.Failed() {
			g.mu.Lock()
			defer g.mu.Unlock()
			t.Logf("the gateway printed:\n%s", g.out.Bytes())
		}
	})
	for _, port := range []int{g.port, g.metrics} {
		g.await(fmt.Sprintf("port %d is listened on", port), func() bool {
			c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err == nil {
				c.Close()
			}
			return err == nil
		})
	}
	return g
}

// Write takes what the gateway prints.
func (g *gateway) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.out.Write(b)
}

func (g *gateway) await(what string, is func() bool) {
	g.t.Helper()
	for late := time.Now().Add(30 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(late) {
			g.t.Fatalf("not after 30 seconds: %s", what)
		}
	}
}

// send sends a signed call that is to be accepted.
func (g *gateway) send(body string) {
	g.t.Helper()
	url := fmt.Sprintf("http://127.0.0.1:%d/webhooks/calls", g.port)
	signer, err := signature.NewSigner(signature.Config{Scheme: "nextphone", Secrets: []string{secret}})
	if err != nil {
		g.t.Fatal(err)
	}
	m := signature.Message{Method: http.MethodPost, URL: url, Body: []byte(body), Header: http.Header{"Content-Type": {"application/json"}}}
	if err := signer.Sign(&m, "", time.Now()); err != nil {
		g.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header = m.Header
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		g.t.Fatalf("answer %d %s, %v", res.StatusCode, text, err)
	}
}

// scrape is what Prometheus gets.
func (g *gateway) scrape() string {
	g.t.Helper()
	res, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", g.metrics))
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		g.t.Fatalf("scraping: %d, %v", res.StatusCode, err)
	}
	return string(text)
}

func freePort(t *testing.T) int {
	t.Helper()
	return standin.FreePort(t)
}
