package wire

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// lines splits a message into its request line, its sorted header lines and its body.
func lines(b []byte) []string {
	head, body, _ := bytes.Cut(b, []byte("\r\n\r\n"))
	l := strings.Split(string(head), "\r\n")
	slices.Sort(l[1:])
	return append(l, string(body))
}

// sameAsNetHTTP compares what is written for req with what net/http writes, the order of header lines aside.
func sameAsNetHTTP(t *testing.T, make func() *http.Request) {
	t.Helper()
	var want bytes.Buffer
	wantErr := make().Write(&want)
	m := &Message{B: []byte("left from an earlier request")}
	err := m.write(make())
	if (err == nil) != (wantErr == nil) {
		t.Fatalf("error %v, net/http's is %v", err, wantErr)
	}
	if err == nil && !slices.Equal(lines(m.B), lines(want.Bytes())) {
		t.Errorf("got  %q\nwant %q", lines(m.B), lines(want.Bytes()))
	}
}

func TestMessageLikeNetHTTP(t *testing.T) {
	for _, method := range []string{"", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
		for _, host := range []string{"", "example.com", "Example.COM:8080", "[::1]:80", "[fe80::1%25en0]:80", "münchen.example", "a b", "x/y", "_srv.local"} {
			for _, body := range []string{"", "{}", strings.Repeat("x", 70000)} {
				sameAsNetHTTP(t, func() *http.Request {
					req := &http.Request{
						Method: method, Host: host, URL: &url.URL{Scheme: "http", Host: "10.0.0.1:80", Path: "/a b/ü", RawQuery: "q=1&r=%20"},
						Header: http.Header{
							"User-Agent": {"agent"}, "Content-Length": {"99"}, "Transfer-Encoding": {"chunked"}, "Host": {"other"},
							"X-A": {" padded\t", "second"}, "X-Empty": {""}, "X-None": nil, "x-lower": {"kept"}, "Content-Type": {"application/json"},
						},
					}
					if body != "" {
						req.Body, req.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
					}
					return req
				})
			}
		}
	}
	for _, uri := range []string{"/", "", "*", "/%2f?x=%0a", "//double", "/\x7f"} {
		sameAsNetHTTP(t, func() *http.Request {
			return &http.Request{Host: "h", URL: &url.URL{Opaque: uri}, Header: http.Header{"User-Agent": {""}}}
		})
		sameAsNetHTTP(t, func() *http.Request {
			return &http.Request{Host: "h", URL: &url.URL{Path: uri}, Header: http.Header{}}
		})
	}
}

// oneByte gives one byte at a time and its end separately.
type oneByte struct{ io.Reader }

func (r oneByte) Read(p []byte) (int, error) { return r.Reader.Read(p[:min(len(p), 1)]) }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestMessageBody(t *testing.T) {
	gone := errors.New("the sender is gone")
	for _, tc := range []struct {
		name string
		body io.Reader
		want error
	}{
		{"exact", strings.NewReader("12345"), nil},
		{"in pieces", oneByte{strings.NewReader("12345")}, nil},
		{"short", strings.NewReader("1234"), ErrBodyLength},
		{"long", strings.NewReader("123456"), ErrBodyLength},
		{"stuck", io.MultiReader(strings.NewReader("123"), failing{nil}), io.ErrNoProgress},
		{"broken", io.MultiReader(strings.NewReader("123"), failing{gone}), gone},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &closing{Reader: tc.body}
			req := &http.Request{Method: "POST", Host: "h", URL: &url.URL{Path: "/"}, Header: http.Header{"User-Agent": nil}, Body: c, ContentLength: 5}
			m := new(Message)
			if err := m.write(req); !errors.Is(err, tc.want) {
				t.Errorf("error %v, want %v", err, tc.want)
			}
			if tc.want == nil && !bytes.HasSuffix(m.B, []byte("\r\n\r\n12345")) {
				t.Errorf("message %q", m.B)
			}
			if !c.closed {
				t.Error("the body was not closed")
			}
		})
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestCarries(t *testing.T) {
	base := func() *http.Request { return newRequest(t, "POST", "example.com", "{}") }
	for _, tc := range []struct {
		name string
		edit func(*http.Request)
		want bool
	}{
		{"usual", func(*http.Request) {}, true},
		{"no body", func(r *http.Request) { r.Body, r.ContentLength = nil, 0 }, true},
		{"NoBody", func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, 0 }, true},
		{"trailers possible but none announced", func(r *http.Request) { r.Trailer = http.Header{} }, true},
		{"at the bound", func(r *http.Request) { r.ContentLength = 64 }, true},
		{"over the bound", func(r *http.Request) { r.ContentLength = 65 }, false},
		{"length unknown", func(r *http.Request) { r.ContentLength = -1 }, false},
		{"length unknown too", func(r *http.Request) { r.ContentLength = 0 }, false},
		{"trailers", func(r *http.Request) { r.Trailer = http.Header{"X": nil} }, false},
		{"chunked", func(r *http.Request) { r.TransferEncoding = []string{"chunked"} }, false},
		{"upgrade", func(r *http.Request) { r.Header["Upgrade"] = []string{"websocket"} }, false},
		{"connection", func(r *http.Request) { r.Header["Connection"] = []string{"x"} }, false},
		{"expect", func(r *http.Request) { r.Header["Expect"] = []string{"100-continue"} }, false},
		{"te", func(r *http.Request) { r.Header["Te"] = []string{"trailers"} }, false},
		{"incremental", func(r *http.Request) { r.Header["Incremental"] = []string{"?1"} }, false},
		{"close", func(r *http.Request) { r.Close = true }, false},
		{"tunnel", func(r *http.Request) { r.Method = "CONNECT" }, false},
		{"bad method", func(r *http.Request) { r.Method = "GET /" }, false},
		{"bad name", func(r *http.Request) { r.Header["X Y"] = []string{"z"} }, false},
		{"empty name", func(r *http.Request) { r.Header[""] = []string{"z"} }, false},
		{"bad value", func(r *http.Request) { r.Header["X"] = []string{"a\r\nEvil: b"} }, false},
		{"no host", func(r *http.Request) { r.URL.Host = "" }, false},
		{"no URL", func(r *http.Request) { r.URL = nil }, false},
		{"no header", func(r *http.Request) { r.Header = nil }, false},
	} {
		req := base()
		tc.edit(req)
		if got := Carries(req, 64); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestMessageAsksForGzip once, with whichever host the request is written for.
func TestMessageAsksForGzip(t *testing.T) {
	for _, host := range []string{"h", "münchen.example"} {
		header := http.Header{"User-Agent": {"agent"}}
		m := &Message{gzip: true}
		if err := m.write(&http.Request{Host: host, URL: &url.URL{Path: "/"}, Header: header}); err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(m.B, []byte("\r\nAccept-Encoding: gzip\r\n")); n != 1 || len(header) != 1 {
			t.Errorf("asked %d times in %q, and the request's header is %v", n, m.B, header)
		}
	}
	for want, req := range map[bool]*http.Request{
		true: {Method: "POST", Header: http.Header{"Accept": {"*/*"}}}, false: {Method: "HEAD", Header: http.Header{}},
	} {
		if AsksForGzip(req) != want {
			t.Errorf("%s: %v", req.Method, !want)
		}
	}
	for _, name := range []string{"Accept-Encoding", "Range"} {
		if AsksForGzip(&http.Request{Method: "GET", Header: http.Header{name: {"x"}}}) {
			t.Errorf("asked beside %s", name)
		}
	}
}
