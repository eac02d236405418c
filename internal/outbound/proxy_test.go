package outbound_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

// through is a client that goes by a proxy.
func through(t *testing.T, address string, o outbound.Options) *outbound.Client {
	t.Helper()
	u, err := outbound.ParseProxy(address)
	if err != nil {
		t.Fatal(err)
	}
	o.Proxy = http.ProxyURL(u)
	return onPrem(o)
}

// trusting is a TLS configuration for the servers.
func trusting(servers ...*httptest.Server) *tls.Config {
	pool := x509.NewCertPool()
	for _, s := range servers {
		pool.AddCert(s.Certificate())
	}
	return &tls.Config{RootCAs: pool}
}

func host(s *httptest.Server) string { return s.Listener.Addr().String() }

// TestProxy reaches receivers whose names only the proxy knows.
func TestProxy(t *testing.T) {
	plain, secure := standin.NewReceiver(t), standin.NewTLSReceiver(t)
	names := map[string]string{"crm.example:80": host(plain.Server), "example.com:443": host(secure.Server)}
	for _, overTLS := range []bool{false, true} {
		p := standin.NewProxy(t, standin.ProxyConfig{User: "gate way", Password: "p@ss:/word", Names: names, TLS: overTLS})
		servers := []*httptest.Server{secure.Server}
		if overTLS {
			servers = append(servers, p.Server)
		}
		c := through(t, p.Address("gate way", "p@ss:/word"), outbound.Options{TLS: trusting(servers...)})
		for address, r := range map[string]*standin.Receiver{"http://crm.example/hook?a=b": plain, "https://example.com/hook?a=b": secure} {
			a, err := c.Do(t.Context(), request(t, address, "body"))
			if err != nil || a.Status != 200 {
				t.Fatalf("%s: %+v, %v", address, a, err)
			}
			all := r.Requests()
			got := all[len(all)-1]
			if got.URI != "/hook?a=b" || string(got.Body) != "body" || got.Header.Get("Proxy-Authorization") != "" {
				t.Errorf("%s: %+v", address, got)
			}
		}
		asked := p.Asked()
		slices.Sort(asked)
		if got := strings.Join(asked, ", "); got != "CONNECT example.com:443, POST http://crm.example/hook?a=b" {
			t.Errorf("the proxy was asked for %s", got)
		}
	}
}

func TestProxyFailuresAreTold(t *testing.T) {
	secure := standin.NewTLSReceiver(t)
	names := map[string]string{"example.com:443": host(secure.Server), "barred.example:443": host(secure.Server), "down.example:443": "127.0.0.1:1"}
	p := standin.NewProxy(t, standin.ProxyConfig{User: "gateway", Password: "secret-of-the-proxy", Names: names, Barred: []string{"barred.example"}})
	ntlm := standin.NewProxy(t, standin.ProxyConfig{User: "gateway", Password: "x", Ask: "NTLM", Names: names})
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	right := p.Address("gateway", "secret-of-the-proxy")
	for name, c := range map[string]struct {
		proxy, url, text        string
		kind                    outbound.Kind
		pause, astray, unhealth bool
	}{
		"wrong password": {p.Address("gateway", "secret-too"), "https://example.com/", "407: the proxy refuses our credentials", outbound.ProxyLogin, true, false, false},
		"NTLM":           {ntlm.Address("gateway", "secret-too"), "https://example.com/", "the proxy wants NTLM", outbound.ProxyLogin, true, false, false},
		"barred":         {right, "https://barred.example/", "does not let the gateway go there (403)", outbound.Barred, false, true, false},
		"down":           {right, "https://down.example/", "did not reach the receiver (502)", outbound.Refused, false, false, true},
		"unknown name":   {right, "https://unknown.example/", "did not reach the receiver (502)", outbound.Refused, false, false, true},
		"no proxy":       {gone.URL, "https://example.com/", "the proxy was not reached", outbound.Barred, false, true, false},
		"no name":        {"http://proxy.invalid:3128", "https://example.com/", "the proxy was not reached", outbound.Barred, false, true, false},
		"untrusted":      {right, "https://example.com/", "unknown authority", outbound.TLS, false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := outbound.Options{TLS: trusting(secure.Server)}
			if name == "untrusted" {
				o.TLS = nil
			}
			_, err := through(t, c.proxy, o).Do(t.Context(), request(t, c.url, "secret body"))
			var e *outbound.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "secret") {
				t.Fatalf("%v, want %q", err, c.text)
			}
			// Without a resolver of its own the machine may say that no name server answers, which is its own trouble.
			if name == "no name" && e.Kind == outbound.Own {
				return
			}
			r := outbound.ResultFrom(nil, err, time.Now())
			if e.Kind != c.kind || r.Pause != c.pause || r.Astray != c.astray || r.Unhealthy != c.unhealth || !r.Unsent {
				t.Errorf("kind %v: %+v", e.Kind, r)
			}
		})
	}
	// What is sent in the clear is answered by the proxy as by a receiver.
	a, err := through(t, p.Address("gateway", "wrong"), outbound.Options{}).Do(t.Context(), request(t, "http://crm.example/", ""))
	if r := outbound.ResultFrom(a, err, time.Now()); err != nil || r.Status != 407 || !r.Pause {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestProxyIsNoWayAroundTheGuard: a client for URLs that others set does not leave it to a proxy where names lead.
func TestProxyIsNoWayAroundTheGuard(t *testing.T) {
	inside := standin.NewReceiver(t)
	p := standin.NewProxy(t, standin.ProxyConfig{Names: map[string]string{"innocent.example:80": host(inside.Server)}})
	u, err := outbound.ParseProxy(p.URL)
	if err != nil {
		t.Fatal(err)
	}
	strict := outbound.NewClient(outbound.Options{Proxy: http.ProxyURL(u)})
	for _, address := range []string{"http://innocent.example/", "https://innocent.example/", "http://" + host(inside.Server) + "/", "http://169.254.169.254/"} {
		_, err := strict.Do(t.Context(), request(t, address, "x"))
		var e *outbound.Error
		if !errors.As(err, &e) || e.Kind != outbound.Forbidden || !errors.Is(err, outbound.ErrUnguardedProxy) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if len(p.Asked())+len(inside.Requests()) != 0 {
		t.Errorf("the proxy was asked for %v", p.Asked())
	}
	// What no proxy is chosen for is guarded as ever.
	direct := outbound.NewClient(outbound.Options{Proxy: func(*http.Request) (*url.URL, error) { return nil, nil }})
	if _, err := direct.Do(t.Context(), request(t, inside.URL, "x")); !errors.Is(err, outbound.ErrAddressRefused) {
		t.Error(err)
	}
	// An operator's client still reaches no metadata service by way of a proxy's address.
	meta, err := outbound.ParseProxy("http://169.254.169.254:80")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := onPrem(outbound.Options{Proxy: http.ProxyURL(meta)}).Do(t.Context(), request(t, "http://crm.example/", "x")); !errors.Is(err, outbound.ErrAddressRefused) {
		t.Error(err)
	}
}

func TestParseProxy(t *testing.T) {
	for raw, want := range map[string]string{
		"http://proxy.example:3128": "http://proxy.example:3128", "https://u:p%40ss@proxy.example/": "https://u:p%40ss@proxy.example",
		"http://[::1]:3128":  "http://[::1]:3128",
		"proxy.example:3128": "", "socks5://proxy.example": "", "http://": "", "http://proxy.example/path": "", "http://proxy.example?x": "",
		"http://proxy.example:0": "", "http://proxy.example:99999": "", "http://u:secret%@proxy.example": "", "": "",
	} {
		u, err := outbound.ParseProxy(raw)
		if want == "" {
			if !errors.Is(err, outbound.ErrBadProxy) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v, %v", raw, u, err)
			}
		} else if err != nil || u.String() != want {
			t.Errorf("%s: %v, %v", raw, u, err)
		}
	}
}

func TestEnvironmentProxy(t *testing.T) {
	clear := func() {
		for _, n := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "REQUEST_METHOD"} {
			t.Setenv(n, "")
		}
	}
	clear()
	if choose, named, err := outbound.EnvironmentProxy(); choose != nil || named != nil || err != nil {
		t.Errorf("an empty environment names %v, %v", named, err)
	}
	t.Setenv("HTTPS_PROXY", "proxy.example:3128")
	t.Setenv("http_proxy", "http://me:secret@other.example:8080")
	t.Setenv("NO_PROXY", "internal.example,10.0.0.0/8")
	choose, named, err := outbound.EnvironmentProxy()
	if err != nil || len(named) != 2 || named[0].Host != "proxy.example:3128" || named[1].Host != "other.example:8080" {
		t.Fatalf("%v, %v", named, err)
	}
	for address, want := range map[string]string{
		"https://crm.example/x": "http://proxy.example:3128", "http://crm.example/x": "http://me:secret@other.example:8080",
		"https://internal.example/": "", "https://a.internal.example/": "", "http://10.1.2.3/": "", "http://localhost/": "", "http://127.0.0.1:8080/": "",
	} {
		got := ""
		if u, err := choose(request(t, address, "")); err != nil {
			t.Errorf("%s: %v", address, err)
		} else if u != nil {
			got = u.String()
		}
		if got != want {
			t.Errorf("%s goes by %q, want %q", address, got, want)
		}
	}
	clear()
	t.Setenv("HTTPS_PROXY", "socks5://me:secret@proxy.example")
	if _, _, err := outbound.EnvironmentProxy(); err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "HTTPS_PROXY") {
		t.Errorf("a proxy that is none of HTTP: %v", err)
	}
}
