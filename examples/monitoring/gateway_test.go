//go:build unix

// Package monitoring_test runs the gateway of this directory's Caddyfile and holds the rules and the dashboard to the
// metrics that it has.
package monitoring_test

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/running"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/standin"
)

const secret = "secret-of-the-test"

func TestMain(m *testing.M) { running.Main(m) }

// gateway is a running gateway.
type gateway struct {
	*running.Process
	t             *testing.T
	port, metrics int
}

// startGateway runs the Caddyfile until the test ends.
func startGateway(t *testing.T, receiver int) *gateway {
	t.Helper()
	dir := t.TempDir()
	g := &gateway{t: t, port: standin.FreePort(t), metrics: standin.FreePort(t)}
	cmd := exec.Command(running.Program(t), "run", "--config", "Caddyfile", "--adapter", "caddyfile")
	cmd.Env = running.Environment(dir, "CADDY_ADMIN=localhost:"+strconv.Itoa(standin.FreePort(t)), "NEXTPHONE_SECRET="+secret,
		"CALLGATE_STORE="+filepath.Join(dir, "store.db"), "PORT="+strconv.Itoa(receiver),
		"CALLGATE_PORT="+strconv.Itoa(g.port), "METRICS_PORT="+strconv.Itoa(g.metrics))
	g.Process = running.Start(t, "the gateway", cmd)
	g.AwaitGateway()
	return g
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
