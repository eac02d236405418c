package caddymodule

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/store"
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

// Who the sender was and how it came decide what the receiver is told in X-Forwarded-*. A receiver that answers plain HTTP
// with a redirect would never take a request that came by TLS.
func TestAStoredRequestKeepsItsSenderAndTLS(t *testing.T) {
	again := func(r *http.Request) *http.Request {
		t.Helper()
		ev := &store.Event{Method: r.Method, URI: r.URL.RequestURI(), Header: spooledHeader(r)}
		var prepared bool
		got, err := storedRequest(context.Background(), ev, &destination.Item{DeliveryID: "d", Attempt: 1}, func(r *http.Request) *http.Request {
			prepared = true
			for name := range r.Header {
				if strings.HasPrefix(name, "Callgate-") {
					t.Errorf("header %s is not of the request", name)
				}
			}
			return r
		})
		if err != nil || !prepared {
			t.Fatal(err, prepared)
		}
		return got
	}
	r := httptest.NewRequest(http.MethodPost, "/calls", nil)
	r.RemoteAddr, r.Host = "203.0.113.9:4711", "hooks.example.com"
	r.TLS = &tls.ConnectionState{ServerName: "hooks.example.com"}
	if got := again(r); got.TLS == nil || got.TLS.ServerName != "hooks.example.com" || got.RemoteAddr != r.RemoteAddr || got.Host != r.Host {
		t.Errorf("TLS %+v, from %s, to %s", got.TLS, got.RemoteAddr, got.Host)
	}
	r.TLS = nil
	r.Header.Set(spooledTLS, "a sender may send what it likes")
	if got := again(r); got.TLS != nil {
		t.Error("a request without TLS came back with it")
	}
}
