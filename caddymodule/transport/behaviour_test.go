package transport

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// echo answers with what it received.
func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	fmt.Fprintf(w, "%s %s %s %d %s|%s|%s", r.Proto, r.Method, r.URL, len(b), r.Header.Get("X-Added"), r.Header.Get("X-Forwarded-Proto"), r.Trailer.Get("X-Sum"))
}

// answer reads a whole answer.
func answer(t *testing.T, req *http.Request) (*http.Response, string, error) {
	t.Helper()
	res, err := client(t).Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, string(b), err
}

// TestReverseProxyAlike sends the same requests through Caddy's reverse_proxy with either transport.
func TestReverseProxyAlike(t *testing.T) {
	dead := free(t)
	secure := httptest.NewTLSServer(http.HandlerFunc(echo))
	t.Cleanup(secure.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, ln, echo)
	secureSocket := filepath.Join(t.TempDir(), "s")
	if ln, err = net.Listen("unix", secureSocket); err != nil {
		t.Fatal(err)
	}
	serveOn(t, tls.NewListener(ln, secure.TLS), echo)
	up := listen(t, echo)
	asking := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s presented", r.TLS.PeerCertificates[0].Subject.Organization)
	}))
	asking.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	asking.Config.ErrorLog = log.New(io.Discard, "", 0)
	asking.StartTLS()
	t.Cleanup(asking.Close)
	key, err := x509.MarshalPKCS8PrivateKey(asking.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	keyFile := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600); err != nil {
		t.Fatal(err)
	}
	six := up
	if ln, err := net.Listen("tcp", "[::1]:0"); err == nil { // where there is IPv6
		serveOn(t, ln, echo)
		six = ln.Addr().String()
	}
	silent := raw(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	// says answers every request on a connection; hangsUp answers one, and ends the connection.
	speak := func(text string, times int) string {
		text = strings.ReplaceAll(text, "\n", "\r\n")
		return raw(t, func(c net.Conn) {
			br := bufio.NewReader(c)
			for range times {
				req, err := http.ReadRequest(br)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = io.WriteString(c, text)
			}
		})
	}
	says := func(text string) string { return speak(text, 100) }
	hangsUp := func(text string) string { return speak(text, 1) }
	small, large := strings.Repeat("x", 2048), strings.Repeat("x", 300<<10)

	for _, tc := range []struct {
		name           string
		upstreams      string
		options, rules string
		method, body   string // POST
		edit           func(*http.Request)
		status         int
		want           string // of the body
		header         http.Header
		broken         bool // the body breaks off
	}{
		{name: "small", upstreams: up, body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|"},
		{name: "GET", upstreams: up, method: "GET", status: 200, want: "HTTP/1.1 GET /hooks?x=1 0 |http|"},
		{name: "DELETE", upstreams: up, method: "DELETE", status: 200, want: "HTTP/1.1 DELETE /hooks?x=1 0 |http|"},
		{name: "large", upstreams: up, body: large, status: 200, want: fmt.Sprintf("HTTP/1.1 POST /hooks?x=1 %d |http|", 300<<10)},
		{
			name: "length unknown", upstreams: up, body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|",
			edit: func(r *http.Request) { r.ContentLength = -1 },
		},
		{
			name: "100 Continue", upstreams: up, body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|",
			edit: func(r *http.Request) { r.Header.Set("Expect", "100-continue") },
		},
		{
			name: "request trailers", upstreams: up, body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|7",
			edit: func(r *http.Request) { r.ContentLength, r.Trailer = -1, http.Header{"X-Sum": {"7"}} },
		},
		{
			name: "header rules", upstreams: up, rules: "header_up X-Added yes\nheader_down X-Down yes", body: small, status: 200,
			want: "HTTP/1.1 POST /hooks?x=1 2048 yes|http|", header: http.Header{"X-Down": {"yes"}},
		},
		{
			name: "rewrite", upstreams: up, rules: "method PUT\nrewrite /other", body: small, status: 200,
			want: "HTTP/1.1 PUT /other?x=1 2048 |http|",
		},
		{name: "nobody listens", upstreams: dead, body: small, status: 502},
		{
			name: "next upstream", upstreams: dead + " " + up, rules: "lb_policy first\nlb_retries 2\nfail_duration 1m", body: small, status: 200,
			want: "HTTP/1.1 POST /hooks?x=1 2048 |http|",
		},
		{name: "POST is not repeated", upstreams: hangsUp("") + " " + up, rules: "lb_policy first\nlb_retries 2", body: small, status: 502},
		{
			name: "GET is repeated", upstreams: hangsUp("") + " " + up, rules: "lb_policy first\nlb_retries 2\nfail_duration 1m", method: "GET", status: 200,
			want: "HTTP/1.1 GET /hooks?x=1 0 |http|",
		},
		{name: "silent", upstreams: silent, options: "response_header_timeout 50ms", body: small, status: 504},
		{name: "read_timeout", upstreams: silent, options: "read_timeout 50ms", body: small, status: 504},
		{name: "not HTTP", upstreams: hangsUp("220 smtp ready\n"), body: small, status: 502},
		{name: "head too large", upstreams: says("HTTP/1.1 200 OK\nX: " + large + "\n\n"), options: "max_response_header 64KiB", body: small, status: 502},
		{
			name: "huge head", upstreams: says("HTTP/1.1 200 OK\nX: " + large + "\nContent-Length: 2\n\nok"), body: small, status: 200,
			want: "ok", header: http.Header{"X": {large}},
		},
		{
			name: "duplicates and hop-by-hop", body: small, status: 200, want: "ok",
			upstreams: says("HTTP/1.1 200 OK\nSet-Cookie: a\nset-cookie: b\nConnection: X-Hop\nX-Hop: 1\nKeep-Alive: 3\nContent-Length: 2\n\nok"),
			header:    http.Header{"Set-Cookie": {"a", "b"}, "X-Hop": nil, "Keep-Alive": nil},
		},
		{name: "no length", upstreams: hangsUp("HTTP/1.1 200 OK\n\nuntil the end"), body: small, status: 200, want: "until the end"},
		{name: "breaks off", upstreams: hangsUp("HTTP/1.1 200 OK\nContent-Length: 9\n\nabc"), body: small, status: 200, want: "abc", broken: true},
		{name: "204", upstreams: says("HTTP/1.1 204 No Content\n\n"), body: small, status: 204},
		{name: "HEAD", upstreams: says("HTTP/1.1 200 OK\nContent-Length: 7\n\n"), method: "HEAD", status: 200, header: http.Header{"Content-Length": {"7"}}},
		{
			name: "answer trailers", upstreams: says("HTTP/1.1 200 OK\nTrailer: X-Sum\nTransfer-Encoding: chunked\n\n2\nok\n0\nX-Sum: 7\n\n"),
			body: small, status: 200, want: "ok",
		},
		{name: "unix socket", upstreams: "unix/" + socket, body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|"},
		{
			name: "placeholder", upstreams: "{header.X-To}", body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|",
			edit: func(r *http.Request) { r.Header.Set("X-To", up) },
		},
		{name: "h2c", upstreams: "h2c://" + up, body: small, status: 200, want: "HTTP/2.0 POST /hooks?x=1 2048 |http|"},
		{
			name: "TLS", upstreams: "https://" + secure.Listener.Addr().String(), options: "tls_trust_pool file " + ca + "\ntls_server_name example.com",
			body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|",
		},
		{
			name: "TLS, name from the request", upstreams: secure.Listener.Addr().String(), options: "tls_trust_pool file " + ca + "\ntls_server_name {header.X-Name}",
			body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|", edit: func(r *http.Request) { r.Header.Set("X-Name", "example.com") },
		},
		{
			name: "TLS, wrong name", upstreams: secure.Listener.Addr().String(), options: "tls_trust_pool file " + ca + "\ntls_server_name example.net",
			body: small, status: 502,
		},
		{name: "TLS, not trusted", upstreams: "https://" + secure.Listener.Addr().String(), body: small, status: 502},
		{name: "TLS, not verified", upstreams: secure.Listener.Addr().String(), options: "tls\ntls_insecure_skip_verify", body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|"},
		{name: "TLS without answer", upstreams: silent, options: "tls\ntls_timeout 50ms", body: small, status: 504},
		{name: "TLS without answer, single reads limited", upstreams: silent, options: "tls\nread_timeout 50ms", body: small, status: 504},
		{name: "TLS where there is none", upstreams: up, options: "tls", body: small, status: 502},
		{
			name: "TLS, with a certificate", upstreams: asking.Listener.Addr().String(), body: small, status: 200, want: "[Acme Co] presented",
			options: "tls_client_auth " + ca + " " + keyFile + "\ntls_trust_pool file " + ca + "\ntls_server_name example.com",
		},
		{
			name: "TLS, without a certificate", upstreams: asking.Listener.Addr().String(), body: small, status: 502,
			options: "tls_trust_pool file " + ca + "\ntls_server_name example.com",
		},
		{
			name: "TLS, named by its address", upstreams: "https://" + secure.Listener.Addr().String(), options: "tls_trust_pool file " + ca,
			body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|",
		},
		{
			name: "TLS, unix socket", upstreams: "unix/" + secureSocket, options: "tls_trust_pool file " + ca + "\ntls_server_name example.com",
			body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|",
		},
		{
			name: "TLS, unix socket, not verified", upstreams: "unix/" + secureSocket, options: "tls_insecure_skip_verify",
			body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|",
		},
		{name: "IPv6", upstreams: six, body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|"},
		{name: "dial_timeout", upstreams: up, options: "dial_timeout 1ns", body: small, status: 502},
		{name: "one connection", upstreams: up, options: "max_conns_per_host 1", body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|"},
		{
			name: "304", upstreams: says("HTTP/1.1 304 Not Modified\nEtag: \"x\"\nContent-Length: 7\n\n"), method: "GET", status: 304,
			header: http.Header{"Etag": {`"x"`}},
		},
		{name: "204 with a body", upstreams: hangsUp("HTTP/1.1 204 No Content\nContent-Length: 2\n\nok"), body: small, status: 204},
		{name: "two lengths", upstreams: says("HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 3\n\nok"), body: small, status: 502},
		{name: "a length and chunks", upstreams: says("HTTP/1.1 200 OK\nContent-Length: 9\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n"), body: small, status: 200, want: "ok"},
		{
			name: "not TLS at this port", upstreams: up, options: "tls\ntls_except_ports " + up[strings.LastIndex(up, ":")+1:], body: small, status: 200,
			want: "HTTP/1.1 POST /hooks?x=1 2048 |http|",
		},
		{name: "PROXY protocol", upstreams: says("HTTP/1.1 200 OK\nContent-Length: 2\n\nok"), options: "proxy_protocol v1", body: small, status: 502},
		{name: "no keep-alive", upstreams: up, options: "keepalive off", body: small, status: 200, want: "HTTP/1.1 POST /hooks?x=1 2048 |http|"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, name := range names {
				t.Run(name, func(t *testing.T) {
					options := tc.options
					if name == "http" {
						options += "\ncompression off"
					}
					address := start(t, proxy(name, tc.upstreams, options, tc.rules))
					for range 3 { // so that kept connections are used
						req := request(t, "POST", address, tc.body)
						if tc.method != "" {
							req.Method = tc.method
						}
						if tc.edit != nil {
							tc.edit(req)
						}
						res, body, err := answer(t, req)
						if tc.broken != (err != nil) {
							t.Fatalf("error %v", err)
						}
						if res == nil {
							return
						}
						if res.StatusCode != tc.status || body != tc.want {
							t.Errorf("got %d %q, want %d %q", res.StatusCode, body, tc.status, tc.want)
						}
						for k, want := range tc.header {
							if got := res.Header[k]; !slices.Equal(got, want) {
								t.Errorf("%s: %.50q, want %.50q", k, got, want)
							}
						}
						if tc.name == "answer trailers" && res.Trailer.Get("X-Sum") != "7" {
							t.Errorf("trailers %v", res.Trailer)
						}
					}
				})
			}
		})
	}
}
