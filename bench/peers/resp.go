package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
)

// redisConn is a connection to Redis that several goroutines use at once: commands go out as they come, and answers come
// back in their order, so that Redis finds many commands at a time and syncs its file once for them.
type redisConn struct {
	conn net.Conn
	mu   sync.Mutex // of what is written, and of the order of waiting
	w    *bufio.Writer
	// waiting has a channel for each command on its way. What is in it bounds how many there are.
	waiting chan chan answer
}

type answer struct {
	value any
	err   error
}

// maxOnTheWay bounds the commands that a connection waits for.
const maxOnTheWay = 1024

func dialRedis(ctx context.Context, address string) (*redisConn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &redisConn{conn: conn, w: bufio.NewWriterSize(conn, 64<<10), waiting: make(chan chan answer, maxOnTheWay)}
	go c.read()
	return c, nil
}

// read gives each answer to whom it belongs, until the connection ends; then everybody who waits or comes later gets the error.
func (c *redisConn) read() {
	r := bufio.NewReaderSize(c.conn, 64<<10)
	var failed error
	for w := range c.waiting {
		if failed != nil {
			w <- answer{err: failed}
			continue
		}
		v, err := readAnswer(r, 0)
		if err != nil && !errors.As(err, new(redisError)) {
			failed = err
		}
		w <- answer{v, err}
	}
}

// do sends a command and waits for its answer: a string, an int64, a []any, or nil.
func (c *redisConn) do(args ...string) (any, error) {
	w := make(chan answer, 1)
	c.mu.Lock()
	writeCommand(c.w, args)
	err := c.w.Flush()
	if err == nil {
		c.waiting <- w
	}
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	a := <-w
	return a.value, a.err
}

// writeCommand writes an array of bulk strings. A failure shows when the writer is flushed.
func writeCommand(w *bufio.Writer, args []string) {
	fmt.Fprintf(w, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(w, "$%d\r\n", len(a))
		_, _ = w.WriteString(a)
		_, _ = w.WriteString("\r\n")
	}
}

// redisError is what Redis says of a command that it has not carried out.
type redisError string

// Error implements error.
func (e redisError) Error() string { return "Redis: " + string(e) }

var errRedis = errors.New("not an answer in Redis's protocol: see what listens there")

// Bounds of one answer: of a text, of a list, and of lists within lists.
const (
	maxText  = 64 << 20
	maxList  = 1 << 16
	maxDepth = 8
)

// readAnswer reads one answer of the protocol's second version.
func readAnswer(r *bufio.Reader, depth int) (any, error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return nil, err
	}
	if len(line) < 3 || line[len(line)-2] != '\r' {
		return nil, errRedis
	}
	kind, text := line[0], string(line[1:len(line)-2])
	switch kind {
	case '+':
		return text, nil
	case '-':
		return nil, redisError(text)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return nil, errRedis
	case kind == ':':
		return n, nil
	case kind == '$' && n >= 0 && n <= maxText:
		b := make([]byte, n+2)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, err
		}
		if string(b[n:]) != "\r\n" {
			return nil, errRedis
		}
		return string(b[:n]), nil
	case kind == '*' && n >= 0 && n <= maxList && depth < maxDepth:
		var list []any
		for range n {
			v, err := readAnswer(r, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case n == -1 && (kind == '$' || kind == '*'):
		return nil, nil
	}
	return nil, errRedis
}
