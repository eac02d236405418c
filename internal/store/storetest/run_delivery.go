package storetest

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/store"
)

func claimOldestFirst(b *bench) {
	var want []string
	for range 3 {
		want = append(want, b.accept(b.event("acme"), "other", "crm").Deliveries[1])
		b.tick(time.Millisecond)
	}
	same := b.now
	for range 2 { // received in the same instant: in the order of their ids
		e := b.event("acme")
		e.ReceivedAt = same
		want = append(want, b.accept(e, "crm").Deliveries[0])
	}
	equal(b, "next", b.next("crm"), same.Add(-3*time.Millisecond))
	first := b.claim("crm", 2)
	equal(b, "claimed first", ids(first), want[:2])
	equal(b, "claimed next", ids(b.claim("crm", 10)), want[2:])
	equal(b, "claimed when all are leased", ids(b.claim("crm", 10)), []string{})
	c := first[0]
	if !c.Leased || c.State != store.Pending || c.Destination != "crm" || c.Tenant != "acme" || c.EventID != c.Event.ID || !c.CreatedAt.Equal(c.Event.ReceivedAt) {
		b.Errorf("claimed %+v", c.Delivery)
	}
	stored, _ := b.s.Event(ctx, c.EventID)
	equal(b, "the event claimed", c.Event, stored)
	if !b.delivery(c.ID).Leased {
		b.Error("the listing does not show the lease")
	}
	if !b.next("crm").IsZero() {
		b.Error("something is due though everything is leased")
	}
	if c := b.claim("other", 0); len(c) != 0 {
		b.Error("a limit of 0 claims something")
	}
	if _, err := b.s.Claim(ctx, "other", b.now, 0, 1, nil); err == nil {
		b.Error("a lease of no length is granted")
	}
}

func claimTakesTurns(b *bench) {
	of := map[string][]string{}
	for _, tenant := range []string{"big", "big", "big", "big", "big", "small", "tiny", "big", "small"} {
		of[tenant] = append(of[tenant], b.accept(b.event(tenant), "crm").Deliveries[0])
		b.tick(time.Millisecond)
	}
	equal(b, "turns in one claim", ids(b.claim("crm", 4)), []string{of["big"][0], of["small"][0], of["tiny"][0], of["big"][1]})
	equal(b, "turns go on in the next", ids(b.claim("crm", 1)), []string{of["small"][1]})
	late := b.accept(b.event("aa"), "crm").Deliveries[0]
	equal(b, "a tenant that joins", ids(b.claim("crm", 3)), []string{late, of["big"][2], of["big"][3]})
	equal(b, "the rest", ids(b.claim("crm", 50)), of["big"][4:])
}

func claimSkips(b *bench) {
	a := b.accept(b.event("a"), "crm").Deliveries[0]
	c := b.accept(b.event("c"), "crm").Deliveries[0]
	equal(b, "skipping all", ids(b.claim("crm", 5, "a", "c")), []string{})
	equal(b, "skipping one", ids(b.claim("crm", 5, "a")), []string{c})
	equal(b, "skipping one that has nothing", ids(b.claim("crm", 5, "x", "c")), []string{a})
}

func manyClaimers(b *bench) {
	const events = 150
	for i := range events {
		b.accept(b.event(fmt.Sprint("t", i%5)), "crm")
	}
	var mu sync.Mutex
	seen := map[string]int{}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			for {
				claimed, err := b.s.Claim(ctx, "crm", b.now, time.Minute, 4, nil)
				if err != nil {
					b.Error(err)
				}
				if len(claimed) == 0 {
					// A claim may find less than there is while others change the queue, but Next tells.
					if next, err := b.s.Next(ctx, "crm"); err != nil || next.IsZero() {
						return
					}
					continue
				}
				var done []store.Attempt
				mu.Lock()
				for i, c := range claimed {
					if i == 3 { // given back: somebody gets it again
						if err := b.s.Return(ctx, []string{c.ID}); err != nil {
							b.Error(err)
						}
						continue
					}
					seen[c.ID]++
					done = append(done, store.Attempt{DeliveryID: c.ID, State: store.Delivered, At: b.now})
				}
				mu.Unlock()
				if err := b.s.Finish(ctx, done); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(seen) != events {
		b.Errorf("%d deliveries of %d were claimed", len(seen), events)
	}
	for id, n := range seen {
		if n != 1 {
			b.Errorf("%s was claimed %d times", id, n)
		}
	}
}

func leaseEnds(b *bench) {
	id := b.accept(b.event("acme"), "crm").Deliveries
	received := b.now
	equal(b, "claimed", ids(b.claim("crm", 1)), id)
	b.tick(time.Minute - 1)
	equal(b, "claimed while leased", ids(b.claim("crm", 1)), []string{})
	b.tick(1)
	equal(b, "due when the lease ran out", b.next("crm"), received)
	if b.delivery(id[0]).Leased {
		b.Error("the listing shows a lease that ran out")
	}
	equal(b, "claimed when it ran out", ids(b.claim("crm", 1)), id)
	if err := b.s.Return(ctx, append([]string{"nothing", "01JQ0000000000000000000000.0"}, id...)); err != nil {
		b.Error(err)
	}
	equal(b, "due when given back", b.next("crm"), received)
	again := b.claim("crm", 1)
	equal(b, "claimed when given back", ids(again), id)
	if again[0].Attempts != 0 {
		b.Error("giving back burnt an attempt")
	}
}

func finishMovesOn(b *bench) {
	d := b.accept(b.event("acme"), "crm", "ehr").Deliveries
	b.claim("crm", 1)
	b.tick(3 * time.Second)
	first := store.Attempt{DeliveryID: d[0], Number: 1, At: b.now.Add(-time.Second), Took: time.Second, Status: 503, Reason: "HTTP 503",
		Warnings: []string{"slow", "old API"}, Excerpt: []byte("<html>"), State: store.Pending, NextAt: b.now.Add(10 * time.Second),
		Sent: &store.Sent{Shared: 3, More: 1, Requests: []store.SentRequest{
			{Method: "GET", Host: "crm.example:8443", Fields: []string{"?email"}},
			{Method: "POST", Bytes: 1 << 33, Hash: "0123", Fields: []string{"name", "inputs[].id", "a…"}, MoreFields: 7},
		}}}
	b.finish(first)
	row := b.delivery(d[0])
	equal(b, "a delivery to try again", row, store.Delivery{ID: d[0], EventID: row.EventID, Tenant: "acme", Destination: "crm", State: store.Pending,
		Attempts: 1, NextAt: first.NextAt, CreatedAt: b.now.Add(-3 * time.Second), UpdatedAt: b.now, LastStatus: 503, Reason: "HTTP 503"})
	equal(b, "claimed before it is due", ids(b.claim("crm", 1)), []string{})
	equal(b, "next", b.next("crm"), first.NextAt)
	b.tick(10 * time.Second)
	c := b.claim("crm", 1)
	if len(c) != 1 || c[0].Attempts != 1 || c[0].Reason != "HTTP 503" || c[0].LastStatus != 503 {
		b.Fatalf("claimed when due: %+v", c)
	}
	second := store.Attempt{DeliveryID: d[0], Number: 2, At: b.now, Took: 20 * time.Millisecond, Status: 200, RemoteID: "hs-1", State: store.Delivered}
	gone := store.Attempt{DeliveryID: "01JQ0000000000000000000000.0", State: store.Dead}
	b.finish(gone, second, store.Attempt{DeliveryID: d[1], At: b.now, Status: 422, Reason: "HTTP 422", State: store.Dead}) // one without a lease
	row = b.delivery(d[0])
	equal(b, "delivered", row, store.Delivery{ID: d[0], EventID: row.EventID, Tenant: "acme", Destination: "crm", State: store.Delivered,
		Attempts: 2, CreatedAt: row.CreatedAt, UpdatedAt: b.now, LastStatus: 200, RemoteID: "hs-1"})
	if row := b.delivery(d[1]); row.State != store.Dead || row.Reason != "HTTP 422" || !row.NextAt.IsZero() {
		b.Errorf("dead: %+v", row)
	}
	attempts, err := b.s.Attempts(ctx, d[0])
	if err != nil {
		b.Fatal(err)
	}
	equal(b, "attempts", attempts, []store.Attempt{first, second})
	for _, destination := range []string{"crm", "ehr"} {
		if !b.next(destination).IsZero() || len(b.claim(destination, 5)) != 0 {
			b.Errorf("%s has something due though all is settled", destination)
		}
	}
	if err := b.s.Finish(ctx, []store.Attempt{{DeliveryID: d[0], State: "delivering"}}); err == nil {
		b.Error("a state that does not exist")
	}
	if err := b.s.Finish(ctx, nil); err != nil {
		b.Error(err)
	}
	equal(b, "attempts without a number are counted", func() int { a, _ := b.s.Attempts(ctx, d[1]); return a[0].Number }(), 1)
}

func lateFinish(b *bench) {
	d := b.accept(b.event("acme"), "crm").Deliveries[0]
	b.claim("crm", 1)
	b.finish(store.Attempt{DeliveryID: d, State: store.Dead, Reason: "HTTP 400"})
	b.finish(store.Attempt{DeliveryID: d, State: store.Pending, NextAt: b.now, Reason: "late"})
	if row := b.delivery(d); row.State != store.Dead || row.Reason != "HTTP 400" || row.Attempts != 2 {
		b.Errorf("a late failure changed a dead delivery: %+v", row)
	}
	b.finish(store.Attempt{DeliveryID: d, State: store.Delivered, Status: 200})
	b.finish(store.Attempt{DeliveryID: d, State: store.Dead, Reason: "late"})
	if row := b.delivery(d); row.State != store.Delivered || row.Reason != "" {
		b.Errorf("a late failure changed a delivered delivery: %+v", row)
	}
	if n := len(b.claim("crm", 5)); n != 0 {
		b.Error("a settled delivery is claimed")
	}
}

func pause(b *bench) {
	d := b.accept(b.event("acme"), "crm").Deliveries
	check := func(want map[string]string) {
		b.Helper()
		paused, err := b.s.Paused(ctx)
		if err != nil {
			b.Fatal(err)
		}
		equal(b, "paused", paused, want)
	}
	for _, reason := range []string{"by hand", "HTTP 410"} {
		if err := b.s.Pause(ctx, "crm", reason); err != nil {
			b.Fatal(err)
		}
		check(map[string]string{"crm": reason})
	}
	more := b.accept(b.event("acme"), "crm").Deliveries
	if len(b.claim("crm", 5)) != 0 || !b.next("crm").IsZero() {
		b.Error("a paused destination has something to claim")
	}
	for range 2 {
		if err := b.s.Resume(ctx, "crm"); err != nil {
			b.Fatal(err)
		}
		check(map[string]string{})
	}
	equal(b, "claimed after the pause", ids(b.claim("crm", 5)), append(d, more...))
}

func replay(b *bench) {
	a := b.accept(b.event("acme"), "crm", "ehr").Deliveries
	c := b.accept(b.event("other"), "crm").Deliveries
	waiting := b.accept(b.event("other"), "crm").Deliveries
	b.finish(store.Attempt{DeliveryID: a[0], State: store.Dead, Status: 400, Reason: "HTTP 400: no e-mail", At: b.now},
		store.Attempt{DeliveryID: a[1], State: store.Delivered, RemoteID: "r1", At: b.now},
		store.Attempt{DeliveryID: c[0], State: store.Dead, Reason: "timeout", At: b.now})
	b.tick(time.Hour)
	run := func(f store.Filter, dry bool) int {
		b.Helper()
		n, err := b.s.Replay(ctx, f, b.now, 0, dry)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	for _, q := range []struct {
		f    store.Filter
		want int
	}{
		{store.Filter{}, 3}, {store.Filter{State: store.Dead}, 2}, {store.Filter{Destination: "crm"}, 2}, {store.Filter{Tenant: "acme"}, 2},
		{store.Filter{Reason: "e-mail"}, 1}, {store.Filter{State: store.Pending}, 0}, {store.Filter{Destination: "nowhere"}, 0},
		{store.Filter{DeliveryID: a[1]}, 1}, {store.Filter{Source: "nextphone", State: store.Delivered}, 1}, {store.Filter{To: b.now.Add(-time.Hour)}, 0},
		{store.Filter{From: b.now.Add(-time.Hour), To: b.now}, 3}, {store.Filter{Reason: "%"}, 0},
	} {
		if n := run(q.f, true); n != q.want {
			b.Errorf("a dry replay of %+v counts %d, want %d", q.f, n, q.want)
		}
	}
	equal(b, "due after dry runs", ids(b.claim("crm", 5)), waiting)
	if n := run(store.Filter{State: store.Dead, Tenant: "acme"}, false); n != 1 {
		b.Errorf("replayed %d, want 1", n)
	}
	row := b.delivery(a[0])
	equal(b, "a replayed delivery", row, store.Delivery{ID: a[0], EventID: row.EventID, Tenant: "acme", Destination: "crm", State: store.Pending,
		NextAt: b.now, CreatedAt: b.now.Add(-time.Hour), UpdatedAt: b.now, LastStatus: 400, Reason: "HTTP 400: no e-mail"})
	if n := run(store.Filter{}, false); n != 2 {
		b.Errorf("replayed %d, want the other 2", n)
	}
	claimed := ids(b.claim("crm", 5))
	slices.Sort(claimed)
	equal(b, "claimed after the replay", claimed, append(a[:1:1], c...))
	equal(b, "delivered, claimed again", ids(b.claim("ehr", 5)), a[1:])
	if attempts, _ := b.s.Attempts(ctx, a[0]); len(attempts) != 1 {
		b.Errorf("a replay leaves %d attempts, want the one made before", len(attempts))
	}
}
