package ratelimit

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func newTestTable(size int) (*Table, *time.Time) {
	now := time.Unix(1000, 0)
	return New(size, func() time.Time { return now }), &now
}

func TestABurstIsAllowedAndThenTheRate(t *testing.T) {
	table, now := newTestTable(10)
	limit := Limit{PerSecond: 2, Burst: 3}
	for i := range 3 {
		if ok, _ := table.Allow("acme", limit); !ok {
			t.Fatalf("request %d of the burst was refused", i+1)
		}
	}
	for range 5 { // refused requests must not push the wait out
		if ok, wait := table.Allow("acme", limit); ok || wait != 500*time.Millisecond {
			t.Fatalf("ok %t, wait %s; want a refusal for 500ms", ok, wait)
		}
	}
	*now = now.Add(500 * time.Millisecond)
	if ok, _ := table.Allow("acme", limit); !ok {
		t.Fatal("refused although a token had come in")
	}
}

func TestReadyTakesNothing(t *testing.T) {
	table, now := newTestTable(10)
	limit := Limit{PerSecond: 2, Burst: 1}
	for range 3 {
		if ok, _ := table.Ready("acme", limit); !ok {
			t.Fatal("a full bucket is not ready")
		}
	}
	table.Allow("acme", limit)
	if ok, wait := table.Ready("acme", limit); ok || wait != 500*time.Millisecond {
		t.Fatalf("empty: %t, %s", ok, wait)
	}
	*now = now.Add(500 * time.Millisecond)
	if ok, _ := table.Ready("acme", limit); !ok {
		t.Fatal("not ready although a token had come in")
	}
}

func TestKeysDoNotShareABucket(t *testing.T) {
	table, _ := newTestTable(10)
	limit := Limit{PerSecond: 1, Burst: 1}
	table.Allow("acme", limit)
	if ok, _ := table.Allow("globex", limit); !ok {
		t.Fatal("one tenant used up another's tokens")
	}
}

func TestAChangedLimitAppliesToTheBucketInUse(t *testing.T) {
	table, now := newTestTable(10)
	table.Allow("acme", Limit{PerSecond: 1, Burst: 1})
	*now = now.Add(time.Second)
	for i := range 2 {
		ok, _ := table.Allow("acme", Limit{PerSecond: 10, Burst: 20})
		if ok != (i == 0) {
			t.Fatalf("request %d: allowed %t; the old bucket held one token", i+1, ok)
		}
	}
	*now = now.Add(time.Second)
	if ok, _ := table.Allow("acme", Limit{PerSecond: 10, Burst: 20}); !ok {
		t.Fatal("the new rate does not apply")
	}
}

func TestAZeroRateNeverAllows(t *testing.T) {
	table, _ := newTestTable(10)
	if ok, wait := table.Allow("acme", Limit{}); ok || wait != math.MaxInt64 {
		t.Fatalf("ok %t, wait %s", ok, wait)
	}
}

// What gateways grant together is the limit, but for the rounding of the burst.
func TestALimitIsDivided(t *testing.T) {
	limit := Limit{PerSecond: 10, Burst: 20}
	for _, n := range []int{0, 1, 2, 3, 7} {
		granted := 0
		for range max(1, n) {
			table, now := newTestTable(10)
			table.Divide(n)
			for range 100 { // ten seconds
				for range 25 {
					if ok, _ := table.Allow("acme", limit); ok {
						granted++
					}
				}
				*now = now.Add(100 * time.Millisecond)
			}
		}
		if most := 20 + n + 100; granted > most || granted < 110 {
			t.Errorf("%d gateways granted %d in ten seconds at 10/s with a burst of 20", n, granted)
		}
	}
	table, now := newTestTable(10)
	table.Divide(4)
	small := Limit{PerSecond: 1, Burst: 1}
	if ok, _ := table.Allow("acme", small); !ok {
		t.Error("a burst of one is none when it is divided")
	}
	if ok, wait := table.Ready("acme", small); ok || wait != 4*time.Second {
		t.Errorf("ready %t, wait %s; want 4s", ok, wait)
	}
	table.Divide(1) // the others are gone, and the bucket in use fills faster from when it is next asked for
	table.Ready("acme", small)
	*now = now.Add(time.Second)
	if ok, _ := table.Allow("acme", small); !ok {
		t.Error("the limit is still divided")
	}
}

func TestTheTableKeepsWithinItsSize(t *testing.T) {
	table, _ := newTestTable(100)
	for i := range 1000 {
		table.Allow(fmt.Sprint(i), Limit{PerSecond: 1, Burst: 1})
	}
	if table.Len() != 100 {
		t.Fatalf("holds %d buckets", table.Len())
	}
	table.Resize(10)
	if table.Len() != 10 {
		t.Fatalf("holds %d buckets after Resize", table.Len())
	}
}

func BenchmarkAllow(b *testing.B) {
	table := New(1000, nil)
	b.ReportAllocs()
	for b.Loop() {
		table.Allow("acme", Limit{PerSecond: 1e9, Burst: 1e9})
	}
}
