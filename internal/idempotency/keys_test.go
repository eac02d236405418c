package idempotency

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// clocked is a cache that keeps one answer and whose clock is moved by hand.
func clocked(l Limits) (*Cache, *time.Time) {
	now := time.Unix(1_000_000, 0)
	l.Entries, l.Bytes = 1, 1<<20
	return New(l, func() time.Time { return now }), &now
}

// answer carries an event out and fails the test if it was known.
func answer(t *testing.T, c *Cache, owner, event string, status int) (dropped int) {
	t.Helper()
	r := reserve(t, c, NewKey(owner, event))
	r.Owner = owner
	return r.Commit(&Answer{Status: status}, time.Hour)
}

// known reports whether an event would not be carried out again.
func known(t *testing.T, c *Cache, owner, event string) bool {
	t.Helper()
	r, found, err := c.Acquire(t.Context(), NewKey(owner, event), body, false)
	if err != nil {
		t.Fatal(err)
	}
	if r != nil {
		r.Release()
	}
	return found != nil
}

func TestAKeyIsRememberedWhenItsAnswerMadeRoom(t *testing.T) {
	c, now := clocked(Limits{Keys: 100})
	answer(t, c, "acme", "1", 204)
	answer(t, c, "acme", "2", 200)
	found := replay(t, c, NewKey("acme", "1"))
	if found.Answer != nil || !found.Dropped || found.Was != 204 || found.OtherBody {
		t.Fatalf("found %+v", found)
	}
	if _, found, _ := c.Acquire(t.Context(), NewKey("acme", "1"), [16]byte{9}, true); found == nil || !found.OtherBody {
		t.Fatalf("with another body: %+v", found)
	}
	*now = now.Add(time.Hour - time.Second)
	if !known(t, c, "acme", "1") {
		t.Fatal("forgotten before its time")
	}
	*now = now.Add(time.Second)
	if known(t, c, "acme", "1") || known(t, c, "acme", "2") {
		t.Fatal("remembered for longer than was said")
	}
	answer(t, c, "acme", "1", 200) // the expired key is still in the queue
	for i := range 10 {
		answer(t, c, "acme", fmt.Sprint("new ", i), 200)
	}
	if s := c.Size(); !known(t, c, "acme", "1") || s.Keys != 11 || s.Dropped != 0 {
		t.Fatalf("after the expired keys went: %+v", s)
	}
}

func TestAnOwnerPushesOutItsOwnKeys(t *testing.T) {
	c, _ := clocked(Limits{Keys: 100, OwnerKeys: 10})
	answer(t, c, "acme", "captured", 200)
	dropped := 0
	for i := range 1000 {
		dropped += answer(t, c, "globex", fmt.Sprint(i), 200)
	}
	if !known(t, c, "acme", "captured") {
		t.Fatal("another tenant's events pushed it out")
	}
	if known(t, c, "globex", "989") || !known(t, c, "globex", "990") {
		t.Fatal("not the oldest went")
	}
	if s := c.Size(); dropped != 990 || s.Dropped != 990 || s.Keys != 11 {
		t.Fatalf("told of %d dropped keys: %+v", dropped, s)
	}
}

func TestWhoHoldsMoreThanAShareMakesRoom(t *testing.T) {
	c, _ := clocked(Limits{Keys: 100})
	for i := range 100 {
		answer(t, c, "globex", fmt.Sprint(i), 200) // what nobody else needs can be borrowed
	}
	for i := range 200 {
		answer(t, c, "acme", fmt.Sprint(i), 200)
		for _, kept := range []int{99, 98, 60, 50} {
			if !known(t, c, "globex", fmt.Sprint(kept)) {
				t.Fatalf("event %d of acme pushed out number %d of globex, which is within its share", i, kept)
			}
		}
	}
	if s := c.Size(); s.Keys != 100 || !known(t, c, "acme", "199") || !known(t, c, "acme", "150") || known(t, c, "acme", "149") {
		t.Fatalf("%+v", s)
	}
}

func TestSmallerLimitsTakeFromWhoHoldsMost(t *testing.T) {
	c, _ := clocked(Limits{Keys: 1000})
	for i := range 100 {
		answer(t, c, "globex", fmt.Sprint(i), 200)
	}
	answer(t, c, "acme", "1", 200)
	c.SetLimits(Limits{Entries: 1, Bytes: 1, Keys: 11})
	if s := c.Size(); s.Keys != 11 || s.Dropped != 90 || !known(t, c, "acme", "1") || !known(t, c, "globex", "99") {
		t.Fatalf("%+v", s)
	}
	c.SetLimits(Limits{Entries: 1, Bytes: 1, Keys: 11, OwnerKeys: 5})
	if s := c.Size(); s.Keys != 6 || !known(t, c, "acme", "1") {
		t.Fatalf("%+v", s)
	}
}

// TestKeysAreWhatAModelSays compares with lists that are too slow to use.
func TestKeysAreWhatAModelSays(t *testing.T) {
	type event struct {
		name    string
		expires time.Time
	}
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(seed, 0))
		const total, each = 60, 25
		c, now := clocked(Limits{Keys: total, OwnerKeys: each})
		model := make(map[string][]event)
		for n := range 2000 {
			owner := string(rune('a' + min(random.IntN(6), random.IntN(6))))
			name := fmt.Sprint(n)
			answer(t, c, owner, name, 200)
			queue := append(model[owner], event{name, now.Add(time.Hour)})
			model[owner] = queue[max(0, len(queue)-each):]
			if random.IntN(20) == 0 {
				*now = now.Add(time.Duration(random.IntN(20)) * time.Minute)
			}
			held := 0
			for owner, queue := range model {
				for len(queue) > 0 && !now.Before(queue[0].expires) {
					queue = queue[1:]
				}
				model[owner] = queue
				held += len(queue)
			}
			if s := c.Size(); s.Keys > total {
				t.Fatalf("seed %d, event %d: holds %d keys", seed, n, s.Keys)
			}
			// Every owner has at least the newest of its share.
			for owner, queue := range model {
				for _, e := range queue[max(0, len(queue)-total/6):] {
					if !known(t, c, owner, e.name) {
						t.Fatalf("seed %d, event %d: %s of %s is forgotten", seed, n, e.name, owner)
					}
				}
				if held <= total/2 && c.Size().Dropped == 0 {
					for _, e := range queue {
						if !known(t, c, owner, e.name) {
							t.Fatalf("seed %d, event %d: %s of %s is forgotten, and there is room", seed, n, e.name, owner)
						}
					}
				}
			}
		}
		if c.keys.held > total || len(c.keys.index) > c.keys.held || c.keys.made > total {
			t.Fatalf("seed %d: %d held, %d in the map, %d places", seed, c.keys.held, len(c.keys.index), c.keys.made)
		}
	}
}

// TestKeysCostWhatIsSaid holds keyCost to what the runtime reports.
func TestKeysCostWhatIsSaid(t *testing.T) {
	const n = 300_000
	c := New(Limits{Entries: 1, Bytes: 1, Keys: n}, nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 2 * n {
		r, _, _ := c.TryAcquire(NewKey(fmt.Sprint(i)), body, false)
		r.Commit(&Answer{Status: 200}, time.Hour)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := float64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%.0f bytes a key", each)
	if each > keyCost*5/4 {
		t.Errorf("a key occupies %.0f bytes, and %d are documented", each, keyCost)
	}
	runtime.KeepAlive(c)
}

// BenchmarkCommitOfFullKeys is an event of one of a thousand tenants when no key is free.
func BenchmarkCommitOfFullKeys(b *testing.B) {
	c := New(Limits{Entries: 100_000, Bytes: 1 << 30, Keys: 200_000, OwnerKeys: 100_000}, nil)
	owners := make([]string, 1000)
	for i := range owners {
		owners[i] = fmt.Sprint("tenant ", i)
	}
	a, n := &Answer{Status: 200}, 0
	commit := func() {
		r, _, _ := c.Acquire(context.Background(), Key{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}, body, false)
		r.Owner = owners[n*n%len(owners)]
		r.Commit(a, time.Hour)
		n++
	}
	for range 300_000 {
		commit()
	}
	b.ReportAllocs()
	for b.Loop() {
		commit()
	}
}
