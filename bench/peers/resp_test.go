package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
)

func TestReadAnswer(t *testing.T) {
	for in, want := range map[string]any{
		"+OK\r\n":                               "OK",
		":-3\r\n":                               int64(-3),
		"$5\r\na\r\nbc\r\n":                     "a\r\nbc",
		"$0\r\n\r\n":                            "",
		"$-1\r\n":                               nil,
		"*-1\r\n":                               nil,
		"*2\r\n$1\r\na\r\n*1\r\n:1\r\n":         []any{"a", []any{int64(1)}},
		"-ERR no such command\r\n":              redisError("ERR no such command"),
		"":                                      io.EOF,
		"$5\r\nab":                              io.ErrUnexpectedEOF,
		"$1\r\nabc":                             errRedis,
		"$x\r\n":                                errRedis,
		"$-2\r\n":                               errRedis,
		":\r\n":                                 errRedis,
		"HTTP/1.1 200 OK\r\n":                   errRedis,
		"+OK\n":                                 errRedis,
		"*70000\r\n":                            errRedis,
		strings.Repeat("*1\r\n", 10) + ":1\r\n": errRedis,
	} {
		got, err := readAnswer(bufio.NewReader(strings.NewReader(in)), 0)
		if wantErr, ok := want.(error); ok {
			if !errors.Is(err, wantErr) {
				t.Errorf("%q: %v, %v; want %v", in, got, err, wantErr)
			}
		} else if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, %v; want %v", in, got, err, want)
		}
	}
}

// TestConnectionIsShared has a server that answers each command with its own argument, and with an error where it says so.
func TestConnectionIsShared(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r := bufio.NewReader(c)
		for {
			command, err := readAnswer(r, 0)
			if err != nil {
				return
			}
			args := command.([]any)
			switch args[0] {
			case "QUIT":
				return
			case "FAIL":
				_, _ = io.WriteString(c, "-ERR "+args[1].(string)+"\r\n")
			default:
				_, _ = io.WriteString(c, "+"+args[1].(string)+"\r\n")
			}
		}
	}()
	c, err := dialRedis(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			text := strconv.Itoa(i)
			if got, err := c.do("ECHO", text); err != nil || got != text {
				t.Errorf("%s: %v %v", text, got, err)
			}
			if _, err := c.do("FAIL", text); !errors.Is(err, redisError("ERR "+text)) {
				t.Errorf("%s: %v", text, err)
			}
		})
	}
	wg.Wait()
	if v, err := c.do("QUIT"); err == nil {
		t.Errorf("an answer of a connection that was ended: %v", v)
	}
	if v, err := c.do("ECHO", "1"); err == nil {
		t.Errorf("an answer after the end: %v", v)
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("*2\r\n$1\r\na\r\n*1\r\n:1\r\n"))
	f.Add([]byte("$-1\r\n"))
	f.Add([]byte("-ERR\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := readAnswer(bufio.NewReader(bytes.NewReader(in)), 0)
		if err != nil && v != nil {
			t.Errorf("%q is %v and an error", in, v)
		}
	})
}
