package outbound_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/outbound"
	"github.com/callgate/callgate/internal/standin"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// onPrem is a client as an operator's own configuration gets it.
func onPrem(o outbound.Options) *outbound.Client {
	o.AllowPrivate = true
	return outbound.NewClient(o)
}

func request(t *testing.T, address, body string) *http.Request {
	t.Helper()
	req, err := outbound.NewRequest(t.Context(), "POST", address, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestDoReadsTheAnswer(t *testing.T) {
	r := standin.NewReceiver(t)
	r.Script(standin.Reply{Status: 422, Header: http.Header{"X-Y": {"z"}}, Body: "no"})
	c := onPrem(outbound.Options{})
	a, err := c.Do(t.Context(), request(t, r.URL+"/x?y=1", "hello"))
	if err != nil || a.Status != 422 || a.Header.Get("X-Y") != "z" || string(a.Body) != "no" || a.Truncated {
		t.Fatalf("%+v, %v", a, err)
	}
	got := r.Requests()
	if len(got) != 1 || got[0].URI != "/x?y=1" || string(got[0].Body) != "hello" {
		t.Fatalf("%+v", got)
	}
}

// TestConnectionsAreUsedAgain sends from as many sides at once as a destination may, in rounds: later rounds open no
// connections.
func TestConnectionsAreUsedAgain(t *testing.T) {
	const concurrency = 64
	var opened atomic.Int32
	var together sync.WaitGroup
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		together.Done()
		together.Wait() // so that no connection serves two requests of a round
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	c := onPrem(outbound.Options{})
	for range 3 {
		together.Add(concurrency)
		var round sync.WaitGroup
		for range concurrency {
			round.Go(func() {
				if _, err := c.Do(t.Context(), request(t, server.URL, "")); err != nil {
					t.Error(err)
				}
			})
		}
		round.Wait()
	}
	// A connection becomes idle a moment after its answer was read, so a few may not be ready for the next round.
	if n := opened.Load(); n > concurrency+concurrency/4 {
		t.Errorf("%d requests at once opened %d connections in three rounds", concurrency, n)
	}
}

func TestDoBoundsTheAnswer(t *testing.T) {
	r := standin.NewReceiver(t)
	r.Script(standin.Reply{Body: strings.Repeat("x", 10<<20)}, standin.Reply{Body: "1234"}, standin.Reply{Body: "12345"})
	c := onPrem(outbound.Options{MaxAnswer: 4})
	for i, want := range []bool{true, false, true} {
		a, err := c.Do(t.Context(), request(t, r.URL, ""))
		if err != nil || a.Truncated != want || len(a.Body) != 4 {
			t.Errorf("%d: %d bytes, truncated %v, %v", i, len(a.Body), a.Truncated, err)
		}
	}
}

func TestDoKeepsTheStatusOfAnAnswerThatIsCut(t *testing.T) {
	r := standin.NewReceiver(t)
	r.Script(standin.Reply{Status: 201, Body: "half", Cut: true})
	a, err := onPrem(outbound.Options{}).Do(t.Context(), request(t, r.URL, ""))
	if err != nil || a.Status != 201 || !a.Truncated || string(a.Body) != "half" {
		t.Fatalf("%+v, %v", a, err)
	}
}

func TestNothingIsSentTwiceUnasked(t *testing.T) {
	r := standin.NewReceiver(t)
	c := onPrem(outbound.Options{})
	for _, method := range []string{"POST", "PATCH", "PUT", "DELETE"} {
		send := func() error {
			req := request(t, r.URL, "x")
			req.Method = method
			req.Header.Set("Idempotency-Key", "dlv_1")
			req.Header.Set("X-Idempotency-Key", "dlv_1")
			_, err := c.Do(t.Context(), req)
			return err
		}
		before := len(r.Requests())
		if err := send(); err != nil { // leaves a connection open
			t.Fatal(err)
		}
		r.Script(standin.Reply{Hangup: true})
		if err := send(); err == nil {
			t.Errorf("%s: the hang-up was not noticed", method)
		}
		if n := len(r.Requests()) - before; n != 2 {
			t.Errorf("%s: %d requests arrived, want 2", method, n)
		}
	}
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if got := r.Requests()[0].Header.Get(name); got != "dlv_1" {
			t.Errorf("%s %q", name, got)
		}
	}
}

func TestDoFollowsNoRedirect(t *testing.T) {
	r := standin.NewReceiver(t)
	for _, status := range []int{301, 302, 303, 307, 308} {
		r.Script(standin.Reply{Status: status, Header: http.Header{"Location": {r.URL + "/elsewhere"}}})
		a, err := onPrem(outbound.Options{}).Do(t.Context(), request(t, r.URL, "x"))
		if err != nil || a.Status != status {
			t.Errorf("%d: %+v, %v", status, a, err)
		}
	}
	for _, got := range r.Requests() {
		if got.URI != "/" {
			t.Errorf("a redirect was followed to %s", got.URI)
		}
	}
}

func TestFailuresAreToldApart(t *testing.T) {
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	plain := standin.NewReceiver(t)
	hangup := standin.NewReceiver(t)
	hangup.Otherwise(standin.Reply{Hangup: true})
	slow := standin.NewReceiver(t)
	slow.Otherwise(standin.Reply{Hold: make(chan struct{})})
	secure := standin.NewTLSReceiver(t)
	secure.Config.ErrorLog = nil
	trusted := x509.NewCertPool()
	trusted.AddCert(secure.Certificate())
	port := func(s *httptest.Server) string { _, p, _ := net.SplitHostPort(s.Listener.Addr().String()); return p }
	noName := roundTrip(func(*http.Request) (*http.Response, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "crm.example", IsNotFound: true}
	})

	for name, c := range map[string]struct {
		url  string
		o    outbound.Options
		want outbound.Kind
		text string
	}{
		"refused":    {closed.URL, outbound.Options{AllowPrivate: true}, outbound.Refused, "nothing listens"},
		"hung up":    {hangup.URL, outbound.Options{AllowPrivate: true}, outbound.Broken, "closed the connection"},
		"slow":       {slow.URL, outbound.Options{AllowPrivate: true, Timeout: 50 * time.Millisecond}, outbound.TimedOut, "in time"},
		"unknown CA": {secure.URL, outbound.Options{AllowPrivate: true}, outbound.TLS, "unknown authority"},
		"wrong name": {"https://localhost:" + port(secure.Server), outbound.Options{AllowPrivate: true, TLS: &tls.Config{RootCAs: trusted}}, outbound.TLS, "another name"},
		"no TLS":     {strings.Replace(plain.URL, "http:", "https:", 1), outbound.Options{AllowPrivate: true}, outbound.TLS, "does not speak TLS"},
		"no name":    {"https://crm.example", outbound.Options{Transport: noName}, outbound.DNS, "does not exist"},
		"guarded":    {plain.URL, outbound.Options{}, outbound.Forbidden, "private"},
		"by name":    {"http://localhost:" + port(plain.Server), outbound.Options{}, outbound.Forbidden, "private"},
		"link-local": {"http://169.254.169.254/", outbound.Options{AllowPrivate: true}, outbound.Forbidden, "reserved"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := outbound.NewClient(c.o).Do(t.Context(), request(t, c.url+"/path-secret?key=query-secret", "body-secret"))
			var e *outbound.Error
			if a != nil || !errors.As(err, &e) || e.Kind != c.want || !strings.Contains(err.Error(), c.text) {
				t.Fatalf("%v: kind %v, want %v and %q", err, e, c.want, c.text)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error quotes the request: %v", err)
			}
		})
	}
	if n := len(plain.Requests()); n != 0 {
		t.Errorf("%d requests came through the guard", n)
	}
}

func TestStoppingIsNotTheReceiversFailure(t *testing.T) {
	r := standin.NewReceiver(t)
	r.Otherwise(standin.Reply{Hold: make(chan struct{})})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-r.Arrived; cancel() }()
	_, err := onPrem(outbound.Options{}).Do(ctx, request(t, r.URL, ""))
	var e *outbound.Error
	if !errors.As(err, &e) || e.Kind != outbound.Stopped || outbound.ResultFrom(nil, err, time.Now()).Unhealthy {
		t.Fatal(err)
	}
}

func TestTimeoutCoversASlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := outbound.NewClient(outbound.Options{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(dripping{r.Context()})}, nil
		})})
		start := time.Now()
		a, err := c.Do(t.Context(), request(t, "https://a.example", ""))
		if err != nil || !a.Truncated || time.Since(start) != outbound.DefaultTimeout {
			t.Fatalf("%+v, %v after %v", a, err, time.Since(start))
		}
	})
}

// dripping is a body of one byte a second, without end.
type dripping struct{ ctx context.Context }

func (d dripping) Read(p []byte) (int, error) {
	select {
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	case <-time.After(time.Second):
		return copy(p, "."), nil
	}
}

func TestClientCertificates(t *testing.T) {
	r := standin.NewTLSReceiver(t)
	// The stand-in's own certificate serves as the client's: what matters is that one is sent.
	pool := x509.NewCertPool()
	pool.AddCert(r.Certificate())
	var seen int
	r.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { seen = len(req.TLS.PeerCertificates) })
	r.TLS.ClientAuth = tls.RequestClientCert
	c := onPrem(outbound.Options{TLS: &tls.Config{RootCAs: pool, Certificates: r.TLS.Certificates, MinVersion: tls.VersionTLS10}})
	if _, err := c.Do(t.Context(), request(t, r.URL, "")); err != nil || seen != 1 {
		t.Fatalf("%d certificates, %v", seen, err)
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	r := httptest.NewUnstartedServer(http.NotFoundHandler())
	r.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	r.Config.ErrorLog = nil
	r.StartTLS()
	defer r.Close()
	pool := x509.NewCertPool()
	pool.AddCert(r.Certificate())
	_, err := onPrem(outbound.Options{TLS: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10}}).Do(t.Context(), request(t, r.URL, ""))
	var e *outbound.Error
	if !errors.As(err, &e) || e.Kind != outbound.TLS {
		t.Fatal(err)
	}
}

func TestNewRequestHidesTheURL(t *testing.T) {
	_, err := outbound.NewRequest(t.Context(), "POST", "https://a.example/%zz?key=secret", nil)
	var ue *url.Error
	if !errors.Is(err, outbound.ErrBadURL) || errors.As(err, &ue) {
		t.Fatal(err)
	}
}
