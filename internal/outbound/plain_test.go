package outbound

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// receiver notes what it gets, and answers by its path.
type receiver struct {
	*httptest.Server
	mu          sync.Mutex
	got         []string
	connections map[string]bool
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{connections: map[string]bool{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s %s %d %v\n", req.Method, req.RequestURI, req.Proto, req.Host, req.ContentLength, req.TransferEncoding)
	for _, name := range slices.Sorted(maps.Keys(req.Header)) {
		fmt.Fprintf(&b, "%s: %q\n", name, req.Header[name])
	}
	fmt.Fprintf(&b, "%d bytes: %.20q", len(body), body)
	r.mu.Lock()
	r.got = append(r.got, b.String())
	r.connections[req.RemoteAddr] = true
	r.mu.Unlock()
	switch req.URL.Path {
	case "/gzip":
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, strings.Repeat("answer ", 100))
		_ = z.Close()
	case "/notgzip":
		w.Header().Set("Content-Encoding", "gzip")
		fmt.Fprint(w, "no gzip at all")
	case "/empty":
		w.WriteHeader(http.StatusNoContent)
	case "/moved":
		http.Redirect(w, req, "/", http.StatusFound)
	case "/pieces":
		fmt.Fprint(w, "a")
		w.(http.Flusher).Flush()
		fmt.Fprint(w, "b")
	case "/head":
		w.Header().Set("X", strings.Repeat("x", maxAnswerHead))
	case "/gone":
		panic(http.ErrAbortHandler)
	case "/half":
		w.Header().Set("Content-Length", "10")
		fmt.Fprint(w, "abc")
	default:
		w.Header().Set("X-Path", req.URL.Path)
		fmt.Fprintf(w, "%s %d", req.URL.Path, len(body))
	}
}

// TestPlainRequestsAreLikeOthers: whether net/http sends a request or not makes no difference to receivers, nor to who reads
// the answer.
func TestPlainRequestsAreLikeOthers(t *testing.T) {
	type option func(*http.Request)
	set := func(name, value string) option { return func(r *http.Request) { r.Header.Set(name, value) } }
	for _, tc := range []struct {
		name, method, path string
		body               []byte
		change             option
	}{
		{name: "usual", method: "POST", path: "/hook?a=1&b=%20", body: []byte(`{"a":1}`), change: set("Content-Type", "application/json")},
		{name: "nothing to say", method: "POST", path: "/", body: []byte{}},
		{name: "no body", method: "GET", path: "/"},
		{name: "delete", method: "DELETE", path: "/x"},
		{name: "put without a body", method: "PUT", path: "/x"},
		{name: "large", method: "POST", path: "/x", body: bytes.Repeat([]byte("x"), 300<<10)},
		{name: "a key", method: "POST", path: "/x", body: []byte("x"), change: set("Idempotency-Key", "abc")},
		{name: "its own agent", method: "POST", path: "/x", body: []byte("x"), change: set("User-Agent", "me")},
		{name: "no agent", method: "POST", path: "/x", body: []byte("x"), change: func(r *http.Request) { r.Header["User-Agent"] = nil }},
		{name: "another host", method: "POST", path: "/x", body: []byte("x"), change: func(r *http.Request) { r.Host = "crm.example" }},
		{name: "a password in the URL", method: "POST", path: "/x", body: []byte("x"), change: func(r *http.Request) { r.URL.User = url.UserPassword("me", "secret") }},
		{name: "a length that is not known", method: "POST", path: "/x", body: []byte("x"), change: func(r *http.Request) { r.ContentLength = -1 }},
		{name: "a header that is none", method: "POST", path: "/x", body: []byte("x"), change: set("X", "a\r\nY: b")},
		{name: "gzip", method: "GET", path: "/gzip"},
		{name: "gzip, head", method: "HEAD", path: "/gzip"},
		{name: "gzip, asked for", method: "POST", path: "/gzip", body: []byte("x"), change: set("Accept-Encoding", "gzip")},
		{name: "gzip that is none", method: "GET", path: "/notgzip"},
		{name: "empty", method: "POST", path: "/empty", body: []byte("x")},
		{name: "moved", method: "POST", path: "/moved", body: []byte("x")},
		{name: "pieces", method: "POST", path: "/pieces", body: []byte("x")},
		{name: "a large head", method: "POST", path: "/head", body: []byte("x")},
		{name: "gone", method: "POST", path: "/gone", body: []byte("x")},
		{name: "half an answer", method: "POST", path: "/half", body: []byte("x")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newReceiver(t)
			send := func(c *Client) string {
				req, err := NewRequest(t.Context(), tc.method, r.URL+tc.path, tc.body)
				if err != nil {
					t.Fatal(err)
				}
				if tc.change != nil {
					tc.change(req)
				}
				a, err := c.Do(t.Context(), req)
				if err != nil {
					var e *Error
					return fmt.Sprint(errors.As(err, &e), e.Kind)
				}
				header := a.Header.Clone()
				header.Del("Date")
				return fmt.Sprint(a.Status, header, len(a.Body), a.Truncated, string(a.Body[:min(len(a.Body), 100)]))
			}
			all := http.DefaultTransport.(*http.Transport).Clone()
			all.MaxResponseHeaderBytes = maxAnswerHead
			defer all.CloseIdleConnections()
			want := send(NewClient(Options{Transport: all}))
			c := NewClient(Options{AllowPrivate: true})
			defer c.CloseIdle()
			for range 2 { // the second time over the connection of the first
				if got := send(c); got != want {
					t.Errorf("the answer is\n%s, want\n%s", got, want)
				}
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, got := range r.got[min(1, len(r.got)):] {
				if got != r.got[0] {
					t.Errorf("the receiver gets\n%s, want\n%s", got, r.got[0])
				}
			}
		})
	}
}

// TestWhatIsPlain: what is encrypted, goes by a proxy or has a name to be translated is net/http's.
func TestWhatIsPlain(t *testing.T) {
	proxied := func(r *http.Request) (*url.URL, error) {
		switch r.URL.Hostname() {
		case "far.example":
			return &url.URL{Scheme: "http", Host: "proxy.example:3128"}, nil
		case "odd.example":
			return nil, errors.New("no such proxy")
		}
		return nil, nil
	}
	p := &plain{proxy: proxied}
	for address, want := range map[string]string{
		"http://localhost/x":          "localhost:80",
		"http://localhost:8080/x":     "localhost:8080",
		"http://127.0.0.1:8080":       "127.0.0.1:8080",
		"http://[::1]:8080/":          "[::1]:8080",
		"http://[::1]/":               "[::1]:80",
		"https://localhost/x":         "",
		"http://far.example/":         "",
		"http://odd.example/":         "",
		"http://b\u00fccher.example/": "",
		"http://[fe80::1%25eth0]/":    "",
	} {
		req, err := http.NewRequest("POST", address, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		if to, ok := p.target(req); to.Address != want || ok != (want != "") {
			t.Errorf("%s: %+v, %v", address, to, ok)
		}
	}
}

// TestPlainKeepsItsConnection from one delivery to the next, and lets go of it at the end.
func TestPlainKeepsItsConnection(t *testing.T) {
	r := newReceiver(t)
	c := NewClient(Options{AllowPrivate: true})
	for range 5 {
		req, err := NewRequest(t.Context(), "POST", r.URL+"/x", []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	}
	r.mu.Lock()
	if len(r.connections) != 1 || len(r.got) != 5 {
		t.Errorf("%d requests over %d connections", len(r.got), len(r.connections))
	}
	r.mu.Unlock()
	c.CloseIdle()
}

// TestPlainIsGuarded: an address that is not allowed is not dialled, whoever would carry the request.
func TestPlainIsGuarded(t *testing.T) {
	r := newReceiver(t)
	req, err := NewRequest(t.Context(), "POST", r.URL, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := NewClient(Options{}).Do(t.Context(), req); !errors.As(err, &e) || e.Kind != Forbidden {
		t.Errorf("%v", err)
	}
	if len(r.got) != 0 {
		t.Error("it was sent")
	}
}

// TestPlainEnds when its attempt ends: while it is dialled, and while the answer is waited for.
func TestPlainEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Read(make([]byte, 1))
		cancel()
		_, _ = io.Copy(io.Discard, c)
	}()
	c := NewClient(Options{AllowPrivate: true})
	for range 2 { // the second time before anything is dialled
		req, err := NewRequest(ctx, "POST", "http://"+l.Addr().String(), []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		var e *Error
		if _, err := c.Do(ctx, req); !errors.As(err, &e) || e.Kind != Stopped {
			t.Errorf("%v", err)
		}
	}
}
