//go:build unix

package durable_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/running"
)

// TestStop asks the gateway to stop while deliveries are under way: those that end within drain_timeout count, the rest
// is given back without an attempt burnt, and arrives after the next start.
func TestStop(t *testing.T) {
	t.Parallel()
	s, l := newSite(t, "CALLGATE_DRAIN=5s"), newLedger()
	var mu sync.Mutex
	underWay := map[string]int{}
	arrived := func(id string, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		underWay[id]++
	}
	started := func(prefix string) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for id := range underWay {
			if strings.HasPrefix(id, prefix) {
				n++
			}
		}
		return n
	}
	stopping := make(chan struct{})
	_, port := l.receiver(t, 1, func(id string, r *http.Request) int {
		arrived(id, r)
		switch {
		case strings.HasPrefix(id, "long"): // longer than the gateway waits
			<-r.Context().Done()
			return http.StatusServiceUnavailable
		default: // they end while it waits
			<-stopping
			time.Sleep(time.Second) // in which the gateway gets from saying so to handing nothing out any more
			return 0
		}
	})
	g := s.start(port)
	sender := newSender(t)
	// Half of the slots for each kind, and ten calls that find no slot.
	for i := range slots / 2 {
		sender.accepted(t, s.url(), fmt.Sprintf("long%d", i))
	}
	running.Await(t, "eight long deliveries are under way", func() bool { return started("long") == slots/2 })
	for i := range slots / 2 {
		sender.accepted(t, s.url(), fmt.Sprintf("short%d", i))
	}
	running.Await(t, "eight short deliveries are under way", func() bool { return started("short") == slots/2 })
	for i := range 10 {
		sender.accepted(t, s.url(), fmt.Sprintf("waiting%d", i))
	}
	go func() {
		defer close(stopping)
		for !strings.Contains(g.Tail(4000), "shutting down apps") && !g.Ended() {
			time.Sleep(2 * time.Millisecond)
		}
	}()
	// Deliveries that have no end do not keep it; that it stops at all shows that.
	if took := g.Terminate(); took < 4900*time.Millisecond {
		t.Errorf("it stopped after %v, with a drain_timeout of 5s and deliveries that take longer", took)
	}
	if n := len(l.of("waiting0")); n != 0 {
		t.Errorf("a delivery was begun after the gateway was asked to stop")
	}
	if n := l.calls(); n != slots/2 {
		t.Errorf("%d deliveries ended within drain_timeout, want the %d short ones", n, slots/2)
	}

	_, port = l.receiver(t, 2, nil)
	g = s.start(port)
	running.Await(t, "all calls have arrived", func() bool { return l.calls() == slots+10 })
	g.Terminate()
	for i := range slots / 2 {
		for _, kind := range []string{"short", "long"} {
			id := fmt.Sprintf("%s%d", kind, i)
			generation := map[string]int{"short": 1, "long": 2}[kind]
			if got := l.of(id); len(got) != 1 || got[0].generation != generation || got[0].attempt != "1" {
				t.Errorf("%s: %+v; want one arrival from gateway %d, as attempt 1", id, got, generation)
			}
		}
	}
	for i := range 10 {
		if got := l.of(fmt.Sprintf("waiting%d", i)); len(got) != 1 || got[0].generation != 2 {
			t.Errorf("waiting%d: %+v", i, got)
		}
	}
}

// TestDraining stops a gateway behind a load balancer: while Caddy's shutdown_delay lasts it says that no calls should be
// sent to it any longer, and takes those that are.
func TestDraining(t *testing.T) {
	t.Parallel()
	s, l := newSite(t), newLedger()
	s.change("{\n\tcallgate {\n", "{\n\tshutdown_delay 8s\n\tcallgate {\n", "\thandle {\n", "\thandle /ready {\n\t\tcallgate_ready\n\t}\n\thandle {\n")
	_, port := l.receiver(t, 1, nil)
	g := s.start(port)
	sender := newSender(t)
	ask := func(url string) (int, string) {
		r, err := sender.client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, _ := io.ReadAll(r.Body)
		return r.StatusCode, strings.TrimSpace(string(body))
	}
	ready, admin := fmt.Sprintf("http://127.0.0.1:%d/ready", s.port), fmt.Sprintf("http://localhost:%d/callgate/ready", s.admin)
	if status, body := ask(ready); status != http.StatusOK || body != `{"ready":true}` {
		t.Fatalf("before: %d %s", status, body)
	}
	g.Signal(syscall.SIGTERM)
	running.Await(t, "it says that it is stopping", func() bool {
		status, body := ask(ready)
		return status == http.StatusServiceUnavailable && body == `{"ready":false}`
	})
	if status, body := ask(admin); status != http.StatusServiceUnavailable || !strings.Contains(body, "the gateway is stopping") {
		t.Errorf("the admin endpoint says %d %s", status, body)
	}
	sender.accepted(t, s.url(), "late")
	running.Await(t, "what was taken late has arrived", func() bool { return len(l.of("late")) == 1 })
	g.Terminate()
}

// TestASlowSenderDoesNotKeepItFromStopping has a sender that never ends its body and a receiver that never answers. Both
// are waited for as long as grace_period says. The log tells what is given back, and it arrives after the next start.
func TestASlowSenderDoesNotKeepItFromStopping(t *testing.T) {
	t.Parallel()
	s, l := newSite(t), newLedger()
	s.change("{\n\tcallgate {\n", "{\n\tgrace_period 2s\n\tcallgate {\n")
	hangs := make(chan struct{}, 1)
	_, port := l.receiver(t, 1, func(_ string, r *http.Request) int {
		hangs <- struct{}{}
		<-r.Context().Done()
		return http.StatusServiceUnavailable
	})
	g := s.start(port)
	newSender(t).accepted(t, s.url(), "hanging")
	<-hangs
	c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// The signature is one that could be right, so that the body is waited for.
	if _, err := fmt.Fprintf(c, "POST /webhooks/calls HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\nX-Nextphone-Signature: %064d\r\n\r\n{", 0); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	if n, _ := c.Read(make([]byte, 1)); n > 0 {
		t.Fatal("the body was not waited for")
	}
	if took := g.Terminate(); took < 1900*time.Millisecond {
		t.Errorf("it stopped after %v, with a grace_period of 2s", took)
	}
	if out := g.Tail(8000); !strings.Contains(out, "attempts under way are cancelled and given back") {
		t.Errorf("the log does not say what was given back:\n%s", out)
	}
	_, port = l.receiver(t, 2, nil)
	g = s.start(port)
	running.Await(t, "what was given back has arrived", func() bool { return len(l.of("hanging")) == 1 })
	if got := l.of("hanging"); got[0].attempt != "1" {
		t.Errorf("%+v, want no attempt counted", got)
	}
	g.Terminate()
}

// TestTwoGateways starts a second gateway on the same store. It has to say what is wrong and leave the first alone.
func TestTwoGateways(t *testing.T) {
	t.Parallel()
	s, l := newSite(t), newLedger()
	_, port := l.receiver(t, 1, nil)
	first := s.start(port)
	other := newSite(t)
	other.store = s.store
	second := other.launch(port)
	ended := second.End()
	if text := second.Tail(4000); ended == nil || !strings.Contains(text, "the store is in use by another process: stop that one, or give this one a path of its own") {
		t.Errorf("the second gateway ended with %v and said\n%s", ended, text)
	}
	newSender(t).accepted(t, s.url(), "after")
	running.Await(t, "the first gateway delivers", func() bool { return l.calls() == 1 })
	first.Kill()

	// A gateway that was killed holds nobody up.
	_, port = l.receiver(t, 2, nil)
	second = s.start(port)
	newSender(t).accepted(t, s.url(), "again")
	running.Await(t, "the next gateway delivers", func() bool { return l.calls() == 2 })
	second.Terminate()
}

// TestDirectoryGone moves the directory of the store away while the gateway runs, as an unmounted volume does.
func TestDirectoryGone(t *testing.T) {
	t.Parallel()
	s, l := newSite(t), newLedger()
	_, port := l.receiver(t, 1, nil)
	g := s.start(port)
	sender := newSender(t)
	sender.accepted(t, s.url(), "before")
	running.Await(t, "the first call has arrived", func() bool { return l.calls() == 1 })

	away := s.store + "-away"
	if err := os.Rename(s.store, away); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		a, err := sender.send(s.url(), call("meanwhile"))
		if err != nil || a.status != http.StatusServiceUnavailable || a.Error.Code != "store_unavailable" || a.retryAfter == "" {
			t.Errorf("without its directory: %v, answer %+v; want 503 store_unavailable with Retry-After", err, a)
		}
	}
	if err := os.Rename(away, s.store); err != nil {
		t.Fatal(err)
	}
	sender.accepted(t, s.url(), "meanwhile")
	sender.accepted(t, s.url(), "after")
	running.Await(t, "both calls have arrived", func() bool { return l.calls() == 3 })
	g.Terminate()
	if copies := l.check(t, map[string]bool{"before": true, "meanwhile": true, "after": true}); copies != 0 {
		t.Errorf("%d calls arrived twice", copies)
	}

	// Nothing of it was memory only.
	_, port = l.receiver(t, 2, nil)
	g = s.start(port)
	if a, err := sender.send(s.url(), call("meanwhile")); err != nil || a.status != 200 {
		t.Errorf("a copy after a restart: %v, %+v", err, a)
	}
	sender.accepted(t, s.url(), "last")
	running.Await(t, "the last call has arrived", func() bool { return l.calls() == 4 })
	g.Terminate()
	if n := len(l.of("meanwhile")); n != 1 {
		t.Errorf("the copy of a delivered call was delivered: it arrived %d times", n)
	}
}
