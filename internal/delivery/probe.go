package delivery

import (
	"time"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/store"
	"golang.org/x/time/rate"
)

const (
	// maxCandidates is how many of the newest deliveries are looked at for a probe, and maxTries how many of them are
	// claimed for it before the oldest one has to serve.
	maxCandidates, maxTries = 100, 5
	// slowFirst is how many attempts a second a receiver is met with after an outage. They double every second until
	// slowLast, which no receiver is likely to feel.
	slowFirst, slowLast = 2, 1000
)

// slowRate is the pace at a time after an outage ended; 0 when there is no need for one any longer.
func slowRate(since time.Duration) rate.Limit {
	limit := float64(slowFirst)
	for ; since >= time.Second; since -= time.Second {
		if limit *= 2; limit > slowLast {
			return 0
		}
	}
	return rate.Limit(limit)
}

// pacer is the limiter in force at a time: the configured one, or that of a slow start. The caller holds l.mu.
func (l *lane) pacer(now time.Time) *rate.Limiter {
	if l.slowFrom.IsZero() {
		return l.limiter
	}
	limit := slowRate(now.Sub(l.slowFrom))
	if limit == 0 {
		l.slowFrom, l.slow, l.wary = time.Time{}, nil, false
	}
	switch {
	case limit == 0 || l.limiter != nil:
		return l.limiter
	case l.slow == nil:
		l.slow = rate.NewLimiter(limit, 1)
	case l.slow.Limit() != limit:
		l.slow.SetLimitAt(now, limit)
		l.slow.SetBurstAt(now, max(1, int(limit)/10))
	}
	return l.slow
}

// pace is how many attempts may start now, or how long to wait for the next.
func (v *view) pace(now time.Time) (free int, wait time.Duration) {
	if v.limiter == nil {
		return v.free, 0
	}
	tokens := v.limiter.TokensAt(now)
	if tokens >= 1 {
		return min(v.free, int(tokens)), 0
	}
	// A nanosecond more than the exact time: the bucket is a floating-point number.
	return 0, time.Duration((1-tokens)/float64(v.limiter.Limit())*float64(time.Second)) + time.Nanosecond
}

// takeTurns has the newest delivery go next, every other time, for as long as the lane is wary.
func (l *lane) takeTurns(t *terms, now time.Time) {
	l.mu.Lock()
	wary := l.wary
	l.mu.Unlock()
	if !wary || l.queue.len() > 0 {
		return
	}
	if l.newest = !l.newest; l.newest {
		if w, ok := l.other(t, now); ok {
			l.queue.ready = []waiting{w}
			l.queue.noteStale(t)
		}
	}
}

// witness claims a delivery that can find out whether the receiver is well: one that has not failed yet, of another
// tenant than the last that did if there is one, and the newest, since events that one sender breaks come in a row. It
// gives false where the oldest delivery has to serve.
func (l *lane) witness(t *terms, now time.Time) (w waiting, ok bool) {
	l.mu.Lock()
	wanted := l.health.suspicious || l.health.hold != nil
	l.mu.Unlock()
	if !wanted {
		return w, false
	}
	return l.other(t, now)
}

// other claims a delivery as witness says.
func (l *lane) other(t *terms, now time.Time) (w waiting, ok bool) {
	list, err := l.e.store.Deliveries(l.e.ctx, store.Filter{Destination: l.name, State: store.Pending}, store.Page{Limit: maxCandidates})
	if err != nil {
		return w, false // claiming is going to say so
	}
	for i, d := range l.candidates(list, now) {
		if i == maxTries*l.lane.Shards { // of which most are another shard's
			break
		}
		c, err := l.serving.queue.ClaimOne(l.serving.ctx, d.ID, now, t.lease())
		if err != nil {
			return w, false
		}
		if c == nil {
			continue
		}
		w = waiting{Claimed: *c, since: now.Add(-t.BatchWait), leasedUntil: now.Add(t.lease())}
		if l.mayProbe(t, w) {
			return w, true
		}
		l.returnItems([]waiting{w})
	}
	return w, false
}

// candidates are the deliveries that may be tried, the best ones first.
func (l *lane) candidates(list []store.Delivery, now time.Time) []store.Delivery {
	l.mu.Lock()
	defer l.mu.Unlock()
	var others, same []store.Delivery
	for _, d := range list {
		_, failed := l.health.failed[d.ID]
		_, absent := l.absent[d.Tenant]
		switch {
		case failed || absent || d.Leased || d.NextAt.After(now):
		case d.Tenant != l.health.tenant:
			others = append(others, d)
		default:
			same = append(same, d)
		}
	}
	return append(others, same...)
}

// mayProbe gives a delivery its call's turn, unless another one of the call goes first.
func (l *lane) mayProbe(t *terms, w waiting) bool {
	ordered := t.Concurrency == 1
	if ordered && w.Event.CallID != "" {
		f := store.Filter{Destination: l.name, Tenant: w.Tenant, State: store.Pending, CallID: w.Event.CallID, To: w.Event.ReceivedAt.Add(1)}
		list, err := l.e.store.Deliveries(l.e.ctx, f, store.Page{Limit: 1000})
		// The listing is newest first, so that the last one is the call's oldest.
		if err != nil || len(list) > 0 && list[len(list)-1].ID != w.ID {
			return false
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known(t, w.Tenant) || l.calls.busy(w.Claimed, ordered) {
		return false
	}
	l.calls.enter(w.Claimed)
	return true
}

// breakerChanged is called under the breaker's lock, so nobody may call the breaker while holding l.mu.
func (l *lane) breakerChanged(b *breaker.Breaker, from, to breaker.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.breaker == b {
		if from == breaker.HalfOpen && to == breaker.Closed {
			l.slowFrom, l.wary = l.e.o.Now(), l.health.poison
		}
		l.changes = append(l.changes, [2]breaker.State{from, to})
		l.wakeUp()
	}
}

// reportBreaker tells the observer what became of the breaker.
func (l *lane) reportBreaker() {
	l.mu.Lock()
	changes := l.changes
	l.changes = nil
	l.mu.Unlock()
	for _, c := range changes {
		l.e.o.Observer.BreakerChanged(l.name, c[0], c[1])
	}
}
