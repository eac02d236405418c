package delivery

import (
	"fmt"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
	"go.uber.org/zap"
)

const (
	// maxFailed bounds the deliveries that are remembered for having failed.
	maxFailed = 10_000
	// healthyFor is how long after a success an answer of 500 is taken for what that event deserved: the receiver was
	// well a moment ago. After maxPoison times the breaker's number of them in a row it is not believed any longer.
	healthyFor, maxPoison = 3 * time.Second, 10
	// astrayAfter is how many deliveries in a row must go astray for the road to be wrong, and sameAfter how many must
	// meet with one and the same refusal for it to be about more than the calls.
	astrayAfter, sameAfter = 3, 10
	// firstProbe and lastProbe bound the waits between two tries of a destination that is held.
	firstProbe, lastProbe = 10 * time.Second, 5 * time.Minute
	// ownPause is how long a lane waits when the gateway itself is in trouble, and ownTold how often that is said.
	ownPause, ownTold = 5 * time.Second, time.Minute
)

// health is what a lane makes of its receiver's answers as a whole. One event's fault is not the receiver's, and the
// receiver's is not the event's: which of the two it is shows only in the answers to several events.
type health struct {
	// failed are deliveries that failed and were not taken since. The failure of each counts once: one that the receiver
	// cannot digest would open the breaker all by itself by being tried again.
	failed map[string]struct{}
	// streak counts those that failed since the receiver last took one, at taken.
	streak int
	taken  time.Time
	// suspicious tells that the last failure may have been the event's own, and tenant whose it was. Then another event
	// finds out about the receiver.
	suspicious bool
	tenant     string
	// poison tells that it was an answer such as events deserve that the receiver cannot digest. After an outage that
	// looked like that, the newest and the oldest events take turns at first: the newest show that the receiver is well.
	poison bool
	// astray are deliveries that did not come to where they should, and refused those that met with the verdict, since the
	// last success.
	astray  map[string]struct{}
	verdict string
	refused map[string]struct{}
	hold    *hold
	// ownAt is when trouble of the gateway's own was last told of, own the last that there was, and ownUntil for how long
	// it is taken to last.
	ownAt, ownUntil time.Time
	own             string
}

// hold keeps a destination's deliveries waiting as a pause does, but for a probe now and then, and until one gets through.
type hold struct {
	reason string
	// verdict is what all were refused with; empty when they went astray.
	verdict string
	until   time.Time
	wait    time.Duration
}

// judgement is what became of an attempt beyond its single deliveries.
type judgement struct {
	health breaker.Outcome
	// spared are the deliveries, by their place, that the failure is not laid to.
	spared []bool
	held   *hold // that began
	lifted *hold // that ended
	own    string
}

// judge takes the answers of an attempt into account, which came by now.
func (l *lane) judge(a *attempt, batch []store.Claimed, results []destination.Result, now time.Time, closed bool) (j judgement) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := &l.health
	j.health, j.spared = breaker.Neither, make([]bool, len(results))
	before := h.hold
	for i := range results {
		r, c := &results[i], &batch[i]
		switch {
		case closed && r.Outcome == destination.Retry:
			continue
		case r.Own:
			if j.own == "" && now.Sub(h.ownAt) >= ownTold {
				h.ownAt, j.own = now, r.Reason
			}
			l.holdUntil = later(l.holdUntil, now.Add(ownPause))
			h.own, h.ownUntil = r.Reason, now.Add(ownTold)
			continue
		case r.Outcome == destination.Delivered:
			h.success(c.ID, now)
		case r.Unhealthy:
			if h.failure(c, r, now, a) && j.health == breaker.Neither {
				j.health = breaker.Failure
			}
			continue
		default:
			h.note(c, now)
			h.refusal(c.ID, r, now)
		}
		j.health = breaker.Success
	}
	for i := range results {
		if !results[i].Own && !closed {
			h.own = "" // somebody was reached
		}
	}
	if h.hold != nil && h.hold == before && a.probe {
		h.hold.wait = min(2*h.hold.wait, lastProbe)
		h.hold.until = now.Add(h.hold.wait)
	}
	if before == nil {
		j.held = h.hold
	} else if h.hold == nil {
		j.lifted = before
		l.slowFrom = now
	}
	for i := range results {
		j.spared[i] = h.spares(&results[i]) || a.probe && results[i].Outcome == destination.Retry
	}
	return j
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// success clears what was held against the receiver.
func (h *health) success(id string, now time.Time) {
	delete(h.failed, id)
	h.streak, h.taken, h.suspicious = 0, now, false
	h.astray, h.refused, h.verdict = nil, nil, ""
	h.hold = nil
}

// failure notes a failure of the receiver as a whole, if it is one, and reports whether the breaker should count it.
func (h *health) failure(c *store.Claimed, r *destination.Result, now time.Time, a *attempt) bool {
	_, known := h.failed[c.ID]
	h.suspicious, h.poison, h.tenant = !r.Unsent, maybePoison(r.Status), c.Tenant
	h.remember(c.ID)
	switch {
	case a.probe:
		return true
	case known:
		return false
	}
	h.streak++
	most := maxPoison * max(a.terms.Breaker.WithDefaults().ConsecutiveFailures, 1)
	return !maybePoison(r.Status) || h.taken.IsZero() || now.Sub(h.taken) >= healthyFor || h.streak > most
}

// maybePoison reports whether a receiver that is well answers so to an event that it cannot digest. A gateway or an
// overloaded receiver says 502, 503 or 504, and those that Cloudflare added.
func maybePoison(status int) bool {
	return status >= 500 && (status < 502 || status > 504) && (status < 520 || status > 530)
}

// note remembers that a delivery failed though the receiver answered sensibly.
func (h *health) note(c *store.Claimed, now time.Time) {
	h.remember(c.ID)
	h.streak, h.taken, h.tenant = 0, now, c.Tenant
}

func (h *health) remember(id string) {
	if h.failed == nil {
		h.failed = map[string]struct{}{}
	}
	for other := range h.failed {
		if len(h.failed) < maxFailed {
			break
		}
		delete(h.failed, other)
	}
	h.failed[id] = struct{}{}
}

// refusal takes an answer into account that is no success, and begins or ends a hold.
func (h *health) refusal(id string, r *destination.Result, now time.Time) {
	if r.Astray {
		if h.astray == nil {
			h.astray = map[string]struct{}{}
		}
		h.astray[id] = struct{}{}
		if len(h.astray) >= astrayAfter && h.hold == nil {
			h.hold = &hold{reason: r.Reason, until: now.Add(firstProbe), wait: firstProbe}
		}
		return
	}
	v := verdictOf(r)
	if v == "" {
		return
	}
	// Who judges a call is who was meant to.
	h.astray = nil
	if h.hold != nil && h.hold.verdict == "" {
		h.hold = nil
	}
	if v != h.verdict {
		h.verdict, h.refused = v, map[string]struct{}{}
	}
	h.refused[id] = struct{}{}
	if len(h.refused) >= sameAfter && h.hold == nil {
		h.hold = &hold{
			reason:  fmt.Sprintf("%d calls in a row were refused alike, so it is hardly the calls: %s", len(h.refused), r.Reason),
			verdict: v, until: now.Add(firstProbe), wait: firstProbe,
		}
	}
}

// spares reports whether a failure is not laid to the delivery, since the destination is held for it.
func (h *health) spares(r *destination.Result) bool {
	switch {
	case h.hold == nil || r.Outcome == destination.Delivered:
		return false
	case h.hold.verdict == "":
		return r.Astray
	default:
		return r.Astray || verdictOf(r) == h.hold.verdict
	}
}

// verdictOf is what a receiver says about a call, in a form that can be compared; empty if the answer is none.
func verdictOf(r *destination.Result) string {
	switch {
	case r.Outcome == destination.Delivered, r.Unhealthy, r.Astray, r.Own, r.Pause, r.Spent:
		return ""
	case r.Outcome == destination.Retry && (r.Status < 200 || r.Status > 299 || r.RetryAfter > 0):
		return ""
	}
	words := strings.Fields(r.Reason)
	for i, w := range words {
		// Ids by which the receiver's support finds the request differ each time.
		if len(w) >= 16 && strings.ContainsAny(w, "0123456789") {
			words[i] = "…"
		}
	}
	return fmt.Sprint(r.Status, " ", strings.Join(words, " "))
}

// tell says what a judgement began or ended.
func (l *lane) tell(j *judgement) {
	e := l.e
	if j.held != nil {
		e.log.Error("a destination is held: nothing is delivered but a probe now and then, and all calls are kept; it goes on by itself when one gets through",
			zap.String("destination", l.name), zap.String("reason", j.held.reason))
		e.o.Observer.Paused(l.name, j.held.reason)
	}
	if j.lifted != nil {
		e.log.Info("a destination that was held goes on", zap.String("destination", l.name))
		e.o.Observer.Resumed(l.name)
	}
	if j.own != "" {
		e.log.Error("the gateway itself is in trouble, so deliveries wait; none of them counts as failed",
			zap.String("destination", l.name), zap.String("reason", j.own))
		e.o.Observer.GatewayTrouble(l.name, j.own)
	}
}

// lift ends a hold because an operator says so. The caller holds l.mu.
func (l *lane) lift() {
	l.health.hold, l.health.astray, l.health.refused, l.health.verdict = nil, nil, nil, ""
	l.wakeUp()
}
