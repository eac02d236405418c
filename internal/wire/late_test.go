package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// sendLine sends a small request that is written already.
func sendLine(c *Client, ctx context.Context, by time.Time) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://h.example/", nil)
	if err != nil {
		return nil, err
	}
	msg := AppendLength(AppendRequestLine(nil, req.Method, "/x", "h.example"), req.Method, 2)
	return c.Send(req, append(msg, "\r\n{}"...), Target{Network: "tcp", Address: "h.example:80"}, by)
}

// piped is a client whose connections a script serves.
func piped(script func(net.Conn)) *Client {
	return &Client{Dial: func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go script(theirs)
		return ours, nil
	}}
}

// TestSendIsLate has servers that do not answer, do not read, and that nobody gets a connection to.
func TestSendIsLate(t *testing.T) {
	for name, c := range map[string]func() *Client{
		"no answer": func() *Client {
			return piped(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		},
		"half a head": func() *Client {
			return piped(func(c net.Conn) {
				_, _ = c.Read(make([]byte, 1000))
				_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200")
			})
		},
		"reads nothing": func() *Client { return piped(func(net.Conn) {}) },
		"no connection": func() *Client {
			return &Client{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, errors.New("given up")
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := sendLine(c(), t.Context(), began.Add(time.Second))
				if took := time.Since(began); !errors.Is(err, ErrLate) || took != time.Second {
					t.Errorf("%v after %s", err, took)
				}
				var ne net.Error
				if !errors.As(err, &ne) || !ne.Timeout() {
					t.Error("it is no time limit")
				}
			})
		})
	}
}

// The bound is on the beginning of the answer, and not on what comes after it.
func TestSendBoundsTheHeadOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := piped(func(c net.Conn) {
			defer c.Close()
			for range 2 {
				_, _ = c.Read(make([]byte, 1000))
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
				time.Sleep(time.Minute)
				_, _ = io.WriteString(c, "body")
			}
		})
		for range 2 {
			res, err := sendLine(c, t.Context(), time.Now().Add(time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if Arrived(res.Body) {
				t.Error("a body that is not there yet has arrived")
			}
			b, err := io.ReadAll(res.Body)
			if string(b) != "body" || err != nil || Arrived(res.Body) {
				t.Errorf("%q %v", b, err)
			}
			res.Body.Close()
		}
		c.CloseIdle()
	})
}

func TestSendEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gone := errors.New("gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(gone) })
		c := piped(func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
		if _, err := sendLine(c, ctx, time.Now().Add(time.Minute)); err != gone {
			t.Error(err)
		}
	})
}

func TestArrivedBodies(t *testing.T) {
	c := piped(func(c net.Conn) {
		_, _ = c.Read(make([]byte, 1000))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody")
	})
	res, err := sendLine(c, t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if !Arrived(res.Body) || Arrived(strings.NewReader("x")) || Arrived(http.NoBody) {
		t.Error("what came with the head has not arrived, or something else has")
	}
}
