//go:build unix

package cluster_test

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/pgtest"
	"github.com/callgate/callgate/internal/store"
)

// rounds is how many faults TestRounds brings about: CALLGATE_HEAVY=1 go test ./examples/cluster -run TestRounds -rounds 50 -timeout 60m
var rounds = flag.Int("rounds", 4, "faults that TestRounds brings about")

const (
	// senders send at once, each call of callEvents events one after the other.
	senders, pacedSenders, callEvents = 16, 3, 4
	// slots is the concurrency of the destination "plain", and how many deliveries can be under way at once altogether.
	slots    = 4
	underWay = slots + 1 + 2
)

// config has a destination whose order is promised, one whose pace is, at HubSpot's numbers, and one without either.
const config = `{
	admin {$CADDY_ADMIN}
	callgate {
		store postgres {env.DATABASE_URL} {
			gateway {env.CALLGATE_GATEWAY}
		}
		encryption_key {env.CALLGATE_KEY}
		drain_timeout 5s
		destination ordered http {
			url {env.CRM_URL}/ordered
			pass_through
			concurrency 1
			retry exponential {
				first 500ms
				max 2s
				attempts 1000
			}
		}
		destination paced http {
			url {env.CRM_URL}/paced
			pass_through
			rate 90/10s burst 10
			concurrency 2
			retry exponential {
				first 500ms
				max 2s
				attempts 1000
			}
		}
		destination plain http {
			url {env.CRM_URL}/plain
			pass_through
			concurrency 4
			retry exponential {
				first 500ms
				max 2s
				attempts 1000
			}
		}
	}
}
http://:{$CALLGATE_PORT} {
	bind 127.0.0.1
	callgate /webhooks/calls nextphone {
		secret {env.NEXTPHONE_SECRET}
		name calls
		rate_limit off
		deliver ordered
		deliver plain
	}
	callgate /webhooks/paced nextphone {
		secret {env.NEXTPHONE_SECRET}
		name paced
		rate_limit off
		deliver paced
	}
	handle /ready {
		callgate_ready
	}
	handle {
		respond 404
	}
}
`

// fault is what was done to a gateway, until it was well again.
type fault struct {
	gateway    string // its label
	what       string
	begin, end time.Time
}

// TestRounds has three gateways behind one load, and kills, freezes, cuts off and stops them in turns at random moments. In
// the end every acknowledged event has arrived; copies are only of deliveries that were under way at a fault; the events of
// each call have arrived in their order where that is promised; and in no ten seconds was the receiver sent more than a
// hundred requests where that is the pace.
func TestRounds(t *testing.T) {
	heavy(t)
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("CALLGATE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("CALLGATE_SEED: %v", err)
		}
	}
	t.Logf("CALLGATE_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	pg := pgtest.Start(t)
	file := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	l := newLedger(t, func() time.Duration { return time.Duration(rand.Int64N(int64(4 * time.Millisecond))) })
	var machines []*machine
	proxies := map[*machine]*pgtest.Proxy{}
	for _, name := range []string{"a", "b", "c"} {
		p := pgtest.NewProxy(t, pg.Addr())
		m := newMachine(t, name, fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", pgtest.User, p.Port(), pgtest.Database), file, l)
		machines, proxies[m] = append(machines, m), p
		m.start()
	}
	load := startLoad(t, machines, random.Uint64())
	var faults []fault
	for round := range *rounds {
		calls := load.acknowledged()
		await(t, "events are acknowledged", time.Minute, func() bool { return load.acknowledged() > calls+20 })
		time.Sleep(time.Duration(random.Int64N(int64(time.Second))))
		m := machines[random.IntN(len(machines))]
		f := fault{gateway: m.g.label, begin: time.Now()}
		switch round % 4 {
		case 0:
			f.what = "killed"
			m.g.kill()
			time.Sleep(time.Duration(random.Int64N(int64(2 * time.Second))))
			m.start()
		case 1:
			f.what = "frozen"
			m.g.signal(syscall.SIGSTOP)
			time.Sleep(span(random))
			m.g.signal(syscall.SIGCONT)
			m.awaitReady()
		case 2:
			f.what = "cut off"
			proxies[m].Swallow()
			time.Sleep(span(random))
			proxies[m].Pass()
			m.awaitReady()
		default:
			f.what = "stopped"
			m.g.terminate(t)
			m.start()
		}
		f.end = time.Now()
		t.Logf("%s was %s for %s", f.gateway, f.what, f.end.Sub(f.begin).Round(time.Millisecond))
		faults = append(faults, f)
	}
	sent := load.stop()
	for destination, events := range sent {
		await(t, "every acknowledged event has arrived at "+destination, 2*time.Minute, func() bool { return l.arrived(destination) >= len(events) })
	}
	for _, m := range machines {
		m.g.terminate(t)
	}
	l.check(t, sent, faults)
}

// span is how long a fault lasts: every other time so long that the lanes change hands.
func span(random *rand.Rand) time.Duration {
	if random.IntN(2) == 0 {
		return time.Duration(random.Int64N(int64(store.TTL - 3*time.Second)))
	}
	return store.TTL + time.Duration(random.Int64N(int64(5*time.Second)))
}

// load sends events until it is stopped.
type load struct {
	ending atomic.Bool
	wg     sync.WaitGroup
	mu     sync.Mutex
	sent   map[string]map[event]bool // by destination
}

func startLoad(t *testing.T, machines []*machine, seed uint64) *load {
	l := &load{sent: map[string]map[event]bool{"ordered": {}, "plain": {}, "paced": {}}}
	s := newSender(t)
	urls := make([]string, len(machines))
	for i, m := range machines {
		urls[i] = fmt.Sprintf("http://127.0.0.1:%d/webhooks/", m.port)
	}
	begin := func(c int, pause time.Duration, path string, destinations ...string) {
		random := rand.New(rand.NewPCG(seed, uint64(c)))
		l.wg.Go(func() {
			for k := 0; !l.ending.Load(); k++ {
				for n := range callEvents {
					e := event{fmt.Sprintf("%s-%d-%d", path, c, k), n}
					if err := s.until(urls, random, path, e); err != nil {
						t.Error(err)
						return
					}
					l.mu.Lock()
					for _, d := range destinations {
						l.sent[d][e] = true
					}
					l.mu.Unlock()
					time.Sleep(pause)
				}
			}
		})
	}
	for c := range senders {
		begin(c, 60*time.Millisecond, "calls", "ordered", "plain")
	}
	// A little more than the pace allows, so that something waits for it most of the time.
	for c := range pacedSenders {
		begin(senders+c, 250*time.Millisecond, "paced", "paced")
	}
	return l
}

// until sends an event to one gateway after the other until it is acknowledged, as a provider behind a balancer would.
func (s *sender) until(urls []string, random *rand.Rand, path string, e event) error {
	body := call(e.call, e.n)
	for late := time.Now().Add(2 * time.Minute); ; {
		status, answer, err := s.send(urls[random.IntN(len(urls))]+path, body)
		switch {
		case err == nil && status == http.StatusOK:
			return nil
		case err == nil && status != http.StatusServiceUnavailable && status != http.StatusBadGateway:
			return fmt.Errorf("event %v: %d %s", e, status, answer)
		case time.Now().After(late):
			return fmt.Errorf("event %v was not accepted within two minutes: %w, %d %s", e, err, status, answer)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (l *load) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sent["plain"])
}

// stop ends the load when every event that was begun is acknowledged, and returns them.
func (l *load) stop() map[string]map[event]bool {
	l.ending.Store(true)
	l.wg.Wait()
	return l.sent
}

// check compares what arrived with what was acknowledged and promised.
func (l *ledger) check(t *testing.T, sent map[string]map[event]bool, faults []fault) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	copies := map[string]int{} // by the gateway whose delivery was repeated
	for destination, events := range sent {
		lost := 0
		for e := range events {
			if _, ok := l.first[destination][e]; !ok {
				lost++
			}
		}
		if lost > 0 {
			t.Errorf("%d of %d acknowledged events have not arrived at %s", lost, len(events), destination)
		}
	}
	for _, a := range l.all {
		if !sent[a.destination][a.event] {
			t.Errorf("%v arrived at %s and was never sent", a.event, a.destination)
		}
		first := l.first[a.destination][a.event]
		if a == first {
			continue
		}
		if a.webhookID != first.webhookID || a.webhookID == "" {
			t.Errorf("%v arrived at %s as %q and as %q", a.event, a.destination, first.webhookID, a.webhookID)
		}
		copies[first.gateway]++
		// The first was under way when something happened to its gateway, or soon before.
		near := func(f fault) bool {
			return f.gateway == first.gateway && first.at.After(f.begin.Add(-15*time.Second)) && first.at.Before(f.end.Add(5*time.Second))
		}
		if !slices.ContainsFunc(faults, near) {
			t.Errorf("%v arrived at %s from %s at %s and again from %s at %s, and nothing had happened", a.event, a.destination,
				first.gateway, first.at.Format(time.StampMilli), a.gateway, a.at.Format(time.StampMilli))
		}
	}
	hits := map[string]int{}
	for _, f := range faults {
		hits[f.gateway]++
	}
	total := 0
	for gateway, n := range copies {
		total += n
		if n > hits[gateway]*underWay {
			t.Errorf("%d copies of what %s delivered, which had %d faults: no more than %d deliveries are under way at once", n, gateway, hits[gateway], underWay)
		}
	}
	disordered := 0
	var list []arrival
	for _, a := range l.first["ordered"] {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b arrival) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	last := map[string]int{}
	for _, a := range list {
		if n, begun := last[a.call]; begun && a.n <= n {
			disordered++
		}
		last[a.call] = a.n
	}
	if disordered > 0 {
		t.Errorf("%d events arrived before one that came earlier in their call", disordered)
	}
	var paced []time.Time
	for _, a := range l.all {
		if a.destination == "paced" {
			paced = append(paced, a.at)
		}
	}
	slices.SortFunc(paced, time.Time.Compare)
	most := 0
	for i, at := range paced {
		n := 0
		for _, other := range paced[i:] {
			if other.Sub(at) < 10*time.Second {
				n++
			}
		}
		most = max(most, n)
	}
	if most > 100 {
		t.Errorf("%d requests in ten seconds where a hundred is the pace", most)
	}
	t.Logf("%d faults: %d, %d and %d events acknowledged for plain, ordered and paced, %d arrivals, %d of them copies, at most %d paced in ten seconds",
		len(faults), len(sent["plain"]), len(sent["ordered"]), len(sent["paced"]), len(l.all), total, most)
}
