package caddymodule

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

const plainSpool = `{
	callgate {
		store sqlite STORE
	}
}
http:// {
	bind SOCKET
	callgate nextphone ` + testSecret + ` {
		name NAME
		spool 0s 20ms 50ms 100ms 200ms 400ms 1s 2s 4s 8s
		breaker off
	}
	reverse_proxy %s
}`

// What is not a call as far as the gateway can read it passes to a receiver that works; so it has to be kept for one that
// does not.
func TestASpoolKeepsWhatItCannotRead(t *testing.T) {
	c := newCRM(t)
	c.down.Store(true)
	g := runGateway(t, fmt.Sprintf(plainSpool, c.Listener.Addr()))
	for _, body := range []string{"plain words", "\xff\xfe\x00"} {
		r, err := http.NewRequest(http.MethodPost, "http://gate.test/notes", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "text/plain")
		signRequest(t, nextphone, r, body, time.Now())
		res, err := g.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if answer := text(t, res); res.StatusCode != 200 || !strings.Contains(answer, `"status":"accepted"`) {
			t.Errorf("%q: status %d: %s", body, res.StatusCode, answer)
		}
		res.Body.Close()
	}
	if t.Failed() {
		return
	}
	c.down.Store(false)
	got := map[string]bool{c.next(t).body: true, c.next(t).body: true}
	if !got["plain words"] || !got["\xff\xfe\x00"] {
		t.Errorf("the receiver got %+q", slices.Sorted(maps.Keys(got)))
	}
}

// A path that begins with two slashes is a path, and not the name of a host.
func TestASpooledRequestKeepsItsPath(t *testing.T) {
	c := newCRM(t)
	c.down.Store(true)
	g := runGateway(t, fmt.Sprintf(plainSpool, c.Listener.Addr()))
	const uri = "//calls//new%2Fone?x=1"
	if res, body := g.send(uri, numbered(1)); res.StatusCode != 200 {
		t.Fatalf("status %d: %s", res.StatusCode, body)
	}
	c.down.Store(false)
	if got := c.next(t); got.uri != uri {
		t.Errorf("sent again to %s, and not to %s", got.uri, uri)
	}
}

// A receiver that fails may have put anything into the header of its answer. Nothing of it belongs to the gateway's, and
// what other handlers have put there stays.
func TestASpoolAnswersWithoutTheReceiversHeader(t *testing.T) {
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Set-Cookie", "session=1")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer failing.Close()
	config := strings.Replace(fmt.Sprintf(plainSpool, failing.Listener.Addr()), "bind SOCKET", "bind SOCKET\n\theader X-Own yes", 1)
	for store, want := range map[string]int{"store sqlite STORE": 200, "store sqlite STORE {\n\t\t\tmax_size 1B\n\t\t}": 503} {
		g := runGateway(t, strings.Replace(config, "store sqlite STORE", store, 1))
		res, body := g.send("/calls", numbered(1))
		h := res.Header
		if res.StatusCode != want || !strings.HasPrefix(body, "{") {
			t.Errorf("status %d: %q", res.StatusCode, body)
		}
		if h.Get("Content-Encoding") != "" || h.Get("Set-Cookie") != "" || h.Get("X-Own") != "yes" {
			t.Errorf("status %d with the header %v", res.StatusCode, h)
		}
		g.stop()
	}
}

// The answer of a receiver that fails may break off, which aborts the handler. The sender has seen nothing of it.
func TestASpoolTakesWhatAReceiverFailedToRefuseInFull(t *testing.T) {
	failing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = w.Write([]byte("it broke"))
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer failing.Close()
	g := runGateway(t, fmt.Sprintf(plainSpool, failing.Listener.Addr()))
	if res, body := g.send("/calls", numbered(1)); res.StatusCode != 200 || !strings.Contains(body, `"accepted"`) {
		t.Errorf("status %d: %s", res.StatusCode, body)
	}
}
