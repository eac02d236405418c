package storetest

import (
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// Replayed at a rate, deliveries fall due one after the other, oldest first.
func replayAtARate(b *bench) {
	var all []string
	for range 4 {
		all = append(all, b.accept(b.event("acme"), "crm").Deliveries...)
	}
	for _, id := range all {
		b.finish(store.Attempt{DeliveryID: id, State: store.Dead, At: b.now})
	}
	if n, err := b.s.Replay(ctx, store.Filter{Destination: "crm"}, b.now, 10*time.Second, false); n != 4 || err != nil {
		b.Fatal(n, err)
	}
	for _, id := range all {
		equal(b, "claimed at its time", ids(b.claim("crm", 5)), []string{id})
		if next := b.next("crm"); id != all[3] && !next.Equal(b.now.Add(10*time.Second)) {
			b.Errorf("the next one falls due at %s, want 10 s after %s", next, b.now)
		}
		b.tick(10 * time.Second)
	}
}

func sendNow(b *bench) {
	d := append(b.accept(b.event("acme"), "crm", "ehr").Deliveries, b.accept(b.event("other"), "crm").Deliveries...)
	due := b.accept(b.event("other"), "crm").Deliveries
	hour := b.now.Add(time.Hour)
	b.finish(store.Attempt{DeliveryID: d[0], State: store.Pending, NextAt: hour, Status: 503, Reason: "503", At: b.now},
		store.Attempt{DeliveryID: d[1], State: store.Dead, Reason: "400", At: b.now},
		store.Attempt{DeliveryID: d[2], State: store.Pending, NextAt: hour, At: b.now})
	b.tick(time.Minute)
	run := func(f store.Filter, dry bool) int {
		b.Helper()
		n, err := b.s.SendNow(ctx, f, b.now, dry)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	for _, q := range []struct {
		f    store.Filter
		want int
	}{
		{store.Filter{}, 2}, {store.Filter{Tenant: "acme"}, 1}, {store.Filter{State: store.Dead}, 0}, {store.Filter{State: store.Pending}, 2},
		{store.Filter{Reason: "503"}, 1}, {store.Filter{DeliveryID: d[1]}, 0}, {store.Filter{DeliveryID: due[0]}, 0},
	} {
		if n := run(q.f, true); n != q.want {
			b.Errorf("a dry SendNow of %+v counts %d, want %d", q.f, n, q.want)
		}
	}
	equal(b, "due after dry runs", ids(b.claim("crm", 5)), due)
	if n := run(store.Filter{Tenant: "acme"}, false); n != 1 {
		b.Errorf("%d sent now, want 1", n)
	}
	if next := b.next("crm"); !next.Equal(b.now) {
		b.Errorf("the next one is due at %s, want now", next)
	}
	row := b.delivery(d[0])
	if row.Attempts != 1 || row.Reason != "503" || !row.NextAt.Equal(b.now) {
		b.Errorf("sent now: %+v, want its one attempt kept", row)
	}
	equal(b, "claimed", ids(b.claim("crm", 5)), d[:1])
	if n := run(store.Filter{}, false); n != 1 {
		b.Errorf("%d sent now, want the other one", n)
	}
	equal(b, "claimed", ids(b.claim("crm", 5)), d[2:])
}

func cancelWaiting(b *bench) {
	d := b.accept(b.event("acme"), "crm", "ehr").Deliveries
	later := b.accept(b.event("acme"), "crm").Deliveries
	running := b.accept(b.event("other"), "crm").Deliveries
	done := b.accept(b.event("other"), "ehr").Deliveries
	b.finish(store.Attempt{DeliveryID: later[0], State: store.Pending, NextAt: b.now.Add(time.Hour), Status: 500, At: b.now},
		store.Attempt{DeliveryID: done[0], State: store.Delivered, At: b.now})
	run := func(f store.Filter, dry bool) int {
		b.Helper()
		n, err := b.s.Cancel(ctx, f, dry)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	equal(b, "under way", ids(b.claim("crm", 5)), []string{d[0], running[0]})
	if n := run(store.Filter{}, true); n != 4 {
		b.Errorf("a dry run counts %d, want 4", n)
	}
	if n := run(store.Filter{Destination: "crm"}, false); n != 3 {
		b.Errorf("%d cancelled, want 3", n)
	}
	for _, id := range []string{d[0], later[0], running[0]} {
		if row := b.delivery(id); row.State != store.Dead || row.Reason != store.Cancelled || !row.NextAt.IsZero() || row.Leased {
			b.Errorf("cancelled: %+v", row)
		}
	}
	if row := b.delivery(d[1]); row.State != store.Pending {
		b.Errorf("the other destination's: %+v", row)
	}
	// An attempt that was under way may have delivered it; one that failed does not bring it back.
	b.finish(store.Attempt{DeliveryID: d[0], State: store.Delivered, Status: 200, At: b.now},
		store.Attempt{DeliveryID: running[0], State: store.Pending, NextAt: b.now, At: b.now})
	b.tick(2 * time.Hour)
	equal(b, "due after all", ids(b.claim("crm", 5)), []string{})
	equal(b, "delivered all the same", b.delivery(d[0]).State, store.Delivered)
	equal(b, "failed too late", b.delivery(running[0]).State, store.Dead)
	if n, err := b.s.Replay(ctx, store.Filter{Reason: "cancelled"}, b.now, 0, false); n != 2 || err != nil {
		b.Errorf("%d replayed, %v", n, err)
	}
	claimed := ids(b.claim("crm", 5))
	equal(b, "replayed", claimed, []string{later[0], running[0]})
}

// An attempt that does not count is kept with the others, and leaves the delivery as many attempts as it had.
func finishUncounted(b *bench) {
	id := b.accept(b.event("acme"), "crm").Deliveries[0]
	for _, uncounted := range []bool{false, true, true, false} {
		b.claim("crm", 1)
		b.finish(store.Attempt{DeliveryID: id, State: store.Pending, NextAt: b.now, At: b.now, Status: 503, Reason: "503", Uncounted: uncounted})
	}
	if d := b.delivery(id); d.Attempts != 2 || d.LastStatus != 503 || d.Reason != "503" {
		b.Errorf("%+v, want two attempts", d)
	}
	attempts, err := b.s.Attempts(ctx, id)
	if err != nil {
		b.Fatal(err)
	}
	var numbers []int
	for _, a := range attempts {
		numbers = append(numbers, a.Number)
	}
	equal(b, "numbers", numbers, []int{1, 2, 2, 2})
}

func claimOne(b *bench) {
	d := append(b.accept(b.event("acme"), "crm").Deliveries, b.accept(b.event("acme"), "crm").Deliveries...)
	one := func(id string) string {
		b.Helper()
		c, err := b.s.ClaimOne(ctx, id, b.now, time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		if c == nil {
			return ""
		}
		if c.Event == nil || c.Event.ID != c.EventID || string(c.Event.Body) == "" || !c.Leased {
			b.Errorf("claimed %+v with %+v", c.Delivery, c.Event)
		}
		return c.ID
	}
	equal(b, "the newer one", one(d[1]), d[1])
	equal(b, "once more", one(d[1]), "")
	equal(b, "the others", ids(b.claim("crm", 5)), d[:1])
	equal(b, "one that is claimed", one(d[0]), "")
	for _, id := range []string{"", "nonsense", "01ARZ3NDEKTSV4RRFFQ69G5FAV.0"} {
		equal(b, "claimed", one(id), "")
	}
	b.finish(store.Attempt{DeliveryID: d[0], State: store.Pending, NextAt: b.now.Add(time.Minute), At: b.now},
		store.Attempt{DeliveryID: d[1], State: store.Delivered, At: b.now})
	equal(b, "one that is not due", one(d[0]), "")
	equal(b, "one that is delivered", one(d[1]), "")
	b.tick(time.Minute)
	if err := b.s.Pause(ctx, "crm", "why"); err != nil {
		b.Fatal(err)
	}
	equal(b, "a paused destination's", one(d[0]), "")
	if err := b.s.Resume(ctx, "crm"); err != nil {
		b.Fatal(err)
	}
	equal(b, "due again", one(d[0]), d[0])
	b.tick(time.Minute)
	equal(b, "its lease ran out", ids(b.claim("crm", 5)), d[:1])
}

func waitingCounts(b *bench) {
	check := func(want ...store.Waiting) {
		b.Helper()
		got, err := b.s.Waiting(ctx)
		if err != nil {
			b.Fatal(err)
		}
		equal(b, "waiting", got, want)
	}
	check()
	d := b.accept(b.event("other"), "ehr", "crm").Deliveries
	b.accept(b.event("acme"), "crm")
	b.accept(b.event(""), "crm")
	b.accept(b.event("acme"), "crm")
	b.finish(store.Attempt{DeliveryID: d[0], State: store.Delivered, At: b.now})
	check(store.Waiting{Destination: "crm", Pending: 1}, store.Waiting{Destination: "crm", Tenant: "acme", Pending: 2},
		store.Waiting{Destination: "crm", Tenant: "other", Pending: 1})
	for _, q := range []struct {
		tenants []string
		want    []store.Count
	}{
		{nil, []store.Count{{Destination: "crm", Pending: 1}, {Destination: "crm", Tenant: "acme", Pending: 2},
			{Destination: "crm", Tenant: "other", Pending: 1}, {Destination: "ehr", Tenant: "other", Delivered: 1}}},
		{[]string{"other", "nobody"}, []store.Count{{Destination: "crm", Tenant: "other", Pending: 1}, {Destination: "ehr", Tenant: "other", Delivered: 1}}},
		{[]string{}, nil},
	} {
		got, err := b.s.Counts(ctx, q.tenants)
		if err != nil {
			b.Fatal(err)
		}
		equal(b, fmt.Sprintf("counts of %v", q.tenants), got, q.want)
	}
}
