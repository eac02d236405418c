package transport

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// recorder is an upstream that passes on every request as it came over the wire.
func recorder(t *testing.T, got chan<- string) string {
	return raw(t, func(c net.Conn) {
		var b bytes.Buffer
		br := bufio.NewReader(io.TeeReader(c, &b))
		for {
			req, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			_, err = io.Copy(io.Discard, req.Body)
			if err != nil {
				got <- "broken: " + b.String()
				return
			}
			got <- b.String()
			b.Reset()
			answer := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
			if req.Method == http.MethodHead {
				answer = strings.TrimSuffix(answer, "ok")
			}
			_, _ = io.WriteString(c, answer)
		}
	})
}

// TestRequestsAlike sends requests over the wire, and compares what reaches the upstream by either transport: byte by
// byte, but for the order of header lines of different names.
func TestRequestsAlike(t *testing.T) {
	requests := []struct{ name, text string }{
		{"case and duplicates", "GET / HTTP/1.1\nHost: HOST\nx-lower: a\nX-LOWER: b\nSET-cookie: c\nX-Empty:\nX-Pad:  \t p \t\n\n"},
		{"hop by hop", "POST / HTTP/1.1\nHost: HOST\nConnection: keep-alive, X-Hop\nX-Hop: 1\nKeep-Alive: 5\nProxy-Authorization: x\nProxy-Connection: y\nContent-Length: 2\n\n{}"},
		{"TE", "GET / HTTP/1.1\nHost: HOST\nConnection: TE\nTE: trailers, deflate\n\n"},
		{"length 0, POST", "POST / HTTP/1.1\nHost: HOST\nContent-Length: 0\n\n"},
		{"length 0, DELETE", "DELETE / HTTP/1.1\nHost: HOST\nContent-Length: 0\n\n"},
		{"no length, PATCH", "PATCH / HTTP/1.1\nHost: HOST\n\n"},
		{"no length, GET", "GET / HTTP/1.1\nHost: HOST\n\n"},
		{"GET with a body", "GET / HTTP/1.1\nHost: HOST\nContent-Length: 2\n\n{}"},
		{"HEAD", "HEAD / HTTP/1.1\nHost: HOST\n\n"},
		{"chunks", "POST / HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\n\n2\n{}\n0\n\n"},
		{"empty chunks", "POST / HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\n\n0\n\n"},
		{"trailers", "POST / HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\nTrailer: X-Sum\n\n2\n{}\n0\nX-Sum: 7\n\n"},
		{"trailers not announced", "POST / HTTP/1.1\nHost: HOST\nTransfer-Encoding: chunked\n\n2\n{}\n0\nX-Sum: 7\n\n"},
		{"HTTP/1.0", "POST / HTTP/1.0\nHost: HOST\nConnection: keep-alive\nContent-Length: 2\n\n{}"},
		{"an absolute target", "GET http://example.com/x?y HTTP/1.1\nHost: HOST\n\n"},
		{"the server itself", "OPTIONS * HTTP/1.1\nHost: HOST\n\n"},
		{"escapes", "GET /a%2Fb//c%20d/../e;f?q=%zz&r=[]%00 HTTP/1.1\nHost: HOST\n\n"},
		{"a host that is an IPv6 address", "GET / HTTP/1.1\nHost: [::1]\n\n"},
		{"a host with a port", "POST / HTTP/1.1\nHost: Example.COM:1234\nContent-Length: 2\n\n{}"},
		{"two agents", "GET / HTTP/1.1\nHost: HOST\nUser-Agent: a\nUser-Agent: b\n\n"},
		{"an empty agent", "GET / HTTP/1.1\nHost: HOST\nUser-Agent:\n\n"},
		{"another method", "PROPFIND / HTTP/1.1\nHost: HOST\nDepth: 1\nContent-Length: 2\n\n{}"},
		{"a key", "POST / HTTP/1.1\nHost: HOST\nIdempotency-Key: k\nContent-Length: 2\n\n{}"},
		{"a long value", "POST / HTTP/1.1\nHost: HOST\nX-Long: " + strings.Repeat("v", 8<<10) + "\nContent-Length: 2\n\n{}"},
		{"over the bound", "POST / HTTP/1.1\nHost: HOST\nX-Long: v\nContent-Length: 300000\n\n" + strings.Repeat("b", 300000)},
	}
	for _, rules := range []string{"", "header_up Host {upstream_hostport}\nheader_up +X-A 1\nheader_up +X-A 2\nheader_up -Depth", "header_up Connection close\nheader_up Content-Length 7"} {
		arrived := make(map[string][]string)
		for _, name := range names {
			got := make(chan string, 1)
			up := recorder(t, got)
			options := ""
			if name == "http" {
				options = "compression off"
			}
			address := start(t, proxy(name, up, options, rules))
			for _, r := range requests {
				c, err := net.Dial("tcp", address)
				if err != nil {
					t.Fatal(err)
				}
				_ = c.SetDeadline(time.Now().Add(time.Minute))
				_, _ = io.WriteString(c, strings.NewReplacer("\n", "\r\n", "HOST", address).Replace(r.text))
				br := bufio.NewReader(c)
				res, err := http.ReadResponse(br, nil)
				for err == nil && res.StatusCode == http.StatusContinue {
					res, err = http.ReadResponse(br, nil)
				}
				if err != nil {
					t.Fatalf("%s: %v", r.name, err)
				}
				text := res.Status // Caddy's own
				if res.Header.Get("Via") != "" {
					text = <-got
				}
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, br) // until the site has closed it too
				c.Close()
				head, body, _ := strings.Cut(strings.NewReplacer(up, "UPSTREAM", address, "SITE").Replace(text), "\r\n\r\n")
				lines := strings.Split(head, "\r\n")
				slices.SortStableFunc(lines[1:], func(a, b string) int {
					a, _, _ = strings.Cut(a, ":")
					b, _, _ = strings.Cut(b, ":")
					return strings.Compare(a, b)
				})
				arrived[name] = append(arrived[name], strings.Join(lines, "\n")+"\n\n"+body)
			}
		}
		for i, r := range requests {
			if want, got := arrived["http"][i], arrived["callgate"][i]; got != want {
				t.Errorf("%s, with %q:\ngot  %.500q\nwant %.500q", r.name, rules, got, want)
			}
		}
		if !strings.Contains(arrived["callgate"][0], "X-Lower: a\nX-Lower: b\n") {
			t.Errorf("got %q", arrived["callgate"][0])
		}
	}
}
