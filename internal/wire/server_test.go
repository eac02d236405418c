package wire

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server is a server that says exactly what a script tells it to.
type server struct {
	net.Listener
	conns    atomic.Int32 // accepted
	requests atomic.Int32 // read to their end
	mu       sync.Mutex
	bodies   []string
	wg       sync.WaitGroup
}

// peer is one accepted connection.
type peer struct {
	net.Conn
	*bufio.Reader
	s *server
	n int // which connection it is, from 1
}

func (p *peer) Read(b []byte) (int, error) { return p.Reader.Read(b) }

// request reads one request, body and all, and tells whether there was one.
func (p *peer) request() bool {
	req, err := http.ReadRequest(p.Reader)
	if err != nil {
		return false
	}
	b, err := io.ReadAll(req.Body)
	if err != nil {
		return false
	}
	p.s.mu.Lock()
	p.s.bodies = append(p.s.bodies, string(b))
	p.s.mu.Unlock()
	p.s.requests.Add(1)
	return true
}

// say writes an answer; newlines are sent as CRLF.
func (p *peer) say(text string) {
	_, _ = io.WriteString(p.Conn, strings.ReplaceAll(text, "\n", "\r\n"))
}

// ended waits until the client has closed the connection.
func (p *peer) ended() { _, _ = io.Copy(io.Discard, p) }

// serve starts a server on loopback that runs script for every connection.
func serve(t testing.TB, script func(*peer)) *server {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Listener: ln}
	s.wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			n := int(s.conns.Add(1))
			s.wg.Go(func() {
				defer c.Close()
				script(&peer{c, bufio.NewReader(c), s, n})
			})
		}
	})
	t.Cleanup(func() { ln.Close(); s.wg.Wait() })
	return s
}

// again answers every request on a connection with the same text.
func again(text string) func(*peer) {
	return func(p *peer) {
		for p.request() {
			p.say(text)
		}
	}
}

// options are the settings that both transports have.
type options struct {
	headerTimeout, idleTimeout time.Duration
	maxHeader                  int64
	maxConns, maxIdle, maxHost int
}

// patience is the limit of tests in which it is reached after something that must not reach it, also on a busy machine.
const patience = 500 * time.Millisecond

// subject is a transport under test.
type subject struct {
	name  string
	make  func(options) (do func(*http.Request) (*http.Response, error), close func())
	isStd bool
}

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, address)
}

// subjects are net/http's transport, whose behaviour is the measure, and ours.
var subjects = []subject{
	{"net/http", func(o options) (func(*http.Request) (*http.Response, error), func()) {
		tr := &http.Transport{
			DialContext: dial, DisableCompression: true,
			ResponseHeaderTimeout: o.headerTimeout, IdleConnTimeout: o.idleTimeout, MaxResponseHeaderBytes: o.maxHeader,
			MaxConnsPerHost: o.maxConns, MaxIdleConns: o.maxIdle, MaxIdleConnsPerHost: o.maxHost,
		}
		return tr.RoundTrip, tr.CloseIdleConnections
	}, true},
	{"wire", func(o options) (func(*http.Request) (*http.Response, error), func()) {
		c := &Client{
			Dial: dial, ResponseHeaderTimeout: o.headerTimeout, IdleTimeout: o.idleTimeout, MaxResponseHeader: o.maxHeader,
			MaxConnsPerHost: o.maxConns, MaxIdleConns: o.maxIdle, MaxIdleConnsPerHost: o.maxHost,
		}
		return func(req *http.Request) (*http.Response, error) {
			if !Carries(req, DefaultMaxBody) {
				return nil, errors.New("the request is not one that can be carried")
			}
			return c.Do(req, Target{Network: "tcp", Address: req.URL.Host})
		}, c.CloseIdle
	}, false},
}

// newRequest makes a request with a body in memory; "" is none.
func newRequest(t testing.TB, method, address, body string) *http.Request {
	t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+"/hooks?x=1", r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("User-Agent", "")
	return req
}
