package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/wire"
)

func TestEventStream(t *testing.T) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			more, ended := make(chan struct{}), make(chan struct{})
			up := listen(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = io.WriteString(w, "data: 1\n\n")
				_ = http.NewResponseController(w).Flush()
				<-more
				_, _ = io.WriteString(w, "data: 2\n\n")
				_ = http.NewResponseController(w).Flush()
				<-r.Context().Done() // the client leaves, and so does the proxy
				close(ended)
			})
			address := start(t, proxy(name, up, "", ""))
			res, err := client(t).Do(request(t, "GET", address, ""))
			if err != nil {
				t.Fatal(err)
			}
			b := make([]byte, 9)
			if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != "data: 1\n\n" {
				t.Errorf("got %q, %v", b, err)
			}
			close(more)
			if _, err := io.ReadFull(res.Body, b); err != nil || string(b) != "data: 2\n\n" {
				t.Errorf("got %q, %v", b, err)
			}
			res.Body.Close()
			<-ended
		})
	}
}

func TestClientLeaves(t *testing.T) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			arrived, ended := make(chan struct{}), make(chan struct{})
			up := listen(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				close(arrived)
				<-r.Context().Done()
				close(ended)
			})
			address := start(t, proxy(name, up, "", ""))
			ctx, leave := context.WithCancel(t.Context())
			go func() { <-arrived; leave() }()
			if _, err := client(t).Do(request(t, "POST", address, "{}").WithContext(ctx)); !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			<-ended
		})
	}
}

func TestEarlyHints(t *testing.T) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			up := listen(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Link", "</a>")
				w.WriteHeader(http.StatusEarlyHints)
				_, _ = io.WriteString(w, "ok")
			})
			address := start(t, proxy(name, up, "", ""))
			var codes []int
			req := request(t, "POST", address, "{}")
			req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
					codes = append(codes, code)
					if h.Get("Link") != "</a>" {
						t.Errorf("header %v", h)
					}
					return nil
				},
			}))
			if _, body, err := answer(t, req); err != nil || body != "ok" || !slices.Equal(codes, []int{103}) {
				t.Errorf("got %q, %v after %v", body, err, codes)
			}
		})
	}
}

func TestUpgrade(t *testing.T) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			up := raw(t, func(c net.Conn) {
				br := bufio.NewReader(c)
				if _, err := http.ReadRequest(br); err != nil {
					return
				}
				_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
				_, _ = io.Copy(c, br)
			})
			address := start(t, proxy(name, up, "", ""))
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+address+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			br := bufio.NewReader(c)
			res, err := http.ReadResponse(br, nil)
			if err != nil || res.StatusCode != 101 {
				t.Fatalf("got %v, %v", res, err)
			}
			_, _ = io.WriteString(c, "ping")
			b := make([]byte, 4)
			if _, err := io.ReadFull(br, b); err != nil || string(b) != "ping" {
				t.Errorf("got %q, %v", b, err)
			}
		})
	}
}

func TestActiveHealthChecks(t *testing.T) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			checked := make(chan string, 100)
			up := listen(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/health" {
					checked <- r.Host
				}
			})
			start(t, proxy(name, up, "", "health_uri /health\nhealth_interval 20ms\nhealth_timeout 1s"))
			for range 3 {
				if host := <-checked; host != up {
					t.Errorf("host %q, want %q", host, up)
				}
			}
		})
	}
}

// TestReload changes the config while a request is under way.
func TestReload(t *testing.T) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			arrived, release := make(chan struct{}), make(chan struct{})
			closed := make(chan struct{}, 10)
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			up := &http.Server{
				Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(io.Discard, r.Body)
					if r.Header.Get("X-Wait") != "" {
						close(arrived)
						<-release
					}
					_, _ = io.WriteString(w, "ok")
				}),
				ConnState: func(_ net.Conn, s http.ConnState) {
					if s == http.StateClosed {
						closed <- struct{}{}
					}
				},
			}
			go func() { _ = up.Serve(ln) }()
			defer up.Close()
			address := start(t, proxy(name, ln.Addr().String(), "", ""))
			if _, body, err := answer(t, request(t, "POST", address, "{}")); err != nil || body != "ok" {
				t.Fatalf("got %q, %v", body, err)
			}
			result := make(chan string, 1)
			go func() {
				req := request(t, "POST", address, "{}")
				req.Header.Set("X-Wait", "1")
				res, err := client(t).Do(req)
				if err != nil {
					result <- err.Error()
					return
				}
				b, _ := io.ReadAll(res.Body)
				res.Body.Close()
				result <- string(b)
			}()
			<-arrived
			run(t, address, proxy(name, ln.Addr().String(), "", "header_up X-Added yes"))
			close(release)
			if got := <-result; got != "ok" {
				t.Errorf("the request under way got %q", got)
			}
			if name == "callgate" {
				<-closed // net/http closes it when it has been idle for two minutes
			}
			_, body, err := answer(t, request(t, "POST", address, "{}"))
			for tries := 0; err != nil && tries < 20; tries++ { // the server before may take a connection yet, and close it
				_, body, err = answer(t, request(t, "POST", address, "{}"))
			}
			if err != nil || body != "ok" {
				t.Errorf("after the reload: %q, %v", body, err)
			}
		})
	}
}

// TestUpstreamDeclinesHTTP1 is an upstream that wants HTTP/2 or nothing.
func TestUpstreamDeclinesHTTP1(t *testing.T) {
	var handshakes atomic.Int32
	up := httptest.NewUnstartedServer(http.HandlerFunc(echo))
	up.EnableHTTP2 = true
	up.TLS = &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		handshakes.Add(1)
		if slices.Contains(hello.SupportedProtos, "h2") {
			return nil, nil
		}
		return &tls.Config{Certificates: up.TLS.Certificates, NextProtos: []string{"other"}}, nil
	}}
	up.Config.ErrorLog = log.New(io.Discard, "", 0)
	up.StartTLS()
	defer up.Close()
	address := start(t, proxy("callgate", "https://"+up.Listener.Addr().String(), "tls_insecure_skip_verify", ""))
	for range 5 {
		if _, body, err := answer(t, request(t, "POST", address, "{}")); err != nil || body != "HTTP/2.0 POST /hooks?x=1 2 |http|" {
			t.Errorf("got %q, %v", body, err)
		}
	}
	if n := handshakes.Load(); n != 2 { // one that was declined, and the standard transport's
		t.Errorf("%d handshakes, want 2", n)
	}
}

// TestDeclinedIsBounded makes sure that names made up by requests do not fill the memory.
func TestDeclinedIsBounded(t *testing.T) {
	var d declined
	for i := range 3 * maxDeclined {
		to := wire.Target{Address: strconv.Itoa(i)}
		d.add(to)
		if !d.has(to) || len(d.set) > maxDeclined {
			t.Fatalf("%d remembered", len(d.set))
		}
	}
}
