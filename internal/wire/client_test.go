package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestDialErrorLeavesBody(t *testing.T) {
	refused := errors.New("refused")
	c := &Client{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, refused }}
	req := newRequest(t, "POST", "h", "")
	body := &closing{Reader: strings.NewReader("{}")}
	req.Body, req.ContentLength = body, 2
	if _, err := c.Do(req, Target{Network: "tcp", Address: "h"}); !errors.Is(err, refused) {
		t.Errorf("error %v, want that of the dialler", err)
	}
	if b, _ := io.ReadAll(body); string(b) != "{}" || !body.closed {
		t.Errorf("left of the body: %q, closed: %v", b, body.closed)
	}
}

// TestBodyErrorSendsNothing makes sure that a request whose sender breaks off leaves no trace at the server.
func TestBodyErrorSendsNothing(t *testing.T) {
	s := serve(t, again(ok))
	c := &Client{Dial: dial}
	defer c.CloseIdle()
	for range 2 {
		req := newRequest(t, "POST", s.Addr().String(), "")
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader("{")), 2
		if _, err := c.Do(req, Target{Network: "tcp", Address: s.Addr().String()}); !errors.Is(err, ErrBodyLength) {
			t.Errorf("error %v", err)
		}
		if err := to(t, c, s.Addr().String()); err != nil { // on the same connection
			t.Error(err)
		}
	}
	if s.conns.Load() != 1 || s.requests.Load() != 2 {
		t.Errorf("%d connections, %d requests", s.conns.Load(), s.requests.Load())
	}
}

// TestSlowSender has a sender so slow that the server has closed the connection that was opened for it.
func TestSlowSender(t *testing.T) {
	closed := make(chan struct{})
	s := serve(t, func(p *peer) {
		if p.n == 1 {
			p.Conn.Close()
			close(closed)
			return
		}
		again(ok)(p)
	})
	body := &lateReader{closed, strings.NewReader("{}")}
	c := &Client{Dial: dial}
	defer c.CloseIdle()
	req := newRequest(t, "POST", s.Addr().String(), "")
	req.Body, req.ContentLength = io.NopCloser(body), 2
	run(func(req *http.Request) (*http.Response, error) {
		return c.Do(req, Target{Network: "tcp", Address: s.Addr().String()})
	}, req).check(t, okOutcome())
}

// lateReader has nothing to read until something has happened, and a little longer, for it to arrive.
type lateReader struct {
	after <-chan struct{}
	io.Reader
}

func (r *lateReader) Read(b []byte) (int, error) {
	<-r.after
	time.Sleep(5 * time.Millisecond)
	return r.Reader.Read(b)
}

func TestUpgradeUnasked(t *testing.T) {
	s := serve(t, func(p *peer) {
		p.request()
		p.say("HTTP/1.1 101 Switching Protocols\nUpgrade: x\nConnection: upgrade\n\n")
		p.ended()
	})
	c := &Client{Dial: dial}
	if err := to(t, c, s.Addr().String()); !errors.Is(err, ErrUpgrade) {
		t.Errorf("error %v", err)
	}
}

// TestMalformedIsNotQuoted makes sure that what a server sends does not get into errors, and so into logs.
func TestMalformedIsNotQuoted(t *testing.T) {
	for _, answer := range []string{"+15551234567", "HTTP/1.1 +15551234567", "HTTP/1.1 200 OK\n+15551234567\n\n"} {
		s := serve(t, func(p *peer) { p.request(); p.say(answer + "\n") })
		c := &Client{Dial: dial}
		if err := to(t, c, s.Addr().String()); !errors.Is(err, ErrMalformed) || strings.Contains(err.Error(), "555") {
			t.Errorf("error %v", err)
		}
	}
}

func TestReadAndWriteTimeouts(t *testing.T) {
	silent := serve(t, func(p *peer) { p.request(); p.ended() })
	c := &Client{Dial: dial, ReadTimeout: 30 * time.Millisecond}
	var ne net.Error
	if err := to(t, c, silent.Addr().String()); !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("reading: error %v", err)
	}

	hold := make(chan struct{})
	defer close(hold)
	deaf := serve(t, func(p *peer) { <-hold })
	c = &Client{Dial: dial, WriteTimeout: 30 * time.Millisecond}
	req := newRequest(t, "POST", deaf.Addr().String(), strings.Repeat("x", 8<<20))
	if _, err := c.Do(req, Target{Network: "tcp", Address: deaf.Addr().String()}); !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("writing: error %v", err)
	}

	// A connection that was idle for longer than one read may take is as good as any.
	synctest.Test(t, func(t *testing.T) {
		n := new(network)
		c := &Client{Dial: n.dial, ReadTimeout: 30 * time.Millisecond, ResponseHeaderTimeout: 30 * time.Millisecond}
		for range 3 {
			if err := to(t, c, "a"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Millisecond)
		}
		n.want(t, 1, 0)
		c.CloseIdle()
		synctest.Wait()
	})
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()
	c := &Client{Dial: dial}
	defer c.CloseIdle()
	for range 3 {
		req := newRequest(t, "GET", "example.com", "")
		got := run(func(req *http.Request) (*http.Response, error) {
			return c.Do(req, Target{Network: "unix", Address: path})
		}, req)
		if got.body != "example.com" {
			t.Errorf("got %+v", got)
		}
	}
}

// secure starts a server that speaks TLS, and returns its address and the pool that trusts it.
func secure(t *testing.T, cfg *tls.Config) (string, *x509.CertPool) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.ServerName+" "+r.Proto)
	}))
	s.TLS, s.Config.ErrorLog = cfg, log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return s.Listener.Addr().String(), pool
}

func TestTLS(t *testing.T) {
	http1, pool := secure(t, nil)
	other, pool2 := secure(t, &tls.Config{NextProtos: []string{"other"}}) // for "h2" Go lets HTTP/1.1 in
	stuck := serve(t, func(p *peer) { p.ended() })
	var unknown x509.UnknownAuthorityError
	var wrong x509.HostnameError
	for _, tc := range []struct {
		name    string
		address string
		server  string
		cfg     *tls.Config
		want    string
		err     func(error) bool
	}{
		{"trusted", http1, "example.com", &tls.Config{RootCAs: pool}, "example.com HTTP/1.1", nil},
		{"not trusted", http1, "example.com", nil, "", func(err error) bool { return errors.As(err, &unknown) }},
		{"not verified", http1, "example.net", &tls.Config{InsecureSkipVerify: true}, "example.net HTTP/1.1", nil},
		{"wrong name", http1, "example.net", &tls.Config{RootCAs: pool}, "", func(err error) bool { return errors.As(err, &wrong) }},
		{"no HTTP/1.1", other, "example.com", &tls.Config{RootCAs: pool2}, "", func(err error) bool { return errors.Is(err, ErrNotHTTP1) }},
		{"no handshake", stuck.Addr().String(), "example.com", nil, "", func(err error) bool {
			ne, ok := err.(net.Error)
			return ok && ne.Timeout()
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &Client{Dial: dial, TLS: tc.cfg, TLSHandshakeTimeout: time.Minute}
			if tc.name == "no handshake" {
				c.TLSHandshakeTimeout = 30 * time.Millisecond
			}
			defer c.CloseIdle()
			for range 3 { // the second and third over the kept connection, if there is one
				got := run(func(req *http.Request) (*http.Response, error) {
					res, err := c.Do(req, Target{Network: "tcp", Address: tc.address, TLS: true, ServerName: tc.server})
					if err == nil && (res.TLS == nil || !res.TLS.HandshakeComplete) {
						t.Error("the answer does not tell of TLS")
					}
					return res, err
				}, newRequest(t, "POST", tc.address, "{}"))
				if got.body != tc.want || (tc.err == nil) != (got.err == nil) || tc.err != nil && !tc.err(got.err) {
					t.Errorf("got %+v", got)
				}
			}
			if tc.err == nil {
				idle := 0
				for _, h := range c.pool.hosts {
					idle += len(h.idle)
				}
				if idle != 1 {
					t.Errorf("%d idle connections, want 1", idle)
				}
			}
		})
	}
}

// TestTLSClosedIdleConnection is the case of a server that closes a secure connection after each answer.
func TestTLSClosedIdleConnection(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") }))
	closed := make(chan struct{}, 1)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			closed <- struct{}{}
		}
	}
	s.Config.IdleTimeout = time.Millisecond
	s.StartTLS()
	defer s.Close()
	c := &Client{Dial: dial, TLS: &tls.Config{InsecureSkipVerify: true}}
	defer c.CloseIdle()
	for range 5 {
		got := run(func(req *http.Request) (*http.Response, error) {
			return c.Do(req, Target{Network: "tcp", Address: s.Listener.Addr().String(), TLS: true, ServerName: "x"})
		}, newRequest(t, "POST", "x", "{}"))
		if got.body != "ok" {
			t.Errorf("got %+v", got)
		}
		<-closed
	}
}

// TestGoneServerLeavesBody has a server go away that answered before. The caller, who then tries another one, must
// find the body as it was.
func TestGoneServerLeavesBody(t *testing.T) {
	gone := make(chan struct{})
	s := serve(t, func(p *peer) {
		p.request()
		p.say(ok)
		p.Conn.Close()
		close(gone)
	})
	refused := errors.New("refused")
	dials := 0
	c := &Client{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials++; dials > 1 {
			return nil, refused
		}
		return dial(ctx, network, address)
	}}
	if err := to(t, c, s.Addr().String()); err != nil {
		t.Fatal(err)
	}
	<-gone
	req := newRequest(t, "POST", "h", "")
	body := strings.NewReader("{}")
	req.Body, req.ContentLength = io.NopCloser(body), 2
	_, err := c.Do(req, Target{Network: "tcp", Address: s.Addr().String()})
	if !errors.Is(err, refused) || body.Len() != 2 {
		t.Errorf("error %v, and %d bytes left of the body", err, body.Len())
	}
}

// TestSpentBodyIsNoDialError is a server that goes away while the body comes in. The error must not look as if the
// request could be sent elsewhere.
func TestSpentBodyIsNoDialError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := &net.DNSError{IsTimeout: true}
		n := new(network)
		c := &Client{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if n.opened.Load() > 0 {
				return nil, refused
			}
			return n.dial(ctx, network, address)
		}}
		body, sender := io.Pipe()
		go func() {
			time.Sleep(2 * unprobed) // such a connection is not trusted any more
			_, _ = io.WriteString(sender, "{}")
			sender.Close()
		}()
		req := newRequest(t, "POST", "h", "")
		req.Body, req.ContentLength = body, 2
		_, err := c.Do(req, Target{Network: "tcp", Address: "h"})
		if ne, ok := err.(net.Error); !ok || !ne.Timeout() || errors.Is(err, refused) {
			t.Errorf("error %#v", err)
		}
		n.want(t, 1, 1)
	})
}
