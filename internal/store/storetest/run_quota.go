package storetest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// limited gives the bench a store with bounds.
func (b *bench) limited(o Options) {
	o.Window, o.Now = time.Hour, func() time.Time { return b.now }
	b.s = b.h.Open(b, o)
}

// large is an event of 64 KiB that cannot be compressed.
func (b *bench) large(tenant string) *store.Event {
	b.tick(time.Millisecond)
	e := b.event(tenant)
	e.Body = noise(64<<10, b.n)
	return e
}

// noise is what cannot be compressed: for each number something else.
func noise(size, n int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), 1}).Read(b)
	return b
}

// fill accepts up to n events of a tenant, until the store is full for it, and gives their deliveries.
func (b *bench) fill(tenant string, n int) (deliveries []string) {
	b.Helper()
	for len(deliveries) < n {
		a, err := b.s.Accept(ctx, b.large(tenant), []string{"crm"})
		if errors.Is(err, store.ErrFull) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		deliveries = append(deliveries, a.Deliveries...)
	}
	return deliveries
}

func (b *bench) settle(state store.State, deliveries ...string) {
	b.Helper()
	for _, d := range deliveries {
		b.finish(store.Attempt{DeliveryID: d, State: state, At: b.now})
	}
}

// dropped tells which events have lost their content, oldest first, and checks that the others have theirs.
func (b *bench) dropped() (list []bool) {
	b.Helper()
	infos, err := b.s.Events(ctx, store.Filter{}, store.Page{Limit: 1000})
	if err != nil {
		b.Fatal(err)
	}
	count := int64(0)
	for _, info := range slices.Backward(infos) {
		e, err := b.s.Event(ctx, info.ID)
		if err != nil {
			b.Fatal(err)
		}
		if e.Dropped != info.Dropped || e.Dropped != (len(e.Body) == 0) || e.Dropped != (len(e.Header) == 0) || info.Bytes != 64<<10 || e.CallID == "" {
			b.Fatalf("an event that has lost its content, %v: %+v and %d bytes of content", e.Dropped, info, len(e.Body))
		}
		list = append(list, e.Dropped)
		if e.Dropped {
			count++
		}
	}
	stats, err := b.s.Stats(ctx)
	if err != nil || stats.Dropped != count {
		b.Errorf("%d events have lost their content, stats say %d, %v", count, stats.Dropped, err)
	}
	return list
}

const limit = 4 << 20

// noTenantFillsTheStore has one tenant take all that it can get. The others find room all the same, and it gets more when
// what it has is delivered.
func noTenantFillsTheStore(b *bench) {
	b.limited(Options{MaxBytes: limit})
	globex := b.fill("globex", 1000)
	if n := len(globex) << 16; n < limit/2 || n > limit*9/10 {
		b.Errorf("one tenant has %d of %d bytes", n, limit)
	}
	for _, other := range []string{"acme", "initech"} {
		if n := len(b.fill(other, 2)); n < 2 {
			b.Errorf("%s has room for %d events beside it", other, n)
		}
	}
	if n := len(b.fill("globex", 1)); n > 0 {
		b.Error("it gets more than its share")
	}
	b.settle(store.Dead, globex[:5]...)
	if n := len(b.fill("globex", 1)); n > 0 {
		b.Error("what is dead makes room")
	}
	b.settle(store.Delivered, globex[5:15]...)
	if n := len(b.fill("globex", 3)); n < 3 {
		b.Errorf("what was delivered makes room for %d events", n)
	}
	for i, gone := range b.dropped() {
		if gone && (i < 5 || i >= 15) {
			b.Errorf("event %d has lost its content, and was not delivered", i)
		}
	}
	equal(b, "what waits can be delivered", len(b.claim("crm", 1000)), len(globex)-15+4+3)
}

// aloneWithoutTenants has a gateway without tenants use all that there is.
func aloneWithoutTenants(b *bench) {
	b.limited(Options{MaxBytes: limit})
	if n := len(b.fill("", 1000)) << 16; n < limit*3/4 {
		b.Errorf("%d of %d bytes", n, limit)
	}
}

// deliveredMakesRoom puts many times what the store holds through it. No event is refused, and all that is known of it but
// its content stays.
func deliveredMakesRoom(b *bench) {
	b.limited(Options{MaxBytes: limit})
	var first *store.Event
	var all []string
	for range 20 {
		if first == nil {
			first = b.large("globex")
			all = append(all, b.accept(first, "crm").Deliveries...)
		}
		all = append(all, b.fill("globex", 5)...)
		all = append(all, b.fill("acme", 5)...)
		b.settle(store.Delivered, all[max(0, len(all)-11):]...)
	}
	equal(b, "events accepted", len(all), 201)
	kept := 0
	for _, tenant := range []string{"globex", "acme"} {
		infos, err := b.s.Events(ctx, store.Filter{Tenant: tenant}, store.Page{Limit: 1000})
		n := slices.IndexFunc(infos, func(e store.EventInfo) bool { return e.Dropped })
		if err != nil || n < 5 || slices.ContainsFunc(infos[n:], func(e store.EventInfo) bool { return !e.Dropped }) {
			b.Errorf("not the oldest of %s have lost their content, but all behind %d, %v", tenant, n, err)
		}
		kept += n
	}
	if gone := b.dropped(); len(gone) != 201 || kept > limit>>16 || kept < limit>>17 {
		b.Errorf("%d events are known, %d with content", len(gone), kept)
	}
	a, err := b.s.Attempts(ctx, all[0])
	if err != nil || len(a) != 1 {
		b.Errorf("the attempts of the oldest: %+v, %v", a, err)
	}
	again := b.event("globex")
	again.Key = first.Key
	equal(b, "a duplicate of the oldest", b.accept(again), store.Accepted{EventID: first.ID, Duplicate: true})
	for _, dry := range []bool{true, false} {
		n, err := b.s.Replay(ctx, store.Filter{}, b.now, 0, dry)
		equal(b, fmt.Sprintf("replayed, dry %v (%v)", dry, err), n, kept)
	}
	for _, c := range b.claim("crm", 1000) {
		if len(c.Event.Body) == 0 {
			b.Fatal("an event without content is delivered")
		}
	}
	if n, err := b.s.Erase(ctx, store.Filter{EventID: first.ID}, false); n != 1 || err != nil {
		b.Errorf("erasing one without content: %d, %v", n, err)
	}
}

// deadDoesNotMakeRoom fills a store with what nobody took and what is dead.
func deadDoesNotMakeRoom(b *bench) {
	b.limited(Options{MaxBytes: limit})
	b.settle(store.Dead, b.fill("acme", 1000)...)
	for range 3 {
		if _, err := b.s.Accept(ctx, b.large("acme"), nil); !errors.Is(err, store.ErrFull) {
			b.Errorf("%v, want it to be full", err)
		}
	}
	if slices.Contains(b.dropped(), true) {
		b.Error("a dead event has lost its content")
	}
	huge := b.event("acme")
	huge.Body = noise(limit+1, 1)
	if _, err := b.s.Accept(ctx, huge, nil); !errors.Is(err, store.ErrFull) {
		b.Errorf("more than there may ever be: %v", err)
	}
}

// quotas hold each tenant to its own bound, over restarts too.
func quotas(b *bench) {
	b.limited(Options{Tenant: store.Quota{Bytes: 1 << 20}, Tenants: map[string]store.Quota{"big": {Bytes: 2 << 20}, "few": {Events: 3}}})
	sizes := map[string]int{}
	for _, tenant := range []string{"acme", "big", "few", ""} {
		sizes[tenant] = len(b.fill(tenant, 1000))
	}
	equal(b, "events of 64 KiB", sizes, map[string]int{"acme": 15, "big": 31, "few": 3, "": 15})
	if b.h.Reopen != nil {
		b.s = b.h.Reopen(b, b.s)
	}
	for tenant := range sizes {
		if n := len(b.fill(tenant, 1)); n > 0 {
			b.Errorf("%q gets more after a restart", tenant)
		}
	}
	for _, tenant := range []string{"acme", "few"} {
		list, err := b.s.Deliveries(ctx, store.Filter{Tenant: tenant}, store.Page{})
		if err != nil {
			b.Fatal(err)
		}
		b.settle(store.Delivered, list[0].ID) // the newest
		if n := len(b.fill(tenant, 2)); n != 1 {
			b.Errorf("what was delivered of %s makes room for %d events", tenant, n)
		}
	}
	if n, err := b.s.Erase(ctx, store.Filter{Tenant: "big"}, false); n != 31 || err != nil {
		b.Fatal(n, err)
	}
	equal(b, "after everything was erased", len(b.fill("big", 1000)), 31)
	for i, gone := range b.dropped() {
		if gone && i != 14 && i != 17 { // the newest of acme and of few
			b.Errorf("event %d has lost its content", i)
		}
	}
}
