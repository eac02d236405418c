// Package ratelimit keeps one token bucket for each key (a tenant, an address) in a table of bounded size.
package ratelimit

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// Limit is a token bucket: PerSecond tokens flow in, at most Burst are held, a request takes one.
type Limit struct {
	PerSecond float64
	Burst     int
}

// Table is safe for concurrent use. When it is full the bucket that was not asked for longest is forgotten, which can
// only make the limit of that key more generous.
type Table struct {
	now func() time.Time
	// parts is by how many limits are divided; 0 is as 1.
	parts atomic.Int64

	mu      sync.Mutex
	buckets *simplelru.LRU[string, *rate.Limiter]
}

// New returns a table of at most size buckets (at least 1). now is the clock; nil means time.Now.
func New(size int, now func() time.Time) *Table {
	if now == nil {
		now = time.Now
	}
	lru, err := simplelru.NewLRU[string, *rate.Limiter](max(size, 1), nil)
	if err != nil {
		panic(err) // only a size below 1 is an error
	}
	return &Table{now: now, buckets: lru}
}

// Allow takes a token from the key's bucket. When there is none it takes nothing and tells how long to wait for one.
// A limit that differs from the one the bucket was made with changes the bucket and keeps its tokens.
func (t *Table) Allow(key string, l Limit) (ok bool, wait time.Duration) {
	now := t.now()
	b := t.bucket(key, t.part(l), now)
	if b.AllowN(now, 1) {
		return true, 0
	}
	return false, untilToken(b, now)
}

// Ready reports whether the key's bucket has a token, without taking it, and if not how long to wait for one.
func (t *Table) Ready(key string, l Limit) (ok bool, wait time.Duration) {
	now := t.now()
	b := t.bucket(key, t.part(l), now)
	if b.TokensAt(now) >= 1 {
		return true, 0
	}
	return false, untilToken(b, now)
}

// Divide says how many gateways the requests of each key are spread over, this one among them: each grants its part of
// every limit. Below 1 it is 1.
func (t *Table) Divide(gateways int) { t.parts.Store(int64(max(1, gateways))) }

// part is what this gateway grants of a limit. The burst is rounded up, so that no gateway refuses everything; all of them
// together may let that much more through at once.
func (t *Table) part(l Limit) Limit {
	if n := int(t.parts.Load()); n > 1 {
		return Limit{PerSecond: l.PerSecond / float64(n), Burst: (l.Burst + n - 1) / n}
	}
	return l
}

// untilToken computes the wait from the bucket's level instead of reserving and cancelling, which would let refused
// requests push each other's tokens into the future.
func untilToken(b *rate.Limiter, now time.Time) time.Duration {
	perSecond := float64(b.Limit())
	if perSecond <= 0 || b.Burst() < 1 {
		return math.MaxInt64
	}
	missing := 1 - b.TokensAt(now)
	return time.Duration(max(missing, 0) / perSecond * float64(time.Second))
}

func (t *Table) bucket(key string, l Limit, now time.Time) *rate.Limiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok := t.buckets.Get(key)
	if !ok {
		b = rate.NewLimiter(rate.Limit(l.PerSecond), l.Burst)
		t.buckets.Add(key, b)
		return b
	}
	if b.Limit() != rate.Limit(l.PerSecond) {
		b.SetLimitAt(now, rate.Limit(l.PerSecond))
	}
	if b.Burst() != l.Burst {
		b.SetBurstAt(now, l.Burst)
	}
	return b
}

// Resize changes how many buckets the table holds.
func (t *Table) Resize(size int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buckets.Resize(max(size, 1))
}

// Len is the number of buckets held.
func (t *Table) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buckets.Len()
}
