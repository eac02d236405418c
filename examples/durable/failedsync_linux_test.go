package durable_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/callgate/callgate/internal/diskfault"
	"github.com/callgate/callgate/internal/running"
)

// TestFailingSync lets every fsync of the gateway fail for a while, as a disk that breaks does, while 16 connections send.
// Nothing is acknowledged then; senders are told to come again, and accepted when the disk works again, without a restart.
// In the last round the gateway is killed while the disk fails. Everything acknowledged arrives.
func TestFailingSync(t *testing.T) {
	t.Parallel()
	rounds := 2
	if heavy() {
		rounds = 10
	}
	s, l := newSite(t), newLedger()
	_, port := l.receiver(t, 1, slow)
	g := s.start(port)
	load := startLoad(t, s)
	probe := newSender(t)
	var perhaps []string // a call that was refused may have been stored all the same when the gateway was killed
	failed := 0
	for round := range rounds {
		before := load.acknowledged()
		running.Await(t, "calls are accepted", func() bool { return load.acknowledged() >= before+200 })
		fault := diskfault.Syncs(t, g.ID())
		refuse := func(what string) {
			for i := range 20 {
				id := fmt.Sprintf("%s%d-%d", what, round, i)
				a, err := probe.send(s.url(), call(id))
				switch {
				case err != nil:
					t.Fatal(err)
				case a.status == http.StatusServiceUnavailable && a.Error.Code == "store_unavailable" && a.retryAfter != "":
					perhaps = append(perhaps, id)
				case a.status == http.StatusServiceUnavailable && a.Error.Code == "rate_limited":
				default:
					t.Fatalf("with a disk whose fsync fails: %+v; want 503 store_unavailable with Retry-After", a)
				}
			}
		}
		refuse("first") // by then the answers to what was under way are here
		before = load.acknowledged()
		refuse("then")
		if n := load.acknowledged() - before; n > 0 {
			t.Errorf("%d calls were acknowledged although no fsync has succeeded", n)
		}
		if round == rounds-1 {
			g.Kill()
		}
		fault.End()
		failed += fault.Failed(t)
	}
	_, port = l.receiver(t, 2, nil)
	g = s.start(port)
	before := load.acknowledged()
	running.Await(t, "calls are accepted by the next gateway", func() bool { return load.acknowledged() >= before+200 })
	sent := load.stop()
	running.Await(t, "every acknowledged call has arrived", func() bool { return l.arrived(sent) })
	g.Terminate()
	copies := l.check(t, sent, perhaps...)
	if copies > slots {
		t.Errorf("%d copies: no more than %d deliveries were under way at the kill", copies, slots)
	}
	t.Logf("%d rounds, %d fsyncs failed, %d calls were refused: %d calls acknowledged, %d of them at another try, and all arrived; %d copies",
		rounds, failed, len(perhaps), len(sent), load.again.Load(), copies)
}
