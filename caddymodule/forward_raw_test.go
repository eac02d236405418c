package caddymodule

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// rawReceiver is a receiver that keeps each request as it came over the wire, and answers by a script, which says whether the
// connection goes on after it.
type rawReceiver struct {
	address string
	got     chan string

	mu     sync.Mutex
	script func(c net.Conn, head bool) bool
}

func newRawReceiver(t testing.TB, network, address string) *rawReceiver {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	rc := &rawReceiver{address: ln.Addr().String(), got: make(chan string, 1000), script: says("HTTP/1.1 200 OK\nContent-Length: 2\n\nok")}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go rc.serve(c)
		}
	}()
	return rc
}

func (rc *rawReceiver) answer(script func(c net.Conn, head bool) bool) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.script = script
}

// says is a script that answers with a text.
func says(text string) func(c net.Conn, head bool) bool {
	head, body, _ := strings.Cut(text, "\n\n")
	head = strings.ReplaceAll(head, "\n", "\r\n") + "\r\n\r\n"
	return func(c net.Conn, onlyHead bool) bool {
		text := head + body
		if onlyHead && !strings.HasPrefix(body, "HTTP/") {
			text = head
		}
		_, err := io.WriteString(c, text)
		return err == nil && !strings.Contains(head, "Connection: close")
	}
}

// serve notes of each request its first line, the others sorted, and its body.
func (rc *rawReceiver) serve(c net.Conn) {
	defer c.Close()
	br := bufio.NewReader(c)
	for {
		var lines []string
		size, chunked := 0, false
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			if line = strings.TrimSuffix(line, "\r\n"); line == "" {
				break
			}
			lines = append(lines, line)
			if v, ok := strings.CutPrefix(line, "Content-Length: "); ok {
				size, _ = strconv.Atoi(v)
			}
			chunked = chunked || strings.HasPrefix(line, "Transfer-Encoding: ")
		}
		var body io.Reader = io.LimitReader(br, int64(size))
		if chunked {
			body = httputil.NewChunkedReader(br)
		}
		b, err := io.ReadAll(body)
		if err != nil {
			return
		}
		for line := "more"; chunked && line != "\r\n"; { // trailers
			if line, err = br.ReadString('\n'); err != nil {
				return
			}
		}
		slices.Sort(lines[1:])
		rc.got <- strings.Join(lines, "\n") + "\n\n" + string(b)
		rc.mu.Lock()
		script := rc.script
		rc.mu.Unlock()
		if !script(c, strings.HasPrefix(lines[0], http.MethodHead)) {
			return
		}
	}
}

// exchange sends a request as it stands to a gateway, and gives what came back: status, headers, body and trailers, how the
// body ended, and not how it was framed.
func exchange(t testing.TB, address, from, request string) string {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	head, body, _ := strings.Cut(request, "\n\n")
	if _, err := io.WriteString(c, strings.ReplaceAll(head, "\n", "\r\n")+"\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	method, _, _ := strings.Cut(request, " ")
	for {
		res, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			return "no answer"
		}
		if res.StatusCode < 200 {
			continue
		}
		b, err := io.ReadAll(res.Body)
		var out bytes.Buffer
		fmt.Fprintln(&out, res.Status)
		res.Header.Del("Date")
		for i, names := range res.Header["Trailer"] {
			res.Header["Trailer"][i] = strings.Join(slices.Sorted(strings.SplitSeq(names, ", ")), ", ")
		}
		if method != http.MethodHead {
			res.Header.Del("Content-Length")
		}
		_ = res.Header.Write(&out)
		fmt.Fprintf(&out, "%s (%d bytes, error %v)\n", b[:min(len(b), 100)], len(b), err)
		_ = res.Trailer.Write(&out)
		return out.String()
	}
}

// next is the next request that came to the receiver; empty if none comes.
func (rc *rawReceiver) next() string {
	select {
	case r := <-rc.got:
		return r
	case <-time.After(2 * time.Second):
		return ""
	}
}
