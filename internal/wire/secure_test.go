package wire

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serveTLS runs script for every connection, when its handshake is done.
func serveTLS(t *testing.T, cfg *tls.Config, script func(net.Conn, *bufio.Reader)) (address string, conns *atomic.Int32) {
	t.Helper()
	named := httptest.NewTLSServer(http.NotFoundHandler())
	cfg.Certificates = named.TLS.Certificates
	named.Close()
	conns = new(atomic.Int32)
	s := serve(t, func(p *peer) {
		conns.Add(1)
		c := tls.Server(p.Conn, cfg)
		if c.Handshake() == nil {
			script(c, bufio.NewReader(c))
		}
		c.Close()
	})
	return s.Addr().String(), conns
}

// overTLS sends requests to address, as run wants it.
func overTLS(c *Client, address string) func(*http.Request) (*http.Response, error) {
	return func(req *http.Request) (*http.Response, error) {
		return c.Do(req, Target{Network: "tcp", Address: address, TLS: true, ServerName: "example.com"})
	}
}

// TestSurplusOverTLSEndsConnection is TestSurplusEndsConnection where the surplus came in one record with the answer,
// so that TLS holds it when the answer has been read, and the socket is empty.
func TestSurplusOverTLSEndsConnection(t *testing.T) {
	const size = 10000
	text := "HTTP/1.1 200 OK\r\nContent-Length: " + strconv.Itoa(size) + "\r\n\r\n" + strings.Repeat("x", size) +
		"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
	address, conns := serveTLS(t, &tls.Config{DynamicRecordSizingDisabled: true}, func(c net.Conn, br *bufio.Reader) {
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(c, text)
		}
	})
	c := &Client{Dial: dial, TLS: &tls.Config{InsecureSkipVerify: true}}
	defer c.CloseIdle()
	for range 5 {
		res, err := overTLS(c, address)(newRequest(t, "POST", address, "{}"))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for b := make([]byte, 32<<10); err == nil; { // as reverse_proxy does: past the buffer of the connection
			var k int
			k, err = res.Body.Read(b)
			n += k
		}
		res.Body.Close()
		if err != io.EOF || n != size {
			t.Errorf("%d bytes, %v: somebody got what was not the answer", n, err)
		}
	}
	if n := conns.Load(); n != 5 {
		t.Errorf("%d connections, want 5", n)
	}
}

// TestTicketsAreNoReasonToDial has a server that sends session tickets after the handshake, and a sender that gives
// the body when they have been sent.
func TestTicketsAreNoReasonToDial(t *testing.T) {
	body, sender := io.Pipe()
	// Asked for a certificate, Go's server cannot send tickets before it has seen the client's last message.
	address, conns := serveTLS(t, &tls.Config{ClientAuth: tls.RequestClientCert}, func(c net.Conn, br *bufio.Reader) {
		time.Sleep(2 * time.Millisecond) // for a sender that takes its time
		_, _ = io.WriteString(sender, "{}")
		sender.Close()
		if req, err := http.ReadRequest(br); err == nil {
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(c, strings.ReplaceAll(ok, "\n", "\r\n"))
		}
	})
	c := &Client{Dial: dial, TLS: &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(1)}}
	defer c.CloseIdle()
	req := newRequest(t, "POST", address, "")
	req.Body, req.ContentLength = body, 2
	run(overTLS(c, address), req).check(t, okOutcome())
	if n := conns.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

// TestHandshakeWithinReadTimeout is a server that accepts connections and says nothing, and a client that limits
// single reads but not handshakes.
func TestHandshakeWithinReadTimeout(t *testing.T) {
	stuck := serve(t, func(p *peer) { p.ended() })
	c := &Client{Dial: dial, ReadTimeout: 30 * time.Millisecond}
	got := run(overTLS(c, stuck.Addr().String()), newRequest(t, "POST", "x", "{}"))
	if !got.timeout {
		t.Errorf("got %+v", got)
	}
	// What limits the reads of a handshake does not run on: the next limit is that of the next read.
	address, _ := serveTLS(t, new(tls.Config), func(c net.Conn, br *bufio.Reader) {
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = io.WriteString(c, strings.ReplaceAll(ok, "\n", "\r\n"))
		}
	})
	c = &Client{Dial: dial, TLS: &tls.Config{InsecureSkipVerify: true}, ReadTimeout: time.Minute, WriteTimeout: time.Minute}
	defer c.CloseIdle()
	for range 2 {
		run(overTLS(c, address), newRequest(t, "POST", "x", "{}")).check(t, okOutcome())
	}
}
