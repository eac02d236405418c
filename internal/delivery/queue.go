package delivery

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/store"
	"go.uber.org/zap"
)

const (
	// maxHeld bounds the deliveries that a lane keeps claimed with their payloads while they wait for another one.
	maxHeld = 256
	// maxBare bounds those that it keeps beyond that, without their payloads, since their call's order demands it. What
	// is kept is not claimed, and what comes after it is, so that a few broken calls stop none of the others. For the same
	// reason order gives way for what comes when even so many are kept.
	maxBare = 4096
)

// waiting is a claimed delivery whose attempt has not begun.
type waiting struct {
	store.Claimed
	since, leasedUntil time.Time
	// bare tells that the payload was dropped: the delivery is claimed again when its turn comes.
	bare bool
}

// queue is what a lane has claimed. Only the lane's goroutine uses it.
type queue struct {
	// ready may be sent; held waits for another delivery of its call, or for its tenant's turn.
	ready, held []waiting
	// bare counts those of the held without a payload. unsorted tells that held is not in the order of its calls.
	bare     int
	unsorted bool
	backoff  time.Duration
	// batchAt is when a batch that is not full goes all the same.
	batchAt time.Time
	// staleAt is when a lease has too little left for an attempt.
	staleAt time.Time
}

func (q *queue) len() int { return len(q.ready) + len(q.held) }

func (q *queue) takeAll() []waiting {
	all := append(q.ready, q.held...)
	q.ready, q.held, q.bare = nil, nil, 0
	return all
}

func (q *queue) backOff() time.Duration {
	q.backoff = min(max(q.backoff*2, firstBackoff), lastBackoff)
	return q.backoff
}

// waitAtMost shortens a wait so that nothing claimed is forgotten.
func (q *queue) waitAtMost(wait time.Duration, now time.Time) time.Duration {
	// A batch whose time has come already waits for something else: the pace, or a Retry-After.
	if left := q.batchAt.Sub(now); len(q.ready) > 0 && left > 0 {
		wait = min(wait, left)
	}
	if q.len() > 0 {
		wait = min(wait, q.staleAt.Sub(now))
	}
	return max(wait, 0)
}

// batch takes the deliveries for one attempt; none while a batch may still fill. They lie in the memory before those that are
// left, which holds on to them until they are cleared.
func (q *queue) batch(t *terms, now func() time.Time) []waiting {
	size := t.maxBatch()
	q.batchAt = time.Time{}
	if len(q.ready) == 0 {
		return nil
	}
	if len(q.ready) < size && t.BatchWait > 0 {
		q.batchAt = q.ready[0].since.Add(t.BatchWait)
		if now().Before(q.batchAt) {
			return nil
		}
		q.batchAt = time.Time{}
	}
	n := min(size, len(q.ready))
	batch := q.ready[:n:n]
	q.ready = q.ready[n:]
	return batch
}

func (t *terms) maxBatch() int { return max(1, t.Destination.MaxBatch()) }

// release moves what need not be held any longer to the ready ones, and gives back what was held for so long that
// its lease would not last through an attempt; the store hands it out again. With it goes what is held of the same call
// and came in later, which would overtake it otherwise.
func (l *lane) release(t *terms, now time.Time) {
	q := &l.queue
	var stale []waiting
	left := map[callKey]bool{}
	giveBack := func(w waiting) {
		stale = append(stale, w)
		if key, ok := keyOf(w.Claimed); ok {
			left[key] = true
		}
	}
	fresh := func(w waiting) bool { return w.leasedUntil.Sub(now) > t.Timeout+leaseMargin/2 }
	l.mu.Lock()
	q.ready = slices.DeleteFunc(q.ready, func(w waiting) bool {
		if fresh(w) {
			return false
		}
		l.calls.leave(w.Claimed, now)
		giveBack(w)
		return true
	})
	held := q.held
	if q.unsorted {
		// What was given back and claimed again stands behind what came in after it.
		slices.SortStableFunc(held, func(a, b waiting) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
		})
	}
	q.held, q.bare = nil, 0
	q.staleAt = time.Time{}
	for _, w := range held {
		key, ok := keyOf(w.Claimed)
		switch {
		case !fresh(w) || ok && left[key]:
			giveBack(w)
		case w.bare && !l.calls.busy(w.Claimed, t.Concurrency == 1):
			l.calls.keep(w.Claimed, now)
			stale = append(stale, w)
		case w.bare:
			q.held, q.bare = append(q.held, w), q.bare+1
		default:
			l.admit(t, w)
		}
	}
	q.unsorted = false
	q.noteStale(t)
	l.mu.Unlock()
	if len(stale) > 0 {
		l.returnItems(stale)
	}
}

func (q *queue) noteStale(t *terms) {
	q.staleAt = time.Time{}
	for _, list := range [][]waiting{q.ready, q.held} {
		for i := range list {
			if at := list[i].leasedUntil.Add(-t.Timeout - leaseMargin/2); q.staleAt.IsZero() || at.Before(q.staleAt) {
				q.staleAt = at
			}
		}
	}
}

// admit puts a claimed delivery among the ready or the held. It returns false when it can be neither. The caller
// holds l.mu.
func (l *lane) admit(t *terms, w waiting) bool {
	q := &l.queue
	full := len(q.held)-q.bare >= maxHeld
	if l.tenantBusy(t, w.Tenant) {
		if full {
			return false
		}
		q.held, q.unsorted = append(q.held, w), true
		return true
	}
	if l.calls.busy(w.Claimed, t.Concurrency == 1) {
		if full {
			if q.bare >= maxBare {
				q.ready = append(q.ready, w) // and the turn stays whose it is
				return true
			}
			e := w.Event
			w.Event = &store.Event{ID: e.ID, Tenant: e.Tenant, CallID: e.CallID, ReceivedAt: e.ReceivedAt}
			w.bare, q.bare = true, q.bare+1
		}
		q.held, q.unsorted = append(q.held, w), true
		return true
	}
	l.calls.enter(w.Claimed)
	q.ready = append(q.ready, w)
	return true
}

// tenantBusy reports whether a tenant has its share of the attempts. The caller holds l.mu.
func (l *lane) tenantBusy(t *terms, tenant string) bool {
	if tenant == "" || t.TenantConcurrency >= t.Concurrency {
		return false
	}
	ready := 0
	for i := range l.queue.ready {
		if l.queue.ready[i].Tenant == tenant {
			ready++
		}
	}
	return l.byTenant[tenant]+ready/t.maxBatch() >= t.TenantConcurrency
}

// fill claims what up to free attempts can take. wait is 0 when there may be more, and otherwise how long there will
// be none.
func (l *lane) fill(t *terms, free int, now time.Time) (wait time.Duration) {
	q := &l.queue
	want := free*t.maxBatch() - len(q.ready)
	if want <= 0 {
		return 0
	}
	skip := l.skipped(t)
	claimed, err := l.serving.queue.Claim(l.serving.ctx, now, t.lease(), want, skip)
	if err != nil {
		return l.storeFailed("claim deliveries", err)
	}
	l.mu.Lock()
	q.ready = slices.Grow(q.ready, len(claimed))
	var rest, strangers []waiting
	for _, c := range claimed {
		if _, running := l.inflight[c.ID]; running {
			continue // its lease ran out before its outcome could be recorded, which is going to settle it
		}
		w := waiting{Claimed: c, since: now, leasedUntil: now.Add(t.lease())}
		switch {
		case !l.known(t, c.Tenant):
			strangers = append(strangers, w)
		case !l.admit(t, w):
			rest = append(rest, w)
		}
	}
	q.noteStale(t)
	l.mu.Unlock()
	l.returnItems(strangers)
	if l.returnItems(rest); len(rest) > 0 {
		return q.backOff()
	}
	if len(claimed) == want {
		return 0
	}
	at, err := l.serving.queue.Next(l.serving.ctx)
	switch {
	case err != nil:
		return l.storeFailed("look for what is due", err)
	case at.IsZero():
		q.backoff = 0
		return l.e.idle()
	case at.After(now):
		q.backoff = 0
		return at.Sub(now)
	case len(skip) > 0:
		return time.Second // an attempt that ends wakes the lane sooner
	default:
		return q.backOff()
	}
}

// known reports whether the configuration has a tenant. The deliveries of one that it has not are not claimed again:
// delivered without its variables, a call would end up with nobody's name on it. The caller holds l.mu.
func (l *lane) known(t *terms, tenant string) bool {
	if _, known := t.vars(tenant); known {
		return true
	}
	if _, told := l.absent[tenant]; !told {
		l.absent[tenant] = struct{}{}
		l.e.log.Warn("deliveries wait because the configuration does not know their tenant; add it, or cancel or erase them",
			zap.String("destination", l.name), zap.String("tenant", tenant))
	}
	return false
}

// skipped are the tenants whose deliveries are not to be claimed now.
func (l *lane) skipped(t *terms) (skip []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for tenant := range l.absent {
		skip = append(skip, tenant)
	}
	for tenant := range l.byTenant {
		if l.tenantBusy(t, tenant) {
			skip = append(skip, tenant)
		}
	}
	return skip
}

func (l *lane) storeFailed(what string, err error) time.Duration {
	wait := l.queue.backOff()
	if !l.lost(l.serving, err) && l.serving.ctx.Err() == nil {
		l.e.log.Error("the store could not "+what+"; trying again",
			zap.String("destination", l.name), zap.Duration("in", wait), zap.Error(err))
	}
	return wait
}

// launch starts an attempt, a probe or one that counts. It gives the batch back and returns false when the terms have
// changed meanwhile.
func (l *lane) launch(t *terms, batch []waiting, done func(breaker.Outcome), probe bool) bool {
	l.mu.Lock()
	if l.terms != t || l.tenure != l.serving || l.paused || l.flush || l.idles() {
		l.queue.ready = append(batch, l.queue.ready...)
		l.mu.Unlock()
		done(breaker.Neither)
		l.wakeUp()
		return false
	}
	defer l.mu.Unlock()
	l.running++
	a := &attempt{lane: l, terms: t, tenure: l.tenure, breaker: done, probe: probe}
	a.batch = slices.Grow(a.one.claimed[:0], len(batch))
	for i := range batch {
		a.batch = append(a.batch, batch[i].Claimed)
		l.inflight[batch[i].ID] = struct{}{}
	}
	clear(batch)
	for tenant := range a.tenants {
		l.byTenant[tenant]++
	}
	t.snapshot.uses.Add(1)
	l.e.begin(a)
	return true
}

// ended frees what launch took, after the outcome was recorded.
func (l *lane) ended(a *attempt) {
	l.mu.Lock()
	l.running--
	for i := range a.batch {
		delete(l.inflight, a.batch[i].ID)
	}
	for tenant := range a.tenants {
		if l.byTenant[tenant]--; l.byTenant[tenant] == 0 {
			delete(l.byTenant, tenant)
		}
	}
	retried := map[string]time.Time{}
	for i := range a.records {
		if r := &a.records[i]; r.State == store.Pending {
			retried[r.DeliveryID] = r.NextAt
		}
	}
	for _, c := range a.batch {
		if slices.Contains(a.returned, c.ID) {
			l.calls.leave(c, l.e.o.Now())
			continue
		}
		l.calls.settle(c, retried[c.ID], a.terms.Concurrency == 1)
	}
	l.mu.Unlock()
	a.terms.snapshot.release()
	l.wakeUp()
}
