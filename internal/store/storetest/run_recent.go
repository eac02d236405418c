package storetest

import (
	"time"

	"github.com/callgate/callgate/internal/store"
)

// recentAttempts: all of them, the last recorded first and in pages, but for those whose event is gone.
func recentAttempts(b *bench) {
	page := func(before int64, limit int) (numbers []int, next int64) {
		b.Helper()
		list, next, err := b.s.RecentAttempts(ctx, before, limit)
		if err != nil {
			b.Fatal(err)
		}
		for _, a := range list {
			numbers = append(numbers, a.Number)
		}
		return numbers, next
	}
	if numbers, next := page(0, 10); numbers != nil || next != 0 {
		b.Errorf("of an empty store: %v, %d", numbers, next)
	}
	first, second := b.event("acme"), b.event("beta")
	one, two := b.accept(first, "crm", "ehr").Deliveries, b.accept(second, "crm").Deliveries
	b.finish(store.Attempt{DeliveryID: one[0], Number: 1, At: b.now, Took: time.Second, Status: 503, Reason: "HTTP 503", State: store.Pending, NextAt: b.now.Add(time.Hour)})
	b.finish(store.Attempt{DeliveryID: two[0], Number: 2, At: b.now, State: store.Delivered}, store.Attempt{DeliveryID: one[1], Number: 3, At: b.now, Status: 404, Reason: "HTTP 404", State: store.Dead})
	last := store.Attempt{DeliveryID: one[0], Number: 4, At: b.now.Add(time.Minute), Took: 20 * time.Millisecond, Status: 200, Warnings: []string{"lead_source: no such property"}, State: store.Delivered}
	b.finish(last)
	list, next, err := b.s.RecentAttempts(ctx, 0, 1)
	if err != nil {
		b.Fatal(err)
	}
	if _, shared := b.s.(store.Shared); len(list) == 1 && (shared || list[0].Place != 0) && list[0].Place != next {
		b.Errorf("the place of the last is %d, and before it there are those from %d on", list[0].Place, next)
	}
	for i := range list {
		list[i].Place = 0
	}
	equal(b, "the last", list, []store.AttemptInfo{{Destination: "crm", Tenant: "acme", Number: 4, At: last.At, Took: last.Took, Status: 200, Warnings: last.Warnings, State: store.Delivered}})
	numbers, end := page(next, 2)
	equal(b, "those before", numbers, []int{3, 2})
	numbers, rest := page(end, 2)
	equal(b, "and those before them", numbers, []int{1})
	if rest != 0 {
		b.Errorf("it goes on after the first, at %d", rest)
	}
	if _, err := b.s.Erase(ctx, store.Filter{EventID: second.ID}, false); err != nil {
		b.Fatal(err)
	}
	numbers, _ = page(0, 10)
	equal(b, "after an event was erased", numbers, []int{4, 3, 1})
	numbers, _ = page(next, 10)
	equal(b, "from a place of before", numbers, []int{3, 1})
}
