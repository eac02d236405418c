package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadAnswer(t *testing.T) {
	const next = "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
	for _, c := range []struct {
		name, in string
		want     answer
		err      error
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", answer{status: 200}, nil},
		{"lower case, no space, bare line ends", "HTTP/1.1 200 OK\ncontent-length:5\n\nhello", answer{status: 200}, nil},
		{"no reason", "HTTP/1.1 500 \r\nContent-Length: 0\r\n\r\n", answer{status: 500}, nil},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1a;x=y\r\n" + strings.Repeat("a", 26) + "\r\n0\r\nTrailer: x\r\n\r\n", answer{status: 200}, nil},
		{"chunked wins over length", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", answer{status: 200}, nil},
		{"close", "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n", answer{200, true}, nil},
		{"informational first", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", answer{status: 200}, nil},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", answer{status: 204}, nil},
		{"not modified with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", answer{status: 304}, nil},
		{"another protocol", "SSH-2.0-OpenSSH_9.2\r\n\r\n", answer{}, errAnswer},
		{"no status", "HTTP/1.1 abc OK\r\n\r\n", answer{}, errAnswer},
		{"line of no header", "HTTP/1.1 200 OK\r\nhello\r\n\r\n", answer{}, errAnswer},
		{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", answer{}, errAnswer},
		{"huge length", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", answer{}, errAnswer},
		{"other coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", answer{}, errAnswer},
		{"endless line", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 1<<15), answer{}, errAnswer},
		{"endless header", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 300) + "\r\n", answer{}, errAnswer},
		{"broken chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n0\r\n\r\n", answer{}, errAnswer},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := bufio.NewReaderSize(strings.NewReader(c.in+next), 16<<10)
			a, err := readAnswer(r)
			if !errors.Is(err, c.err) {
				t.Fatalf("error %v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			if a != c.want {
				t.Errorf("%+v, want %+v", a, c.want)
			}
			if a, err := readAnswer(r); err != nil || a.status != 202 {
				t.Errorf("the answer after it is %+v, %v", a, err)
			}
		})
	}
	a, err := readAnswer(bufio.NewReader(strings.NewReader("HTTP/1.0 200 OK\r\n\r\nall the rest")))
	if err != nil || a != (answer{200, true}) {
		t.Errorf("an answer that ends with the connection: %+v, %v", a, err)
	}
	for _, cut := range []string{"HTTP/1.1 20", "HTTP/1.1 200 OK\r\nContent-", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe"} {
		if _, err := readAnswer(bufio.NewReader(strings.NewReader(cut))); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%q: %v, want an unexpected end", cut, err)
		}
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		a, err := readAnswer(bufio.NewReader(strings.NewReader(string(in))))
		if err == nil && (a.status < 200 || a.status > 999) {
			t.Errorf("%q was read as %+v", in, a)
		}
	})
}
