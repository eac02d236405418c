package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/oklog/ulid/v2"
)

// Harness makes the stores that the contract is tested on.
type Harness struct {
	// Open makes an empty store with a window and a clock. It sees to closing it.
	Open func(t testing.TB, o Options) store.Store
	// Reopen closes a store and opens it again, as a restart does; nil if the store forgets everything.
	Reopen func(t testing.TB, s store.Store) store.Store
	// Seals says that the stores have keys.
	Seals bool
}

// Run tests that a store keeps the contract of store.Store.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		test func(*bench)
	}{
		{"AcceptStoresAll", acceptStoresAll},
		{"AcceptRefusesWrongIDs", acceptRefuses},
		{"DuplicateWithinWindow", duplicates},
		{"OneOfManyAtOnce", oneOfMany},
		{"AcceptAllOrNothing", acceptAll},
		{"ClaimOldestFirst", claimOldestFirst},
		{"ClaimTakesTurns", claimTakesTurns},
		{"ClaimSkips", claimSkips},
		{"ClaimOne", claimOne},
		{"ManyClaimersNeverShare", manyClaimers},
		{"LeaseEnds", leaseEnds},
		{"FinishMovesOn", finishMovesOn},
		{"LateFinish", lateFinish},
		{"FinishUncounted", finishUncounted},
		{"Pause", pause},
		{"ReplayMakesPending", replay},
		{"ReplayAtARate", replayAtARate},
		{"SendNow", sendNow},
		{"Cancel", cancelWaiting},
		{"ProgressIsTold", progressIsTold},
		{"EraseKeepsTheKey", erase},
		{"ExpireKeepsWhatIsNotDelivered", expire},
		{"ExpireCountsFromTheEnd", expireCountsFromTheEnd},
		{"NoTenantFillsTheStore", noTenantFillsTheStore},
		{"AloneWithoutTenants", aloneWithoutTenants},
		{"DeliveredMakesRoom", deliveredMakesRoom},
		{"DeadDoesNotMakeRoom", deadDoesNotMakeRoom},
		{"QuotasOfTenants", quotas},
		{"Listings", listings},
		{"RecentAttempts", recentAttempts},
		{"Stats", stats},
		{"Waiting", waitingCounts},
		{"NotFoundAndClosed", notFound},
		{"Notes", notes},
		{"NotesAreErased", notesAreErased},
		{"NotesAreBounded", notesAreBounded},
		{"Documents", documents},
		{"DocumentsAreBounded", documentsAreBounded},
		{"Progress", progress},
		{"Restart", restart},
		{"Model", func(b *bench) { model(b.T, h, 1, 400) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &bench{T: t, h: h, now: time.Date(2026, 3, 1, 9, 0, 0, 123456789, time.UTC)}
			b.s = h.Open(t, Options{Window: time.Hour, Now: func() time.Time { return b.now }})
			c.test(b)
		})
	}
}

// bench is a store under test with its clock.
type bench struct {
	*testing.T
	h   Harness
	s   store.Store
	now time.Time
	n   int
}

var ctx = context.Background()

// event makes an event that is like no other, received now.
func (b *bench) event(tenant string) *store.Event {
	b.n++
	return makeEvent(b.n, tenant, b.now)
}

func makeEvent(n int, tenant string, at time.Time) *store.Event {
	var id ulid.ULID
	id.SetTime(uint64(at.UnixMilli()))
	id.SetEntropy([]byte{0, 0, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
	return &store.Event{
		ID: id.String(), Key: [16]byte{byte(n), byte(n >> 8), byte(n >> 16), 7}, Tenant: tenant, Source: "nextphone", Route: "r1",
		EventType: "call.ended", EventID: fmt.Sprintf("evt-%d", n), CallID: fmt.Sprintf("call-%d", n/2), CallerHash: fmt.Sprintf("caller-%d", n%3),
		ReceivedAt: at, Method: "POST", URI: "/hook?x=\xfc", // senders are not held to UTF-8
		Header: map[string][]string{"Content-Type": {"application/json"}, "X-A": {"1", "J\xfcrgen"}},
		Body:   fmt.Appendf(nil, `{"n":%d}`, n), Record: fmt.Appendf(nil, `{"call":%d}`, n),
	}
}

func (b *bench) accept(e *store.Event, destinations ...string) store.Accepted {
	b.Helper()
	a, err := b.s.Accept(ctx, e, destinations)
	if err != nil {
		b.Fatal(err)
	}
	return a
}

// tick lets time go by.
func (b *bench) tick(d time.Duration) { b.now = b.now.Add(d) }

func (b *bench) claim(destination string, limit int, skip ...string) []store.Claimed {
	b.Helper()
	c, err := b.s.Claim(ctx, destination, b.now, time.Minute, limit, skip)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func ids(claimed []store.Claimed) []string {
	list := []string{}
	for _, c := range claimed {
		list = append(list, c.ID)
	}
	return list
}

func (b *bench) finish(attempts ...store.Attempt) {
	b.Helper()
	if err := b.s.Finish(ctx, attempts); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) delivery(id string) store.Delivery {
	b.Helper()
	list, err := b.s.Deliveries(ctx, store.Filter{DeliveryID: id}, store.Page{})
	if err != nil || len(list) != 1 {
		b.Fatalf("delivery %s: %d found, %v", id, len(list), err)
	}
	return list[0]
}

func (b *bench) next(destination string) time.Time {
	b.Helper()
	at, err := b.s.Next(ctx, destination)
	if err != nil {
		b.Fatal(err)
	}
	return at
}

func equal[T any](b *bench, what string, got, want T) {
	b.Helper()
	if !reflect.DeepEqual(got, want) {
		b.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func acceptStoresAll(b *bench) {
	e := b.event("acme")
	a := b.accept(e, "crm", "ehr")
	if a.EventID != e.ID || a.Duplicate || len(a.Deliveries) != 2 || a.Deliveries[0] == a.Deliveries[1] {
		b.Fatalf("accepted as %+v", a)
	}
	stored, err := b.s.Event(ctx, e.ID)
	if err != nil {
		b.Fatal(err)
	}
	equal(b, "the event as stored", stored, e)
	d := b.delivery(a.Deliveries[1])
	equal(b, "its second delivery", d, store.Delivery{ID: a.Deliveries[1], EventID: e.ID, Tenant: "acme", Destination: "ehr",
		State: store.Pending, NextAt: b.now, CreatedAt: b.now, UpdatedAt: b.now})

	bare := &store.Event{ID: b.event("x").ID, Key: [16]byte{1: 99}, ReceivedAt: b.now}
	if a := b.accept(bare); a.Deliveries != nil {
		b.Errorf("an event without destinations has deliveries %v", a.Deliveries)
	}
	stored, err = b.s.Event(ctx, bare.ID)
	if err != nil {
		b.Fatal(err)
	}
	equal(b, "an event with nothing in it", stored, bare)

	e.Body[0] = 'X' // what the caller does with its event afterwards does not reach the store
	if stored, _ := b.s.Event(ctx, e.ID); stored.Body[0] == 'X' {
		b.Error("the store shares the caller's body")
	}
}

func acceptRefuses(b *bench) {
	e := b.event("acme")
	b.accept(e)
	again := b.event("acme")
	again.ID = e.ID
	if _, err := b.s.Accept(ctx, again, nil); err == nil {
		b.Error("two events with one ID")
	}
	wrong := b.event("acme")
	wrong.ID = "evt_1"
	if _, err := b.s.Accept(ctx, wrong, nil); err == nil {
		b.Error("an ID that is not a ULID")
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	late := b.event("acme")
	if _, err := b.s.Accept(ended, late, nil); !errors.Is(err, context.Canceled) {
		b.Errorf("a context that has ended: %v", err)
	}
	// None of them has taken its key.
	again.ID, wrong.ID = b.event("acme").ID, b.event("acme").ID
	for _, e := range []*store.Event{again, wrong, late} {
		if b.accept(e).Duplicate {
			b.Error("an event that was refused counts as the first with its key")
		}
	}
}

func duplicates(b *bench) {
	first := b.event("acme")
	b.accept(first, "crm")
	second := b.event("acme")
	second.Key = first.Key
	b.tick(time.Hour - 1)
	a := b.accept(second, "crm")
	equal(b, "a duplicate within the window", a, store.Accepted{EventID: first.ID, Duplicate: true})
	if _, err := b.s.Event(ctx, second.ID); !errors.Is(err, store.ErrNotFound) {
		b.Errorf("a duplicate is stored: %v", err)
	}
	b.tick(1)
	if a := b.accept(second, "crm"); a.Duplicate || a.EventID != second.ID {
		b.Errorf("after the window: %+v", a)
	}
	third := b.event("acme")
	third.Key = first.Key
	equal(b, "a duplicate of the second", b.accept(third), store.Accepted{EventID: second.ID, Duplicate: true})
	equal(b, "deliveries", len(b.claim("crm", 10)), 2)
	b.tick(-2 * time.Hour) // the clock was wrong and is set back
	equal(b, "a duplicate from before the first", b.accept(third), store.Accepted{EventID: second.ID, Duplicate: true})
}

func oneOfMany(b *bench) {
	const keys, copies = 20, 16
	type answer struct {
		key int
		store.Accepted
	}
	answers := make(chan answer, keys*copies)
	for i := range copies {
		for k := range keys {
			e := b.event("acme")
			e.Key = [16]byte{0: byte(k), 5: 1}
			_ = i
			go func() {
				a, err := b.s.Accept(ctx, e, []string{"crm"})
				if err != nil {
					b.Error(err)
				}
				answers <- answer{k, a}
			}()
		}
	}
	first := map[int]string{}
	all := map[int][]string{}
	for range keys * copies {
		a := <-answers
		all[a.key] = append(all[a.key], a.EventID)
		if !a.Duplicate {
			if first[a.key] != "" {
				b.Errorf("key %d was accepted twice", a.key)
			}
			first[a.key] = a.EventID
		}
	}
	for k, ids := range all {
		if slices.ContainsFunc(ids, func(id string) bool { return id != first[k] }) {
			b.Errorf("key %d: not all were answered with the first's id", k)
		}
	}
	equal(b, "deliveries", len(b.claim("crm", 1000)), keys)
}
