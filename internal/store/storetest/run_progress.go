package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/store"
)

func (b *bench) keep(deliveryID, value string) {
	b.Helper()
	if err := b.s.Keep(ctx, deliveryID, []byte(value)); err != nil {
		b.Fatal(err)
	}
}

// kept is what is kept of deliveries; "none" for nothing.
func (b *bench) kept(deliveryIDs ...string) (all []string) {
	b.Helper()
	for _, id := range deliveryIDs {
		v, err := b.s.Kept(ctx, id)
		if err != nil {
			b.Fatal(err)
		}
		if v == nil {
			v = []byte("none")
		}
		all = append(all, string(v))
	}
	return all
}

// progress: what is kept of a delivery is there until it is taken away or the event goes, whatever else is noted or erased.
func progress(b *bench) {
	first, second := b.event("acme"), b.event("acme")
	one, two := b.accept(first, "crm", "erp").Deliveries, b.accept(second, "crm").Deliveries
	b.keep(one[0], "contact")
	b.keep(one[1], "other")
	b.keep(two[0], "second")
	b.keep(one[0], "contact, deal")
	equal(b, "kept", b.kept(one[0], one[1], two[0]), []string{"contact, deal", "other", "second"})
	if b.h.Reopen != nil {
		b.s = b.h.Reopen(b, b.s)
		equal(b, "after a restart", b.kept(one[0], one[1], two[0]), []string{"contact, deal", "other", "second"})
	}
	b.note("crm", "p:+1555", "7", time.Minute) // which ends without taking the others with it
	b.tick(30 * 24 * time.Hour)
	b.expire(store.Retention{}, 10)
	b.note("crm", "p:+1556", "8", time.Minute)
	equal(b, "a month later", b.kept(one[0], one[1], two[0]), []string{"contact, deal", "other", "second"})
	b.keep(one[1], "")
	equal(b, "taken away", b.kept(one[0], one[1]), []string{"contact, deal", "none"})
	if _, err := b.s.Erase(ctx, store.Filter{EventID: second.ID}, false); err != nil {
		b.Fatal(err)
	}
	equal(b, "another event is erased", b.kept(one[0], two[0]), []string{"contact, deal", "none"})
	if err := b.s.Keep(ctx, two[0], []byte("x")); !errors.Is(err, store.ErrNotFound) {
		b.Errorf("a delivery that is gone: %v", err)
	}
	if err := b.s.Keep(ctx, two[0], nil); err != nil {
		b.Errorf("nothing of a delivery that is gone: %v", err)
	}
	if err := b.s.Keep(ctx, "preview", []byte("x")); !errors.Is(err, store.ErrNotFound) {
		b.Errorf("no delivery: %v", err)
	}
	for _, state := range []store.State{store.Pending, store.Dead, store.Delivered} {
		want := "contact, deal"
		if state == store.Delivered {
			want = "none"
		}
		b.settle(state, one[0])
		equal(b, string(state), b.kept(one[0]), []string{want})
	}
	if err := b.s.Keep(ctx, one[0], make([]byte, store.MaxNote+1)); !errors.Is(err, store.ErrNoteSize) {
		b.Errorf("too much: %v", err)
	}
	equal(b, "at last", b.kept(one[0], "preview"), []string{"none", "none"})
}

// progressIsTold: of all that is done to many, up to how many it was, and of what is only counted nothing.
func progressIsTold(b *bench) {
	const many = 1200      // more than any store does in one step
	for range many / 100 { // together, since each by itself would wait for the disk
		var events []*store.Event
		for range 100 {
			events = append(events, b.event("acme"))
		}
		if _, err := b.s.AcceptAll(ctx, events, slices.Repeat([][]string{{"crm"}}, len(events))); err != nil {
			b.Fatal(err)
		}
	}
	for _, what := range []struct {
		name string
		do   func(ctx context.Context, dryRun bool) (int, error)
	}{
		{"cancel", func(ctx context.Context, dryRun bool) (int, error) { return b.s.Cancel(ctx, store.Filter{}, dryRun) }},
		{"replay", func(ctx context.Context, dryRun bool) (int, error) {
			return b.s.Replay(ctx, store.Filter{}, b.now.Add(time.Hour), 0, dryRun)
		}},
		{"send now", func(ctx context.Context, dryRun bool) (int, error) {
			return b.s.SendNow(ctx, store.Filter{}, b.now, dryRun)
		}},
		{"erase", func(ctx context.Context, dryRun bool) (int, error) { return b.s.Erase(ctx, store.Filter{}, dryRun) }},
	} {
		var told []int
		noting := store.WithProgress(ctx, func(done int) {
			told = append(told, done)
			if _, err := b.s.Events(ctx, store.Filter{}, store.Page{Limit: 1}); err != nil { // it may ask the store
				b.Error(err)
			}
		})
		if n, err := what.do(noting, true); n != many || err != nil || told != nil {
			b.Errorf("%s, only counted: %d, %v, told %v", what.name, n, err, told)
		}
		n, err := what.do(noting, false)
		if n != many || err != nil || len(told) == 0 || told[len(told)-1] != many || !slices.IsSorted(told) {
			b.Errorf("%s: %d, %v, told %v", what.name, n, err, told)
		}
	}
}
