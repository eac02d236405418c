package idempotency

import (
	"container/heap"
	"time"
)

// keys remembers which events were answered, long after their answers made room for others. A key is 16 bytes, and what is
// kept with it 16 more; the events of three days are a few dozen megabytes where their answers would be gigabytes.
//
// Keys are counted for each owner (a tenant on a route), and there is a bound for each and for all. An owner who is over
// its own bound loses its oldest keys. When the whole is full, an owner that holds its share (the whole divided by the
// owners) or more loses its own oldest for what it adds; one that holds less takes the place of the oldest key of whoever
// holds most, which is more than a share. So nobody, by sending much, pushes out a key of somebody who keeps within a
// share.
//
// Each owner's keys are a queue in the order in which they were added, which is the order in which they expire unless the
// configured time was changed in between. They stand in chunks and in a map without pointers, so that the garbage
// collector does not look at them and so that no growth copies them all at once. It is used under the Cache's lock.
type keys struct {
	total, each int // bounds, at least 1

	index  map[Key]uint32
	chunks []*[chunkSize]remembered
	unused uint32 // first of a list of free places; none is noPlace
	made   uint32 // places that were ever used

	owners  map[string]*owner
	ranking ranking // the owners, whoever holds most first
	hand    int     // the owner whose expired keys are looked for next
	held    int

	dropped uint64 // keys that had to go before they expired
}

// remembered is a key in its owner's queue.
type remembered struct {
	key     Key
	expires uint32 // Unix seconds, rounded up
	body    [3]byte
	status  uint8 // less 200: only answers of the 2xx class are remembered, others count as 200
	next    uint32
}

const (
	chunkSize = 4096
	noPlace   = ^uint32(0)

	// keyCost is what a key occupies, in bytes, its part of the map included. A test holds it to what the runtime reports.
	keyCost = 64

	// sweep is how many expired keys are looked for when one is added: more than one, so that they go faster than others
	// come.
	sweep = 4
)

type owner struct {
	name        string
	first, last uint32
	count       int
	rank        int
}

func newKeys() keys {
	return keys{total: 1, each: 1, index: make(map[Key]uint32), unused: noPlace, owners: make(map[string]*owner)}
}

func (k *keys) at(place uint32) *remembered { return &k.chunks[place/chunkSize][place%chunkSize] }

// get finds a key that has not expired. The clock is read only where there is one.
func (k *keys) get(key Key, clock func() time.Time) *remembered {
	place, ok := k.index[key]
	if !ok {
		return nil
	}
	now := clock().Unix()
	if r := k.at(place); now < int64(r.expires) {
		return r
	}
	k.expire(nil, now)
	return nil
}

// add remembers a key and returns how many others had to go before they expired.
func (k *keys) add(name string, r remembered, now int64) (dropped int) {
	o := k.owners[name]
	if o == nil {
		o = &owner{name: name, first: noPlace, last: noPlace}
		k.owners[name] = o
		heap.Push(&k.ranking, o)
	}
	k.expire(o, now)
	for o.count >= k.each {
		dropped += k.drop(o, now)
	}
	for k.held >= k.total {
		victim := k.ranking[0]
		if o.count > 0 && o.count >= k.total/len(k.ranking) {
			victim = o
		}
		dropped += k.drop(victim, now)
	}
	place := k.place()
	r.next = noPlace
	*k.at(place) = r
	// A key that expired may still be in the queue. It is no longer what the map leads to, and goes when its turn comes.
	k.index[r.key] = place
	if o.last == noPlace {
		o.first = place
	} else {
		k.at(o.last).next = place
	}
	o.last = place
	k.count(o, 1)
	k.dropped += uint64(dropped)
	return dropped
}

// resize sets the bounds and drops what no longer fits.
func (k *keys) resize(total, each int, now int64) {
	k.total = max(total, 1)
	k.each = k.total
	if each > 0 {
		k.each = min(each, k.total)
	}
	dropped := 0
	for len(k.ranking) > 0 && (k.ranking[0].count > k.each || k.held > k.total) {
		dropped += k.drop(k.ranking[0], now)
	}
	k.dropped += uint64(dropped)
}

// expire takes a few expired keys out of the queues, one owner after the other, and lets go of owners that hold nothing any
// more, but for the one who is adding.
func (k *keys) expire(adding *owner, now int64) {
	for n := 0; n < sweep && len(k.ranking) > 0; n++ {
		if k.hand >= len(k.ranking) {
			k.hand = 0
		}
		switch o := k.ranking[k.hand]; {
		case o.count == 0 && o != adding:
			heap.Remove(&k.ranking, o.rank)
			delete(k.owners, o.name)
		case o.count > 0 && int64(k.at(o.first).expires) <= now:
			k.drop(o, now)
		default:
			k.hand++
		}
	}
}

// drop takes the first key out of an owner's queue and returns 1 if it was still good, 0 if not.
func (k *keys) drop(o *owner, now int64) int {
	place := o.first
	r := k.at(place)
	early := 0
	if k.index[r.key] == place {
		delete(k.index, r.key)
		if now < int64(r.expires) {
			early = 1
		}
	}
	if o.first = r.next; o.first == noPlace {
		o.last = noPlace
	}
	r.next, k.unused = k.unused, place
	k.count(o, -1)
	return early
}

// place finds room for a key.
func (k *keys) place() uint32 {
	if place := k.unused; place != noPlace {
		k.unused = k.at(place).next
		return place
	}
	if k.made%chunkSize == 0 {
		k.chunks = append(k.chunks, new([chunkSize]remembered))
	}
	k.made++
	return k.made - 1
}

func (k *keys) count(o *owner, by int) {
	o.count += by
	k.held += by
	heap.Fix(&k.ranking, o.rank)
}

// ranking is a heap of owners.
type ranking []*owner

func (r ranking) Len() int           { return len(r) }
func (r ranking) Less(i, j int) bool { return r[i].count > r[j].count }
func (r ranking) Swap(i, j int)      { r[i], r[j] = r[j], r[i]; r[i].rank, r[j].rank = i, j }

// Push implements heap.Interface.
func (r *ranking) Push(v any) {
	o := v.(*owner)
	o.rank = len(*r)
	*r = append(*r, o)
}

// Pop implements heap.Interface.
func (r *ranking) Pop() any {
	last := len(*r) - 1
	o := (*r)[last]
	(*r)[last] = nil
	*r = (*r)[:last]
	return o
}
