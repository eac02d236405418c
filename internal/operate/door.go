package operate

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// What is remembered of the door: of so many events the copies that came, of each the last so many times; and of so many
// senders that requests of theirs are refused.
const maxCopied, maxCopyTimes, maxSenders = 10_000, 10, 1000

// Copies are the copies of an event that came, and were answered like the first. They are remembered in memory, since a
// sender's repetitions are to cost no disk.
type Copies struct {
	// Count is how many came since Since, which is when the process began, to this gateway.
	Count int64     `json:"count"`
	Since time.Time `json:"since"`
	// Times are when the last of them came, up to ten, the first first.
	Times []time.Time `json:"times,omitempty"`
}

// door is what a meter knows of requests that brought nothing new. The meter's lock guards it.
type door struct {
	copied map[eventName]*Copies
	// order are the events in the order in which their first copies came, by which they are forgotten.
	order []eventName
	// refused are senders whose requests are refused, and suspects how many of these were not found authentic since.
	refused  map[sender]*refusedSender
	suspects atomic.Int64
}

type eventName struct{ route, tenant, eventID string }

type sender struct {
	source, route, tenant string
	// code is that of the answer, and verified tells that what was refused is authentic.
	code     string
	verified bool
}

type refusedSender struct {
	since, last time.Time
	count       int64
}

// Copied counts a request that was answered as a copy of an event.
func (m *Meter) Copied(route, tenant, eventID string) {
	m.received(tenant, true, func(c *counts) { c.copies++ })
	now := m.now().UTC()
	m.mu.Lock()
	defer m.mu.Unlock()
	d := &m.door
	name := eventName{route, tenant, eventID}
	c := d.copied[name]
	if c == nil {
		if d.copied == nil {
			d.copied = make(map[eventName]*Copies)
		}
		if len(d.order) >= maxCopied {
			delete(d.copied, d.order[0])
			d.order = d.order[1:]
		}
		c = new(Copies)
		d.copied[name], d.order = c, append(d.order, name)
	}
	c.Count++
	if len(c.Times) == maxCopyTimes {
		c.Times = append(c.Times[:0], c.Times[1:]...)
	}
	c.Times = append(c.Times, now)
}

// copies are those of an event.
func (m *Meter) copies(route, tenant, eventID string) *Copies {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := Copies{Since: m.began.UTC()}
	if c := m.door.copied[eventName{route, tenant, eventID}]; c != nil {
		out.Count, out.Times = c.Count, slices.Clone(c.Times)
	}
	return &out
}

// passing are the codes of refusals that need nobody, or of which another line tells what they come from: the sender is asked
// to come again, and does.
var passing = []string{"in_flight", "store_unavailable", "store_full", "overloaded", "tenant_faulty", "body_too_slow"}

// Refused counts a request that was refused with a code; one of no tenant as a whole alone. verified tells that it was
// authentic: others, which anybody can send, do not take all the room that there is for tenants.
func (m *Meter) Refused(source, route, tenant, code string, verified bool) {
	m.received(tenant, verified, func(c *counts) { c.refuse(code, 1) })
	signed := strings.HasPrefix(code, "signature_") || code == "timestamp_out_of_tolerance"
	if tenant == "" || slices.Contains(passing, code) || !verified && !signed {
		return
	}
	now := m.now().UTC()
	m.mu.Lock()
	defer m.mu.Unlock()
	d := &m.door
	key := sender{source, route, tenant, code, verified}
	r := d.refused[key]
	switch {
	case r != nil && verified && now.Sub(r.last) > refusedFor:
		*r = refusedSender{since: now}
	case r == nil:
		if d.refused == nil {
			d.refused = make(map[sender]*refusedSender)
		}
		if len(d.refused) >= maxSenders {
			d.forget()
		}
		r = &refusedSender{since: now}
		d.refused[key] = r
		if !verified {
			d.suspects.Add(1)
		}
	}
	r.last, r.count = now, r.count+1
}

// forget forgets the sender of whom nothing was heard for the longest time.
func (d *door) forget() {
	var oldest sender
	for key, r := range d.refused {
		if o := d.refused[oldest]; o == nil || r.last.Before(o.last) {
			oldest = key
		}
	}
	d.drop(oldest)
}

func (d *door) drop(key sender) {
	delete(d.refused, key)
	if !key.verified {
		d.suspects.Add(-1)
	}
}

// Verified tells that a request was authentic, so that its sender has the right secret after all. It costs nothing while
// nobody is suspected.
func (m *Meter) Verified(source, route, tenant string) {
	if m.door.suspects.Load() == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for key := range m.door.refused {
		if !key.verified && key.source == source && key.route == route && key.tenant == tenant {
			m.door.drop(key)
		}
	}
}

const (
	// refusedFor is for how long it is told that somebody's requests are refused after the last of them.
	refusedFor = time.Hour
	// shutOutFor is the same for senders of whom no request was authentic since, and shutOutAfter how many of these it takes:
	// one may be a stranger's.
	shutOutFor, shutOutAfter = 7 * 24 * time.Hour, 3
)

// refusals adds the senders whose requests are refused.
func (m *Meter) refusals(sc scope, n *needs) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, r := range m.door.refused {
		quiet := n.now.Sub(r.last)
		need := Need{Kind: NeedRefused, Tenant: key.tenant, Source: key.source, Name: key.route, Since: r.since, Count: r.count, Reason: key.code}
		if !key.verified {
			need.Kind = NeedShutOut
		}
		switch {
		case !sc.has(key.tenant):
		case key.verified && quiet <= refusedFor, !key.verified && quiet <= shutOutFor && r.count >= shutOutAfter:
			n.add(need)
		}
	}
}

// RefusalCount counts requests that were refused with a code.
type RefusalCount struct {
	Code  string `json:"code"`
	Count int64  `json:"count"`
}

// refusalCounts are the refusals of a window, the most frequent first.
func refusalCounts(c *counts) []RefusalCount {
	list := []RefusalCount{}
	for _, r := range c.refused {
		list = append(list, RefusalCount{r.code, int64(r.n)})
	}
	slices.SortFunc(list, func(a, b RefusalCount) int {
		if a.Count != b.Count {
			return int(b.Count - a.Count)
		}
		return strings.Compare(a.Code, b.Code)
	})
	return list
}
