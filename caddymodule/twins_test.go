package caddymodule

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestARouteOfTwoServersIsOneRoute has one site with two addresses, over real connections: without encryption and with it.
func TestARouteOfTwoServersIsOneRoute(t *testing.T) {
	c := newCRM(t)
	c.down.Store(true)
	plain, encrypted := freePort(t), freePort(t)
	dir := t.TempDir()
	cert, key, trusted := siteCertificate(t, dir)
	config := fmt.Sprintf(`{
	auto_https disable_redirects
	callgate {
		store sqlite %s
	}
}
http://example.com:%d, https://example.com:%d {
	bind 127.0.0.1
	callgate nextphone %s {
		spool 0s 20ms 50ms 100ms 200ms 400ms 1s 2s 4s 8s
		breaker off
	}
	reverse_proxy %s
}
https://example.com:%d {
	bind 127.0.0.1
	tls %s %s
	respond "This is where the certificate is."
}`, filepath.Join(dir, "store.db"), plain, encrypted, testSecret, c.Listener.Addr(), freePort(t), cert, key)
	for range 2 { // a reload takes it over
		if err := load(t, config); err != nil {
			t.Fatal(err)
		}
	}
	g := &running{t: t, client: &http.Client{Transport: again{&http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: trusted},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, strings.Replace(address, "example.com", "127.0.0.1", 1))
		},
	}}}}
	t.Cleanup(g.stop)

	for i, url := range []string{fmt.Sprintf("http://example.com:%d/a", plain), fmt.Sprintf("https://example.com:%d/b", encrypted)} {
		for range 2 { // the second is a copy
			r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(numbered(i)))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			signRequest(t, nextphone, r, numbered(i), time.Now())
			res, err := g.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if body := text(t, res); res.StatusCode != 200 || !strings.Contains(body, `"accepted"`) {
				t.Errorf("%s: status %d: %s", url, res.StatusCode, body)
			}
			res.Body.Close()
		}
	}
	var d *dispatcher
	dispatchers.Range(func(_, v any) bool { d = v.(*dispatcher); return false })
	status, err := d.engine.Status(t.Context())
	if err != nil || len(status) != 1 || status[0].Name != "spool:nextphone" || status[0].Pending != 2 {
		t.Errorf("the queue is %+v, %v; want one of the route with two requests", status, err)
	}
	c.down.Store(false)
	got := map[string]bool{c.next(t).uri: true, c.next(t).uri: true}
	if !got["/a"] || !got["/b"] {
		t.Errorf("the receiver got %v", got)
	}
	c.nothingMore(t)
}

// TestASnippetInTwoSites loads where the sites do the same, and where they differ it says where.
func TestASnippetInTwoSites(t *testing.T) {
	const sites = `(gate) {
	callgate nextphone ` + testSecret + ` {
		name NAME
		max_body {args[0]}
	}
	reverse_proxy {args[1]}
}
http://a.test {
	bind SOCKET
	import gate %s
}
http://b.test {
	bind SOCKET
	import gate %s
}`
	c := newCRM(t)
	here := c.Listener.Addr().String()
	g := runGateway(t, fmt.Sprintf(sites, "1MiB "+here, "1MiB "+here))
	for _, host := range []string{"a.test", "b.test"} {
		r, err := http.NewRequest(http.MethodPost, "http://"+host+"/", strings.NewReader(leadBody))
		if err != nil {
			t.Fatal(err)
		}
		signRequest(t, nextphone, r, leadBody, time.Now())
		res, err := g.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if replayed := res.Header.Get("Idempotency-Replayed") == "true"; res.StatusCode != 200 || replayed != (host == "b.test") {
			t.Errorf("%s: status %d, replayed %v", host, res.StatusCode, replayed)
		}
		res.Body.Close()
	}
	for _, c := range []struct{ config, want string }{
		{strings.Replace(fmt.Sprintf(sites, "1MiB "+here, "1MiB "+here), "import gate", "header X-Before yes\n\timport gate", 1), ""},
		{fmt.Sprintf(sites, "1MiB "+here, "2MiB "+here), "two callgate routes that differ are named 'NAME', at Caddyfile:2 import chain ['Caddyfile:10 (import gate)'] and Caddyfile:2 import chain ['Caddyfile:14 (import gate)']"},
		{fmt.Sprintf(sites, "1MiB "+here, "1MiB 127.0.0.1:9"), `two callgate routes are named "NAME", and what comes after them differs`},
	} {
		err := load(t, g.fill.Replace(c.config))
		if want := strings.ReplaceAll(c.want, "NAME", g.name); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error %v\nwant %s", err, want)
		}
	}
}

// What comes after a route is compared down to the modules in it, and without what no configuration says.
func TestWhatFollowsIsCompared(t *testing.T) {
	const site = "callgate nextphone s {\nname %s\n}\n%s"
	const proxy = "reverse_proxy 127.0.0.1:9 {\ntransport http {\ndial_timeout %s\n}\n}"
	for name, c := range map[string]struct {
		a, b string
		same bool
	}{
		"the same":          {fmt.Sprintf(proxy, "3s"), fmt.Sprintf(proxy, "3s"), true},
		"another transport": {fmt.Sprintf(proxy, "3s"), fmt.Sprintf(proxy, "4s"), false},
		"another policy":    {"reverse_proxy a:1 b:1 {\nlb_policy first\n}", "reverse_proxy a:1 b:1 {\nlb_policy random\n}", false},
		"another matcher":   {"respond /a 200", "respond /b 200", false},
		"a handle":          {"handle /x {\nrespond a\n}", "handle /x {\nrespond a\n}", true},
		"another answer":    {"handle /x {\nrespond a\n}", "handle /x {\nrespond b\n}", false},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, err := provision(fmt.Sprintf("http://:1 {\n"+site+"\n}\nhttp://:2 {\n"+site+"\n}", "twin", c.a, "twin", c.b))
			if err != nil {
				t.Fatal(err)
			}
			app, err := ctx.App("callgate")
			if err != nil {
				t.Fatal(err)
			}
			if err := app.(*App).run.checkTwins(); (err == nil) != c.same {
				t.Errorf("error %v", err)
			}
		})
	}
}

// siteCertificate writes a certificate for example.com and its key into files.
func siteCertificate(t testing.TB, dir string) (cert, key string, trusted *x509.CertPool) {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	private, err := x509.MarshalPKCS8PrivateKey(s.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: s.TLS.Certificates[0].Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trusted = x509.NewCertPool()
	trusted.AddCert(s.Certificate())
	return cert, key, trusted
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
