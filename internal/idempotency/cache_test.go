package idempotency

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	wide = Limits{Entries: 1000, Bytes: 1 << 20}
	body = [16]byte{1}
)

// reserve fails the test unless the key was free.
func reserve(t *testing.T, c *Cache, key Key) *Reservation {
	t.Helper()
	r, found, err := c.Acquire(t.Context(), key, body, false)
	if err != nil || found != nil || r == nil {
		t.Fatalf("Acquire = %v, %v, %v; want a reservation", r, found, err)
	}
	return r
}

// replay fails the test unless the key was answered.
func replay(t *testing.T, c *Cache, key Key) *Found {
	t.Helper()
	r, found, err := c.Acquire(t.Context(), key, body, false)
	if err != nil || found == nil || r != nil {
		t.Fatalf("Acquire = %v, %v, %v; want an answer", r, found, err)
	}
	return found
}

func TestACommittedAnswerIsReplayed(t *testing.T) {
	c := New(wide, nil)
	key := NewKey("route", "tenant", "event")
	reserve(t, c, key).Commit(&Answer{Status: 201, Body: []byte("ok")}, time.Hour)
	if got := replay(t, c, key); got.Status != 201 || string(got.Body) != "ok" || got.OtherBody {
		t.Fatalf("replayed %+v", got)
	}
	reserve(t, c, NewKey("route", "other tenant", "event")).Release()
}

func TestAnotherBodyUnderTheSameKeyIsTold(t *testing.T) {
	c := New(wide, nil)
	key := NewKey("k")
	r := reserve(t, c, key)
	if _, found, err := c.Acquire(t.Context(), key, [16]byte{2}, true); err != nil || found == nil || !found.OtherBody || found.Answer != nil {
		t.Fatalf("strict, in flight: %v, %v", found, err)
	}
	r.Commit(&Answer{Status: 200}, time.Hour)
	if _, found, err := c.Acquire(t.Context(), key, [16]byte{2}, true); err != nil || found == nil || !found.OtherBody || found.Status != 200 {
		t.Fatalf("strict, answered: %v, %v", found, err)
	}
}

func TestAReleasedKeyIsFreeAgain(t *testing.T) {
	c := New(wide, nil)
	r := reserve(t, c, NewKey("k"))
	r.Release()
	r.Release()
	second := reserve(t, c, NewKey("k"))
	r.Commit(&Answer{Status: 200}, time.Hour) // too late: must not end the second reservation
	if c.Size().InFlight != 1 || c.Size().Entries != 0 {
		t.Fatalf("a late commit changed the cache: %+v", c.Size())
	}
	second.Release()
	if s := c.Size(); s != (Size{}) {
		t.Fatalf("left over: %+v", s)
	}
}

func TestCopiesWaitForTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(wide, nil)
		key := NewKey("k")
		first := reserve(t, c, key)
		var replayed atomic.Int32
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if replay(t, c, key).Status == 200 {
					replayed.Add(1)
				}
			})
		}
		synctest.Wait()
		if replayed.Load() != 0 {
			t.Fatal("a copy did not wait")
		}
		first.Commit(&Answer{Status: 200}, time.Hour)
		wg.Wait()
		if replayed.Load() != 10 {
			t.Fatalf("%d copies got the answer", replayed.Load())
		}
	})
}

// TestASharedAnswerIsForThoseWhoWait: copies in flight have it, the next request with the key has not.
func TestASharedAnswerIsForThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(wide, nil)
		key := NewKey("k")
		first := reserve(t, c, key)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if got := replay(t, c, key); got.Status != 201 || string(got.Body) != "ok" || got.OtherBody {
					t.Errorf("shared %+v", got)
				}
			})
		}
		wg.Go(func() {
			if _, found, err := c.Acquire(t.Context(), key, [16]byte{2}, false); err != nil || found == nil || !found.OtherBody {
				t.Errorf("another body: %v, %v", found, err)
			}
		})
		synctest.Wait()
		first.Share(&Answer{Status: 201, Body: []byte("ok")})
		first.Commit(&Answer{Status: 202}, time.Hour) // comes after it, and counts for nothing
		wg.Wait()
		reserve(t, c, key).Release()
		if n := c.Size(); n.Entries != 0 || n.InFlight != 0 || n.Keys != 0 {
			t.Errorf("kept %+v", n)
		}
	})
}

func TestAfterAReleaseExactlyOneWaiterGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(wide, nil)
		key := NewKey("k")
		first := reserve(t, c, key)
		var carriedOut atomic.Int32
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				r, _, err := c.Acquire(t.Context(), key, body, false)
				if err != nil {
					t.Error(err)
				}
				if r != nil {
					carriedOut.Add(1)
					time.Sleep(time.Second)
					r.Commit(&Answer{Status: 200}, time.Hour)
				}
			})
		}
		synctest.Wait()
		first.Release()
		wg.Wait()
		if carriedOut.Load() != 1 {
			t.Fatalf("carried out %d times", carriedOut.Load())
		}
	})
}

func TestAWaiterGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(wide, nil)
		defer reserve(t, c, NewKey("k")).Release()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, _, err := c.Acquire(ctx, NewKey("k"), body, false); !errors.Is(err, ErrInFlight) {
			t.Fatalf("err = %v", err)
		}
	})
}

func TestAnAnswerIsForgottenAfterItsTTL(t *testing.T) {
	now := time.Unix(1000, 0)
	c := New(wide, func() time.Time { return now })
	reserve(t, c, NewKey("k")).Commit(&Answer{Status: 200}, time.Hour)
	now = now.Add(time.Hour - 1)
	replay(t, c, NewKey("k"))
	now = now.Add(1)
	reserve(t, c, NewKey("k")).Release()
	if s := c.Size(); s != (Size{}) {
		t.Fatalf("left over: %+v", s)
	}
}

func TestTheCacheKeepsWithinItsLimits(t *testing.T) {
	c := New(Limits{Entries: 10, Bytes: 1 << 20}, nil)
	for i := range 100 {
		reserve(t, c, NewKey(fmt.Sprint(i))).Commit(&Answer{Status: 200}, time.Hour)
	}
	each := entryOverhead + int64(cap((&Answer{Status: 200}).encode()))
	if s := c.Size(); s.Entries != 10 || s.Bytes != 10*each {
		t.Fatalf("after 100 answers: %+v", s)
	}
	c.SetLimits(Limits{Entries: 10, Bytes: 3 * each})
	if s := c.Size(); s.Entries != 3 || s.Bytes != 3*each {
		t.Fatalf("after SetLimits: %+v", s)
	}
	reserve(t, c, NewKey("large")).Commit(&Answer{Status: 200, Body: make([]byte, 1<<16)}, time.Hour)
	if s := c.Size(); s.Entries != 1 {
		t.Fatalf("one answer larger than the limit: %+v", s)
	}
	replay(t, c, NewKey("large"))
}

func TestAnswersComeBackAsTheyWere(t *testing.T) {
	for _, a := range []Answer{
		{Status: 200},
		{Status: 204, Header: map[string][]string{}},
		{Status: 201, Header: map[string][]string{"A": {"1", "", "ü"}, "": nil, "Long": {strings.Repeat("x", 70_000)}}, Body: []byte("body\x00\xff")},
		{Status: 299, Truncated: true, Header: map[string][]string{"Content-Type": {"text/plain"}}},
	} {
		got := decode(a.encode())
		if got.Status != a.Status || got.Truncated != a.Truncated || !bytes.Equal(got.Body, a.Body) || len(got.Header) != len(a.Header) {
			t.Errorf("%+v came back as %+v", a, got)
		}
		for name, values := range a.Header {
			if !slices.Equal(got.Header[name], values) {
				t.Errorf("%s: %q came back as %q", name, values, got.Header[name])
			}
		}
	}
	kept := decode((&Answer{Status: 200, Omit: map[string]bool{"Date": true}, Header: map[string][]string{
		"Date": {"now"}, http.TrailerPrefix + "X": {"late"}, "X": {"1"},
	}}).encode())
	if len(kept.Header) != 1 || kept.Header["X"][0] != "1" {
		t.Errorf("kept %v", kept.Header)
	}
}

func TestKeysOfDifferentPartsDiffer(t *testing.T) {
	if NewKey("ab", "c") == NewKey("a", "bc") || NewKey("a") == NewKey("a", "") {
		t.Fatal("two lists of parts share a key")
	}
}

// TestEntriesCostWhatTheyAreCountedAs holds the estimate to what the runtime reports, within a third.
func TestEntriesCostWhatTheyAreCountedAs(t *testing.T) {
	const n = 200_000
	c := New(Limits{Entries: n, Bytes: 1 << 40}, nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range n {
		reserve(t, c, NewKey(fmt.Sprint(i))).Commit(&Answer{Status: 200}, time.Hour)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := float64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%.0f bytes an entry, counted as %d", each, entryOverhead)
	if each > entryOverhead*4/3 || each < entryOverhead*2/3 {
		t.Errorf("an entry occupies %.0f bytes and is counted as %d", each, entryOverhead)
	}
	runtime.KeepAlive(c)
}

func BenchmarkAcquireAndCommit(b *testing.B) {
	c := New(Limits{Entries: 100_000, Bytes: 1 << 30}, nil)
	a := &Answer{Status: 200}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		r, _, _ := c.Acquire(context.Background(), Key{byte(i), byte(i >> 8), byte(i >> 16), byte(i >> 24)}, body, false)
		r.Commit(a, time.Hour)
	}
}
