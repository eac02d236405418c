package storetest

import (
	"errors"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// queueOfALane claims from a lane as Claim does from a destination.
func queueOfALane(p *pair) {
	p.meet(p.a)
	crm := p.own(p.a, whole("crm"))
	q := p.a.Queue(crm)
	next := func() time.Time {
		at, err := q.Next(ctx)
		if err != nil {
			p.Fatal(err)
		}
		return at
	}
	if !next().IsZero() {
		p.Error("something is due in an empty lane")
	}
	var d []string
	for i := range 4 {
		e := p.event([]string{"big", "big", "small", "big"}[i])
		p.s = []store.Store{p.a, p.z}[i%2] // accepted by either
		d = append(d, p.accept(e, "other", "crm").Deliveries[1])
		p.tick(time.Millisecond)
	}
	p.s = p.a
	if at := next(); at.IsZero() || at.After(p.now) {
		p.Errorf("next is %s, at %s", at, p.now)
	}
	equal(p.bench, "in turns", p.claimOf(p.a, crm, 2), []string{d[0], d[2]})
	if c, err := q.ClaimOne(ctx, d[0], p.now, time.Minute); c != nil || err != nil {
		p.Errorf("claimed twice: %+v, %v", c, err)
	}
	other, _ := p.s.Deliveries(ctx, store.Filter{Destination: "other"}, store.Page{})
	if c, err := q.ClaimOne(ctx, other[0].ID, p.now, time.Minute); c != nil || err != nil {
		p.Errorf("claimed from another destination: %+v, %v", c, err)
	}
	if c, err := q.ClaimOne(ctx, d[3], p.now, time.Minute); err != nil || c == nil || c.ID != d[3] || c.Event == nil {
		p.Errorf("claimed one: %+v, %v", c, err)
	}
	c, err := q.Claim(ctx, p.now, time.Minute, 5, []string{"big"})
	if err != nil || len(c) != 0 {
		p.Errorf("claimed of a tenant to be skipped: %v, %v", ids(c), err)
	}
	if err := p.a.Return(ctx, d[:1]); err != nil {
		p.Fatal(err)
	}
	equal(p.bench, "given back", p.claimOf(p.a, crm, 5), d[:2])
	p.finish(store.Attempt{DeliveryID: d[0], State: store.Pending, Reason: "HTTP 503", Status: 503, At: p.now, NextAt: p.now.Add(store.TTL / 2), Held: crm},
		store.Attempt{DeliveryID: d[1], State: store.Delivered, Status: 200, At: p.now, Held: crm})
	if row := p.delivery(d[0]); row.Attempts != 1 || row.State != store.Pending || row.Reason != "HTTP 503" {
		p.Errorf("finished as %+v", row)
	}
	if list, err := p.z.Attempts(ctx, d[1]); err != nil || len(list) != 1 || list[0].Held != (store.Hold{}) {
		p.Errorf("attempts as the other gateway reads them: %+v, %v", list, err)
	}
	p.tick(store.TTL / 2)
	p.meet(p.a)
	equal(p.bench, "due again", slices.Contains(p.claimOf(p.a, crm, 5), d[0]), true)
	if err := p.z.Pause(ctx, "crm", "by hand"); err != nil {
		p.Fatal(err)
	}
	p.accept(p.event("acme"), "crm")
	equal(p.bench, "claimed while paused", p.claimOf(p.a, crm, 5), []string{})
}

// lostLane has a gateway go on that has lost its lane.
func lostLane(p *pair) {
	p.meet(p.a)
	p.meet(p.z)
	crm := p.own(p.a, whole("crm"))
	d := p.accept(p.event("acme"), "crm").Deliveries
	if err := p.a.Release(ctx, []store.Hold{crm}); err != nil {
		p.Fatal(err)
	}
	refused := func(what string, q store.Queue) {
		p.Helper()
		if c, err := q.Claim(ctx, p.now, time.Minute, 5, nil); !errors.Is(err, store.ErrLaneLost) || len(c) > 0 {
			p.Errorf("%s: claimed %v, %v", what, ids(c), err)
		}
		if c, err := q.ClaimOne(ctx, d[0], p.now, time.Minute); !errors.Is(err, store.ErrLaneLost) || c != nil {
			p.Errorf("%s: claimed one, %v", what, err)
		}
		if _, err := q.Next(ctx); !errors.Is(err, store.ErrLaneLost) {
			p.Errorf("%s: next, %v", what, err)
		}
	}
	refused("after giving it up", p.a.Queue(crm))
	next := p.own(p.z, whole("crm"))
	refused("after another took it", p.a.Queue(crm))
	refused("with the other's epoch", p.a.Queue(next))
	refused("the holder, with an older epoch", p.z.Queue(crm))
	refused("a lane that nobody took", p.z.Queue(store.Hold{Lane: whole("ehr"), Epoch: next.Epoch}))
	equal(p.bench, "the holder", p.claimOf(p.z, next, 5), d)
}

// lateFinishOfAnOldEpoch has the outcome of an attempt come in after the lane has changed hands.
func lateFinishOfAnOldEpoch(p *pair) {
	p.meet(p.a)
	old := p.own(p.a, whole("crm"))
	var d []string
	for range 3 {
		d = append(d, p.accept(p.event("acme"), "crm").Deliveries[0])
		p.tick(time.Millisecond)
	}
	equal(p.bench, "claimed", p.claimOf(p.a, old, 5), d)
	p.tick(store.TTL)
	p.meet(p.z)
	next := p.own(p.z, whole("crm"))
	equal(p.bench, "claimed by the next", p.claimOf(p.z, next, 5), d)
	before := p.delivery(d[0])

	p.finish(store.Attempt{DeliveryID: d[0], State: store.Pending, Reason: "HTTP 503", At: p.now, NextAt: p.now.Add(time.Hour), Held: old},
		store.Attempt{DeliveryID: d[1], State: store.Dead, Reason: "HTTP 400", At: p.now, Held: old},
		store.Attempt{DeliveryID: d[2], State: store.Delivered, Status: 200, RemoteID: "hs-2", At: p.now, Held: old})
	after := p.delivery(d[0])
	if after.State != store.Pending || after.Attempts != 0 || after.Reason != "" || !after.NextAt.Equal(before.NextAt) {
		p.Errorf("a late failure moved a delivery: %+v", after)
	}
	if row := p.delivery(d[1]); row.State != store.Pending || row.Attempts != 0 {
		p.Errorf("a late refusal settled a delivery: %+v", row)
	}
	if row := p.delivery(d[2]); row.State != store.Delivered || row.RemoteID != "hs-2" {
		p.Errorf("what was delivered late is %+v", row)
	}
	for _, id := range d {
		if list, err := p.z.Attempts(ctx, id); err != nil || len(list) != 1 {
			p.Errorf("the late attempt is not listed: %+v, %v", list, err)
		}
	}
	equal(p.bench, "claimed again under the leases", p.claimOf(p.z, next, 5), []string{})

	// The next holder's outcomes count, but for one that would undo what was delivered.
	p.s = p.z
	p.finish(store.Attempt{DeliveryID: d[0], State: store.Delivered, Status: 200, At: p.now, Held: next},
		store.Attempt{DeliveryID: d[1], State: store.Dead, Reason: "HTTP 400", At: p.now, Held: next},
		store.Attempt{DeliveryID: d[2], State: store.Pending, Reason: "HTTP 503", At: p.now, NextAt: p.now, Held: next})
	for i, want := range []store.State{store.Delivered, store.Dead, store.Delivered} {
		if row := p.delivery(d[i]); row.State != want {
			p.Errorf("delivery %d is %+v, want %s", i, row, want)
		}
	}
	equal(p.bench, "what waits", p.claimOf(p.z, next, 5), []string{})
}

// finishAfterRelease has an outcome come in after its lane was given up, and before anybody took it.
func finishAfterRelease(p *pair) {
	p.meet(p.a)
	crm := p.own(p.a, whole("crm"))
	d := p.accept(p.event("acme"), "crm").Deliveries[0]
	p.claimOf(p.a, crm, 1)
	if err := p.a.Release(ctx, []store.Hold{crm}); err != nil {
		p.Fatal(err)
	}
	p.finish(store.Attempt{DeliveryID: d, State: store.Dead, Reason: "HTTP 400", At: p.now, Held: crm})
	if row := p.delivery(d); row.State != store.Dead || row.Attempts != 1 {
		p.Errorf("an outcome before anybody took the lane: %+v", row)
	}
}

// shards divides a destination.
func shards(p *pair) {
	p.meet(p.a)
	p.meet(p.z)
	const parts, calls = 3, 60
	var lanes []store.Lane
	for i := range parts {
		lanes = append(lanes, store.Lane{Destination: "crm", Shard: i, Shards: parts})
	}
	holds := append(p.take(p.a, lanes[0]), p.take(p.z, lanes[1:]...)...)
	equal(p.bench, "shards held", len(holds), parts)
	shardOf, events := map[string]int{}, map[string]*store.Event{}
	for i := range calls {
		e := p.event([]string{"acme", "b"}[i%2]) // two and two are of one call id, and of different tenants
		events[p.accept(e, "crm").Deliveries[0]] = e
		one := p.event("acme")
		one.CallID = "always the same"
		events[p.accept(one, "crm").Deliveries[0]] = one
	}
	same := map[int]bool{}
	for i, h := range holds {
		s := []store.Shared{p.a, p.z, p.z}[i]
		q := s.Queue(h)
		if at, err := q.Next(ctx); err != nil || at.IsZero() {
			p.Errorf("shard %d: next is %s, %v", i, at, err)
		}
		for id, e := range events {
			if h.Has(e) {
				continue
			}
			if c, err := q.ClaimOne(ctx, id, p.now, time.Minute); err != nil || c != nil {
				p.Errorf("shard %d claims a delivery of another one: %v", i, err)
			}
			break
		}
		for _, id := range p.claimOf(s, h, 1000) {
			if other, twice := shardOf[id]; twice {
				p.Errorf("%s is in shards %d and %d", id, other, i)
			}
			if !h.Has(events[id]) {
				p.Errorf("%s does not belong to shard %d", id, i)
			}
			if events[id].CallID == "always the same" {
				same[i] = true
			}
			shardOf[id] = i
		}
	}
	equal(p.bench, "deliveries in shards", len(shardOf), 2*calls)
	equal(p.bench, "shards of one call", len(same), 1)
}

// shardsOfAnotherNumber changes how many parts a destination has.
func shardsOfAnotherNumber(p *pair) {
	p.meet(p.a)
	p.meet(p.z)
	one := p.own(p.a, whole("crm"))
	half := store.Lane{Destination: "crm", Shard: 1, Shards: 2}
	equal(p.bench, "half of what another has whole", len(p.take(p.z, half)), 0)
	equal(p.bench, "half of what one has whole", len(p.take(p.a, half)), 0)
	d := p.accept(p.event("acme"), "crm").Deliveries[0]
	p.claimOf(p.a, one, 1)
	if err := p.a.Release(ctx, []store.Hold{one}); err != nil {
		p.Fatal(err)
	}
	halves := p.take(p.z, half, store.Lane{Destination: "crm", Shards: 2})
	equal(p.bench, "halves of what is free", len(halves), 2)
	equal(p.bench, "the whole of what is held in halves", len(p.take(p.a, whole("crm"))), 0)
	p.finish(store.Attempt{DeliveryID: d, State: store.Dead, Reason: "HTTP 400", At: p.now, Held: one})
	if row := p.delivery(d); row.State != store.Pending {
		p.Errorf("an outcome from when the destination was whole: %+v", row)
	}
	n := 0
	for _, h := range halves {
		n += len(p.claimOf(p.z, h, 5))
	}
	equal(p.bench, "claimed in halves", n, 1)
	if c, err := p.a.Cluster(ctx); err != nil || len(c.Lanes) != 2 {
		p.Errorf("the cluster lists %+v, %v", c.Lanes, err)
	}
	if err := p.z.Leave(ctx); err != nil {
		p.Fatal(err)
	}
	if again := p.own(p.a, whole("crm")); again.Epoch <= max(halves[0].Epoch, halves[1].Epoch) {
		p.Errorf("epoch %d after those of the halves", again.Epoch)
	}
}
