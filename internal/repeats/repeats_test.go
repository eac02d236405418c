package repeats

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// record collects what is told when no line follows.
type record struct {
	mu    sync.Mutex
	kinds []int
	sum   Counts
}

func (r *record) told(kind int, c Counts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kinds = append(r.kinds, kind)
	r.sum.Same += c.Same
	r.sum.Others += c.Others
}

// soFar is what was told until now.
func (r *record) soFar() (kinds []int, sum Counts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kinds, r.sum
}

func TestTheFirstIsWrittenAndTheRestCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r record
		l := New(10, r.told)
		for i := range 1000 {
			if c, ok := l.Line(7); ok != (i == 0) || c != (Counts{}) {
				t.Fatalf("line %d: %v, %v", i, c, ok)
			}
		}
		if _, ok := l.Line(8); !ok {
			t.Fatal("the first of another kind was not written")
		}
		time.Sleep(Interval / 2)
		if kinds, _ := r.soFar(); len(kinds) != 0 {
			t.Fatal("told within the interval")
		}
		time.Sleep(Interval)
		synctest.Wait()
		if kinds, sum := r.soFar(); len(kinds) != 1 || kinds[0] != 7 || sum != (Counts{Same: 999}) {
			t.Fatalf("told of %v: %+v", kinds, sum)
		}
		time.Sleep(10 * Interval)
		if c, ok := l.Line(7); !ok || c != (Counts{}) {
			t.Fatalf("after it was told: %v, %v", c, ok)
		}
	})
}

func TestALineTellsWhatWasCountedBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r record
		l := New(10, r.told)
		l.Line(7)
		time.Sleep(Interval - 1)
		l.Line(7)
		l.Line(7)
		time.Sleep(time.Nanosecond)
		if c, ok := l.Line(7); !ok || c != (Counts{Same: 2}) {
			t.Fatalf("%v, %v", c, ok)
		}
		time.Sleep(3 * Interval)
		synctest.Wait()
		if kinds, sum := r.soFar(); len(kinds) != 0 {
			t.Fatalf("told twice: %v, %+v", kinds, sum)
		}
	})
}

// However a flood is spread, each of its lines is written or counted once, and there are never more than so many a second.
func TestNothingIsLostAndNothingIsFlooded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const seconds, each, kinds = 20, 5000, 1500
		var r record
		l := New(300, r.told)
		var written, counted uint64
		for range seconds {
			lines := 0
			for i := range each {
				if c, ok := l.Line(1 + i%kinds); ok {
					lines++
					written++
					counted += c.Same + c.Others
				}
			}
			if lines > PerInterval {
				t.Fatalf("%d lines in a second", lines)
			}
			time.Sleep(Interval)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		_, sum := r.soFar()
		if got := written + counted + sum.Same + sum.Others; got != seconds*each {
			t.Fatalf("%d of %d accounted for", got, seconds*each)
		}
		if l.kinds.Len() > 300 {
			t.Fatalf("knows %d kinds", l.kinds.Len())
		}
	})
}

func BenchmarkRepeat(b *testing.B) {
	l := New(1000, func(int, Counts) {})
	b.ReportAllocs()
	for b.Loop() {
		l.Line(1)
	}
}
