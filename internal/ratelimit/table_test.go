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
