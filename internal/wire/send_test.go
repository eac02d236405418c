package wire

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestEarlyAnswer(t *testing.T) {
	s := serve(t, func(p *peer) {
		_, _ = p.Peek(1)
		p.say("HTTP/1.1 413 Too Large\nConnection: close\nContent-Length: 2\n\nno")
		time.Sleep(20 * time.Millisecond)
	})
	c := &Client{Dial: dial}
	req := newRequest(t, "POST", s.Addr().String(), strings.Repeat("x", 8<<20)) // more than any buffer on the way
	got := run(func(req *http.Request) (*http.Response, error) {
		return c.Do(req, Target{Network: "tcp", Address: s.Addr().String()})
	}, req)
	got.check(t, outcome{status: 413, header: http.Header{"Content-Length": {"2"}}, length: 2, body: "no"})
}

// TestAnswerBeforeRequestIsRead is a server that has a lot to say and listens afterwards, if at all.
func TestAnswerBeforeRequestIsRead(t *testing.T) {
	const long = 16 << 20
	head, body := "HTTP/1.1 200 OK\nContent-Length: "+strconv.Itoa(long)+"\n\n", strings.Repeat("x", long)
	s := serve(t, func(p *peer) {
		_, _ = p.Peek(1) // a request has begun, which is all it waits for
		p.say(head)
		_, _ = io.WriteString(p.Conn, body)
		p.ended()
	})
	c := &Client{Dial: dial, stall: 300 * time.Millisecond}
	for range 2 {
		req := newRequest(t, "POST", s.Addr().String(), body)
		got := run(func(req *http.Request) (*http.Response, error) {
			return c.Do(req, Target{Network: "tcp", Address: s.Addr().String()})
		}, req)
		if got.status != 200 || len(got.body) != long || got.bodyErr != nil {
			t.Errorf("got %d, %d bytes, %v, %v", got.status, len(got.body), got.err, got.bodyErr)
		}
	}
	if s.conns.Load() != 2 {
		t.Errorf("%d connections, want 2: the requests were not sent to their end", s.conns.Load())
	}
}

// TestSlowServerIsWaitedFor is a server that takes its time before it reads, which without a WriteTimeout it may.
func TestSlowServerIsWaitedFor(t *testing.T) {
	s := serve(t, func(p *peer) {
		_, _ = p.Peek(1)
		time.Sleep(100 * time.Millisecond) // many times the client's patience
		again(ok)(p)
	})
	c := &Client{Dial: dial, stall: 5 * time.Millisecond}
	defer c.CloseIdle()
	body := strings.Repeat("x", 8<<20) // more than any buffer on the way
	run(func(req *http.Request) (*http.Response, error) {
		return c.Do(req, Target{Network: "tcp", Address: s.Addr().String()})
	}, newRequest(t, "POST", s.Addr().String(), body)).check(t, okOutcome())
	if s.conns.Load() != 1 || len(s.bodies) != 1 || s.bodies[0] != body {
		t.Errorf("%d connections, %d bodies", s.conns.Load(), len(s.bodies))
	}
}

// TestPieces sends bodies that take several writes, and small ones after them on the same connection.
func TestPieces(t *testing.T) {
	s := serve(t, again(ok))
	c := &Client{Dial: dial, stall: 20 * time.Millisecond}
	defer c.CloseIdle()
	for _, size := range []int{onePiece - 1, onePiece, onePiece + 1, 5*onePiece + 7, 2} {
		req := newRequest(t, "POST", s.Addr().String(), strings.Repeat("x", size))
		run(func(req *http.Request) (*http.Response, error) {
			return c.Do(req, Target{Network: "tcp", Address: s.Addr().String()})
		}, req).check(t, okOutcome())
		if got := len(s.bodies[len(s.bodies)-1]); got != size {
			t.Errorf("%d bytes arrived, want %d", got, size)
		}
		time.Sleep(30 * time.Millisecond) // the limit of the last write is over
	}
	if s.conns.Load() != 1 {
		t.Errorf("%d connections, want 1", s.conns.Load())
	}
}
