package examples_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
)

// received is a request as a receiver saw it.
type received struct {
	method string
	url    string // as the sender knows it
	header http.Header
	body   []byte
}

// receiver is one in Go that keeps what it gets and answers 200.
type receiver struct {
	port int

	mu   sync.Mutex
	seen []received
}

func startReceiver(t *testing.T) *receiver {
	t.Helper()
	r := new(receiver)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, "cannot read the body", http.StatusBadRequest)
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen = append(r.seen, received{req.Method, "http://" + req.Host + req.RequestURI, req.Header, body})
		_, _ = io.WriteString(w, `{"received":true}`)
	}))
	t.Cleanup(s.Close)
	r.port = s.Listener.Addr().(*net.TCPAddr).Port
	return r
}

// take gives what has come since the last time.
func (r *receiver) take() []received {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

// post sends a request and gives status, headers and body of the answer.
func post(t *testing.T, url string, header http.Header, body []byte) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = header.Clone()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(text)
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
