// Package upstream is what stands behind the proxies that are measured: it answers each request as soon as it has read
// it, at as little cost as there can be.
package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// answerBody is all that the upstream ever says, but for spaces behind it.
const answerBody = `{"received":true}`

const lengthRequired = "HTTP/1.1 411 Length Required\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// Run is the whole of a process. It says on standard output where it listens.
func Run(stdout io.Writer) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, l.Addr())
	return Serve(l, 0)
}

// Serve answers until the listener is closed, with a body of that many bytes, or a short one if it is longer.
func Serve(l net.Listener, size int) error { return Counted(l, size, func() {}) }

// Counted is Serve and calls arrived for each request that it has read, from several goroutines at once.
func Counted(l net.Listener, size int, arrived func()) error {
	body := answerBody + strings.Repeat(" ", max(0, size-len(answerBody)))
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			_ = converse(c, c, answer, arrived) // the client hung up, or is none of HTTP
		}()
	}
}

// converse answers the requests that come over one connection.
func converse(in io.Reader, out io.Writer, answer []byte, arrived func()) error {
	r := bufio.NewReaderSize(in, 16<<10)
	for {
		length, err := readRequestHead(r)
		if errors.Is(err, errLength) {
			_, _ = io.WriteString(out, lengthRequired)
			// A client that is still sending would lose the answer with the connection.
			_, _ = io.CopyN(io.Discard, r, 64<<10)
		}
		if err != nil {
			return err
		}
		if _, err := r.Discard(length); err != nil {
			return err
		}
		arrived()
		if _, err := out.Write(answer); err != nil {
			return err
		}
	}
}

var (
	errLength  = errors.New("a body without a length")
	errRequest = errors.New("not a request")
)

// readRequestHead reads a request up to its body and returns the body's length.
func readRequestHead(r *bufio.Reader) (length int, err error) {
	if _, err := r.ReadSlice('\n'); err != nil {
		return 0, err
	}
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return length, nil
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		if !ok {
			return 0, errRequest
		}
		switch {
		case len(name) == 14 && bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
			if err != nil {
				return 0, errRequest
			}
			length = int(n)
		case len(name) == 17 && bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return 0, errLength
		}
	}
}
