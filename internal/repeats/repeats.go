// Package repeats keeps equal log lines from filling a disk: the first of a kind is written, and those that follow within a
// second are counted and told with the next.
package repeats

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// Interval is how often a line of one kind is written at most.
	Interval = time.Second
	// PerInterval is how many lines of all kinds are written in an Interval at most: whoever has many addresses makes many
	// kinds.
	PerInterval = 100
)

// Counts are lines that were not written.
type Counts struct {
	// Same is how many of this kind there were since its last line.
	Same uint64
	// Others is how many there were of kinds of which nothing is known any more, or that came when there were too many.
	Others uint64
}

// Log decides for each line whether it is written. It knows a bounded number of kinds; those not seen longest are forgotten.
// It is safe for concurrent use.
type Log[K comparable] struct {
	told func(K, Counts)

	mu      sync.Mutex
	kinds   *simplelru.LRU[K, *kind]
	others  uint64
	began   time.Time // of the interval in which written counts
	written int
	waiting bool // for the timer that tells what was counted
}

type kind struct {
	last  time.Time // when a line was written
	count uint64    // lines that were not written since
}

// New makes a Log of at most size kinds (at least 1). What was counted and not told with a line within an Interval, since
// none followed, is given to told, which is called by a goroutine of its own; the zero K stands for others alone.
func New[K comparable](size int, told func(K, Counts)) *Log[K] {
	l := &Log[K]{told: told}
	kinds, err := simplelru.NewLRU(max(size, 1), func(_ K, v *kind) { l.others += v.count })
	if err != nil {
		panic(err) // only a size below 1 is an error
	}
	l.kinds = kinds
	return l
}

// Line asks to write a line of a kind. If ok, the line is to be written and to tell the counts; if not, it was counted.
func (l *Log[K]) Line(k K) (told Counts, ok bool) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	v, known := l.kinds.Get(k)
	if known && now.Sub(v.last) < Interval {
		v.count++
		l.wait()
		return Counts{}, false
	}
	if !l.may(now) {
		l.others++
		l.wait()
		return Counts{}, false
	}
	if !known {
		v = new(kind)
		l.kinds.Add(k, v)
	}
	return l.take(v, now), true
}

// may counts a line that is about to be written, if there were not too many. It is called with the lock held.
func (l *Log[K]) may(now time.Time) bool {
	if now.Sub(l.began) >= Interval {
		l.began, l.written = now, 0
	}
	if l.written >= PerInterval {
		return false
	}
	l.written++
	return true
}

func (l *Log[K]) take(v *kind, now time.Time) Counts {
	c := Counts{v.count, l.others}
	v.last, v.count, l.others = now, 0, 0
	return c
}

// wait makes sure that what was counted is told, also if no line follows. It is called with the lock held.
func (l *Log[K]) wait() {
	if !l.waiting {
		l.waiting = true
		time.AfterFunc(Interval, l.tell)
	}
}

func (l *Log[K]) tell() {
	type line struct {
		kind   K
		counts Counts
	}
	var lines []line
	now := time.Now()
	l.mu.Lock()
	l.waiting = false
	for _, k := range l.kinds.Keys() {
		v, _ := l.kinds.Peek(k)
		if v.count == 0 {
			continue
		}
		if now.Sub(v.last) < Interval || !l.may(now) {
			l.wait()
			continue
		}
		lines = append(lines, line{k, l.take(v, now)})
	}
	if l.others > 0 {
		if l.may(now) {
			lines = append(lines, line{counts: Counts{Others: l.others}})
			l.others = 0
		} else {
			l.wait()
		}
	}
	l.mu.Unlock()
	for _, line := range lines {
		l.told(line.kind, line.counts)
	}
}
