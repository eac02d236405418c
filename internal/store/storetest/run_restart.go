package storetest

import (
	"errors"
	"time"

	"github.com/callgate/callgate/internal/store"
)

func notFound(b *bench) {
	e := b.event("acme")
	b.accept(e)
	for _, id := range []string{"", "x", "x.0", b.event("a").ID} {
		if _, err := b.s.Event(ctx, id); !errors.Is(err, store.ErrNotFound) {
			b.Errorf("Event(%q): %v", id, err)
		}
		for _, id := range []string{id, id + ".0", e.ID + ".0"} {
			if _, err := b.s.Attempts(ctx, id); !errors.Is(err, store.ErrNotFound) {
				b.Errorf("Attempts(%q): %v", id, err)
			}
		}
	}
	if c := b.claim("nowhere", 5); len(c) != 0 {
		b.Errorf("claimed %v for a destination that does not exist", ids(c))
	}
	if !b.next("nowhere").IsZero() {
		b.Error("something is due at a destination that does not exist")
	}
	for range 2 {
		if err := b.s.Close(); err != nil {
			b.Error(err)
		}
	}
	if _, err := b.s.Accept(ctx, b.event("a"), nil); !errors.Is(err, store.ErrClosed) {
		b.Errorf("Accept after Close: %v", err)
	}
	if _, err := b.s.Claim(ctx, "crm", b.now, time.Minute, 1, nil); !errors.Is(err, store.ErrClosed) {
		b.Errorf("Claim after Close: %v", err)
	}
	if err := b.s.Finish(ctx, []store.Attempt{{DeliveryID: e.ID + ".0", State: store.Dead}}); !errors.Is(err, store.ErrClosed) {
		b.Errorf("Finish after Close: %v", err)
	}
}

func restart(b *bench) {
	if b.h.Reopen == nil {
		return
	}
	e, other := b.event("acme"), b.event("acme")
	a := b.accept(e, "crm", "ehr")
	b.accept(other, "crm")
	b.finish(store.Attempt{DeliveryID: a.Deliveries[0], State: store.Pending, Reason: "HTTP 500", Status: 500, At: b.now, NextAt: b.now.Add(time.Minute)})
	b.tick(time.Second)
	leased := ids(b.claim("ehr", 1))
	equal(b, "claimed", leased, a.Deliveries[1:])
	if err := b.s.Pause(ctx, "dispatch", "HTTP 410"); err != nil {
		b.Fatal(err)
	}
	before, _ := b.s.Stats(ctx)

	b.s = b.h.Reopen(b, b.s)
	stored, err := b.s.Event(ctx, e.ID)
	if err != nil {
		b.Fatal(err)
	}
	equal(b, "the event after a restart", stored, e)
	paused, _ := b.s.Paused(ctx)
	equal(b, "paused after a restart", paused, map[string]string{"dispatch": "HTTP 410"})
	after, _ := b.s.Stats(ctx)
	equal(b, "queues after a restart", after.Destinations, before.Destinations)
	equal(b, "a lease after a restart", ids(b.claim("ehr", 1)), leased)
	equal(b, "what waits after a restart", b.next("crm"), other.ReceivedAt)
	again := b.event("acme")
	again.Key = e.Key
	equal(b, "a duplicate after a restart", b.accept(again), store.Accepted{EventID: e.ID, Duplicate: true})
	d := b.delivery(a.Deliveries[0])
	if d.Attempts != 1 || d.Reason != "HTTP 500" || !d.NextAt.Equal(b.now.Add(59*time.Second)) {
		b.Errorf("a delivery after a restart: %+v", d)
	}
	// Erasing the newest event and restarting must not make the next one take its place.
	if _, err := b.s.Erase(ctx, store.Filter{EventID: other.ID}, false); err != nil {
		b.Fatal(err)
	}
	b.s = b.h.Reopen(b, b.s)
	fresh := b.event("acme")
	b.accept(fresh, "crm")
	b.s = b.h.Reopen(b, b.s)
	for _, first := range []*store.Event{e, other, fresh} {
		again := b.event("acme")
		again.Key = first.Key
		equal(b, "a duplicate after restarts", b.accept(again), store.Accepted{EventID: first.ID, Duplicate: true})
	}
}
