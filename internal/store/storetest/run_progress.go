package storetest

import (
	"errors"
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
