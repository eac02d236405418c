package transport

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// TestUpstreamGoes has an upstream go away that answered before. The next request, also if it is a POST, must get to
// the other upstream, body and all.
func TestUpstreamGoes(t *testing.T) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			seen := make(chan struct{})
			go func() {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				ln.Close()
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst")
				_ = c.(*net.TCPConn).CloseWrite()
				if name == "http" { // its reader has to see the end before the next request comes
					_, _ = io.Copy(io.Discard, c)
				}
				close(seen)
			}()
			address := start(t, proxy(name, ln.Addr().String()+" "+listen(t, echo), "", "lb_policy first\nlb_retries 1\nfail_duration 1m"))
			for i, want := range []string{"first", "HTTP/1.1 POST /hooks?x=1 2 |http|", "HTTP/1.1 POST /hooks?x=1 2 |http|"} {
				if res, body, err := answer(t, request(t, "POST", address, "{}")); err != nil || res.StatusCode != 200 || body != want {
					t.Fatalf("request %d: got %q, %v", i, body, err)
				}
				<-seen
			}
		})
	}
}
