package storetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/callgate/callgate/internal/store"
)

func erase(b *bench) {
	first, second, third := b.event("acme"), b.event("acme"), b.event("other")
	second.CallID, third.CallID = first.CallID, "another"
	patient, other := store.Subject{1}, store.Subject{2}
	second.Subjects, third.Subjects = []store.Subject{patient, other}, []store.Subject{other}
	d := b.accept(first, "crm").Deliveries
	b.accept(second, "crm", "ehr")
	b.accept(third, "crm")
	b.claim("crm", 1) // even one that is under way
	run := func(f store.Filter, dry bool) int {
		b.Helper()
		n, err := b.s.Erase(ctx, f, dry)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	equal(b, "a dry run", run(store.Filter{CallID: first.CallID}, true), 2)
	equal(b, "a caller", run(store.Filter{CallerHash: first.CallerHash}, true), 1)
	equal(b, "a subject", run(store.Filter{Subject: patient}, true), 1)
	equal(b, "the subject of two", run(store.Filter{Subject: other}, true), 2)
	equal(b, "a subject of another tenant", run(store.Filter{Subject: patient, Tenant: "other"}, true), 0)
	equal(b, "nobody's subject", run(store.Filter{Subject: store.Subject{9}}, true), 0)
	equal(b, "by destination", run(store.Filter{Destination: "ehr", State: store.Pending}, true), 1)
	equal(b, "nothing matches", run(store.Filter{Tenant: "nobody"}, false), 0)
	equal(b, "erased", run(store.Filter{CallID: first.CallID}, false), 2)
	if _, err := b.s.Event(ctx, first.ID); !errors.Is(err, store.ErrNotFound) {
		b.Errorf("an erased event: %v", err)
	}
	if _, err := b.s.Attempts(ctx, d[0]); !errors.Is(err, store.ErrNotFound) {
		b.Errorf("an erased event's attempts: %v", err)
	}
	b.finish(store.Attempt{DeliveryID: d[0], State: store.Delivered}) // the attempt that was under way
	retry := b.event("acme")
	retry.Key = first.Key
	equal(b, "the sender's retry", b.accept(retry, "crm"), store.Accepted{EventID: first.ID, Duplicate: true})
	equal(b, "a subject that is erased", run(store.Filter{Subject: patient}, true), 0)
	equal(b, "a subject that is left", run(store.Filter{Subject: other}, true), 1)
	list, _ := b.s.Events(ctx, store.Filter{}, store.Page{})
	if len(list) != 1 || list[0].ID != third.ID {
		b.Errorf("events left: %+v", list)
	}
	equal(b, "claimed after it", len(b.claim("crm", 9)), 1)
	stats, _ := b.s.Stats(ctx)
	if stats.Events != 1 || len(stats.Destinations) != 1 || stats.Destinations[0].Pending != 1 {
		b.Errorf("stats after it: %+v", stats)
	}
}

func (b *bench) expire(r store.Retention, batch int) store.Expired {
	b.Helper()
	n, err := b.s.Expire(ctx, r, b.now, batch)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func expire(b *bench) {
	var done, unhappy, live []string
	var keep *store.Event
	for i := range 10 {
		e := b.event("acme")
		d := b.accept(e, "crm", "ehr").Deliveries
		b.finish(store.Attempt{DeliveryID: d[0], State: store.Delivered, At: b.now})
		switch i % 5 {
		case 0:
			live = append(live, e.ID)
		case 1:
			b.finish(store.Attempt{DeliveryID: d[1], State: store.Dead, At: b.now})
			unhappy = append(unhappy, e.ID)
		default:
			b.finish(store.Attempt{DeliveryID: d[1], State: store.Delivered, At: b.now})
			done = append(done, e.ID)
			keep = e
		}
		b.tick(time.Second)
	}
	equal(b, "before the first", b.expire(store.Retention{Done: 9 * time.Second, Dead: 9 * time.Second}, 5), store.Expired{})
	var batches []store.Expired
	for {
		n := b.expire(store.Retention{Done: time.Nanosecond}, 4)
		if n.Total() == 0 {
			break
		}
		batches = append(batches, n)
	}
	equal(b, "events by batch", batches, []store.Expired{{Done: 4}, {Done: 2}})
	gone := func(what string, ids []string, want bool) {
		b.Helper()
		for _, id := range ids {
			if _, err := b.s.Event(ctx, id); errors.Is(err, store.ErrNotFound) != want {
				b.Errorf("%s: %v", what, err)
			}
		}
	}
	gone("an expired event", done, true)
	gone("an event with a dead delivery", unhappy, false)
	gone("an event with a live delivery", live, false)
	again := b.event("acme")
	again.Key = keep.Key
	if !b.accept(again).Duplicate {
		b.Error("expiring an event within the window frees its key")
	}
	b.tick(time.Hour)
	equal(b, "a year too early", b.expire(store.Retention{Done: 1, Dead: 365 * 24 * time.Hour}, 100), store.Expired{})
	if b.accept(again).Duplicate {
		b.Error("the key is taken after the window")
	}
	equal(b, "the dead when told to", b.expire(store.Retention{Dead: time.Minute}, 1), store.Expired{Dead: 1})
	equal(b, "the dead when told to", b.expire(store.Retention{Dead: time.Minute}, 100), store.Expired{Dead: 1})
	gone("a dead event that has expired", unhappy, true)
	gone("an event with a live delivery", live, false)
	if _, err := b.s.Expire(ctx, store.Retention{Done: 1}, b.now, 0); err == nil {
		b.Error("a batch of nothing")
	}
	stats, err := b.s.Stats(ctx)
	equal(b, "what has expired", stats.Expired, store.Expired{Done: 6, Dead: 2})
	if err != nil {
		b.Error(err)
	}
	if b.h.Reopen != nil {
		b.s = b.h.Reopen(b, b.s)
		stats, _ = b.s.Stats(ctx)
		equal(b, "what has expired, after a restart", stats.Expired, store.Expired{Done: 6, Dead: 2})
	}
}

// expireCountsFromTheEnd has deliveries that end long after their event was received, one after the other.
func expireCountsFromTheEnd(b *bench) {
	const day = 24 * time.Hour
	late, dead, bare := b.event("acme"), b.event("acme"), b.event("acme")
	d := b.accept(late, "crm", "ehr").Deliveries
	u := b.accept(dead, "crm", "ehr").Deliveries
	b.accept(bare)
	b.tick(40 * day)
	r := store.Retention{Done: 30 * day, Dead: 90 * day}
	equal(b, "what nobody wanted", b.expire(r, 100), store.Expired{Done: 1})
	b.finish(store.Attempt{DeliveryID: d[0], State: store.Delivered, At: b.now}, store.Attempt{DeliveryID: u[0], State: store.Dead, At: b.now})
	b.tick(40 * day)
	equal(b, "while another delivery waits", b.expire(r, 100), store.Expired{})
	b.finish(store.Attempt{DeliveryID: d[1], State: store.Delivered, At: b.now}, store.Attempt{DeliveryID: u[1], State: store.Delivered, At: b.now})
	b.tick(30 * day)
	equal(b, "30 days after the last", b.expire(r, 100), store.Expired{})
	b.tick(1)
	equal(b, "more than that", b.expire(r, 100), store.Expired{Done: 1})
	b.tick(60*day - 1)
	equal(b, "90 days after the last of a dead one", b.expire(r, 100), store.Expired{})
	// What is replayed waits again, and begins anew.
	if n, err := b.s.Replay(ctx, store.Filter{DeliveryID: u[0]}, b.now, 0, false); n != 1 || err != nil {
		b.Fatal(n, err)
	}
	b.tick(day)
	equal(b, "a dead one that was replayed", b.expire(r, 100), store.Expired{})
	b.finish(store.Attempt{DeliveryID: u[0], State: store.Delivered, At: b.now})
	b.tick(30*day + 1)
	equal(b, "and delivered", b.expire(r, 100), store.Expired{Done: 1})
}

func listings(b *bench) {
	var events []string
	var deliveries []string
	start := b.now
	for i := range 25 {
		e := b.event([]string{"a", "b"}[i%2])
		e.EventType = []string{"call.ended", "call.started"}[i%2]
		if i == 7 {
			e.Source = "retell"
		}
		d := b.accept(e, "crm", "ehr").Deliveries
		events = append([]string{e.ID}, events...)
		deliveries = append([]string{d[1], d[0]}, deliveries...)
		if i%5 == 0 {
			b.finish(store.Attempt{DeliveryID: d[0], State: store.Dead, Reason: fmt.Sprintf("HTTP 4%02d", i), At: b.now})
		}
		b.tick(time.Second)
	}
	var got []string
	for before := ""; ; {
		page, err := b.s.Events(ctx, store.Filter{}, store.Page{Before: before, Limit: 7})
		if err != nil {
			b.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			got = append(got, e.ID)
		}
		before = got[len(got)-1]
	}
	equal(b, "events by page", got, events)
	got = nil
	for before := ""; ; {
		page, err := b.s.Deliveries(ctx, store.Filter{}, store.Page{Before: before, Limit: 7})
		if err != nil {
			b.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, d := range page {
			got = append(got, d.ID)
		}
		before = got[len(got)-1]
	}
	equal(b, "deliveries by page", got, deliveries)

	info, _ := b.s.Events(ctx, store.Filter{EventID: events[24]}, store.Page{})
	want := makeEvent(1, "a", start)
	equal(b, "an event's info", info, []store.EventInfo{{ID: want.ID, Tenant: "a", Source: "nextphone", Route: "r1", EventType: "call.ended",
		EventID: "evt-1", CallID: "call-0", ReceivedAt: start, Bytes: len(want.Body), States: map[store.State]int{store.Pending: 1, store.Dead: 1}}})

	for _, q := range []struct {
		f                  store.Filter
		events, deliveries int
	}{
		{store.Filter{}, 25, 50},
		{store.Filter{Tenant: "a"}, 13, 26},
		{store.Filter{Tenant: "nobody"}, 0, 0},
		{store.Filter{Tenants: []string{"a"}}, 13, 26},
		{store.Filter{Tenants: []string{"nobody", "b", "a"}}, 25, 50},
		{store.Filter{Tenants: []string{"b"}, Tenant: "a"}, 0, 0},
		{store.Filter{Tenants: []string{"nobody"}}, 0, 0},
		{store.Filter{Tenants: []string{}}, 0, 0},
		{store.Filter{Tenants: []string{"b"}, State: store.Dead, Destination: "crm"}, 2, 2},
		{store.Filter{Tenants: []string{"b"}, EventID: events[24]}, 0, 0},
		{store.Filter{Source: "retell"}, 1, 2},
		{store.Filter{EventType: "call.started", Destination: "crm"}, 12, 12},
		{store.Filter{Destination: "nowhere"}, 0, 0},
		{store.Filter{State: store.Dead}, 5, 5},
		{store.Filter{State: store.Dead, Destination: "ehr"}, 0, 0},
		{store.Filter{State: store.Dead, Destination: "crm"}, 5, 5},
		{store.Filter{State: store.Pending, Destination: "crm"}, 20, 20},
		{store.Filter{State: "lost"}, 0, 0},
		{store.Filter{Reason: "410"}, 1, 1},
		{store.Filter{Reason: "http"}, 0, 0},
		{store.Filter{Reason: "HTTP 4", Tenant: "b"}, 2, 2},
		{store.Filter{CallID: "call-3"}, 2, 4},
		{store.Filter{CallerHash: "caller-0", Destination: "ehr"}, 8, 8},
		{store.Filter{EventID: events[3]}, 1, 2},
		{store.Filter{EventID: "nonsense"}, 0, 0},
		{store.Filter{DeliveryID: deliveries[3]}, 1, 1},
		{store.Filter{DeliveryID: "nonsense"}, 0, 0},
		{store.Filter{From: start.Add(5 * time.Second), To: start.Add(10 * time.Second)}, 5, 10},
		{store.Filter{From: start.Add(20 * time.Second), State: store.Dead}, 1, 1},
		{store.Filter{FailedSince: start}, 5, 5},
		{store.Filter{FailedSince: start.Add(10 * time.Second), Destination: "crm"}, 3, 3},
		{store.Filter{FailedSince: start.Add(10*time.Second + 1)}, 2, 2},
		{store.Filter{FailedSince: start, Destination: "ehr"}, 0, 0},
		{store.Filter{FailedSince: start, State: store.Delivered}, 0, 0},
		{store.Filter{FailedSince: start.Add(time.Hour)}, 0, 0},
	} {
		e, err := b.s.Events(ctx, q.f, store.Page{})
		if err != nil || len(e) != q.events {
			b.Errorf("events by %+v: %d, want %d (%v)", q.f, len(e), q.events, err)
		}
		d, err := b.s.Deliveries(ctx, q.f, store.Page{})
		if err != nil || len(d) != q.deliveries {
			b.Errorf("deliveries by %+v: %d, want %d (%v)", q.f, len(d), q.deliveries, err)
		}
	}

	// A page goes on where it ended even if what it ended with is gone.
	if _, err := b.s.Erase(ctx, store.Filter{EventID: events[10]}, false); err != nil {
		b.Fatal(err)
	}
	page, err := b.s.Events(ctx, store.Filter{}, store.Page{Before: events[10], Limit: 1})
	if err != nil || len(page) != 1 || page[0].ID != events[11] {
		b.Errorf("after an erased event: %+v, %v", page, err)
	}
	rows, err := b.s.Deliveries(ctx, store.Filter{}, store.Page{Before: deliveries[20], Limit: 1})
	if err != nil || len(rows) != 1 || rows[0].ID != deliveries[22] {
		b.Errorf("after an erased delivery: %+v, %v", rows, err)
	}
	if _, err := b.s.Events(ctx, store.Filter{}, store.Page{Before: "nonsense"}); err == nil {
		b.Error("a page of events before nonsense")
	}
	if _, err := b.s.Deliveries(ctx, store.Filter{}, store.Page{Before: events[0] + ".x"}); err == nil {
		b.Error("a page of deliveries before nonsense")
	}
}

func stats(b *bench) {
	check := func(want ...store.DestinationStats) {
		b.Helper()
		s, err := b.s.Stats(ctx)
		if err != nil {
			b.Fatal(err)
		}
		equal(b, "destinations", s.Destinations, want)
	}
	check()
	start := b.now
	first := b.accept(b.event("a"), "crm", "ehr").Deliveries
	b.tick(time.Second)
	second := b.accept(b.event("b"), "crm").Deliveries
	check(store.DestinationStats{Destination: "crm", Pending: 2, OldestPending: start}, store.DestinationStats{Destination: "ehr", Pending: 1, OldestPending: start})
	b.finish(store.Attempt{DeliveryID: first[0], State: store.Dead}, store.Attempt{DeliveryID: first[1], State: store.Delivered})
	if err := b.s.Pause(ctx, "new", "not yet"); err != nil {
		b.Fatal(err)
	}
	if err := b.s.Pause(ctx, "ehr", "HTTP 410"); err != nil {
		b.Fatal(err)
	}
	check(store.DestinationStats{Destination: "crm", Pending: 1, Dead: 1, OldestPending: start.Add(time.Second)},
		store.DestinationStats{Destination: "ehr", Delivered: 1, Paused: true, PauseReason: "HTTP 410"},
		store.DestinationStats{Destination: "new", Paused: true, PauseReason: "not yet"})
	b.finish(store.Attempt{DeliveryID: second[0], State: store.Pending, NextAt: b.now.Add(time.Hour)})
	if _, err := b.s.Replay(ctx, store.Filter{DeliveryID: first[0]}, b.now, 0, false); err != nil {
		b.Fatal(err)
	}
	s, _ := b.s.Stats(ctx)
	equal(b, "after a replay", s.Destinations[0], store.DestinationStats{Destination: "crm", Pending: 2, OldestPending: start})
	if s.Events != 2 || s.Bytes <= 0 {
		b.Errorf("stats: %+v", s)
	}
}
