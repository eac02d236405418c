package delivery

import (
	"context"
	"errors"
	"time"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/store"
	"golang.org/x/time/rate"
)

// tenure is the time in which a lane is this gateway's. Where the store is not shared it lasts as long as the engine.
type tenure struct {
	hold  store.Hold
	queue store.Queue
	// ctx ends with it, and with it the attempts under way.
	ctx    context.Context
	cancel context.CancelFunc
}

// wholeQueue is the queue of a destination in a store that is not shared.
type wholeQueue struct {
	s    store.Store
	name string
}

func (q wholeQueue) Claim(ctx context.Context, now time.Time, lease time.Duration, limit int, skip []string) ([]store.Claimed, error) {
	return q.s.Claim(ctx, q.name, now, lease, limit, skip)
}

func (q wholeQueue) ClaimOne(ctx context.Context, id string, now time.Time, lease time.Duration) (*store.Claimed, error) {
	return q.s.ClaimOne(ctx, id, now, lease)
}

func (q wholeQueue) Next(ctx context.Context) (time.Time, error) { return q.s.Next(ctx, q.name) }

// begin makes a lane this gateway's. What it knew of the receiver is from before another gateway had it, and is forgotten.
// Its token bucket is empty: the gateway before may have spent all that the receiver grants.
func (l *lane) begin(t *tenure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tenure, l.leaving, l.drained = t, false, false
	l.health, l.calls, l.holdUntil, l.noted = health{}, callOrder{}, time.Time{}, false
	l.slowFrom, l.slow, l.wary, l.newest = time.Time{}, nil, false, false
	if l.terms != nil {
		l.newBreaker(l.terms)
		if l.limiter != nil {
			empty(l.limiter, l.e.o.Now())
		}
	}
	l.wakeUp()
}

// empty takes all tokens out of a bucket.
func empty(b *rate.Limiter, now time.Time) {
	if left := b.TokensAt(now); left >= 1 {
		b.AllowN(now, int(left))
	}
}

// newBreaker gives the lane a breaker that knows nothing yet. The caller holds l.mu.
func (l *lane) newBreaker(t *terms) {
	var b *breaker.Breaker
	b = breaker.New(t.Breaker, func(from, to breaker.State) { l.breakerChanged(b, from, to) })
	l.breaker = b
}

// lose ends the lane's tenure, with the attempts under way. t is the one to end, nil whichever there is. It reports whether
// there was one.
func (l *lane) lose(t *tenure) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tenure == nil || t != nil && l.tenure != t {
		return false
	}
	l.tenure.cancel()
	l.tenure, l.leaving, l.drained = nil, false, false
	l.wakeUp()
	return true
}

// leave has the lane begin nothing more, so that it can be given up when what is under way has ended, or go on after all.
func (l *lane) leave(leaving bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leaving != leaving {
		l.leaving, l.drained = leaving, false
		l.wakeUp()
	}
}

// isDrained tells that nothing of a lane that is to be given up is under way.
func (l *lane) isDrained() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tenure == nil || l.drained
}

// noteDrained is called by a lane that may begin nothing, after it has given everything back. It tells the keeper when
// nothing is under way in a lane that is to be given up.
func (l *lane) noteDrained() {
	l.mu.Lock()
	done := l.leaving && !l.drained && l.running == 0
	if done {
		l.drained = true
	}
	l.mu.Unlock()
	if done {
		l.e.keeper.wakeUp()
	}
}

// lost looks whether an error of the store means that the lane is another gateway's, and ends the tenure if so.
func (l *lane) lost(t *tenure, err error) bool {
	if !errors.Is(err, store.ErrLaneLost) || l.e.keeper == nil {
		return false
	}
	if l.lose(t) {
		l.e.keeper.laneLost(l.lane)
	}
	return true
}
