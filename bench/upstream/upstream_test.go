package upstream

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
)

func TestUpstream(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	var arrived atomic.Int64
	go func() { served <- Counted(l, 0, func() { arrived.Add(1) }) }()
	url := "http://" + l.Addr().String() + "/x"
	for _, body := range []string{"", "hello", strings.Repeat("a", 100_000)} {
		res, err := http.Post(url, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != 200 || !json.Valid(b) {
			t.Errorf("%d bytes: %d %q %v", len(body), res.StatusCode, b, err)
		}
	}
	res, err := http.Post(url, "text/plain", io.MultiReader(strings.NewReader("no length"))) // is sent in chunks
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusLengthRequired {
		t.Errorf("chunks: %d", res.StatusCode)
	}
	if n := arrived.Load(); n != 3 {
		t.Errorf("%d requests were counted, want the three that were answered with 200", n)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestAnswerOfAGivenSize(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go Serve(l, 5000)
	res, err := http.Post("http://"+l.Addr().String(), "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err != nil || len(b) != 5000 || !json.Valid(b) {
		t.Errorf("%d bytes %v", len(b), err)
	}
}

func FuzzReadRequestHead(f *testing.F) {
	f.Add([]byte("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(bytes.NewReader(in))
		if n, err := readRequestHead(r); err == nil && n < 0 {
			t.Errorf("%q has a length of %d", in, n)
		}
	})
}
