package adminapi

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// tails counts the requests for a stream that are being answered.
var tails atomic.Int32

// tailing is a stream of the admin API over HTTP.
type tailing struct {
	t     testing.TB
	lines *bufio.Scanner
	end   func()
	// config ends the configuration that the stream belongs to.
	config context.CancelFunc
}

func startTail(t *testing.T, query string) *tailing {
	t.Helper()
	config, cancel := context.WithCancel(t.Context())
	a := &Admin{ctx: caddy.Context{Context: config}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tails.Add(1)
		defer tails.Add(-1)
		if err := a.serve(w, r); err != nil {
			http.Error(w, err.Error(), err.(caddy.APIError).HTTPStatus)
		}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(cancel)
	res, err := http.Get(server.URL + "/callgate/tail" + query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s, %v", res.Status, res.Header)
	}
	tl := &tailing{t: t, lines: bufio.NewScanner(res.Body), end: func() { res.Body.Close() }, config: cancel}
	if !tl.lines.Scan() || tl.lines.Text() != ": following" {
		t.Fatalf("begins with %q", tl.lines.Text())
	}
	return tl
}

// next is the next message.
func (tl *tailing) next() (kind string, m struct {
	ID          string
	Destination string
	State       string
	Status      int
	Attempt     int
	EventID     string `json:"event_id"`
}) {
	tl.t.Helper()
	for tl.lines.Scan() {
		name, value, _ := strings.Cut(tl.lines.Text(), ": ")
		switch name {
		case "event":
			kind = value
		case "data":
			if err := json.Unmarshal([]byte(value), &m); err != nil {
				tl.t.Fatal(err)
			}
			return kind, m
		}
	}
	tl.t.Fatal("the stream ended")
	return kind, m
}

func TestATailTellsWhatIsNew(t *testing.T) {
	g, down, _ := operated(t) // what happened before is not told
	all, beta := startTail(t, ""), startTail(t, "?tenant=beta&destination=crm")
	if n := tails.Load(); n != 2 {
		t.Errorf("%d streams", n)
	}
	down.Down.Store(false)
	status, body := g.Send("/hook/beta", leadOf(8))
	var answer struct{ ID string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != 200 {
		t.Fatal(body)
	}
	told := map[string]int{}
	for range 3 {
		kind, m := all.next()
		switch {
		case kind == "event" && m.ID == answer.ID:
		case kind == "attempt" && m.EventID == answer.ID && m.State == "delivered" && m.Status == 200 && m.Attempt == 1:
		default:
			t.Errorf("%s %+v", kind, m)
		}
		told[kind+" "+m.Destination]++
	}
	if told["event "] != 1 || told["attempt crm"] != 1 || told["attempt log"] != 1 {
		t.Errorf("%v", told)
	}
	if kind, m := beta.next(); kind != "event" || m.ID != answer.ID {
		t.Errorf("%s %+v", kind, m)
	}
	if kind, m := beta.next(); kind != "attempt" || m.Destination != "crm" {
		t.Errorf("%s %+v", kind, m)
	}
	// A replay makes new attempts at old deliveries.
	if n := ask(t, "POST", "/callgate/replay", `{"destination":"crm","tenant":"acme"}`).count("deliveries"); n != 4 {
		t.Fatalf("%d replayed", n)
	}
	for range 4 {
		if kind, m := all.next(); kind != "attempt" || m.Destination != "crm" || m.State != "delivered" {
			t.Errorf("%s %+v", kind, m)
		}
	}
	beta.config() // a stream ends with its configuration
	for beta.lines.Scan() {
		if strings.HasPrefix(beta.lines.Text(), "data") {
			t.Errorf("told %s", beta.lines.Text())
		}
	}
	all.end()
	for deadline := time.Now().Add(time.Minute); tails.Load() != 0; {
		if time.Now().After(deadline) {
			t.Fatal("a stream that nobody reads runs on")
		}
		time.Sleep(5 * time.Millisecond) // net/http has no event for this
	}
}
