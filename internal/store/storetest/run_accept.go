package storetest

import (
	"slices"

	"github.com/callgate/callgate/internal/store"
)

// acceptAll: the events of one request are stored together, each with its own key and deliveries, or not at all.
func acceptAll(b *bench) {
	old := b.event("t")
	b.accept(old, "crm")
	again := *old
	again.ID = b.event("t").ID
	one, two := b.event("t"), b.event("t")
	all, err := b.s.AcceptAll(ctx, []*store.Event{one, &again, two}, [][]string{{"crm"}, {"crm"}, {"crm", "ehr"}})
	if err != nil {
		b.Fatal(err)
	}
	if all[0].Duplicate || all[0].EventID != one.ID || len(all[0].Deliveries) != 1 {
		b.Errorf("the first: %+v", all[0])
	}
	if !all[1].Duplicate || all[1].EventID != old.ID || all[1].Deliveries != nil {
		b.Errorf("the copy: %+v", all[1])
	}
	if all[2].Duplicate || all[2].EventID != two.ID || len(all[2].Deliveries) != 2 {
		b.Errorf("the last: %+v", all[2])
	}
	if got := ids(b.claim("ehr", 9)); !slices.Equal(got, all[2].Deliveries[1:]) {
		b.Errorf("for ehr: %v, want %v", got, all[2].Deliveries[1:])
	}
	// The same request again, of which one event more than the store takes: its ID exists. Nothing of it stays.
	three, clash := b.event("t"), b.event("t")
	clash.ID = one.ID
	if all, err := b.s.AcceptAll(ctx, []*store.Event{three, clash}, [][]string{{"crm"}, {"crm"}}); err == nil {
		b.Fatalf("an event whose ID exists was accepted: %+v", all)
	}
	if _, err := b.s.Event(ctx, three.ID); err == nil {
		b.Error("an event of a request that failed is stored")
	}
	if a := b.accept(three, "crm"); a.Duplicate {
		b.Error("the key of an event that was not stored is taken")
	}
	if got := len(b.claim("crm", 9)); got != 4 {
		b.Errorf("crm has %d deliveries, want 4", got)
	}
	// Two events of one request with one key are one.
	four := b.event("t")
	copied := *four
	copied.ID = b.event("t").ID
	all, err = b.s.AcceptAll(ctx, []*store.Event{four, &copied}, [][]string{{"crm"}, {"crm"}})
	if err != nil || all[0].Duplicate || !all[1].Duplicate || all[1].EventID != four.ID {
		b.Errorf("a key twice: %+v, %v", all, err)
	}
}
