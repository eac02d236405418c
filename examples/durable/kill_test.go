//go:build unix

package durable_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/running"
)

const (
	// connections send at once.
	connections = 16
	// slots is the destination's concurrency in the Caddyfile.
	slots = 16
	// leastCalls is for how many calls a round there are acknowledgements at least.
	leastCalls = 50
)

// TestKill kills the gateway at random moments, while it starts and while it works. Senders do as providers do: they
// send again what was not acknowledged. In the end every acknowledged call has arrived, nothing has arrived that was not
// sent, each call has one webhook-id however often it came, and it came twice only if it was under way at a kill.
//
// It ends processes, and not the machine: what the operating system was given to write is not lost. CALLGATE_HEAVY=1
// makes 50 rounds of it, CALLGATE_SEED repeats the moments of an earlier run.
func TestKill(t *testing.T) {
	rounds := 2
	if heavy() {
		rounds = 50
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("CALLGATE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("CALLGATE_SEED: %v", err)
		}
	}
	t.Logf("CALLGATE_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	s, l := newSite(t), newLedger()
	_, port := l.receiver(t, 1, slow)
	g := s.start(port)
	load := startLoad(t, s)
	whileStarting := 0
	for round := range rounds {
		// On a busy machine a start can take all of a moment.
		running.Await(t, "calls are acknowledged", func() bool { return load.acknowledged() >= leastCalls*round })
		var moment time.Duration
		if round%5 == 4 { // the rest of the time it starts, and finds what the last one left
			g.Kill()
			whileStarting++
			_, port = l.receiver(t, s.generation+1, slow)
			g = s.launch(port)
			moment = time.Duration(random.Int64N(int64(300 * time.Millisecond)))
		} else {
			moment = time.Duration(random.Int64N(int64(500 * time.Millisecond)))
		}
		time.Sleep(moment)
		g.Kill()
		_, port = l.receiver(t, s.generation+1, slow)
		g = s.start(port)
	}
	running.Await(t, "calls are acknowledged", func() bool { return load.acknowledged() >= leastCalls*rounds })
	sent := load.stop()
	running.Await(t, "every acknowledged call has arrived", func() bool { return l.calls() >= len(sent) })
	g.Terminate() // what is under way ends
	kills := s.generation - 1

	twice := l.check(t, sent)
	t.Logf("%d kills, %d of them while starting: %d calls acknowledged, %d of them at another try; %d arrivals, %d of them copies, "+
		"with the webhook-id of the first", kills, whileStarting, len(sent), load.again.Load(), len(l.arrivals), twice)
	if twice > kills*slots {
		t.Errorf("%d copies in %d kills: no more than %d deliveries are under way at once", twice, kills, slots)
	}
}

// slow is a receiver that takes some time, so that deliveries are under way at every moment.
func slow(string, *http.Request) int {
	time.Sleep(time.Duration(rand.Int64N(int64(3 * time.Millisecond))))
	return 0
}

// check compares what arrived with what was acknowledged, and returns how many arrivals were copies. Calls that may have
// arrived as well are those of which nobody knows whether they were stored.
func (l *ledger) check(t *testing.T, sent map[string]bool, perhaps ...string) (copies int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	type delivery struct {
		webhookID   string
		generations map[int]bool
	}
	seen := map[string]*delivery{}
	perKill := map[int]int{}
	for _, a := range l.arrivals {
		if !sent[a.id] && !slices.Contains(perhaps, a.id) {
			t.Errorf("call %q arrived and was never sent", a.id)
		}
		if !a.intact {
			t.Errorf("call %q arrived with another body", a.id)
		}
		if a.webhookID == "" {
			t.Errorf("call %q arrived without a webhook-id", a.id)
		}
		d := seen[a.id]
		if d == nil {
			seen[a.id] = &delivery{a.webhookID, map[int]bool{a.generation: true}}
			continue
		}
		copies++
		perKill[a.generation]++
		if a.webhookID != d.webhookID {
			t.Errorf("call %q arrived as %s and as %s", a.id, d.webhookID, a.webhookID)
		}
		if d.generations[a.generation] {
			t.Errorf("call %q arrived twice from one process, though it was received the first time", a.id)
		}
		d.generations[a.generation] = true
	}
	lost := 0
	for id := range sent {
		if seen[id] == nil {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged calls have not arrived", lost, len(sent))
	}
	return copies
}

// load sends calls over some connections until it is stopped.
type load struct {
	ending atomic.Bool
	again  atomic.Int64 // calls that were acknowledged at another try than the first
	wg     sync.WaitGroup
	mu     sync.Mutex
	sent   map[string]bool
}

func startLoad(t *testing.T, s *site) *load {
	l := &load{sent: map[string]bool{}}
	sender := newSender(t)
	for c := range connections {
		l.wg.Go(func() {
			for n := 0; !l.ending.Load(); n++ {
				id := fmt.Sprintf("c%d-%d", c, n)
				tries, err := sender.until(s.url(), id)
				if err != nil {
					t.Error(err)
					return
				}
				if tries > 1 {
					l.again.Add(1)
				}
				l.mu.Lock()
				l.sent[id] = true
				l.mu.Unlock()
			}
		})
	}
	return l
}

// acknowledged is how many calls were acknowledged so far.
func (l *load) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sent)
}

// until sends a call until it is acknowledged, as a provider would, only faster.
func (s *sender) until(url, id string) (tries int, err error) {
	body := call(id)
	for late := time.Now().Add(time.Minute); ; {
		tries++
		a, err := s.send(url, body)
		switch {
		case err == nil && a.status == http.StatusOK && a.ID != "":
			return tries, nil
		case err == nil && a.status != http.StatusServiceUnavailable:
			return tries, fmt.Errorf("call %s: answer %+v", id, a)
		case time.Now().After(late):
			return tries, fmt.Errorf("call %s was not accepted within a minute: %w, answer %+v", id, err, a)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// stop ends the load when every call that was begun is acknowledged, and returns them.
func (l *load) stop() map[string]bool {
	l.ending.Store(true)
	l.wg.Wait()
	return l.sent
}
