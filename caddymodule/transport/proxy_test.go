package transport

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
)

// names are the transports that have to behave alike: Caddy's, which is the measure, and ours.
var names = []string{"http", "callgate"}

// free returns an address on loopback that nobody listens at.
func free(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// adapt makes a config of a site at address, given the lines of its block.
func adapt(t testing.TB, address, site string) []byte {
	t.Helper()
	file := fmt.Sprintf("{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\tlog {\n\t\toutput discard\n\t}\n}\nhttp://%s {\n%s\n}\n", address, site)
	cfg, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(file), nil)
	if err != nil {
		t.Fatalf("%v in\n%s", err, file)
	}
	return cfg
}

// run starts Caddy, or reloads it, with a site at address.
func run(t testing.TB, address, site string) {
	t.Helper()
	var cfg caddy.Config
	if err := json.Unmarshal(adapt(t, address, site), &cfg); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Run(&cfg); err != nil {
		t.Fatal(err)
	}
}

// start starts Caddy and returns the address of its site.
func start(t testing.TB, site string) string {
	t.Helper()
	address := free(t)
	run(t, address, site)
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	return address
}

// proxy is a reverse_proxy block with a transport.
func proxy(transport, upstreams, options, rules string) string {
	return fmt.Sprintf("reverse_proxy %s {\n\ttransport %s {\n\t%s\n\t}\n%s\n}", upstreams, transport, options, rules)
}

// listen serves h on loopback and returns its address.
func listen(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, ln, h)
	return ln.Addr().String()
}

func serveOn(t testing.TB, ln net.Listener, h http.HandlerFunc) {
	s := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { s.Close() })
}

// raw gives every connection to script.
func raw(t testing.TB, script func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				script(c)
			}()
		}
	}()
	t.Cleanup(func() { ln.Close() })
	return ln.Addr().String()
}

// client is a client that keeps nothing between tests.
func client(t testing.TB) *http.Client {
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

func request(t testing.TB, method, address, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+"/hooks?x=1", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

// provisioned returns a transport that is ready, made from Caddyfile lines.
func provisioned(t testing.TB, options string) *Transport {
	t.Helper()
	tr := parse(t, options)
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	if err := tr.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Cleanup() })
	return tr
}

// withDialInfo says where the request goes, as reverse_proxy does.
func withDialInfo(t testing.TB, req *http.Request, to reverseproxy.DialInfo) *http.Request {
	t.Helper()
	ctx := context.WithValue(req.Context(), caddy.CtxKey("reverse_proxy.dial_info"), to)
	ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{})
	if got, ok := reverseproxy.GetDialInfo(ctx); !ok || got.Address != to.Address {
		t.Fatal("Caddy keeps its dial info elsewhere now")
	}
	return req.WithContext(ctx)
}
