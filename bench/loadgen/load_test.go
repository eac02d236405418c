package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/bench/report"
	"github.com/callgate/callgate/internal/signature"
)

// testSecret is base64 too, which Standard Webhooks wants.
const testSecret = "c2VjcmV0IG9mIHRoZSB0ZXN0cyBpbiBiYXNlNjQ="

func newTestLeads(t testing.TB, scheme string, size int) *leads {
	t.Helper()
	u, err := url.Parse("http://127.0.0.1:1234/webhooks/demo?x=y")
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLeads(u, scheme, testSecret, size, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestRequestsAreSignedAndDiffer(t *testing.T) {
	for _, scheme := range []string{"nextphone", "standard-webhooks", "stripe", "github", "none"} {
		t.Run(scheme, func(t *testing.T) {
			l := newTestLeads(t, scheme, 2048)
			if err := l.signAhead(3); err != nil {
				t.Fatal(err)
			}
			seen := make(map[string]bool)
			for n := range int64(5) {
				text, late := l.appendTo([]byte("kept"), n)
				if late != (n >= 3) {
					t.Errorf("request %d: signed late %v", n, late)
				}
				if !bytes.HasPrefix(text, []byte("kept")) {
					t.Fatal("what was in the buffer is gone")
				}
				r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(text[4:])))
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(r.Body)
				if err != nil || len(body) != 2048 || !json.Valid(body) {
					t.Fatalf("%d bytes of body %q, %v", len(body), body, err)
				}
				if seen[string(body)] {
					t.Error("two requests are the same")
				}
				seen[string(body)] = true
				again, _ := l.appendTo(nil, n)
				if !bytes.Equal(again, text[4:]) {
					t.Error("the same number gives another request")
				}
				if scheme == "none" {
					continue
				}
				v, err := signature.New(signature.Config{Scheme: scheme, Secrets: []string{testSecret}})
				if err != nil {
					t.Fatal(err)
				}
				m := signature.Message{Method: r.Method, URL: l.target, Header: r.Header, Body: body}
				if _, err := v.Verify(&m, time.Now()); err != nil {
					t.Errorf("request %d: %v", n, err)
				}
			}
		})
	}
}

func TestRequestsThatCannotBeMade(t *testing.T) {
	for _, c := range []struct{ url, scheme, secret string }{
		{"https://localhost/", "nextphone", "s"},
		{"localhost:8080", "nextphone", "s"},
		{"http://localhost/", "no such scheme", "s"},
		{"http://localhost/", "nextphone", ""},
		{"http://localhost/", "twilio", "s"},  // signs the URL by adding to it
		{"http://localhost/", "aircall", "s"}, // puts its token into the body
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := newLeads(u, c.scheme, c.secret, 2048, time.Now()); err == nil {
			t.Errorf("%+v: no error", c)
		}
	}
	if _, err := newLeads(&url.URL{Scheme: "http", Host: "h"}, "none", "", 100, time.Now()); err == nil {
		t.Error("a lead fits into 100 bytes")
	}
}

// server counts what it gets, by body.
type server struct {
	*httptest.Server
	mu     sync.Mutex
	bodies map[string]int
	total  atomic.Int64
}

func newServer(t *testing.T, answer http.HandlerFunc) *server {
	s := &server{bodies: make(map[string]int)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client hung up
		}
		s.mu.Lock()
		s.bodies[string(b)]++
		s.mu.Unlock()
		s.total.Add(1)
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func runLoad(t *testing.T, args ...string) *report.Run {
	t.Helper()
	var out, errs strings.Builder
	if err := run(append(args, "-secret", testSecret, "-procs", "2"), &out, &errs); err != nil {
		t.Fatalf("%v\n%s", err, &errs)
	}
	r := new(report.Run)
	if err := json.Unmarshal([]byte(out.String()), r); err != nil {
		t.Fatalf("%v in %s", err, &out)
	}
	return r
}

func TestExactlyAsManyAsAsked(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") })
	r := runLoad(t, "-url", s.URL, "-n", "500", "-duration", "0", "-warmup", "0", "-connections", "8", "-ahead", "100", "-size", "512")
	if s.total.Load() != 500 || len(s.bodies) != 500 || r.Sent != 500 {
		t.Errorf("%d requests and %d bodies arrived, %d were sent", s.total.Load(), len(s.bodies), r.Sent)
	}
	if r.Requests != 500 || r.Statuses["200"] != 500 || r.Failed() != 0 || r.SignedLate != 400 {
		t.Errorf("%+v", r)
	}
	if l := r.Latency; l.P50 <= 0 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max {
		t.Errorf("latencies %+v", l)
	}
}

func TestDuplicatesRepeatWhatWasAnswered(t *testing.T) {
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {})
	r := runLoad(t, "-url", s.URL, "-n", "1000", "-duration", "0", "-warmup", "0", "-connections", "4", "-duplicates", "0.5", "-size", "512")
	repeated := s.total.Load() - int64(len(s.bodies))
	if repeated < 400 || repeated > 600 {
		t.Errorf("%d of 1000 requests were repeated", repeated)
	}
	if r.Duplicates != repeated {
		t.Errorf("%d are reported, %d arrived", r.Duplicates, repeated)
	}
}

func TestTimeAndFailures(t *testing.T) {
	var n atomic.Int64
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 4 {
		case 0:
			panic(http.ErrAbortHandler) // breaks the connection
		case 1:
			w.Header().Set("Connection", "close")
		case 2:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	began := time.Now()
	r := runLoad(t, "-url", s.URL, "-duration", "300ms", "-warmup", "100ms", "-connections", "4", "-ahead", "1000")
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	if r.Seconds < .3 || r.Requests == 0 || r.Requests >= r.Sent || r.Statuses["200"] == 0 || r.Statuses["503"] == 0 || r.Errors["read"] == 0 {
		t.Errorf("%+v", r)
	}
	if got, want := r.Failed(), r.Statuses["503"]+r.Errors["read"]; got != want {
		t.Errorf("%d failed, want %d", got, want)
	}
	s.Close()
	r = runLoad(t, "-url", s.URL, "-n", "3", "-duration", "0", "-warmup", "0", "-connections", "1")
	if r.Requests != 0 || r.Errors["dial"] != 3 {
		t.Errorf("with nobody there: %+v", r)
	}
}

func TestTimeout(t *testing.T) {
	stop := make(chan struct{})
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) { <-stop })
	t.Cleanup(func() { close(stop) }) // before the server closes, which waits for it
	r := runLoad(t, "-url", s.URL, "-n", "1", "-duration", "0", "-warmup", "0", "-connections", "1", "-timeout", "20ms")
	if s.total.Load() != 1 || r.Errors["timeout"] != 1 || r.Requests != 0 {
		t.Errorf("%+v", r)
	}
}

func TestFlagsThatCannotBe(t *testing.T) {
	for _, args := range [][]string{
		{"-connections", "0"}, {"-duplicates", "2"}, {"-duration", "0"}, {"-duration", "-1s"}, {"-timeout", "0"},
		{"-pids", "x"}, {"-pids", "0"}, {"extra"}, {"-size", "10"}, {"-no-such-flag"}, {"-scheme", "x"}, {"-pids", "1073741824", "-duration", "1ms", "-warmup", "1ms"},
	} {
		var out, errs strings.Builder
		if err := run(append([]string{"-url", "http://127.0.0.1:1/", "-secret", "s", "-ahead", "1"}, args...), &out, &errs); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
