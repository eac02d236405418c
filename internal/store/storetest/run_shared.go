package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// SharedHarness makes the databases that the contract of store.Shared is tested on.
type SharedHarness struct {
	// Open makes an empty database with a window and a clock. another opens it, each time as a gateway of its own, and sees
	// to closing it. Leases and the presence of gateways are to go by the clock of the options.
	Open func(t testing.TB, o Options) (another func() store.Shared)
	// Lose has the connection of a store break at the next Accept, after the server has made it durable and before it could
	// say so. nil if that cannot be brought about.
	Lose func(t testing.TB, s store.Shared)
	// Cut takes a store's connections away so that nothing passes, or gives them back. nil if that cannot be brought about.
	Cut func(t testing.TB, s store.Shared, away bool)
}

// RunShared tests that a store keeps the contract of store.Shared, in what it promises beyond that of store.Store.
func RunShared(t *testing.T, h SharedHarness) {
	for _, c := range []struct {
		name string
		test func(*pair)
	}{
		{"OneOfManyOnBothGateways", oneOfManyOnBoth},
		{"UnknownOutcomes", unknownOutcomes},
		{"Presence", presence},
		{"Serves", serves},
		{"LanesHaveOneHolder", lanesHaveOneHolder},
		{"ManyTakeOne", manyTakeOne},
		{"TakenOverAfterTTL", takenOverAfterTTL},
		{"GoneMeansGone", goneMeansGone},
		{"ReleasedAtShutdown", releasedAtShutdown},
		{"QueueOfALane", queueOfALane},
		{"LostLane", lostLane},
		{"LateFinishOfAnOldEpoch", lateFinishOfAnOldEpoch},
		{"FinishAfterRelease", finishAfterRelease},
		{"Shards", shards},
		{"ShardsOfAnotherNumber", shardsOfAnotherNumber},
		{"SeenByBoth", seenByBoth},
		{"Hints", hints},
		{"CutOff", cutOff},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &pair{bench: &bench{T: t, now: time.Date(2026, 3, 1, 9, 0, 0, 123456789, time.UTC)}, h: h}
			p.open = h.Open(t, Options{Window: time.Hour, Now: func() time.Time { return p.now }})
			p.a, p.z = p.open(), p.open()
			p.s = p.a
			c.test(p)
		})
	}
}

// pair is two gateways, a and z, on one database.
type pair struct {
	*bench
	h    SharedHarness
	open func() store.Shared
	a, z store.Shared
}

// meet sends a heartbeat.
func (p *pair) meet(s store.Shared, serves ...store.Served) store.Meeting {
	p.Helper()
	m, err := s.Heartbeat(ctx, store.Presence{Name: "gw", Version: "v1", Started: p.now, Serves: serves, TTL: store.TTL})
	if err != nil {
		p.Fatal(err)
	}
	return m
}

// take takes lanes.
func (p *pair) take(s store.Shared, lanes ...store.Lane) []store.Hold {
	p.Helper()
	holds, err := s.Take(ctx, lanes)
	if err != nil {
		p.Fatal(err)
	}
	return holds
}

// whole is the lane of a destination without shards.
func whole(destination string) store.Lane { return store.Lane{Destination: destination, Shards: 1} }

// own takes one lane, which has to be free.
func (p *pair) own(s store.Shared, l store.Lane) store.Hold {
	p.Helper()
	holds := p.take(s, l)
	if len(holds) != 1 || holds[0].Lane != l || holds[0].Epoch == 0 {
		p.Fatalf("taking %+v gave %+v", l, holds)
	}
	return holds[0]
}

// claimOf claims from a lane.
func (p *pair) claimOf(s store.Shared, h store.Hold, limit int) []string {
	p.Helper()
	c, err := s.Queue(h).Claim(ctx, p.now, time.Minute, limit, nil)
	if err != nil {
		p.Fatal(err)
	}
	return ids(c)
}

// oneOfManyOnBoth has two gateways accept the same events at once.
func oneOfManyOnBoth(p *pair) {
	const keys, copies = 12, 8
	type answer struct {
		key int
		store.Accepted
	}
	answers := make(chan answer, keys*copies)
	for i := range copies {
		for k := range keys {
			e := p.event("acme")
			e.Key = [16]byte{0: byte(k), 5: 1}
			s := []store.Shared{p.a, p.z}[i%2]
			go func() {
				a, err := s.Accept(ctx, e, []string{"crm"})
				if err != nil {
					p.Error(err)
				}
				if !a.Duplicate && a.EventID != e.ID {
					p.Errorf("accepted under another id: %+v", a)
				}
				answers <- answer{k, a}
			}()
		}
	}
	first := map[int]string{}
	all := map[int][]string{}
	for range keys * copies {
		a := <-answers
		all[a.key] = append(all[a.key], a.EventID)
		if !a.Duplicate {
			if first[a.key] != "" {
				p.Errorf("key %d was accepted twice", a.key)
			}
			first[a.key] = a.EventID
		}
	}
	for k, ids := range all {
		if slices.ContainsFunc(ids, func(id string) bool { return id != first[k] }) {
			p.Errorf("key %d: not all were answered with the first's id", k)
		}
	}
	p.meet(p.a)
	equal(p.bench, "deliveries", len(p.claimOf(p.a, p.own(p.a, whole("crm")), 1000)), keys)
}

// unknownOutcomes has the answer to a commit lost, again and again. The event may not be accepted twice, and what is
// answered must be so.
func unknownOutcomes(p *pair) {
	if p.h.Lose == nil {
		p.Skip("no answer can be lost")
	}
	for i := range 3 {
		e := p.event("acme")
		p.h.Lose(p, p.a)
		a, err := p.a.Accept(ctx, e, []string{"crm"})
		switch {
		case err == nil: // the store has found out
			if a.EventID != e.ID || a.Duplicate {
				p.Errorf("event %d, stored before its answer was lost, was then accepted as %+v", i, a)
			}
		case !errors.Is(err, store.ErrUnavailable):
			p.Errorf("an answer that was lost: %v", err)
		}
		for _, s := range []store.Shared{p.z, p.a, p.z} { // the sender tries again, wherever it comes out
			again := p.event("acme")
			again.Key = e.Key
			a, err := s.Accept(ctx, again, []string{"crm"})
			if err != nil {
				p.Fatal(err)
			}
			equal(p.bench, "a repetition", a, store.Accepted{EventID: e.ID, Duplicate: true})
		}
	}
	p.meet(p.a)
	equal(p.bench, "deliveries", len(p.claimOf(p.a, p.own(p.a, whole("crm")), 1000)), 3)
}

func presence(p *pair) {
	first := p.meet(p.a)
	if first.Self == "" || len(first.Gateways) != 1 || first.Gateways[0].ID != first.Self || !first.Now.Equal(p.now.Truncate(time.Microsecond)) && !first.Now.Equal(p.now) {
		p.Fatalf("alone: %+v at %s", first, p.now)
	}
	g := first.Gateways[0]
	if g.Name != "gw" || g.Version != "v1" || !g.Until.Equal(g.Since.Add(store.TTL)) {
		p.Errorf("the gateway is %+v", g)
	}
	p.tick(5 * time.Second)
	z := p.meet(p.z)
	if z.Self == first.Self || len(z.Gateways) != 2 || !slices.IsSortedFunc(z.Gateways, func(a, b store.Gateway) int { return strings.Compare(a.ID, b.ID) }) {
		p.Errorf("two: %+v", z)
	}
	p.tick(store.TTL - 5*time.Second - time.Millisecond)
	if again := p.meet(p.a); again.Self != first.Self || len(again.Gateways) != 2 || !again.Gateways[slices.IndexFunc(again.Gateways, func(g store.Gateway) bool { return g.ID == first.Self })].Since.Equal(g.Since) {
		p.Errorf("renewed just in time: %+v", again)
	}
	p.tick(6 * time.Second) // z has not been heard of for longer than its time
	if m := p.meet(p.a); len(m.Gateways) != 1 {
		p.Errorf("one that went without a word is still there: %+v", m.Gateways)
	}
	if m := p.meet(p.z); m.Self == z.Self || m.Self == "" || len(m.Gateways) != 2 {
		p.Errorf("one that comes back: %+v, was %s", m, z.Self)
	}
	if err := p.a.Leave(ctx); err != nil {
		p.Fatal(err)
	}
	if m := p.meet(p.z); len(m.Gateways) != 1 {
		p.Errorf("one that left is still there: %+v", m.Gateways)
	}
	if _, err := p.a.Heartbeat(ctx, store.Presence{Name: "gw"}); err == nil {
		p.Error("a heartbeat that lasts no time is taken")
	}
}

// serves has gateways say what they can serve, and say nothing of it later.
func serves(p *pair) {
	if m := p.meet(p.a); !m.Unknown {
		p.Error("the store knows what a gateway serves that has not said so")
	}
	what := []store.Served{{Destination: "crm", Shards: 4}, {Destination: "ehr", Shards: 1, Group: "account"}}
	if m := p.meet(p.a, what...); m.Unknown {
		p.Error("the store does not know what it was told")
	}
	if m := p.meet(p.a); m.Unknown {
		p.Error("saying nothing takes away what was said")
	}
	for _, g := range p.meet(p.z, store.Served{Destination: "x", Shards: 1}).Gateways {
		want := what
		if len(g.Serves) == 1 {
			want = []store.Served{{Destination: "x", Shards: 1}}
		}
		equal(p.bench, "what a gateway serves", g.Serves, want)
	}
	if m, err := p.a.Heartbeat(ctx, store.Presence{Name: "gw", Serves: []store.Served{}, TTL: store.TTL}); err != nil || m.Unknown {
		p.Errorf("a gateway that serves nothing: %+v, %v", m, err)
	}
	p.tick(store.TTL)
	if m := p.meet(p.a); !m.Unknown {
		p.Error("a gateway that registers anew is known")
	}
}

func lanesHaveOneHolder(p *pair) {
	if _, err := p.a.Take(ctx, []store.Lane{whole("crm")}); !errors.Is(err, store.ErrGone) {
		p.Errorf("a gateway that is not registered takes a lane: %v", err)
	}
	p.meet(p.a)
	p.meet(p.z)
	crm := p.own(p.a, whole("crm"))
	equal(p.bench, "taking what another has", p.take(p.z, whole("crm"), whole("ehr"))[0].Lane, whole("ehr"))
	equal(p.bench, "taking what one has oneself", len(p.take(p.a, whole("crm"))), 0)
	if err := p.z.Release(ctx, []store.Hold{crm}); err != nil {
		p.Fatal(err)
	}
	equal(p.bench, "after another tried to release it", len(p.take(p.z, whole("crm"))), 0)
	if err := p.a.Release(ctx, []store.Hold{{Lane: crm.Lane, Epoch: crm.Epoch - 1}}); err != nil {
		p.Fatal(err)
	}
	equal(p.bench, "after a release of another epoch", len(p.take(p.z, whole("crm"))), 0)
	for range 2 {
		if err := p.a.Release(ctx, []store.Hold{crm}); err != nil {
			p.Fatal(err)
		}
	}
	next := p.own(p.z, whole("crm"))
	if next.Epoch <= crm.Epoch {
		p.Errorf("epoch %d after %d", next.Epoch, crm.Epoch)
	}
	for _, wrong := range []store.Lane{{Destination: "crm"}, {Destination: "crm", Shard: 1, Shards: 1}, {Destination: "crm", Shard: -1, Shards: 2}, {Destination: "crm", Shards: store.MaxShards + 1}} {
		if _, err := p.a.Take(ctx, []store.Lane{wrong}); err == nil {
			p.Errorf("lane %+v is taken", wrong)
		}
	}
	c, err := p.a.Cluster(ctx)
	if err != nil {
		p.Fatal(err)
	}
	if len(c.Gateways) != 2 || c.Self == "" || len(c.Lanes) != 2 || c.Lanes[0].Hold != next || c.Lanes[0].Gateway == c.Self || c.Lanes[0].Gateway == "" || c.Lanes[0].Since.IsZero() {
		p.Errorf("the cluster is %+v", c)
	}
}

// manyTakeOne has gateways take the same lanes at the same time.
func manyTakeOne(p *pair) {
	gateways := []store.Shared{p.a, p.z, p.open()}
	var lanes []store.Lane
	for i := range 20 {
		lanes = append(lanes, whole(fmt.Sprint("d", i)))
	}
	for _, s := range gateways {
		p.meet(s)
	}
	got := make(chan []store.Hold)
	for i, s := range gateways {
		go func() {
			mine := slices.Clone(lanes)
			if i == 1 {
				slices.Reverse(mine)
			}
			holds, err := s.Take(ctx, mine)
			if err != nil {
				p.Error(err)
			}
			got <- holds
		}()
	}
	holder, epochs := map[store.Lane]int{}, map[int64]bool{}
	for i := range gateways {
		for _, h := range <-got {
			if _, twice := holder[h.Lane]; twice || epochs[h.Epoch] {
				p.Errorf("%+v is held twice", h)
			}
			holder[h.Lane], epochs[h.Epoch] = i, true
		}
	}
	equal(p.bench, "lanes held", len(holder), len(lanes))
}
