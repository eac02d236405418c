package gateway

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
)

// Who the sender was and how it came decide what the receiver is told in X-Forwarded-*. A receiver that answers plain HTTP
// with a redirect would never take a request that came by TLS.
func TestAStoredRequestKeepsItsSenderAndTLS(t *testing.T) {
	again := func(r *http.Request) *http.Request {
		t.Helper()
		ev := &store.Event{Method: r.Method, URI: r.URL.RequestURI(), Header: (&Route{Server: bare{}}).spooledHeader(r)}
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
	r.Header.Set(store.VerifiedHeader, "scheme=nextphone;form=js;secret=1")
	if got := again(r); got.Header.Get(store.VerifiedHeader) != "" {
		t.Error("what is noted of the request goes on as a header of it")
	}
}

// The receiver's own spans go below that of the attempt which reached it.
func TestAStoredRequestIsOfTheTraceOfItsAttempt(t *testing.T) {
	const came, attempt = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
	r := httptest.NewRequest(http.MethodPost, "/calls", nil)
	r.Header.Set("Traceparent", came)
	ev := &store.Event{Method: r.Method, URI: "/calls", Header: (&Route{Server: bare{}}).spooledHeader(r)}
	for traced, want := range map[string]string{"": came, attempt: attempt} {
		got, err := storedRequest(t.Context(), ev, &destination.Item{Traceparent: traced}, func(r *http.Request) *http.Request { return r })
		if err != nil || got.Header.Get("Traceparent") != want {
			t.Errorf("the receiver is told %s, want %s; %v", got.Header.Get("Traceparent"), want, err)
		}
	}
}

// only is a store that has one event.
type only struct {
	Store
	event *store.Event
}

func (o only) Event(context.Context, string) (*store.Event, error) { return o.event, nil }

// A receiver's "499" is its answer; ours, when the gateway stops, says nothing of it, and the call is sent again.
func TestASpooledCallIsNotDeadBecauseTheGatewayStops(t *testing.T) {
	rt := testRoute(t)
	rt.Store = func(context.Context) Store {
		return only{event: &store.Event{Method: http.MethodPost, URI: "/calls", Header: http.Header{}}}
	}
	s := &Spooled{
		Route: rt, Prepare: func(_ http.ResponseWriter, r *http.Request) *http.Request { return r },
		Rest: HandlerFunc(func(w http.ResponseWriter, r *http.Request) error { w.WriteHeader(statusClientGone); return nil }),
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	for want, ctx := range map[destination.Outcome]context.Context{destination.Dead: t.Context(), destination.Retry: stopped} {
		if got := s.Deliver(ctx, []destination.Item{{DeliveryID: "d", EventID: "e", Attempt: 1}})[0]; got.Outcome != want {
			t.Errorf("%v (%s), want %v", got.Outcome, got.Reason, want)
		}
	}
}
