package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"time"
)

// FuzzMessage holds the requests that are written against net/http's.
func FuzzMessage(f *testing.F) {
	f.Add("POST", "example.com", "/hooks?x=1", "X-Key", "value", "{}")
	f.Add("GET", "[::1]:80", "/a b", "User-Agent", "", "")
	f.Add("PUT", "münchen", "/\x00", "Content-Length", "7", "abc")
	f.Fuzz(func(t *testing.T, method, host, uri, name, value, body string) {
		request := func() *http.Request {
			req := &http.Request{
				Method: method, Host: host, URL: &url.URL{Scheme: "http", Host: "10.0.0.1", Path: uri},
				Header: http.Header{"User-Agent": {"a"}, name: {value}},
			}
			if body != "" {
				req.Body, req.ContentLength = io.NopCloser(bytes.NewReader([]byte(body))), int64(len(body))
			}
			return req
		}
		if !Carries(request(), DefaultMaxBody) {
			return
		}
		sameAsNetHTTP(t, request)
		// Whatever went in, one request comes out, and nothing after it.
		m := new(Message)
		if m.write(request()) != nil {
			return
		}
		br := bufio.NewReader(bytes.NewReader(m.B))
		req, err := http.ReadRequest(br)
		if err != nil {
			return // net/http writes the same, and its own reader refuses it
		}
		if b, err := io.ReadAll(req.Body); err != nil || string(b) != body || br.Buffered() != 0 {
			t.Errorf("body %q, %v, %d bytes after it", b, err, br.Buffered())
		}
	})
}

// answered gives every connection the same answer and then ends it.
func answered(answer []byte) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			br := bufio.NewReader(server)
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, req.Body)
			_, _ = server.Write(answer)
		}()
		return client, nil
	}
}

// FuzzAnswer gives both transports the same bytes and wants the same answer from them.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.0 204\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\nuntil the end",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, answer string, head bool) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		method := map[bool]string{false: "POST", true: "HEAD"}[head]
		std := &http.Transport{DialContext: answered([]byte(answer)), DisableCompression: true, MaxResponseHeaderBytes: 1 << 16}
		defer std.CloseIdleConnections()
		ours := &Client{Dial: answered([]byte(answer)), MaxResponseHeader: 1 << 16}
		defer ours.CloseIdle()
		want := run(std.RoundTrip, newRequest(t, method, "h", "{}").WithContext(ctx))
		got := run(func(req *http.Request) (*http.Response, error) {
			return ours.Do(req, Target{Network: "tcp", Address: "h"})
		}, newRequest(t, method, "h", "{}").WithContext(ctx))
		if ctx.Err() != nil {
			t.Fatal("it took too long")
		}
		if errors.Is(got.err, ErrUpgrade) || errors.Is(got.err, ErrMalformed) && want.err == nil && want.status < 100 {
			return // net/http hands such a connection or such an answer over
		}
		if (got.err == nil) != (want.err == nil) || (got.bodyErr == nil) != (want.bodyErr == nil) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
		got.err, got.bodyErr, want.err, want.bodyErr = nil, nil, nil, nil
		got.timeout, want.timeout = false, false
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}
