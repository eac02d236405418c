package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
)

// upstreamAnswer is all that the upstream ever says.
const upstreamAnswer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n" + `{"received":true}`

const lengthRequired = "HTTP/1.1 411 Length Required\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// runUpstream is the process behind the gateways. It says on standard output where it listens, and answers each
// request as soon as it has read it, at as little cost as there can be.
func runUpstream() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stdout, l.Addr())
	return serve(l)
}

func serve(l net.Listener) error {
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
			_ = converse(c, c) // the client hung up, or is none of HTTP
		}()
	}
}

// converse answers the requests that come over one connection.
func converse(in io.Reader, out io.Writer) error {
	r := bufio.NewReaderSize(in, 16<<10)
	answer := []byte(upstreamAnswer)
	for {
		length, err := readRequestHead(r)
		if errors.Is(err, errLength) {
			_, _ = io.WriteString(out, lengthRequired)
		}
		if err != nil {
			return err
		}
		if _, err := r.Discard(length); err != nil {
			return err
		}
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
