package standin

import (
	"bytes"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// ProxyConfig says how a Proxy behaves.
type ProxyConfig struct {
	// User and Password are asked for by Basic (RFC 9110, section 11.7) if there is a User.
	User, Password string
	// Ask is what Proxy-Authenticate asks for in place of Basic.
	Ask string
	// Names are the hosts that the proxy knows, as host:port, and where they are; it resolves no others but addresses. It
	// answers 502 for the rest.
	Names map[string]string
	// Barred are hosts, without port, that it answers 403 for.
	Barred []string
	// TLS has the way to the proxy encrypted.
	TLS bool
}

// Proxy is a forward proxy (RFC 9110, sections 7.6 and 9.3.6): it opens tunnels by CONNECT, and passes on requests in
// absolute form without the headers that are for itself.
type Proxy struct {
	*httptest.Server

	t  testing.TB
	c  ProxyConfig
	mu sync.Mutex
	// asked are the first lines of requests, without the version.
	asked []string
}

// NewProxy starts a proxy, which is closed with the test.
func NewProxy(t testing.TB, c ProxyConfig) *Proxy {
	p := &Proxy{t: t, c: c}
	p.Server = httptest.NewUnstartedServer(p)
	if c.TLS {
		p.StartTLS()
	} else {
		p.Start()
	}
	t.Cleanup(p.Close)
	return p
}

// Address is the proxy's with a user name and a password.
func (p *Proxy) Address(user, password string) string {
	u, err := url.Parse(p.URL)
	if err != nil {
		p.t.Fatal(err)
	}
	u.User = url.UserPassword(user, password)
	return u.String()
}

// Asked are the methods and targets of all requests: "CONNECT crm.example:443", "POST http://crm.example/x".
func (p *Proxy) Asked() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.asked...)
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.RequestURI)
	p.mu.Unlock()
	if p.c.User != "" && r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(p.c.User+":"+p.c.Password)) {
		ask := p.c.Ask
		if ask == "" {
			ask = `Basic realm="proxy"`
		}
		w.Header().Set("Proxy-Authenticate", ask)
		http.Error(w, "proxy login", http.StatusProxyAuthRequired)
		return
	}
	host := r.Host
	if r.Method != http.MethodConnect {
		if r.URL.Host == "" {
			http.Error(w, "a proxy takes absolute URLs", http.StatusBadRequest)
			return
		}
		if host = r.URL.Host; r.URL.Port() == "" {
			host = net.JoinHostPort(r.URL.Hostname(), "80")
		}
	}
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		http.Error(w, "no port", http.StatusBadRequest)
		return
	}
	for _, b := range p.c.Barred {
		if strings.EqualFold(b, name) {
			http.Error(w, "barred", http.StatusForbidden)
			return
		}
	}
	at, known := p.c.Names[host]
	if net.ParseIP(name) != nil && !known {
		at, known = host, true
	}
	if !known {
		http.Error(w, "no such host", http.StatusBadGateway)
		return
	}
	if r.Method == http.MethodConnect {
		p.tunnel(w, at)
		return
	}
	p.pass(w, r, at)
}

// tunnel joins the connection with one to the address.
func (p *Proxy) tunnel(w http.ResponseWriter, at string) {
	to, err := net.Dial("tcp", at)
	if err != nil {
		http.Error(w, "not reached", http.StatusBadGateway)
		return
	}
	from, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		p.t.Errorf("proxy: %v", err)
		return
	}
	_, _ = io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n")
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(to, buffered)
		_ = to.Close()
	})
	both.Go(func() {
		_, _ = io.Copy(from, to)
		_ = from.Close()
	})
	both.Wait()
}

// pass sends a request on to the address.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request, at string) {
	body := readBody(p.t, r)
	(&httputil.ReverseProxy{Rewrite: func(out *httputil.ProxyRequest) {
		out.Out.URL.Scheme, out.Out.URL.Host = "http", at
		out.Out.Body = io.NopCloser(bytes.NewReader(body))
	}}).ServeHTTP(w, r)
}
