// Package gatewaytest runs a gateway in the process of a test, and a receiver behind it. It knows the gateway by its
// configuration only; a test imports the modules that its configuration names.
package gatewaytest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/callgate/callgate/internal/signature"
)

// Secret is what Send signs with.
const Secret = "a-secret-of-the-tests"

// Receiver is a receiving system: it keeps the bodies that it gets, and fails while it is Down.
type Receiver struct {
	*httptest.Server
	Down atomic.Bool
	got  chan string
}

// NewReceiver starts a receiver that ends with the test.
func NewReceiver(t testing.TB) *Receiver {
	t.Helper()
	c := &Receiver{got: make(chan string, 1000)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.Down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		b, _ := io.ReadAll(r.Body)
		c.got <- string(b)
		_, _ = w.Write([]byte("ok"))
	}))
	t.Cleanup(c.Close)
	return c
}

// Next waits for a delivery and gives its body.
func (c *Receiver) Next(t testing.TB) string {
	t.Helper()
	select {
	case body := <-c.got:
		return body
	case <-time.After(time.Minute):
		t.Fatal("nothing was delivered")
		return ""
	}
}

// NothingMore fails the test if something is there that Next would give.
func (c *Receiver) NothingMore(t testing.TB) {
	t.Helper()
	select {
	case body := <-c.got:
		t.Errorf("delivered once too often: %s", body)
	default:
	}
}

// Gateway is a gateway that runs, with a store in a directory of the test's.
type Gateway struct {
	t testing.TB
	// Admin is the address of its admin endpoint, and Store the file of its store.
	Admin, Store string
	client       *http.Client
}

var gateways atomic.Int64

// Run starts a Caddyfile in which SOCKET, where it is to listen, STORE and NAME, a name that no other route has, are
// filled in. The gateway ends with the test.
func Run(t testing.TB, config string) *Gateway {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	g := &Gateway{t: t, Admin: "unix/" + filepath.Join(dir, "admin"), Store: filepath.Join(dir, "store.db")}
	config = strings.NewReplacer("SOCKET", "unix/"+socket, "STORE", g.Store,
		"NAME", fmt.Sprintf("run-%d", gateways.Add(1))).Replace(config)
	if err := caddy.Load(Adapt(t, config, g.Admin), true); err != nil {
		t.Fatal(err)
	}
	g.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}}
	t.Cleanup(g.Stop)
	return g
}

// Adapt gives a Caddyfile as JSON, with an admin endpoint if one is given, and quiet.
func Adapt(t testing.TB, config, admin string) []byte {
	t.Helper()
	text, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(config), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	c["admin"] = map[string]any{"disabled": admin == "", "listen": admin, "config": map[string]any{"persist": false}}
	c["logging"] = map[string]any{"logs": map[string]any{"default": map[string]any{"level": "PANIC"}}}
	if text, err = json.Marshal(c); err != nil {
		t.Fatal(err)
	}
	return text
}

// Client sends requests to the gateway's socket, whatever their host is.
func (g *Gateway) Client() *http.Client { return g.client }

// Stop ends the gateway.
func (g *Gateway) Stop() {
	g.client.CloseIdleConnections()
	// Only another configuration ends an admin endpoint.
	if err := caddy.Load([]byte(`{"admin":{"disabled":true,"config":{"persist":false}}}`), true); err != nil {
		g.t.Error(err)
	}
	if err := caddy.Stop(); err != nil {
		g.t.Error(err)
	}
}

// Send sends a body as NextPhone would, signed with Secret, and gives status and answer.
func (g *Gateway) Send(path, body string) (status int, answer string) {
	g.t.Helper()
	r, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, "http://gate.test"+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	signer, err := signature.NewSigner(signature.Config{Scheme: "nextphone", Secrets: []string{Secret}})
	if err != nil {
		g.t.Fatal(err)
	}
	m := signature.Message{Method: r.Method, URL: r.URL.String(), Header: r.Header, Body: []byte(body)}
	if err := signer.Sign(&m, "", time.Now()); err != nil {
		g.t.Fatal(err)
	}
	res, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}
