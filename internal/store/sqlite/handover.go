package sqlite

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// Most events are claimed within moments of their commit. Reading one back, opening its seals and decoding it costs more than
// all else that a claim does, so the events of the last moments stay in memory until their deliveries have been claimed once.
//
// The database stays the truth: a claim takes its rows from there, and asks here for nothing but the content that belongs to
// such a row. What takes content away (erasing, retention, making room, destroying a key) takes it away here too, when it is
// committed and before its caller hears of it. What is here are calls of people in the clear, as they are while they are
// accepted and while they are sent. So they are bounded: by handShare, and by twice handFor. A process that ends leaves nothing.

// handFor is after how long what nobody has claimed begins to go.
const handFor = 5 * time.Second

// handShare is the part of CacheBytes that these events may take, beside it.
const handShare = 4

// handBacklog is how many deliveries of a destination may wait: what comes behind more than that would have to be read all the
// same, and would take the place of what is claimed soon.
const handBacklog = 4096

// handOver keeps events by their numbers. Its zero value keeps none.
type handOver struct {
	most int64 // bytes

	mu sync.Mutex
	// young are those of the time that runs, and old those of the one before, which go when it ends.
	young, old map[int64]*handed
	bytes      int64
	timer      *time.Timer
	runs       bool // the timer
}

// handed is an event with its destinations.
type handed struct {
	event        store.Event
	destinations []string
	wanted       []bool // for each of them, whether it may still be claimed for the first time
	bytes        int64
}

// add keeps an event that was stored. What there is no room for is read from the disk later.
func (h *handOver) add(seq, received int64, e *store.Event, destinations []string) {
	// The texts may share memory with a second copy of the body, which the parser reads.
	size := 1024 + 2*int64(cap(e.Body)) + int64(cap(e.Record)) + int64(e.Call.Size()) + int64(len(e.URI))
	for name, values := range e.Header {
		for _, v := range values {
			size += int64(len(name) + len(v))
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(destinations) == 0 || h.bytes+size > h.most {
		return
	}
	k := &handed{event: *e, destinations: destinations, wanted: slices.Repeat([]bool{true}, len(destinations)), bytes: size}
	k.event.ReceivedAt, k.event.Subjects, k.event.Dropped = fromNanos(received), nil, false
	if len(e.Body) == 0 {
		k.event.Body = nil
	}
	if len(e.Record) == 0 {
		k.event.Record = nil
	}
	if h.young == nil {
		h.young = map[int64]*handed{}
	}
	h.young[seq] = k
	h.bytes += size
	if h.runs {
		return
	}
	h.runs = true
	if h.timer == nil {
		h.timer = time.AfterFunc(handFor, h.age)
		return
	}
	h.timer.Reset(handFor)
}

// age lets go of what is too old.
func (h *handOver) age() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range h.old {
		h.bytes -= k.bytes
	}
	h.old, h.young = h.young, nil
	if h.runs = len(h.old) > 0; h.runs {
		h.timer.Reset(handFor)
	}
}

// take gives an event for its destination number n, nil if it is not here.
func (h *handOver) take(seq, n int64, destination string) *store.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := h.find(seq)
	if k == nil || n >= int64(len(k.destinations)) || k.destinations[n] != destination || !k.wanted[n] {
		return nil
	}
	h.done(seq, n)
	e := k.event
	e.Header = maps.Clone(e.Header)
	return &e
}

// done tells that an event is not wanted for its destination number n any more. The caller holds the lock.
func (h *handOver) done(seq, n int64) {
	if k := h.find(seq); k != nil && n < int64(len(k.wanted)) {
		if k.wanted[n] = false; !slices.Contains(k.wanted, true) {
			h.drop(seq)
		}
	}
}

// forget lets go of events that are gone, and of those whose deliveries have ended.
func (h *handOver) forget(gone []int64, ended []numbered) {
	if len(gone) == 0 && len(ended) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, seq := range gone {
		h.drop(seq)
	}
	for _, d := range ended {
		h.done(d.seq, d.n)
	}
}

// clear lets go of all, for the time being.
func (h *handOver) clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.young, h.old, h.bytes = nil, nil, 0
}

// close lets go of all, and keeps nothing from then on.
func (h *handOver) close() {
	h.clear()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.most = 0; h.timer != nil {
		h.timer.Stop()
	}
}

// find finds an event. The caller holds the lock.
func (h *handOver) find(seq int64) *handed {
	if k := h.young[seq]; k != nil {
		return k
	}
	return h.old[seq]
}

// drop lets go of one. The caller holds the lock.
func (h *handOver) drop(seq int64) {
	if k := h.find(seq); k != nil {
		h.bytes -= k.bytes
		delete(h.young, seq)
		delete(h.old, seq)
	}
}

// commitHandOver keeps what a batch has accepted, if it is going to be claimed soon, and lets go of what the batch has taken
// away. It comes before the lanes hear of the batch, so that what is claimed from then on is found.
func (b *batch) commitHandOver() {
	h, queues := &b.s.handOver, b.s.queues
	soon := map[string]bool{}
	for i := range b.accepted {
		a := &b.accepted[i]
		for _, name := range a.destinations {
			is, known := soon[name]
			if !known {
				is = queues.Waiting(name) < handBacklog
				soon[name] = is
			}
			if is {
				h.add(a.seq, a.received, a.event, a.destinations)
				break
			}
		}
	}
	if len(b.keysGone) > 0 {
		h.clear()
	}
	h.forget(b.gone, b.ended)
}

// numbered is a delivery: number n of an event.
type numbered struct{ seq, n int64 }

// justAccepted is an event that a batch has stored.
type justAccepted struct {
	seq, received int64
	event         *store.Event
	destinations  []string
}
