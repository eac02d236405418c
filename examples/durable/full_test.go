//go:build unix

package durable_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/running"
)

// fill sends calls to a receiver that is down until the gateway's store is full, and returns those that it has
// acknowledged.
func fill(t *testing.T, s *site, sender *sender) map[string]bool {
	t.Helper()
	acknowledged := map[string]bool{}
	refused := 0
	for i := 0; refused < 5; i++ {
		id := fmt.Sprintf("full%d", i)
		a, err := sender.send(s.url(), call(id))
		switch {
		case err != nil:
			t.Fatal(err)
		case a.status == http.StatusOK:
			acknowledged[id] = true
		case a.status == http.StatusServiceUnavailable && a.Error.Code == "store_full" && a.retryAfter != "":
			refused++
		case a.status == http.StatusServiceUnavailable && a.Error.Code == "rate_limited":
			time.Sleep(10 * time.Millisecond)
		default:
			t.Fatalf("with a store that fills up: %+v; want 503 store_full with Retry-After", a)
		}
		if i > 50_000 {
			t.Fatal("the store does not fill up")
		}
	}
	if len(acknowledged) < 50 {
		t.Fatalf("only %d calls fit", len(acknowledged))
	}
	return acknowledged
}

// TestMaxSize fills the store up to max_size. What is in it is delivered all the same, and makes room for new calls then.
func TestMaxSize(t *testing.T) {
	t.Parallel()
	s, l := newSite(t, "CALLGATE_STORE_SIZE=1200KiB"), newLedger()
	up, port := l.receiverDown(t, 1)
	g := s.start(port)
	sender := newSender(t)
	acknowledged := fill(t, s, sender)
	up.Store(true)
	running.Await(t, "what is stored has arrived", func() bool { return l.calls() == len(acknowledged) })
	for i := range 20 {
		id := fmt.Sprintf("again%d", i)
		sender.accepted(t, s.url(), id)
		acknowledged[id] = true
	}
	running.Await(t, "what was accepted in its place has arrived", func() bool { return l.calls() == len(acknowledged) })
	g.Terminate()

	s.env = []string{"CALLGATE_STORE_SIZE=2MiB"}
	_, port = l.receiver(t, 2, nil)
	g = s.start(port)
	sender.accepted(t, s.url(), "fits")
	acknowledged["fits"] = true
	running.Await(t, "the call that fits now has arrived", func() bool { return l.calls() == len(acknowledged) })
	g.Terminate()
	if copies := l.check(t, acknowledged); copies != 0 {
		t.Errorf("%d calls arrived twice", copies)
	}
	t.Logf("%d calls were acknowledged before the store was full, and arrived", len(acknowledged)-1)
}
