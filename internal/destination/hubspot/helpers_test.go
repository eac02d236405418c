package hubspot

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

const token = "pat-na1-00000000-test"

var sequence atomic.Int64

// clock is a clock that tests move.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}
func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) forward(d time.Duration) { c.at.Add(int64(d)) }

// account is a stand-in and a destination for it.
func account(t testing.TB, sc standin.HubSpotConfig, change func(*Config)) (*standin.HubSpot, *Destination) {
	t.Helper()
	if sc.Token == "" && sc.Tokens == nil {
		sc.Token = token
	}
	s := standin.NewHubSpot(t, sc)
	return s, connect(t, s.URL, sc, change)
}

func connect(t testing.TB, url string, sc standin.HubSpotConfig, change func(*Config)) *Destination {
	t.Helper()
	c := Config{Token: sc.Token, BaseURL: url, AllowPrivate: true, Now: sc.Now, SearchRate: 1e6,
		Client: outbound.NewClient(outbound.Options{AllowPrivate: true, Timeout: time.Minute})}
	if change != nil {
		change(&c)
	}
	d, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// item is the guide's lead; change makes another of it.
func item(change func(*call.Call)) destination.Item {
	n := sequence.Add(1)
	seconds := 187
	c := &call.Call{
		Provider: "retell", EventType: "call_ended", ID: fmt.Sprintf("call_%d", n), Direction: call.Inbound,
		CallerNumber: "+15559876543", ReceivingNumber: "+15551234567", FirstName: "Mike", LastName: "Johnson",
		Email: "mjohnson@email.com", Message: "leaky pipe in kitchen", Duration: &seconds,
		StartedAt: time.Date(2026, 10, 1, 11, 50, 0, 0, time.UTC),
		Params:    map[string]any{"issue": "leaky pipe"},
	}
	if change != nil {
		change(c)
	}
	return destination.Item{
		DeliveryID: fmt.Sprintf("dlv_%d", n), EventID: fmt.Sprintf("evt_%d", n), Attempt: 1, Tenant: "acme", Call: c,
		Vars:       map[string]string{"website": "https://abc.example"},
		ReceivedAt: time.Date(2026, 10, 1, 12, 0, 0, int(n), time.UTC),
	}
}

func one(t testing.TB, d *Destination, it destination.Item) destination.Result {
	t.Helper()
	return d.Deliver(t.Context(), []destination.Item{it})[0]
}

func delivered(t testing.TB, res ...destination.Result) {
	t.Helper()
	for i, r := range res {
		if r.Outcome != destination.Delivered || r.Reason != "" || r.RemoteID == "" {
			t.Fatalf("item %d: %s, %q, id %q, status %d; want it delivered", i, r.Outcome, r.Reason, r.RemoteID, r.Status)
		}
	}
}

// contact returns the one contact there is.
func contact(t testing.TB, s *standin.HubSpot) standin.HubSpotObject {
	t.Helper()
	all := s.Objects("contacts")
	if len(all) != 1 {
		t.Fatalf("%d contacts, want 1: %v", len(all), all)
	}
	return all[0]
}

func want(t testing.TB, o standin.HubSpotObject, values map[string]string) {
	t.Helper()
	for n, v := range values {
		if got := o.Properties[n]; got != v {
			t.Errorf("property %s is %q, want %q", n, got, v)
		}
	}
}

func paths(s *standin.HubSpot) string { return strings.Join(s.Paths(), ", ") }

// counting calls hit before the request after the first n.
type counting struct {
	n   int
	hit func()
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	if c.n == 0 {
		c.hit()
	}
	c.n--
	return http.DefaultTransport.RoundTrip(r)
}

// inMemory carries requests to a handler without a connection.
type inMemory struct{ h http.Handler }

func (m inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	m.h.ServeHTTP(w, r)
	return w.Result(), nil
}

// losing is a client whose request after the first n is carried out, and its answer lost.
func losing(n int, s *standin.HubSpot) *outbound.Client {
	return outbound.NewClient(outbound.Options{Transport: &counting{n: n, hit: func() { s.Lose(1) }}})
}

// failingAfter is a client whose request after the first n is answered with 503, and failingAfterWith with another answer.
func failingAfter(n int, s *standin.HubSpot) *outbound.Client {
	return failingAfterWith(n, s, standin.Reply{Status: http.StatusServiceUnavailable})
}

func failingAfterWith(n int, s *standin.HubSpot, reply standin.Reply) *outbound.Client {
	return outbound.NewClient(outbound.Options{Transport: &counting{n: n, hit: func() { s.Fail(reply) }}})
}
