package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// RunDataKeys tests that a store keeps the contract of store.DataKeyed. Its tenants have data keys.
func RunDataKeys(t *testing.T, h Harness) {
	for _, c := range []struct {
		name string
		test func(*keysBench)
	}{
		{"AKeyForEachTenant", dataKeysAreMade},
		{"RotatedKeysOpen", dataKeysRotate},
		{"DestroyedContentIsGone", dataKeysAreDestroyed},
		{"RekeyedTenants", dataKeysOfTenants},
		{"RekeyedWhileRotated", dataKeysRotateUnderRekeying},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &keysBench{bench: &bench{T: t, h: h, now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}}
			b.s = h.Open(t, Options{Window: time.Hour, Now: func() time.Time { return b.now }, DataKeys: true})
			b.k = b.s.(store.DataKeyed)
			c.test(b)
		})
	}
}

type keysBench struct {
	*bench
	k store.DataKeyed
}

// full accepts an event with an answer that is kept, a step that is done, and a delivery that waits.
func (b *keysBench) full(tenant string) *store.Event {
	b.Helper()
	e := b.event(tenant)
	a := b.accept(e, "crm", "ehr")
	b.finish(store.Attempt{DeliveryID: a.Deliveries[0], At: b.now, State: store.Delivered, Excerpt: []byte("thanks")},
		store.Attempt{DeliveryID: a.Deliveries[1], At: b.now, State: store.Pending, Excerpt: []byte("later"), NextAt: b.now.Add(time.Minute)})
	if err := b.s.Keep(b.Context(), a.Deliveries[1], []byte("step 1")); err != nil {
		b.Fatal(err)
	}
	b.tick(time.Second)
	return e
}

// has tells whether all content of an event is there, or none.
func (b *keysBench) has(e *store.Event, want bool) {
	b.Helper()
	got, err := b.s.Event(b.Context(), e.ID)
	if err != nil {
		b.Fatal(err)
	}
	attempts, err := b.s.Attempts(b.Context(), e.ID+".1")
	if err != nil || len(attempts) != 1 {
		b.Fatal(len(attempts), err)
	}
	kept, err := b.s.Kept(b.Context(), e.ID+".1")
	if err != nil {
		b.Fatal(err)
	}
	shown := fmt.Sprintf("%v %v %s %s %v", string(got.Body) == string(e.Body), got.URI == e.URI, attempts[0].Excerpt, kept, got.Dropped)
	if want && shown != "true true later step 1 false" {
		b.Errorf("content of %s: %s", e.Tenant, shown)
	}
	if !want && (len(got.Body)+len(got.Record)+len(got.Header)+len(got.URI)+len(attempts[0].Excerpt)+len(kept) > 0 || !got.Dropped) {
		b.Errorf("content of %s is left: %+v, %q, %q", e.Tenant, got, attempts[0].Excerpt, kept)
	}
}

// keys are the data keys in a short form.
func (b *keysBench) keys(want string, tenants ...string) {
	b.Helper()
	list, err := b.k.DataKeys(b.Context(), tenants)
	if err != nil {
		b.Fatal(err)
	}
	got, seen := "", map[string]bool{}
	for _, k := range list {
		state := "seals"
		if !k.Retired.IsZero() {
			state = "opens"
		}
		if !k.Destroyed.IsZero() {
			state = "gone"
		}
		got += k.Tenant + " " + state + ","
		if seen[k.ID] || (k.WrappedBy == "") != (state == "gone") || k.Created.IsZero() {
			b.Errorf("%+v", k)
		}
		seen[k.ID] = true
	}
	if got != want {
		b.Errorf("data keys %s, want %s", got, want)
	}
}

func (b *keysBench) restart() {
	if b.h.Reopen != nil {
		b.s = b.h.Reopen(b.T, b.s)
		b.k = b.s.(store.DataKeyed)
	}
}

func dataKeysAreMade(b *keysBench) {
	b.keys("")
	globex, acme := b.full("globex"), b.full("acme")
	b.full("acme")
	b.keys("acme seals,globex seals,")
	b.keys("globex seals,", "globex", "initech")
	b.restart()
	b.keys("acme seals,globex seals,")
	b.has(globex, true)
	b.has(acme, true)
	n := 0
	if err := b.k.VerifyDataKeys(b.Context(), func(k store.DataKey, err error) {
		if n++; err != nil {
			b.Errorf("%s: %v", k.Tenant, err)
		}
	}); err != nil || n != 2 {
		b.Error(n, err)
	}
}

func dataKeysRotate(b *keysBench) {
	before := b.full("acme")
	k, err := b.k.RotateDataKey(b.Context(), "acme")
	if err != nil || k.Tenant != "acme" || !k.Retired.IsZero() {
		b.Fatalf("%+v, %v", k, err)
	}
	after := b.full("acme")
	b.restart()
	b.keys("acme opens,acme seals,")
	b.has(before, true)
	b.has(after, true)
}

func dataKeysAreDestroyed(b *keysBench) {
	first, other := b.full("acme"), b.full("globex")
	if _, err := b.k.RotateDataKey(b.Context(), "acme"); err != nil {
		b.Fatal(err)
	}
	second := b.full("acme")
	if err := b.s.Note(b.Context(), "crm", "name", []byte("value"), b.now.Add(time.Hour)); err != nil {
		b.Fatal(err)
	}
	want := store.Destroyed{Keys: 2, Events: 2, Deliveries: 2}
	if got, err := b.k.DestroyDataKeys(b.Context(), "acme", true); err != nil || got != want {
		b.Errorf("dry: %+v, %v", got, err)
	}
	b.has(first, true)
	if got, err := b.k.DestroyDataKeys(b.Context(), "acme", false); err != nil || got != want {
		b.Errorf("%+v, %v", got, err)
	}
	if got, err := b.k.DestroyDataKeys(b.Context(), "acme", false); err != nil || got != (store.Destroyed{}) {
		b.Errorf("again: %+v, %v", got, err)
	}
	if _, err := b.k.DestroyDataKeys(b.Context(), "initech", false); !errors.Is(err, store.ErrNotFound) {
		b.Errorf("of nobody: %v", err)
	}
	check := func() {
		b.Helper()
		b.has(first, false)
		b.has(second, false)
		b.has(other, true)
		d := b.delivery(first.ID + ".1")
		if d.State != store.Dead || d.Reason != store.ContentGone || b.delivery(first.ID+".0").State != store.Delivered {
			b.Errorf("%+v", d)
		}
	}
	check()
	if note, err := b.s.Noted(b.Context(), "crm", "name"); err != nil || note != nil {
		b.Errorf("noted %q, %v", note, err)
	}
	b.restart()
	check()
	b.keys("acme gone,acme gone,globex seals,")
	later := b.full("acme")
	b.has(later, true)
	b.keys("acme gone,acme gone,acme seals,globex seals,")
	b.tick(time.Hour)
	if got := b.claim("ehr", 10); len(got) != 2 {
		b.Errorf("claimed %v", ids(got))
	}
}

func dataKeysOfTenants(b *keysBench) {
	acme, globex := b.full("acme"), b.full("globex")
	if err := b.k.RekeyTenants(b.Context(), []string{"acme", "initech"}, nil); err != nil {
		b.Fatal(err)
	}
	b.keys("acme gone,acme seals,globex seals,")
	b.restart()
	b.has(acme, true)
	b.has(globex, true)
}

// dataKeysRotateUnderRekeying has somebody rotate a tenant's key while what it has is sealed again.
func dataKeysRotateUnderRekeying(b *keysBench) {
	e := b.full("acme")
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	rotated := false
	err := b.k.RekeyTenants(ctx, []string{"acme"}, func(done, _ int) {
		if done == 0 || rotated {
			return
		}
		rotated = true
		b.tick(time.Second)
		if _, err := b.k.RotateDataKey(ctx, "acme"); err != nil {
			b.Error(err)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	want := "acme gone,acme seals,"
	if rotated { // it does all at once otherwise
		want = "acme gone," + want
	}
	b.keys(want)
	b.has(e, true)
}
