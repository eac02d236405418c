package standard

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddyserver/caddy/v2"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/callgate/callgate/caddymodule/gatewaytest"
	"github.com/callgate/callgate/internal/source"
)

// echo is a receiver that fails, and says in its answer whatever it got: receivers quote what they do not like. It keeps the
// headers and addresses of what it gets, and how many bodies it got.
type echo struct {
	*httptest.Server
	mu    sync.Mutex
	heads bytes.Buffer
	said  bytes.Buffer
}

func newEcho(t *testing.T) *echo {
	e := new(echo)
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		e.mu.Lock()
		fmt.Fprintln(&e.heads, r.Method, r.URL)
		_ = r.Header.Write(&e.heads)
		e.said.Write(body)
		e.mu.Unlock()
		switch r.URL.Path {
		case "/well":
			return
		case "/dead":
			w.WriteHeader(http.StatusUnprocessableEntity)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(e.Close)
	return e
}

const canaryConfig = `{
	callgate {
		store sqlite STORE
		encryption_key 0000000000000000000000000000000000000000000000000000000000000001
		audit {
			key PRIVATE+KEY+clinic.example/callgate+eeb37340+Aa0FWCFyYiGVq1YvOXIwuNHypXJrdeaE6H2/M3ImhZjb
			checkpoint 1h file STORE.published
			record_first
		}
		alert {
			url ALERTS
			dead_letter
			breaker_open
			paused
			success_rate 99%%
			cooldown 1s
		}
		metrics {
			per_tenant
		}
		%s
		destination well http {
			url ECHO/well
			body ` + "`" + `{"n":"{{caller_number}}","f":"{{first_name}}","l":"{{last_name}}","e":"{{email}}","m":"{{message}}","s":"{{summary}}","t":"{{transcript}}"}` + "`" + `
		}
		destination dead http {
			url ECHO/dead
			pass_through
		}
		destination failing http {
			url ECHO/failing
			body ` + "`" + `{"said":"{{summary}}","n":"{{caller_number}}"}` + "`" + `
		}
		destination crm hubspot {
			token of-the-tests
			base_url ECHO
		}
		destination ehr fhir {
			base ECHO/fhir
		}
	}
}
http:// {
	bind SOCKET
	log
	%s
	callgate /signed nextphone ` + gatewaytest.Secret + ` {
		name NAME-signed
		verify nextphone
		deliver well
	}
	handle {
		reverse_proxy HOST
	}
}`

// canaryGateway is a gateway that takes what every preset sends, and whose log, at the level DEBUG, goes to a file.
type canaryGateway struct {
	t             *testing.T
	admin, client *http.Client
	log, store    string
	stopped       bool
	heads         bytes.Buffer // of all its answers
}

func onSocket(name string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", name)
	}}}
}

func runCanaries(t *testing.T, alerts, receiver *echo) *canaryGateway {
	t.Helper()
	dir := t.TempDir()
	g := &canaryGateway{t: t, log: filepath.Join(dir, "log"), store: filepath.Join(dir, "store.db")}
	var sources, routes strings.Builder
	for _, p := range source.Presets() {
		fmt.Fprintf(&sources, "source %s {\nverify none {\nunsafe\n}\nremote_ip 192.0.2.7\n}\n", p.Name)
		fmt.Fprintf(&routes, "callgate /in/%[1]s %[1]s {\nname NAME-%[1]s\ndeliver well\ndeliver dead\ndeliver failing\ndeliver crm\ndeliver ehr\n}\n", p.Name)
		fmt.Fprintf(&routes, "callgate /sync/%[1]s %[1]s {\nname NAME-sync-%[1]s\n}\n", p.Name)
	}
	// What comes over a socket has the address that the front says it has.
	config := strings.NewReplacer("SOCKET", "unix/"+filepath.Join(dir, "s"), "STORE", g.store, "ALERTS", alerts.URL, "ECHO", receiver.URL,
		"HOST", strings.TrimPrefix(receiver.URL, "http://"), "NAME", "canary").Replace(fmt.Sprintf(canaryConfig, sources.String(), routes.String()))
	var c map[string]any
	if err := json.Unmarshal(gatewaytest.Adapt(t, config, "unix/"+filepath.Join(dir, "admin")), &c); err != nil {
		t.Fatal(err)
	}
	c["logging"] = map[string]any{"logs": map[string]any{"default": map[string]any{
		"level": "DEBUG", "writer": map[string]any{"output": "file", "filename": g.log}, "encoder": map[string]any{"format": "json"},
	}}}
	for _, server := range c["apps"].(map[string]any)["http"].(map[string]any)["servers"].(map[string]any) {
		server.(map[string]any)["trusted_proxies"] = map[string]any{"source": "static", "ranges": []string{"0.0.0.0/0"}}
		server.(map[string]any)["trusted_proxies_unix"] = true
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(text, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.stop)
	g.client, g.admin = onSocket(filepath.Join(dir, "s")), onSocket(filepath.Join(dir, "admin"))
	return g
}

// stop ends the gateway, so that its log is whole.
func (g *canaryGateway) stop() {
	g.t.Helper()
	if g.stopped {
		return
	}
	g.stopped = true
	g.client.CloseIdleConnections()
	g.admin.CloseIdleConnections()
	if err := caddy.Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}}}`), true); err != nil {
		g.t.Error(err)
	}
	if err := caddy.Stop(); err != nil {
		g.t.Error(err)
	}
}

func (g *canaryGateway) send(path, contentType string, body []byte) int {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, "http://gate.test"+path, bytes.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("X-Forwarded-For", "192.0.2.7")
	res, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body) // a receiver's own answer goes to the sender as it is
	_ = res.Header.Write(&g.heads)
	return res.StatusCode
}

// ask gives what the admin endpoint answers.
func (g *canaryGateway) ask(method, path, body string) string {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), method, "http://localhost"+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := g.admin.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		g.t.Fatalf("%s %s: %d, %v, %s", method, path, res.StatusCode, err, b)
	}
	return string(b)
}
