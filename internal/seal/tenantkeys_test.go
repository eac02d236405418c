package seal

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestEachTenantHasItsDataKey(t *testing.T) {
	ring, table := newRing(t, newKey(t)), new(rows)
	k, _ := newKeys(t, ring, table, Wrapping{Tenants: true})
	acme, globex := place, place
	acme.Tenant, globex.Tenant = "acme", "globex"
	a, b := sealer(t, k, "acme").Seal([]byte("a"), acme), sealer(t, k, "globex").Seal([]byte("b"), globex)
	if a[0] != 3 || len(a) != 1+Overhead || bytes.Equal(a[1:9], b[1:9]) || table.adds != 2 {
		t.Errorf("envelopes %x and %x, %d keys", a, b, table.adds)
	}
	again := sealer(t, k, "acme")
	if e := again.Seal(nil, acme); !bytes.Equal(e[:9], a[:9]) || !bytes.Equal(again.StoredID(), a[:9]) || table.adds != 2 {
		t.Errorf("sealed with another key the second time, beside which stands %x", again.StoredID())
	}
	if id, data, ok := ParseStoredID(again.StoredID()); !ok || !data || !bytes.Equal(id[:], a[1:9]) {
		t.Errorf("read %s, %v, %v", id, data, ok)
	}

	// Another process with the same ring and table reads all of it; and what the ring had sealed before.
	old := ring.Seal([]byte("old"), acme)
	k, _ = newKeys(t, ring, table, Wrapping{})
	for _, c := range []struct {
		envelope []byte
		place    Place
		want     string
	}{{a, acme, "a"}, {b, globex, "b"}, {old, acme, "old"}} {
		if data, err := opened(t, k, c.envelope, c.place); err != nil || string(data) != c.want {
			t.Errorf("%q, %v; want %q", data, err, c.want)
		}
	}
	if _, err := opened(t, k, a, globex); !errors.Is(err, ErrTampered) {
		t.Errorf("opened as another tenant's: %v", err)
	}
	if e := sealer(t, k, "acme").Seal(nil, acme); e[0] != 2 {
		t.Errorf("tenants have no data keys any more, and it seals in the way of version %d", e[0])
	}
	if _, err := ring.Open(a, acme); !errors.Is(err, ErrNoKey) {
		t.Errorf("the ring alone: %v", err)
	}
	other, _ := newKeys(t, newRing(t, newKey(t)), table, Wrapping{})
	if _, err := opened(t, other, a, acme); !errors.Is(err, ErrNoKey) {
		t.Errorf("with another ring: %v", err)
	}
	for i := range a {
		changed := bytes.Clone(a)
		changed[i] ^= 3
		if _, err := opened(t, k, changed, acme); !errors.Is(err, ErrTampered) && !errors.Is(err, ErrNoKey) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
}

func TestDestroyedKeyOpensNothing(t *testing.T) {
	table := new(rows)
	k, _ := newKeys(t, newRing(t, newKey(t)), table, Wrapping{Tenants: true})
	s := sealer(t, k, "acme")
	old := s.Seal([]byte("a"), place)
	table.change(s.data.id, func(r *DataKey) { r.Wrapped, r.Destroyed = nil, time.Now() })
	k.Forget("acme")
	if data, err := opened(t, k, old, place); data != nil || !errors.Is(err, ErrDestroyed) {
		t.Errorf("%q, %v", data, err)
	}
	next := sealer(t, k, "acme").Seal([]byte("b"), place)
	if data, err := opened(t, k, next, place); err != nil || string(data) != "b" || bytes.Equal(old[:9], next[:9]) {
		t.Errorf("what was sealed afterwards: %q, %v", data, err)
	}
	// A key that is retired opens what it has sealed, and another seals.
	s = sealer(t, k, "acme")
	table.change(s.data.id, func(r *DataKey) { r.Retired = time.Now() })
	k.Forget("acme")
	if data, err := opened(t, k, next, place); err != nil || string(data) != "b" {
		t.Errorf("sealed with a key that is retired: %q, %v", data, err)
	}
	if e := sealer(t, k, "acme").Seal(nil, place); bytes.Equal(e[:9], next[:9]) {
		t.Error("a key that is retired seals")
	}
}

// TestRemoteIsAway has whoever wraps the keys go away and come back.
func TestRemoteIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, table := &remote{lives: time.Hour}, new(rows)
		k, said := newKeys(t, newRing(t, newKey(t)), table, Wrapping{Tenants: true, Remote: r})
		envelope := sealer(t, k, "acme").Seal([]byte("a"), place)
		opens := func(want error) {
			t.Helper()
			if _, err := opened(t, k, envelope, place); !errors.Is(err, want) {
				t.Errorf("opening: %v, want %v", err, want)
			}
			if _, err := k.Sealer(t.Context(), "acme"); !errors.Is(err, want) {
				t.Errorf("sealing: %v, want %v", err, want)
			}
			synctest.Wait()
		}
		r.set(fmt.Errorf("%w: connection refused", ErrAway))
		opens(nil)
		before := r.asked
		for range 50 { // tenants that have no key yet, and one that answers for all
			if _, err := k.Sealer(t.Context(), "globex"); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "connection refused") {
				t.Error(err)
			}
			if _, err := k.Sealer(t.Context(), "initech"); !errors.Is(err, ErrUnavailable) {
				t.Error(err)
			}
		}
		if r.asked != before+1 || len(said.lines) != 1 || len(table.rows) != 1 {
			t.Errorf("asked %d times; told %q; %d keys", r.asked-before, said.lines, len(table.rows))
		}
		// In the second half of its time it is asked for again, and goes on being used.
		time.Sleep(31 * time.Minute)
		opens(nil)
		time.Sleep(28 * time.Minute)
		opens(nil)
		time.Sleep(2 * time.Minute)
		opens(ErrUnavailable)
		r.set(nil)
		time.Sleep(failedFor)
		if _, err := opened(t, k, envelope, place); !errors.Is(err, ErrUnavailable) { // it is asked beside
			t.Errorf("opening when it is back: %v", err)
		}
		synctest.Wait()
		time.Sleep(failedFor)
		opens(nil)
		if _, err := k.Sealer(t.Context(), "globex"); err != nil || len(table.rows) != 2 {
			t.Error(err)
		}
		// Used all the time it never ends while somebody answers.
		for range 10 {
			time.Sleep(40 * time.Minute)
			opens(nil)
		}
		if len(said.lines) > 5 {
			t.Errorf("told %q", said.lines)
		}
	})
}

// One tenant's key that is refused holds up no other's.
func TestOneKeyIsRefused(t *testing.T) {
	r := &remote{lives: time.Hour, err: errors.New("no such key")}
	k, _ := newKeys(t, newRing(t, newKey(t)), new(rows), Wrapping{Tenants: true, Remote: r})
	if _, err := k.Sealer(t.Context(), "acme"); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
	r.set(nil)
	if _, err := k.Sealer(t.Context(), "globex"); err != nil {
		t.Error(err)
	}
}

func TestKeysAreSafeForConcurrentUse(t *testing.T) {
	table := new(rows)
	k, _ := newKeys(t, newRing(t, newKey(t)), table, Wrapping{Tenants: true, Remote: &remote{lives: time.Nanosecond}})
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			tenant := fmt.Sprint("t", n%3)
			for range 50 {
				s, err := k.Sealer(t.Context(), tenant)
				if err != nil {
					t.Error(err)
					return
				}
				envelope := s.Seal([]byte(tenant), place)
				if data, err := opened(t, k, envelope, place); err != nil || string(data) != tenant {
					t.Errorf("%q, %v", data, err)
				}
				k.Forget(tenant)
			}
		})
	}
	wg.Wait()
	if table.adds != 3 {
		t.Errorf("%d keys for 3 tenants", table.adds)
	}
}

func FuzzOpenDataKey(f *testing.F) {
	table := new(rows)
	k, _ := newKeys(f, newRing(f, []byte(strings.Repeat("k", 32))), table, Wrapping{Tenants: true})
	s, err := k.Sealer(f.Context(), "acme")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.Seal([]byte("data"), place), place.Event)
	f.Add(s.StoredID(), "")
	f.Add([]byte{versionKey}, "")
	f.Fuzz(func(t *testing.T, envelope []byte, event string) {
		data, err := opened(t, k, envelope, Place{Event: event, Column: place.Column})
		if err != nil && (data != nil || !errors.Is(err, ErrNoKey) && !errors.Is(err, ErrTampered)) {
			t.Fatalf("data with an error, or a wrong one: %v", err)
		}
		if id, _, ok := ParseStoredID(envelope); ok && !bytes.HasSuffix(envelope, id[:]) {
			t.Fatalf("%x is read as the id %s", envelope, id)
		}
	})
}

func BenchmarkSealEventWithDataKey(b *testing.B) {
	k, _ := newKeys(b, newRing(b, newKey(b)), new(rows), Wrapping{Tenants: true})
	data := make([]byte, 700)
	b.ReportAllocs()
	for b.Loop() {
		s, err := k.Sealer(b.Context(), "acme")
		if err != nil {
			b.Fatal(err)
		}
		for range 3 {
			s.Seal(data, place)
		}
	}
}
