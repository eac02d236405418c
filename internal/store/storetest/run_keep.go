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

func expire(b *bench) {
	var settled, live []string
	var keep *store.Event
	for i := range 10 {
		e := b.event("acme")
		d := b.accept(e, "crm", "ehr").Deliveries
		b.finish(store.Attempt{DeliveryID: d[0], State: store.Delivered, At: b.now})
		if i%3 == 0 {
			live = append(live, e.ID)
		} else {
			b.finish(store.Attempt{DeliveryID: d[1], State: store.Dead, At: b.now})
			settled = append(settled, e.ID)
			keep = e
		}
		b.tick(time.Second)
	}
	run := func(before time.Time, batch int) int {
		b.Helper()
		n, err := b.s.Expire(ctx, before, b.now, batch)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	equal(b, "before the first", run(b.now.Add(-10*time.Second), 5), 0)
	var batches []int
	for {
		n := run(b.now.Add(-time.Second), 4)
		if n == 0 {
			break
		}
		batches = append(batches, n)
	}
	equal(b, "events by batch", batches, []int{4, 2})
	for _, id := range settled {
		if _, err := b.s.Event(ctx, id); !errors.Is(err, store.ErrNotFound) {
			b.Errorf("an expired event: %v", err)
		}
	}
	for _, id := range live {
		if _, err := b.s.Event(ctx, id); err != nil {
			b.Errorf("an event with a live delivery: %v", err)
		}
	}
	again := b.event("acme")
	again.Key = keep.Key
	if !b.accept(again).Duplicate {
		b.Error("expiring an event within the window frees its key")
	}
	b.tick(time.Hour)
	run(b.now, 100)
	if b.accept(again).Duplicate {
		b.Error("the key is taken after the window")
	}
	list, _ := b.s.Deliveries(ctx, store.Filter{Destination: "ehr"}, store.Page{})
	if len(list) != len(live) {
		b.Errorf("%d deliveries left, want %d", len(list), len(live))
	}
	for _, d := range list {
		b.finish(store.Attempt{DeliveryID: d.ID, State: store.Dead})
	}
	b.tick(1)
	equal(b, "expired when settled", run(b.now, 100), len(live)+1)
	if _, err := b.s.Expire(ctx, b.now, b.now, 0); err == nil {
		b.Error("a batch of nothing")
	}
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
