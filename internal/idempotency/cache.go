// Package idempotency remembers which requests are under way and which were answered, so that a copy of a request is
// answered like the first one instead of being carried out twice.
//
// A key is reserved before the work starts and either committed with the answer or released when the work failed.
// Copies that arrive in between wait for the first. Committed answers live in an LRU that is bounded in entries, in
// bytes, and each in age; that they were given is remembered apart from them, in far less memory and with a share for each
// tenant, so that a copy is still known for one when the answer had to make room. Reservations are bounded by the requests
// that are being served.
package idempotency

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// ErrInFlight means that the first request with the key had not finished when the waiter's context ended.
var ErrInFlight = errors.New("the first request with this idempotency key is still in flight")

// Key names one event of one tenant on one route. It is the first half of a SHA-256.
type Key [sha256.Size / 2]byte

// NewKey hashes the parts into a Key. Each part is preceded by its length, so that no two lists of parts collide.
func NewKey(parts ...string) Key {
	var stack [256]byte
	b := stack[:0]
	for _, p := range parts {
		b = binary.AppendUvarint(b, uint64(len(p)))
		b = append(b, p...)
	}
	sum := sha256.Sum256(b)
	return Key(sum[:len(Key{})])
}

// Limits bound the cache.
type Limits struct {
	// Entries is how many answers are kept; at least 1.
	Entries int
	// Bytes is how much memory the kept answers may occupy; at least one answer is kept whatever its size.
	Bytes int64
	// Keys is how many keys are remembered in all, also of answers that are no longer kept; at least 1. Each occupies
	// about 64 bytes, when it is needed.
	Keys int
	// OwnerKeys is how many of them one owner may have; 0 for all.
	OwnerKeys int
}

// Cache is safe for concurrent use.
type Cache struct {
	now func() time.Time

	mu       sync.Mutex
	limits   Limits
	answered *simplelru.LRU[Key, entry]
	inFlight map[Key]*Reservation
	bytes    int64
	keys     keys
}

// entry holds an answer as one piece of memory without pointers: the garbage collector looks at a hundred thousand of
// them again and again.
type entry struct {
	answer  []byte
	body    [16]byte
	expires int64 // Unix nanoseconds
}

// size is what an entry costs, bookkeeping included.
func (e *entry) size() int64 { return entryOverhead + int64(cap(e.answer)) }

// entryOverhead is what an entry without an answer occupies: the key in the map and in the list, the entry. A test holds
// it to what the runtime reports.
const entryOverhead = 200

// New returns an empty cache. now is the clock; nil means time.Now.
func New(l Limits, now func() time.Time) *Cache {
	if now == nil {
		now = time.Now
	}
	c := &Cache{now: now, limits: l, inFlight: make(map[Key]*Reservation), keys: newKeys()}
	lru, err := simplelru.NewLRU(max(l.Entries, 1), func(_ Key, e entry) { c.bytes -= e.size() })
	if err != nil {
		panic(err) // only a size below 1 is an error
	}
	c.answered = lru
	c.keys.resize(l.Keys, l.OwnerKeys, 0)
	return c
}

// SetLimits applies new limits at once; what no longer fits is forgotten, oldest first.
func (c *Cache) SetLimits(l Limits) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limits = l
	c.answered.Resize(max(l.Entries, 1))
	c.shrink()
	c.keys.resize(l.Keys, l.OwnerKeys, c.now().Unix())
}

// Reservation is the right to carry a request out. Exactly one of Commit, Share and Release ends it; what comes after the
// first is ignored, so that a deferred Release is safe.
type Reservation struct {
	// Owner is whose share of the remembered keys this one counts in. It is set before Commit.
	Owner string

	cache *Cache
	key   Key
	body  [16]byte
	done  chan struct{} // made by the first waiter
	ended bool

	// shared is the answer, encoded, that the waiting copies have it from; it is set before done is closed.
	shared []byte
}

// Found is the answer to an earlier request with the same key.
type Found struct {
	// Answer is nil where it is not known: it had to make room, or there is none yet.
	*Answer
	// Dropped says that there was an answer that had to make room, and Was is what its status was.
	Dropped bool
	Was     int
	// OtherBody says that the earlier request had another body.
	OtherBody bool
}

// Acquire reserves the key, or returns the answer that an earlier request with it got. While another request holds
// the key it waits until that one is over or ctx ends, which is ErrInFlight. body is a digest of the request's body,
// by which Found tells a copy from another request under the same key.
//
// If strict is set, a request that is in flight with another body is reported at once, with a Found that has no Answer.
func (c *Cache) Acquire(ctx context.Context, key Key, body [16]byte, strict bool) (*Reservation, *Found, error) {
	for {
		r, found, first := c.tryAcquire(key, body, strict)
		if first == nil {
			return r, found, nil
		}
		select {
		case <-first.done:
		case <-ctx.Done():
			return nil, nil, ErrInFlight
		}
		if first.shared != nil {
			return nil, &Found{Answer: decode(first.shared), OtherBody: first.body != body}, nil
		}
	}
}

// TryAcquire is Acquire without the wait: where that would wait, it returns a channel that is closed when the request
// in flight is over.
func (c *Cache) TryAcquire(key Key, body [16]byte, strict bool) (*Reservation, *Found, <-chan struct{}) {
	r, found, first := c.tryAcquire(key, body, strict)
	if first != nil {
		return nil, nil, first.done
	}
	return r, found, nil
}

// tryAcquire is TryAcquire with the request in flight in the place of its channel.
func (c *Cache) tryAcquire(key Key, body [16]byte, strict bool) (_ *Reservation, _ *Found, first *Reservation) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if first, ok := c.inFlight[key]; ok {
		if strict && first.body != body {
			return nil, &Found{OtherBody: true}, nil
		}
		if first.done == nil {
			first.done = make(chan struct{})
		}
		return nil, nil, first
	}
	if e, ok := c.answered.Get(key); ok {
		if c.now().UnixNano() < e.expires {
			return nil, &Found{Answer: decode(e.answer), OtherBody: e.body != body}, nil
		}
		c.answered.Remove(key)
	}
	if r := c.keys.get(key, c.now); r != nil {
		return nil, &Found{Dropped: true, Was: int(r.status) + 200, OtherBody: r.body != [3]byte(body[:3])}, nil
	}
	r := &Reservation{cache: c, key: key, body: body}
	c.inFlight[key] = r
	return r, nil, nil
}

// Commit remembers the answer for the time ttl and lets the waiting copies have it. It returns how many keys of others
// had to go before their time: more events come in within ttl than Limits.Keys or Limits.OwnerKeys has room for.
func (r *Reservation) Commit(a *Answer, ttl time.Duration) (dropped int) {
	encoded := a.encode()
	c := r.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if !r.end() {
		return 0
	}
	now := c.now()
	expires := now.Add(ttl)
	e := entry{answer: encoded, body: r.body, expires: expires.UnixNano()}
	c.answered.Add(r.key, e)
	c.bytes += e.size()
	c.shrink()
	return c.keys.add(r.Owner, remembered{
		key: r.key, body: [3]byte(r.body[:3]), status: statusByte(a.Status), expires: seconds(expires),
	}, now.Unix())
}

func statusByte(status int) uint8 {
	if status < 200 || status > 299 {
		return 0
	}
	return uint8(status - 200)
}

// seconds is a time as remembered keys have it, rounded up.
func seconds(t time.Time) uint32 {
	return uint32(min(max(t.Add(time.Second-1).Unix(), 0), math.MaxUint32))
}

// Share lets the waiting copies have the answer and remembers nothing: the next request with the key is carried out.
func (r *Reservation) Share(a *Answer) {
	encoded := a.encode()
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	if !r.ended {
		r.shared = encoded
		r.end()
	}
}

// Release gives the key back without an answer: the next request with it is carried out.
func (r *Reservation) Release() {
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	r.end()
}

// end is called with the lock held and tells whether the reservation was still open.
func (r *Reservation) end() bool {
	if r.ended {
		return false
	}
	r.ended = true
	delete(r.cache.inFlight, r.key)
	if r.done != nil {
		close(r.done)
	}
	return true
}

// shrink is called with the lock held.
func (c *Cache) shrink() {
	for c.bytes > c.limits.Bytes && c.answered.Len() > 1 {
		c.answered.RemoveOldest()
	}
}

// Size is what a cache holds at one moment.
type Size struct {
	Entries  int
	Bytes    int64
	InFlight int
	// Keys is how many keys are remembered, and Dropped how many ever had to go before they expired.
	Keys    int
	Dropped uint64
}

// Size reports what the cache holds now.
func (c *Cache) Size() Size {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Size{Entries: c.answered.Len(), Bytes: c.bytes, InFlight: len(c.inFlight), Keys: c.keys.held, Dropped: c.keys.dropped}
}
