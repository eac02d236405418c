package caddymodule

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/signature"
)

const changingSpool = `{
	callgate {
		store sqlite STORE
	}
}
http:// {
	bind SOCKET
	handle_path /in/* {
		route {
			callgate nextphone ` + testSecret + ` {
				name NAME
				spool 0s 20ms 50ms 100ms 200ms 400ms 1s 2s 4s 8s
				sign twilio dispatch-secret
				breaker off
			}
			request_header +X-Tag one
			rewrite * /api{uri}
			reverse_proxy %s {
				header_up X-Called {http.request.orig_uri}
			}
		}
	}
}`

// Handlers after the route change a request in its place. What is stored is the request before them, since they change it
// again when it is sent again; and what is signed is the URL that the sender called, as it was for the first attempt.
func TestASpooledRequestIsSentAgainAsTheFirstTime(t *testing.T) {
	c := newCRM(t)
	g := runGateway(t, fmt.Sprintf(changingSpool, c.Listener.Addr()))
	send := func() {
		t.Helper()
		const body = "plain words"
		r, err := http.NewRequest(http.MethodPost, "http://gate.test/in/calls?x=1", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "text/plain")
		r.Header.Set("Connection", "X-Mine")
		r.Header.Set("X-Mine", "of the connection")
		signRequest(t, nextphone, r, body, time.Now())
		res, err := g.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if answer := text(t, res); res.StatusCode != 200 {
			t.Fatalf("status %d: %s", res.StatusCode, answer)
		}
		res.Body.Close()
	}
	c.down.Store(true)
	send()
	g.stop()
	g.start()
	c.down.Store(false)
	again := c.next(t)
	forgetAnswers()
	if tags := again.header["X-Tag"]; len(tags) != 1 {
		t.Errorf("header X-Tag is %q", tags)
	}
	if !strings.HasPrefix(again.uri, "/api/calls?x=1&bodySHA256=") {
		t.Errorf("sent again to %s", again.uri)
	}
	if called := again.header.Get("X-Called"); called != "/in/calls?x=1" {
		t.Errorf("the URI called was %s", called)
	}
	if v, ok := again.header["X-Mine"]; ok {
		t.Errorf("a header of the sender's connection was sent again: %q", v)
	}
	v, err := signature.New(signature.Config{Scheme: "twilio", Secrets: []string{"dispatch-secret"}})
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(again.uri, "?")
	m := signature.Message{Method: again.method, URL: "http://gate.test/in/calls?" + query, Header: again.header, Body: []byte(again.body)}
	if _, err := v.Verify(&m, time.Now()); err != nil {
		t.Error(err)
	}
}
