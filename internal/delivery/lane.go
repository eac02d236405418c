package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/callgate/callgate/internal/breaker"
	"github.com/callgate/callgate/internal/store"
	"go.uber.org/zap"
	"golang.org/x/time/rate"
)

const (
	// idleCheck is how often a lane looks for work that nobody told it of: deliveries accepted by another process
	// on the same store, and leases that a crashed one let run out. Where there are more than manyLanes they look more
	// seldom, so that thousands of tenants with destinations of their own do not keep the store busy with asking.
	idleCheck = 15 * time.Second
	manyLanes = 500
	// Where gateways share a store, which tell each other of work as a rule, they look more often.
	sharedCheck = time.Second
	manyShared  = 100
	// leaseMargin is added to the timeout of an attempt for everything around it, above all the recording.
	leaseMargin = time.Minute
	// Waits after an error of the store, and when it says that something is due but gives nothing.
	firstBackoff, lastBackoff = 20 * time.Millisecond, 5 * time.Second
	// maxHold bounds how long one Retry-After keeps the whole destination waiting. A receiver that is still busy
	// then says so again.
	maxHold = time.Minute
	// spentWait is the least time between attempts of a delivery whose schedule has ended while the account's limit is
	// used up.
	spentWait = time.Minute
)

// terms is a destination's configuration with the snapshot it is from.
type terms struct {
	Config
	snapshot *attached
	// pace is what the destination shares with others of its group; nil without a group.
	pace *pace
}

func (t *terms) lease() time.Duration { return t.Timeout + t.BatchWait + leaseMargin }

// lane is the way to one destination, or to a shard of it.
type lane struct {
	e     *Engine
	lane  store.Lane
	name  string // of the destination
	waker chan struct{}
	queue queue // the run goroutine's own
	// confirmAt is when the turns of calls are looked through next; the run goroutine's own too.
	confirmAt time.Time
	// recalled tells that the hold of an earlier process was asked for; the run goroutine's own.
	recalled bool
	// serving is the tenure that the queue is of; the run goroutine's own.
	serving *tenure

	mu sync.Mutex
	// tenure is nil while another gateway has the lane. leaving tells that it is to be given up, and drained that nothing
	// is under way any longer.
	tenure           *tenure
	leaving, drained bool
	// terms is nil while no snapshot in force knows the destination: its deliveries are parked.
	terms *terms
	// wanted tells that some attached snapshot knows it; a lane that is not wanted ends.
	wanted      bool
	paused      bool
	pauseReason string
	flush       bool
	breaker     *breaker.Breaker
	changes     [][2]breaker.State
	limiter     *rate.Limiter
	together    bool // the limiter is the group's
	holdUntil   time.Time
	running     int // attempts (batches)
	inflight    map[string]struct{}
	byTenant    map[string]int
	calls       callOrder
	health      health
	// noted tells that the store knows of a hold.
	noted bool
	// absent are tenants that the configuration does not know. Their deliveries wait until one does.
	absent map[string]struct{}
	// slowFrom is when an outage ended, after which the receiver is met slowly; slow keeps that pace.
	slowFrom time.Time
	slow     *rate.Limiter
	// wary tells that the outage may have been a few events' fault; newest that it is the newest one's turn.
	wary, newest bool
}

func newLane(e *Engine, of store.Lane) *lane {
	l := &lane{
		e: e, lane: of, name: of.Destination, waker: make(chan struct{}, 1), inflight: map[string]struct{}{}, byTenant: map[string]int{},
		calls: callOrder{},
	}
	if e.keeper == nil {
		l.tenure = &tenure{queue: wholeQueue{e.store, l.name}, ctx: e.ctx, cancel: func() {}}
		l.serving = l.tenure
	}
	return l
}

// configure gives the lane its terms and wakes it.
func (l *lane) configure(t *terms, wanted, paused bool, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.health.hold; h != nil && (t == nil || l.terms == nil || l.terms.snapshot != t.snapshot) {
		// Perhaps it is mended.
		h.until, h.wait = time.Time{}, firstProbe
	}
	l.terms, l.wanted, l.paused, l.pauseReason = t, wanted, paused, reason
	l.absent = map[string]struct{}{}
	l.wakeUp()
	if t == nil {
		return
	}
	if l.breaker == nil || l.breaker.Settings() != t.Breaker {
		l.newBreaker(t)
	}
	now := l.e.o.Now()
	switch {
	case t.pace != nil:
		l.limiter, l.together = t.pace.limiter, true
		return
	case l.together:
		// The group's bucket was spent by others too.
		l.limiter, l.together = nil, false
	}
	switch {
	case t.Rate <= 0:
		l.limiter = nil
	case l.limiter == nil:
		l.limiter = rate.NewLimiter(rate.Limit(t.Rate), t.Burst)
	default:
		l.limiter.SetLimitAt(now, rate.Limit(t.Rate))
		l.limiter.SetBurstAt(now, t.Burst)
	}
}

// refresh forgets that the destination is held: perhaps what is new mends it.
func (l *lane) refresh() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h := l.health.hold; h != nil {
		h.until, h.wait = time.Time{}, firstProbe
	}
}

func (l *lane) setPaused(paused bool, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.paused != paused || l.pauseReason != reason {
		l.paused, l.pauseReason = paused, reason
		l.wakeUp()
	}
}

func (l *lane) wakeUp() {
	select {
	case l.waker <- struct{}{}:
	default:
	}
}

// run is the lane's goroutine.
func (l *lane) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-l.waker:
		case <-timer.C:
		case <-l.e.stop:
			l.giveBack()
			return
		}
		wait := l.step()
		if wait < 0 {
			return
		}
		l.reportBreaker()
		// Whatever a step comes to, the lane never spins.
		if wait == 0 {
			wait = time.Millisecond
		}
		timer.Reset(min(wait, l.e.idle()))
	}
}

// view is what a step needs to know, read at once.
type view struct {
	*terms
	breaker   *breaker.Breaker
	limiter   *rate.Limiter
	free      int
	holdUntil time.Time
	// held tells that the destination is held, so that only a probe may go, and that not before the last one ended.
	held  bool
	stop  bool
	ended bool
	// tenure is the lane's, nil while it has none.
	tenure *tenure
}

func (l *lane) look() view {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := view{terms: l.terms, breaker: l.breaker, limiter: l.pacer(l.e.o.Now()), holdUntil: l.holdUntil, tenure: l.tenure}
	v.stop = l.terms == nil || l.paused || l.flush || l.idles()
	v.ended = !l.wanted && l.running == 0 && (l.tenure == nil || l.e.keeper == nil)
	if l.flush {
		l.flush = false
		l.wakeUp()
	}
	if l.terms != nil {
		v.free = l.terms.Concurrency - l.running
	}
	if h := l.health.hold; h != nil {
		v.held, v.holdUntil = true, later(v.holdUntil, h.until)
		if l.running > 0 {
			v.free = 0
		}
	}
	return v
}

// idles tells that the lane may begin nothing, whatever its destination's terms. The caller holds l.mu.
func (l *lane) idles() bool {
	return l.tenure == nil || l.leaving || l.e.closing.Load() || l.terms != nil && l.terms.pace != nil && !l.terms.pace.whole.Load() ||
		l.e.keeper != nil && l.e.keeper.lapsed()
}

// step starts as many attempts as may start now, and returns how long nothing more will happen by itself; negative
// when the lane has ended.
func (l *lane) step() time.Duration {
	v := l.look()
	if v.tenure != l.serving {
		l.giveBack() // what was claimed in another tenure
		l.serving, l.recalled = v.tenure, false
	}
	if v.stop {
		l.giveBack()
		l.noteDrained()
		if v.ended && l.e.drop(l) {
			return -1
		}
		return l.e.idle()
	}
	if !l.recalled {
		if wait := l.recallTurns(v.terms); wait > 0 {
			return wait
		}
		if wait := l.recallHold(); wait > 0 {
			return wait
		}
		if v = l.look(); v.stop || v.tenure != l.serving {
			l.wakeUp()
			return l.e.idle()
		}
	}
	now := l.e.o.Now()
	l.confirmTurns(now)
	l.release(v.terms, now)
	for v.free > 0 {
		if wait := v.holdUntil.Sub(now); wait > 0 {
			if v.held {
				l.giveBack()
			}
			return l.queue.waitAtMost(wait, now)
		}
		free, wait := v.pace(now)
		if free == 0 {
			return l.queue.waitAtMost(wait, now)
		}
		had := l.queue.len()
		started, wait := l.start(v, free, now)
		if started == 0 && wait == 0 && l.queue.len() <= had {
			wait = l.queue.backOff()
		}
		if wait > 0 {
			return l.queue.waitAtMost(wait, now)
		}
		l.queue.backoff = 0
		now = l.e.o.Now()
		v = l.look()
		if v.stop || v.tenure != l.serving {
			l.wakeUp()
			return l.e.idle()
		}
	}
	return l.queue.waitAtMost(l.e.idle(), now)
}

// start claims what is due and starts up to free attempts with it. When it started none it says how long to wait.
func (l *lane) start(v view, free int, now time.Time) (started int, wait time.Duration) {
	var probe func(breaker.Outcome)
	trying := v.held || v.breaker.State() != breaker.Closed
	if trying {
		// A probe is asked for only when there is something to send.
		if due, wait := l.due(v.terms, now); !due {
			return 0, wait
		}
		if probe, wait = v.breaker.Allow(); probe == nil {
			l.giveBack()
			// The breaker lets a probe through after the time that it says, not at it.
			return 0, wait + time.Millisecond
		}
		free = 1
		l.giveBack()
		if w, ok := l.witness(v.terms, now); ok {
			l.queue.ready = []waiting{w}
			l.queue.noteStale(v.terms)
		}
	}
	if !trying {
		l.takeTurns(v.terms, now)
	}
	if len(l.queue.ready) == 0 || !trying {
		wait = l.fill(v.terms, free, now)
	}
	for started < free {
		batch := l.queue.batch(v.terms, l.e.o.Now)
		if len(batch) == 0 {
			break
		}
		done := probe
		probe = nil
		if done == nil {
			if done, _ = v.breaker.Allow(); done == nil {
				l.queue.ready = append(batch, l.queue.ready...)
				l.giveBack()
				return started, time.Second
			}
		}
		if v.limiter != nil && !v.limiter.AllowN(now, 1) && v.terms.pace != nil {
			// Another destination of the group took it.
			l.queue.ready = append(batch, l.queue.ready...)
			done(breaker.Neither)
			return started, time.Millisecond
		}
		if !l.launch(v.terms, batch, done, trying) {
			break
		}
		started++
	}
	if probe != nil {
		probe(breaker.Neither)
	}
	return started, wait
}

// due reports whether there is something to send now, and otherwise how long there will not be.
func (l *lane) due(t *terms, now time.Time) (bool, time.Duration) {
	if l.queue.len() > 0 {
		return true, 0
	}
	at, err := l.serving.queue.Next(l.serving.ctx)
	if err != nil {
		return false, l.storeFailed("look for what is due", err)
	}
	if at.IsZero() {
		return false, l.e.idle()
	}
	return !at.After(now), at.Sub(now)
}

// giveBack returns what was claimed and not started.
func (l *lane) giveBack() {
	items := l.queue.takeAll()
	now := l.e.o.Now()
	l.mu.Lock()
	for i := range items {
		l.calls.leave(items[i].Claimed, now)
	}
	l.mu.Unlock()
	l.returnItems(items)
}

func (l *lane) returnItems(items []waiting) {
	if len(items) == 0 {
		return
	}
	ids := make([]string, len(items))
	for i := range items {
		ids[i] = items[i].ID
	}
	if err := l.e.store.Return(context.WithoutCancel(l.e.ctx), ids); err != nil {
		// Their leases run out by themselves.
		l.e.log.Warn("could not give deliveries back; they wait for their leases to run out",
			zap.String("destination", l.name), zap.Int("deliveries", len(ids)), zap.Error(err))
	}
}
