//go:build unix

// Package tracing_test runs the gateway of this directory's Caddyfile before a stand-in of an OpenTelemetry collector, and
// follows a call through a restart.
package tracing_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/running"
	"github.com/callgate/callgate/internal/signature"
	"github.com/callgate/callgate/internal/standin"
)

const secret = "secret-of-the-test"

func TestMain(m *testing.M) { running.Main(m) }

// site is where a gateway runs, which stays the same when it is started again.
type site struct {
	t    *testing.T
	port int
	env  []string
}

func newSite(t *testing.T, receiver string, collector *spans) *site {
	t.Helper()
	dir := t.TempDir()
	_, port, err := net.SplitHostPort(receiver)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, port: standin.FreePort(t)}
	s.env = running.Environment(dir, "CADDY_ADMIN=localhost:"+strconv.Itoa(standin.FreePort(t)), "NEXTPHONE_SECRET="+secret,
		"CALLGATE_STORE="+filepath.Join(dir, "store.db"), "PORT="+port, "CALLGATE_PORT="+strconv.Itoa(s.port),
		"OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_BSP_SCHEDULE_DELAY=50")
	return s
}

// start runs the gateway.
func (s *site) start() *running.Process {
	s.t.Helper()
	cmd := exec.Command(running.Program(s.t), "run", "--config", "Caddyfile", "--adapter", "caddyfile")
	cmd.Env = s.env
	g := running.Start(s.t, "the gateway", cmd)
	g.AwaitGateway()
	return g
}

// send sends a call signed with a secret, and gives the status of the answer.
func (s *site) send(body, with string) int {
	s.t.Helper()
	url := fmt.Sprintf("http://127.0.0.1:%d/webhooks/calls", s.port)
	signer, err := signature.NewSigner(signature.Config{Scheme: "nextphone", Secrets: []string{with}})
	if err != nil {
		s.t.Fatal(err)
	}
	m := signature.Message{Method: http.MethodPost, URL: url, Body: []byte(body), Header: http.Header{"Content-Type": {"application/json"}}}
	if err := signer.Sign(&m, "", time.Now()); err != nil {
		s.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header = m.Header
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

func TestACallIsFollowedThroughARestart(t *testing.T) {
	const body = `{"lead":{"name":"Mike Johnson","phone":"+15559876543"}}`
	collector := newCollector(t)
	var up atomic.Bool
	received := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		received <- r.Header.Get("Traceparent")
	}))
	defer receiver.Close()
	s := newSite(t, receiver.Listener.Addr().String(), collector)

	g := s.start()
	if got := s.send(body, "another-secret"); got != http.StatusForbidden {
		t.Fatalf("a wrong signature is answered with %d", got)
	}
	if got := s.send(body, secret); got != http.StatusOK {
		t.Fatalf("answered with %d", got)
	}
	g.Await("a failed attempt", func() bool { return len(collector.named("callgate.attempt")) > 0 })
	g.Terminate()
	up.Store(true)
	g = s.start()
	var told string
	select {
	case told = <-received:
	case <-time.After(running.Patience):
		t.Fatal("the call was not delivered after the restart")
	}
	g.Await("the last attempt", func() bool {
		all := collector.named("callgate.attempt")
		return all[len(all)-1].attributes["callgate.outcome"] == "delivered"
	})

	stored := collector.named("callgate.store")
	if len(stored) != 1 || stored[0].failed || stored[0].attributes["callgate.event"] == "" {
		t.Fatalf("stored in the spans %+v", stored)
	}
	var request span
	for _, r := range collector.named("webhook") {
		if r.trace == stored[0].trace {
			request = r
		}
	}
	if request.id == "" || stored[0].parent != request.id {
		t.Errorf("the span %+v is not below that of the request %+v", stored[0], request)
	}
	checkVerified(t, collector.named("callgate.verify"), request)
	checkAttempts(t, collector.named("callgate.attempt"), request, stored[0], told)
}

func checkVerified(t *testing.T, verified []span, request span) {
	t.Helper()
	if len(verified) != 2 {
		t.Fatalf("verified in the spans %+v", verified)
	}
	for _, v := range verified {
		if v.attributes["callgate.scheme"] != "nextphone" || v.failed == (v.trace == request.trace) {
			t.Errorf("%+v is no span of a right or a wrong signature", v)
		}
		if v.trace == request.trace && v.parent != request.id {
			t.Errorf("%+v is not below that of the request", v)
		}
	}
}

// checkAttempts holds every attempt to the trace of its request, and what the receiver was told to the last one.
func checkAttempts(t *testing.T, attempts []span, request, stored span, told string) {
	t.Helper()
	for i, a := range attempts {
		last := i == len(attempts)-1
		if a.trace != request.trace || a.parent != request.id || a.attributes["callgate.event"] != stored.attributes["callgate.event"] {
			t.Errorf("the attempt %+v does not belong to the request %+v", a, request)
		}
		if a.attributes["callgate.attempt"] != strconv.Itoa(i+1) || a.attributes["callgate.destination"] != "crm" || a.failed == last {
			t.Errorf("attempt %d of %d: %+v", i+1, len(attempts), a)
		}
		if last && told != "00-"+a.trace+"-"+a.id+"-01" {
			t.Errorf("the receiver was told %s, of the attempt %+v", told, a)
		}
		for name, value := range a.attributes {
			if strings.Contains(value, "Mike") || strings.Contains(value, "9876543") {
				t.Errorf("%s tells of the caller: %s", name, value)
			}
		}
	}
}
