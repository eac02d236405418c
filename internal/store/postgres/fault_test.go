package postgres_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/pgtest"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/postgres"
	"github.com/oklog/ulid/v2"
)

// Faults that a database has, with real servers. What is promised is that whatever was acknowledged, a copy of an event too, is
// on the server that takes over, and that everything else fails with store.ErrUnavailable.

// randomEvent is an event of 2 KiB with a random key.
func randomEvent(body []byte) *store.Event {
	e := &store.Event{ID: ulid.MustNew(ulid.Now(), rand.Reader).String(), Tenant: "acme", Source: "nextphone", Route: "hooks", EventType: "call.ended",
		EventID: "evt-0123456789", CallID: "call-0123456789", ReceivedAt: time.Now(), Method: "POST", URI: "/hook",
		Header: map[string][]string{"Content-Type": {"application/json"}}, Body: body}
	rand.Read(e.Key[:])
	return e
}

// senders send events, and each again until it is acknowledged, as senders do; and copies of what was acknowledged.
type senders struct {
	t    *testing.T
	s    store.Store
	stop chan struct{}
	wg   sync.WaitGroup

	mu     sync.Mutex
	acked  map[string]bool // ids
	failed int
	since  int // acknowledgements since count was set to 0
}

func send(t *testing.T, s store.Store, producers int) *senders {
	p := &senders{t: t, s: s, stop: make(chan struct{}), acked: map[string]bool{}}
	for range producers {
		p.wg.Go(func() {
			for n := 0; ; n++ {
				e := randomEvent([]byte("body"))
				for copies := 0; copies < 1+n%2; {
					select {
					case <-p.stop:
						return
					default:
					}
					again := *e
					again.ID = ulid.MustNew(ulid.Now(), rand.Reader).String()
					a, err := s.Accept(context.Background(), &again, []string{"crm"})
					p.mu.Lock()
					if err == nil {
						p.acked[a.EventID] = true
						p.since++
						copies++
					} else {
						p.failed++
						if !errors.Is(err, store.ErrUnavailable) {
							t.Errorf("not acknowledged: %v", err)
						}
					}
					p.mu.Unlock()
				}
			}
		})
	}
	return p
}

// wait waits until so many more were acknowledged.
func (p *senders) wait(n int) {
	p.t.Helper()
	p.mu.Lock()
	p.since = 0
	p.mu.Unlock()
	for start := time.Now(); ; time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		since := p.since
		p.mu.Unlock()
		if since >= n {
			return
		}
		if time.Since(start) > time.Minute {
			p.t.Fatalf("only %d were acknowledged in a minute", since)
		}
	}
}

func (p *senders) end() {
	close(p.stop)
	p.wg.Wait()
}

// check finds what was acknowledged on the server, and delivers it.
func (p *senders) check(server *pgtest.Server, schema string) {
	p.t.Helper()
	there := map[string]bool{}
	for id := range strings.FieldsSeq(server.SQL("SELECT id FROM " + schema + ".events")) {
		raw := uuid(p.t, id)
		there[ulid.ULID(raw).String()] = true
	}
	lost := 0
	for id := range p.acked {
		if !there[id] {
			lost++
		}
	}
	if lost > 0 {
		p.t.Errorf("%d of %d acknowledged events are lost", lost, len(p.acked))
	}
	delivered := map[string]bool{}
	for {
		claimed, err := p.s.Claim(context.Background(), "crm", time.Now(), time.Minute, 1000, nil)
		if err != nil {
			p.t.Fatal(err)
		}
		if len(claimed) == 0 {
			break
		}
		var done []store.Attempt
		for _, c := range claimed {
			delivered[c.EventID] = true
			done = append(done, store.Attempt{DeliveryID: c.ID, State: store.Delivered, At: time.Now()})
		}
		if err := p.s.Finish(context.Background(), done); err != nil {
			p.t.Fatal(err)
		}
	}
	for id := range p.acked {
		if !delivered[id] {
			p.t.Errorf("%s was acknowledged and is not delivered", id)
		}
	}
	p.t.Logf("%d acknowledged, %d times none, %d stored, %d delivered", len(p.acked), p.failed, len(there), len(delivered))
}

func uuid(t *testing.T, s string) (id [16]byte) {
	t.Helper()
	hex := strings.ReplaceAll(s, "-", "")
	for i := range id {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		id[i] = byte(n)
	}
	return id
}

// rounds is how often a fault is brought about: CALLGATE_ROUNDS, or as often as fits into a run of all tests.
func rounds(t *testing.T, usual int) int {
	if n, err := strconv.Atoi(os.Getenv("CALLGATE_ROUNDS")); err == nil {
		return n
	}
	return usual
}

// TestThePrimaryIsKilledAndTheStandbyPromoted kills the primary under load, has the standby take over, and looks whether all
// is there that was acknowledged. `CALLGATE_HEAVY=1 CALLGATE_ROUNDS=20 go test -run TestThePrimaryIsKilled -v
// ./internal/store/postgres` does it twenty times.
func TestThePrimaryIsKilledAndTheStandbyPromoted(t *testing.T) {
	for round := range rounds(t, 3) {
		t.Run(fmt.Sprint("round", round), func(t *testing.T) {
			a := start(t)
			b := a.Pair()
			in := schema()
			s := openStore(t, postgres.Options{Address: pgtest.Several(a, b), Schema: in, RequireSync: false, Patience: 2 * time.Second})
			p := send(t, s, 32)
			p.wait(200 + 150*(round%7))
			a.Kill()
			b.Promote()
			p.wait(200)
			p.end()
			p.check(b, in)
		})
	}
}

// accept tries to have an event accepted for a while.
func accept(t *testing.T, s store.Store, e *store.Event) (store.Accepted, error) {
	t.Helper()
	e.ID = ulid.MustNew(ulid.Now(), rand.Reader).String()
	return s.Accept(t.Context(), e, []string{"crm"})
}

func unavailable(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%s: %v, want it to be unavailable", what, err)
	}
}

// until tries something until it works.
func until(t *testing.T, what string, f func() error) {
	t.Helper()
	var err error
	for start := time.Now(); time.Since(start) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

// TestNothingIsAcknowledgedWithoutTheStandby freezes the standby. What is committed then is on one machine only, and may not be
// acknowledged: not when it is sent again, not after the wait was cancelled, and not after the primary was killed and started
// again, when it is there to be seen.
func TestNothingIsAcknowledgedWithoutTheStandby(t *testing.T) {
	a := start(t)
	b := a.Pair()
	var ahead atomic.Int64 // the next day a copy is known by a key of the day before, and writes nothing by itself
	s := openStore(t, postgres.Options{Address: pgtest.Several(a, b), Schema: "frozen", Patience: 2 * time.Second, DaysAhead: 2,
		Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	first, second := randomEvent([]byte("1")), randomEvent([]byte("2"))
	if _, err := accept(t, s, first); err != nil {
		t.Fatal(err)
	}
	b.Freeze()
	// waiting has an event be accepted, and something happen while that waits for the standby.
	waiting := func(what string, e *store.Event, happens string) {
		t.Helper()
		answer := make(chan error, 1)
		go func() {
			_, err := accept(t, s, e)
			answer <- err
		}()
		until(t, what, func() error {
			if a.SQL("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == "0" {
				return errors.New("nobody waits")
			}
			return nil
		})
		a.SQL(happens)
		unavailable(t, what, <-answer)
	}
	waiting("a new event", second, "SELECT 1")
	waiting("a copy of one that both have", first, "SELECT 1")
	const waiters = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
	a.SQL("SELECT count(pg_cancel_backend(pid)) " + waiters)
	waiting("one whose wait is cancelled", second, "SELECT count(pg_cancel_backend(pid)) "+waiters)
	waiting("one whose connection is ended", second, "SELECT count(pg_terminate_backend(pid)) "+waiters)
	ahead.Store(int64(24 * time.Hour))
	waiting("one of the day before whose wait is cancelled", second, "SELECT count(pg_cancel_backend(pid)) "+waiters)
	if got := a.SQL("SELECT count(*) FROM frozen.events"); got != "2" {
		t.Errorf("%s events can be seen, want the second too, or this tests nothing", got)
	}
	a.Kill()
	a.Run()
	if got := a.SQL("SELECT count(*) FROM frozen.events"); got != "2" {
		t.Errorf("%s events can be seen after the restart, want the second too", got)
	}
	_, err := accept(t, s, second)
	unavailable(t, "a copy of what one server has only, after it was restarted", err)
	b.Thaw()
	until(t, "with the standby", func() error {
		_, err := accept(t, s, second)
		return err
	})
	a.Kill()
	b.Promote()
	if got := b.SQL("SELECT count(*) FROM frozen.events"); got != "2" {
		t.Errorf("the standby has %s events", got)
	}
	until(t, "with the new primary", func() error {
		a, err := accept(t, s, second)
		if err == nil && !a.Duplicate {
			t.Error("the copy is no copy")
		}
		return err
	})
}

func TestRequireSync(t *testing.T) {
	a := start(t)
	s := openStore(t, postgres.Options{Address: a.DSN(), RequireSync: true, Patience: time.Second})
	e := randomEvent([]byte("1"))
	if _, err := accept(t, s, e); !errors.Is(err, postgres.ErrNoStandby) || !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("without a standby: %v", err)
	}
	if err := s.Probe(t.Context()); !errors.Is(err, postgres.ErrNoStandby) {
		t.Errorf("its probe: %v", err)
	}
	a.Pair()
	until(t, "with a standby", func() error {
		_, err := accept(t, s, e)
		return err
	})
}

// TestANetworkThatSwallows has the network to the server fail without a word.
func TestANetworkThatSwallows(t *testing.T) {
	a := start(t)
	network := pgtest.NewProxy(t, a.Addr())
	s := openStore(t, postgres.Options{Address: a.Behind(network), Patience: time.Second})
	e := randomEvent([]byte("1"))
	if _, err := accept(t, s, e); err != nil {
		t.Fatal(err)
	}
	network.Swallow()
	began := time.Now()
	_, err := accept(t, s, randomEvent([]byte("2")))
	unavailable(t, "while it swallows", err)
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %s to be told", took)
	}
	network.Pass()
	until(t, "when it passes again", func() error {
		a, err := accept(t, s, e)
		if err == nil && !a.Duplicate {
			t.Error("the copy is no copy")
		}
		return err
	})
}

var passwords sync.Mutex

func passwordOf(p *string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		passwords.Lock()
		defer passwords.Unlock()
		return *p, nil
	}
}

func setPassword(p *string, to string) {
	passwords.Lock()
	defer passwords.Unlock()
	*p = to
}
