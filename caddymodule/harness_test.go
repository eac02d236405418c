package caddymodule

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/callgate/callgate/internal/signature"
)

// receiver is the handler behind the gateway in tests, in configurations as test_receiver.
type receiver struct{}

// receive is what the receiver of the test that is running does.
var receive atomic.Pointer[caddyhttp.HandlerFunc]

func (receiver) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_receiver", New: func() caddy.Module { return new(receiver) }}
}

func (receiver) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return (*receive.Load())(w, r)
}

func (receiver) UnmarshalCaddyfile(d *caddyfile.Dispenser) error { return nil }

func init() {
	strangerLimit.Burst = 1e6 // all tests send from one address
	caddy.RegisterModule(receiver{})
	httpcaddyfile.RegisterHandlerDirective("test_receiver", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return new(receiver), nil
	})
	httpcaddyfile.RegisterDirectiveOrder("test_receiver", httpcaddyfile.Before, "respond")
}

// harness is a configuration under test, without listeners.
type harness struct {
	t      testing.TB
	server *caddyhttp.Server
	// calls counts what reached the receiver; last is the last request that did, with its body.
	calls atomic.Int64
	last  atomic.Pointer[seen]
	// respond answers for the receiver; nil answers 200 with a body.
	respond caddyhttp.HandlerFunc
}

type seen struct {
	method, uri string
	header      http.Header
	body        string
	length      int64
}

var gateways atomic.Int64

// newGateway provisions a Caddyfile. In it, NAME is a name for a route that no other test has: the process's state
// is kept by these names.
func newGateway(t testing.TB, config string) *harness {
	t.Helper()
	g := &harness{t: t}
	ctx, err := provision(strings.ReplaceAll(config, "NAME", fmt.Sprintf("test-%d", gateways.Add(1))))
	if err != nil {
		t.Fatal(err)
	}
	app, err := ctx.App("http")
	if err != nil {
		t.Fatal(err)
	}
	g.server = app.(*caddyhttp.App).Servers["srv0"]
	f := caddyhttp.HandlerFunc(g.receive)
	receive.Store(&f)
	return g
}

func provision(config string) (caddy.Context, error) {
	adapter := caddyconfig.GetAdapter("caddyfile")
	text, _, err := adapter.Adapt([]byte(config), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return caddy.Context{}, err
	}
	var c caddy.Config
	if err := json.Unmarshal(text, &c); err != nil {
		return caddy.Context{}, err
	}
	c.Admin = &caddy.AdminConfig{Disabled: true}
	return caddy.ProvisionContext(&c)
}

func (g *harness) receive(w http.ResponseWriter, r *http.Request) error {
	g.calls.Add(1)
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	g.last.Store(&seen{r.Method, r.RequestURI, r.Header.Clone(), string(b), r.ContentLength})
	if g.respond != nil {
		return g.respond(w, r)
	}
	w.Header().Set("X-Receiver", "yes")
	_, err = w.Write([]byte("received " + fmt.Sprint(g.calls.Load())))
	return err
}

// do sends a request through the whole server.
func (g *harness) do(r *http.Request) *http.Response {
	r.RequestURI = r.URL.RequestURI() // as over the wire; httptest writes the absolute form
	w := httptest.NewRecorder()
	g.server.ServeHTTP(w, r)
	return w.Result()
}

const testSecret = "a-secret-of-the-tests"

// signed is a request as its sender would send it.
func signed(t testing.TB, c signature.Config, url, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, url, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	signRequest(t, c, r, body, time.Now())
	return r
}

func signRequest(t testing.TB, c signature.Config, r *http.Request, body string, at time.Time) {
	t.Helper()
	if len(c.Secrets) == 0 {
		c.Secrets = []string{testSecret}
	}
	signer, err := signature.NewSigner(c)
	if err != nil {
		t.Fatal(err)
	}
	m := signature.Message{Method: r.Method, URL: "http://" + r.Host + r.URL.RequestURI(), Header: r.Header, Body: []byte(body)}
	if err := signer.Sign(&m, "", at); err != nil {
		t.Fatal(err)
	}
}

var nextphone = signature.Config{Scheme: "nextphone"}

func lead(t testing.TB, url, body string) *http.Request { return signed(t, nextphone, url, body) }

// code reads the code of an answer that the gateway gave itself.
func code(t testing.TB, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Error     struct{ Code, Message string }
		RequestID string `json:"request_id"`
	}
	if json.Unmarshal(b, &v) != nil || v.Error.Code == "" {
		return ""
	}
	if v.Error.Message == "" || v.RequestID == "" {
		t.Errorf("answer %s lacks a message or a request id", b)
	}
	return v.Error.Code
}

func text(t testing.TB, res *http.Response) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := b.ReadFrom(res.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
