package transport

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// parse reads the lines of a transport's block.
func parse(t testing.TB, options string) *Transport {
	t.Helper()
	tr := new(Transport)
	if err := tr.UnmarshalCaddyfile(caddyfile.NewTestDispenser("callgate {\n" + options + "\n}")); err != nil {
		t.Fatal(err)
	}
	return tr
}

func TestCaddyfile(t *testing.T) {
	tr := parse(t, `
		dial_timeout 1s
		max_request_body 128KiB
		tls_trust_pool inline {
			trust_der AAAA
		}
		response_header_timeout 2s
		max_conns_per_host 7
		keepalive 30s
		keepalive_idle_conns_per_host 8
		compression off
		resolvers 127.0.0.1:53 127.0.0.2:53`)
	if tr.DialTimeout != caddy.Duration(time.Second) || tr.MaxRequestBody != 128<<10 || tr.ResponseHeaderTimeout != caddy.Duration(2*time.Second) ||
		tr.MaxConnsPerHost != 7 || tr.KeepAlive.IdleConnTimeout != caddy.Duration(30*time.Second) || tr.KeepAlive.MaxIdleConnsPerHost != 8 ||
		len(tr.Resolver.Addresses) != 2 || !strings.Contains(string(tr.TLS.CARaw), "AAAA") || *tr.Compression {
		t.Errorf("got %+v", tr)
	}
	// What is written as JSON reads back the same, by the strict reader that Caddy uses.
	b, err := json.Marshal(tr)
	if err != nil {
		t.Fatal(err)
	}
	back := new(Transport)
	if err := caddy.StrictUnmarshalJSON(b, back); err != nil || back.MaxRequestBody != 128<<10 || back.MaxConnsPerHost != 7 {
		t.Errorf("%v: got %+v", err, back)
	}
}

func TestCaddyfileErrors(t *testing.T) {
	for options, want := range map[string]string{
		"dial_timeuot 3s":                           "unrecognized subdirective dial_timeuot",
		"tls\ndial_timeout soon":                    "Testfile:3",
		"max_request_body":                          "max_request_body",
		"max_request_body many":                     "64KiB",
		"max_request_body 0":                        "64KiB",
		"max_request_body 1KiB 2KiB":                "wrong argument count",
		"max_request_body 1KiB\nmax_request_body 1": "twice",
	} {
		err := new(Transport).UnmarshalCaddyfile(caddyfile.NewTestDispenser("callgate {\n" + options + "\n}"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", options, err, want)
		}
	}
}

func TestProvisionErrors(t *testing.T) {
	yes := true
	for _, tc := range []struct {
		tr   *Transport
		want string
	}{
		{&Transport{HTTPTransport: reverseproxy.HTTPTransport{Compression: &yes}}, "does not compress"},
		{&Transport{MaxRequestBody: -1}, "negative"},
		{&Transport{HTTPTransport: reverseproxy.HTTPTransport{Versions: []string{"4"}}}, "version"},
		{&Transport{HTTPTransport: reverseproxy.HTTPTransport{LocalAddress: "udp/127.0.0.1:0"}}, "local_address"},
	} {
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		if err := tc.tr.Provision(ctx); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("error %v, want %q in it", err, tc.want)
		}
		if err := tc.tr.Cleanup(); err != nil { // Caddy cleans up after a failed Provision too
			t.Error(err)
		}
		cancel()
	}
}

var errDirect, errStandard = errors.New("direct"), errors.New("standard")

// TestWhichWay tells the two ways apart by the errors of their diallers.
func TestWhichWay(t *testing.T) {
	none := func(*http.Request) {}
	for _, tc := range []struct {
		name    string
		options string
		dial    reverseproxy.DialInfo
		edit    func(*http.Request)
		want    error
	}{
		{"usual", "", reverseproxy.DialInfo{}, none, errDirect},
		{"unix", "", reverseproxy.DialInfo{Network: "unix", Address: "/s"}, none, errDirect},
		{"TLS", "tls", reverseproxy.DialInfo{}, none, errDirect},
		{"only HTTP/1.1", "versions 1.1", reverseproxy.DialInfo{}, none, errDirect},
		{"HTTP/2", "versions 1.1 2", reverseproxy.DialInfo{}, none, errStandard},
		{"HTTP/2 without TLS", "versions h2c", reverseproxy.DialInfo{}, none, errStandard},
		{"PROXY protocol", "proxy_protocol v2", reverseproxy.DialInfo{}, none, errStandard},
		{"no keep-alive", "keepalive off", reverseproxy.DialInfo{}, none, errStandard},
		{"keep-alive with a time", "keepalive 10s", reverseproxy.DialInfo{}, none, errDirect},
		{"a network proxy", "network_proxy url http://127.0.0.1:1", reverseproxy.DialInfo{}, none, errStandard},
		{"no network proxy", "network_proxy none", reverseproxy.DialInfo{}, none, errDirect},
		{"upgrade", "", reverseproxy.DialInfo{}, func(r *http.Request) { r.Header.Set("Upgrade", "websocket") }, errStandard},
		{"length unknown", "", reverseproxy.DialInfo{}, func(r *http.Request) { r.ContentLength = -1 }, errStandard},
		{"at the bound", "max_request_body 2", reverseproxy.DialInfo{}, none, errDirect},
		{"over the bound", "max_request_body 1", reverseproxy.DialInfo{}, none, errStandard},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tr := provisioned(t, tc.options)
			if tc.dial.Network == "" {
				tc.dial = reverseproxy.DialInfo{Network: "tcp", Address: "192.0.2.1:80"}
			}
			tr.Transport.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, errStandard }
			tr.Transport.DialTLSContext = tr.Transport.DialContext
			if tr.client != nil {
				tr.client.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errDirect }
			}
			req := request(t, "POST", "192.0.2.1:80", "{}")
			req.URL.Scheme = ""
			tc.edit(req)
			if _, err := tr.RoundTrip(withDialInfo(t, req, tc.dial)); !errors.Is(err, tc.want) {
				t.Errorf("it went %v, want %v", err, tc.want)
			}
		})
	}
}
