package delivery

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// gang is several gateways on one database.
type gang struct {
	*testing.T
	db      *storetest.Database
	members []*member
}

type member struct {
	*rig
	shared *storetest.SharedMemory
	closed bool
}

func newGang(t *testing.T, n int, o Options, destinations map[string]Config) *gang {
	g := &gang{T: t, db: storetest.NewDatabase(storetest.Options{})}
	for range n {
		g.join(o, destinations)
	}
	after(3 * time.Second)
	return g
}

// join starts another gateway.
func (g *gang) join(o Options, destinations map[string]Config) *member {
	m := &member{shared: g.db.Open()}
	o.Store, o.Name = m.shared, fmt.Sprint("gw", len(g.members))
	m.rig = newRig(g.T, o, destinations)
	m.events = 1000 * len(g.members) // so that each gateway's events are others
	g.members = append(g.members, m)
	return m
}

func (g *gang) close() {
	g.Helper()
	for _, m := range g.members {
		if !m.closed {
			m.shared.Cut(false)
			m.stop()
		}
	}
}

func (m *member) stop() {
	m.Helper()
	m.closed = true
	m.close()
}

func (m *member) holds(destination string) bool {
	for lane := range m.engine.keeper.held() {
		if lane.Destination == destination {
			return true
		}
	}
	return false
}

// holder is who holds a destination, and one of the others.
func (g *gang) holder(destination string) (holder, other *member) {
	g.Helper()
	for _, m := range g.members {
		switch {
		case m.closed:
		case m.holds(destination):
			if holder != nil {
				g.Fatalf("two gateways hold %s", destination)
			}
			holder = m
		default:
			other = m
		}
	}
	if holder == nil {
		g.Fatalf("nobody holds %s", destination)
	}
	return holder, other
}

// hubspotPace is a destination of the kind that counts requests: 100 in 10 s.
func hubspotPace(d destination.Destination) Config {
	return Config{Destination: d, Rate: 9, Burst: 10, Breaker: noBreaker}
}

func TestLanesAreSharedOut(t *testing.T) {
	in(t, func(t *testing.T) {
		destinations := map[string]Config{}
		fakes := map[string]*fake{}
		for i := range 8 {
			name := fmt.Sprint("d", i)
			fakes[name] = newFake(always(ok))
			destinations[name] = Config{Destination: fakes[name]}
		}
		g := newGang(t, 2, Options{}, destinations)
		defer g.close()
		held := map[*member]int{}
		for name := range fakes {
			m, _ := g.holder(name)
			held[m]++
		}
		if len(held) != 2 {
			t.Errorf("only %d gateways hold lanes", len(held))
		}
		for name := range fakes {
			g.members[0].accept("", "", name)
			g.members[1].accept("", "", name)
		}
		after(100 * time.Millisecond) // by the other's hint, and not by looking
		for name, f := range fakes {
			if n := len(f.calls()); n != 2 {
				t.Errorf("%s got %d of 2", name, n)
			}
			g.members[0].want(name, 0, 2, 0)
		}
	})
}

// Without hints, as when the connection for them is dead, work is found by looking.
func TestWorkIsFoundWithoutHints(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		g := newGang(t, 2, Options{}, map[string]Config{"crm": {Destination: f}})
		defer g.close()
		quiet := g.db.Open()
		quiet.Mute()
		if _, err := quiet.Accept(context.Background(), newEvent(77, "", ""), []string{"crm"}); err != nil {
			t.Fatal(err)
		}
		after(sharedCheck + 10*time.Millisecond)
		if n := len(f.calls()); n != 1 {
			t.Errorf("%d requests after a second", n)
		}
	})
}

// spans notes when each attempt ran and at which gateway.
type spans struct {
	mu  sync.Mutex
	all []span
}

type span struct {
	gateway    int
	id         string
	begin, end time.Time
}

// at is a destination as a gateway has it, whose attempts take a time and end with their context.
func (s *spans) at(gateway int, d time.Duration) *fake {
	return newFake(func(ctx context.Context, items []destination.Item) []destination.Result {
		begin := time.Now()
		r := takes(d, ok)(ctx, items)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all = append(s.all, span{gateway, items[0].DeliveryID, begin, time.Now()})
		return r
	})
}

// apart fails the test if two gateways sent to the destination at the same time.
func (s *spans) apart(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, a := range s.all {
		for _, b := range s.all[i+1:] {
			if a.gateway != b.gateway && a.begin.Before(b.end) && b.begin.Before(a.end) {
				t.Errorf("gateways %d and %d sent at the same time: %s to %s and %s to %s", a.gateway, b.gateway, a.begin, a.end, b.begin, b.end)
			}
		}
	}
}

func TestALaneIsTakenOverFromAGatewayThatIsCutOff(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &spans{}
		g := newGang(t, 0, Options{}, nil)
		for i := range 2 {
			g.join(Options{}, map[string]Config{"crm": {Destination: s.at(i, time.Hour/2), Timeout: time.Hour}})
		}
		defer g.close()
		after(3 * time.Second)
		first, other := g.holder("crm")
		first.accept("", "", "crm")
		synctest.Wait()
		first.shared.Cut(true)
		start := time.Now()
		for !other.holds("crm") {
			after(100 * time.Millisecond)
			if time.Since(start) > time.Minute {
				t.Fatal("nobody took the lane over")
			}
		}
		if d := time.Since(start); d > store.TTL+200*time.Millisecond {
			t.Errorf("taken over after %s", d)
		}
		synctest.Wait()
		after(time.Hour)
		s.apart(t)
		if len(s.all) != 2 || s.all[0].id != s.all[1].id {
			t.Errorf("attempts: %+v", s.all)
		}
		if d := other.only("crm"); d.State != store.Delivered || d.Attempts != 1 {
			t.Errorf("the delivery is %+v", d)
		}
		first.shared.Cut(false)
		after(time.Minute)
		g.holder("crm") // one of them
	})
}

// A connection that is back within the margin costs no lane, and one that is back between margin and TTL gives it back.
func TestALaneIsKeptOverAShortOutage(t *testing.T) {
	for _, gap := range []time.Duration{6 * time.Second, 9 * time.Second, 13500 * time.Millisecond, 14500 * time.Millisecond, 20 * time.Second} {
		in(t, func(t *testing.T) {
			f := newFake(always(ok))
			g := newGang(t, 1, Options{}, map[string]Config{"crm": {Destination: f}})
			defer g.close()
			m := g.members[0]
			before := m.engine.keeper.held()[store.Lane{Destination: "crm", Shards: 1}]
			after(2 * time.Second) // to where a heartbeat was just sent
			m.shared.Cut(true)
			after(gap)
			m.shared.Cut(false)
			after(8 * time.Second)
			now := m.engine.keeper.held()[store.Lane{Destination: "crm", Shards: 1}]
			if now.Epoch == 0 || gap < store.TTL-store.HoldMargin-store.HeartbeatEvery && now != before {
				t.Errorf("after %s: held as %+v, before as %+v", gap, now, before)
			}
			m.accept("", "", "crm")
			synctest.Wait()
			m.want("crm", 0, 1, 0)
		})
	}
}

func TestShutdownHandsLanesOverAtOnce(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &spans{}
		g := newGang(t, 0, Options{}, nil)
		for i := range 2 {
			g.join(Options{DrainTimeout: 20 * time.Second}, map[string]Config{"crm": {Destination: s.at(i, 3*time.Second), Concurrency: 2}})
		}
		defer g.close()
		after(3 * time.Second)
		first, other := g.holder("crm")
		for range 10 {
			first.accept("", "", "crm")
		}
		after(time.Second)
		start := time.Now()
		first.stop() // two seconds, until its attempts have ended
		if d := time.Since(start); d < 2*time.Second || d > 3*time.Second {
			t.Errorf("stopped in %s", d)
		}
		after(100 * time.Millisecond)
		if !other.holds("crm") {
			t.Fatal("the other gateway has not taken the lane")
		}
		after(time.Minute)
		s.apart(t)
		if len(s.all) != 10 {
			t.Errorf("%d attempts for 10 deliveries", len(s.all))
		}
		other.want("crm", 0, 10, 0)
		if n := other.engine.Gateways(); n != 1 {
			t.Errorf("%d gateways are left", n)
		}
	})
}

// Lanes that fall to a gateway that joins are handed over when what is under way has ended, and nothing is sent twice.
func TestAGatewayThatJoinsGetsItsLanes(t *testing.T) {
	in(t, func(t *testing.T) {
		const lanes = 12
		s := make([]*spans, lanes)
		at := func(i int) map[string]Config {
			all := map[string]Config{}
			for k := range lanes {
				if s[k] == nil {
					s[k] = &spans{}
				}
				all[fmt.Sprint("d", k)] = Config{Destination: s[k].at(i, 4*time.Second), Concurrency: 1}
			}
			return all
		}
		g := newGang(t, 0, Options{}, nil)
		defer g.close()
		first := g.join(Options{}, at(0))
		after(time.Second)
		for k := range lanes {
			for range 3 {
				first.accept("", "", fmt.Sprint("d", k))
			}
		}
		after(time.Second)
		second := g.join(Options{}, at(1))
		after(6 * time.Second)
		moved := 0
		for k := range lanes {
			if m, _ := g.holder(fmt.Sprint("d", k)); m == second {
				moved++
			}
		}
		if moved == 0 || moved == lanes {
			t.Errorf("%d of %d lanes are the second gateway's", moved, lanes)
		}
		after(time.Minute)
		for k := range lanes {
			s[k].apart(t)
			if n := len(s[k].all); n != 3 {
				t.Errorf("lane %d: %d attempts for 3 deliveries", k, n)
			}
		}
	})
}

// The pace is the receiver's, whoever delivers: it holds in every window, also over those in which the lane changed hands.
func TestPaceHoldsOverTakeovers(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		g := newGang(t, 3, Options{}, map[string]Config{"crm": hubspotPace(f)})
		defer g.close()
		for range 2000 {
			g.members[0].accept("", "", "crm")
		}
		for round := range 6 {
			after(11 * time.Second)
			m, _ := g.holder("crm")
			switch round % 3 {
			case 0:
				m.shared.Cut(true)
				after(16 * time.Second)
				m.shared.Cut(false)
			case 1:
				m.shared.Cut(true)
				after(14 * time.Second)
				m.shared.Cut(false)
			default:
				if round == 2 {
					m.stop()
				}
			}
		}
		after(5 * time.Minute)
		at := f.times()
		slices.Sort(at)
		for i := range at {
			n := 0
			for _, x := range at[i:] {
				if x < at[i]+10*time.Second {
					n++
				}
			}
			if n > 100 {
				t.Fatalf("%d requests in the 10 s from %s", n, at[i])
			}
		}
		if len(at) < 2000 {
			t.Errorf("%d requests for 2000 deliveries", len(at))
		}
	})
}
