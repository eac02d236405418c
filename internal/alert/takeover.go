package alert

import (
	"time"
)

// TakeOver goes on with what another monitor knows, whose settings are no longer in force: what was said is not said
// again, the cool-downs go on, and the end of what was said is said. Alerts that the other one has not posted by the time
// it is closed are posted by m. Call it before that; one that is closed already has nothing to hand over. Conditions that
// m does not watch are forgotten, and where the windows differ so is what was measured.
func (m *Monitor) TakeOver(from *Monitor) {
	from.mu.Lock()
	if from.closed {
		from.mu.Unlock()
		return
	}
	var list []*watched // the one heard of last at the end
	for e := from.recent.Back(); e != nil; e = e.Prev() {
		list = append(list, e.Value.(*watched))
	}
	from.recent.Init()
	clear(from.destinations)
	if from.post != nil {
		from.post.next.Store(m.post)
	}
	from.mu.Unlock()

	m.mu.Lock()
	defer m.mu.Unlock()
	if m.post != nil {
		m.post.next.Store(nil) // it may have handed over to from before
	}
	now := m.o.Now()
	for _, w := range list {
		own := m.of(w.name)
		if from.slot == m.slot {
			own.ring.merge(&w.ring)
		}
		for k, c := range w.states {
			if !m.s.watches(k) {
				continue
			}
			own.states[k] = c.join(own.states[k], k)
			m.judge(own, k, own.states[k], now)
		}
	}
}

// watches reports whether a kind of alert is asked for.
func (s *Settings) watches(k Kind) bool {
	switch k {
	case DeadLetter, Failing:
		return s.DeadLetter
	case BreakerOpen:
		return s.BreakerOpen
	case Paused:
		return s.Paused
	case SuccessRate:
		return s.SuccessRate > 0
	case Latency:
		return s.Latency > 0
	default:
		return s.Retries > 0
	}
}

// join adds what has happened since, if anything.
func (c *condition) join(since *condition, k Kind) *condition {
	if since == nil {
		return c
	}
	joined := &condition{active: since.active, posted: c.posted || since.posted, last: latest(c.last, since.last), value: since.value}
	if k == DeadLetter || k == Failing { // which do not end, and are counted
		joined.active, joined.value = c.active || since.active, c.value+since.value
	}
	return joined
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// merge adds the past of another ring with slots of the same length.
func (r *ring) merge(o *ring) {
	if o.last > r.last {
		r.move(o.last)
	}
	for i := range int64(ringSize) {
		at := o.last - i
		if at < 0 || at <= r.last-ringSize {
			break
		}
		r.slots[at%ringSize].add(o.slots[at%ringSize])
	}
}
