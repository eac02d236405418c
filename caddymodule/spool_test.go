package caddymodule

import (
	"fmt"
	"maps"
	"net/http"
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
		spool 0s 20ms 20ms 20ms 20ms 20ms 20ms 20ms 20ms 20ms
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
