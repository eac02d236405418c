package delivery

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/store"
)

// change puts the plan into effect, and reports whether something of it is still to be done.
func (k *keeper) change() (more bool) {
	want := plan(k.self, k.known)
	if k.e.closing.Load() {
		want = nil
	}
	maintain := store.Lane{Destination: store.Maintenance, Shards: 1}
	held := k.held()
	var release []store.Hold
	for lane, h := range held {
		l := k.e.lane(lane)
		switch {
		case want[lane]:
			if l != nil {
				l.leave(false)
			}
		case l == nil:
			release = append(release, h)
		default:
			l.leave(true)
			if l.isDrained() {
				release = append(release, h)
			} else {
				more = true
			}
		}
	}
	if len(release) > 0 && !k.release(release) {
		more = true
	}
	var take []store.Lane
	for lane := range want {
		if _, have := held[lane]; !have && (lane == maintain || k.e.lane(lane) != nil) {
			take = append(take, lane)
		}
	}
	if len(take) > 0 && !k.take(take) {
		more = true
	}
	k.e.joinGroups(k.held())
	return more
}

// release gives lanes up, in which nothing is under way. It reports whether it did.
func (k *keeper) release(holds []store.Hold) bool {
	for _, h := range holds {
		if l := k.e.lane(h.Lane); l != nil {
			l.lose(nil)
		}
		k.drop(h.Lane)
	}
	k.changed = time.Now()
	ctx, cancel := context.WithTimeout(k.e.ctx, beatTimeout)
	defer cancel()
	if err := k.shared.Release(ctx, holds); err != nil {
		k.failed(err)
		return false
	}
	return true
}

// settle gives up what the store has this gateway down for without its knowing: when an answer was lost, a tenure ended
// here before it did there, or the store has forgotten that a lane was given up.
func (k *keeper) settle() error {
	if !k.unsure.Swap(false) && time.Since(k.changed) > settled {
		return nil
	}
	ctx, cancel := context.WithTimeout(k.e.ctx, beatTimeout)
	defer cancel()
	c, err := k.shared.Cluster(ctx)
	if err == nil {
		held := k.held()
		var stray []store.Hold
		for _, l := range c.Lanes {
			if l.Gateway == k.self && held[l.Lane] != l.Hold {
				stray = append(stray, l.Hold)
			}
		}
		if len(stray) > 0 {
			err = k.shared.Release(ctx, stray)
		}
	}
	if err != nil {
		k.unsure.Store(true)
	}
	return err
}

// take takes lanes that are free, and reports whether all were.
func (k *keeper) take(lanes []store.Lane) bool {
	slices.SortFunc(lanes, func(a, b store.Lane) int {
		if c := strings.Compare(a.Destination, b.Destination); c != 0 {
			return c
		}
		return a.Shard - b.Shard
	})
	k.changed = time.Now()
	ctx, cancel := context.WithTimeout(k.e.ctx, beatTimeout)
	defer cancel()
	holds, err := k.shared.Take(ctx, lanes)
	if err != nil {
		if !errors.Is(err, store.ErrGone) {
			k.failed(err)
		}
		k.unsure.Store(true) // an answer that was lost may have given lanes, of which nothing is known here
		return false
	}
	for _, h := range holds {
		k.mu.Lock()
		k.holds[h.Lane] = h
		k.mu.Unlock()
		if l := k.e.lane(h.Lane); l != nil {
			t := &tenure{hold: h, queue: k.shared.Queue(h)}
			t.ctx, t.cancel = context.WithCancel(k.e.ctx)
			l.begin(t)
		}
	}
	return len(holds) == len(lanes)
}

// loseAll ends all tenures at once.
func (k *keeper) loseAll() {
	for lane := range k.held() {
		k.drop(lane)
		if l := k.e.lane(lane); l != nil {
			l.lose(nil)
		}
		k.unsure.Store(true)
	}
	k.e.joinGroups(nil)
}

// laneLost is told that the store does not know a lane as this gateway's.
func (k *keeper) laneLost(lane store.Lane) {
	k.drop(lane)
	k.wakeUp()
}

func (k *keeper) drop(lane store.Lane) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.holds, lane)
}

// held are the lanes held.
func (k *keeper) held() map[store.Lane]store.Hold {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.holds)
}

// maintains tells whether this gateway is the one that clears away what is old.
func (k *keeper) maintains() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.holds[store.Lane{Destination: store.Maintenance, Shards: 1}]
	return ok && !k.lapsed()
}

// hinted is told what other gateways do.
func (k *keeper) hinted(h store.Hint) {
	if h.All || h.Lanes {
		k.wakeUp()
	}
	if h.All || h.Paused {
		k.e.lookAtPaused()
	}
	if h.All || h.Flush {
		k.e.flush()
	}
	switch {
	case h.All:
		k.e.wake(nil)
	case len(h.Destinations) > 0:
		k.e.wake(h.Destinations)
	}
	if h.All || h.Documents {
		k.e.o.Observer.DocumentsChanged()
	}
}

// leaveStore takes this gateway off the list at the end of the engine.
func (k *keeper) leaveStore(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	if err := k.shared.Leave(ctx); err != nil {
		k.e.log.Warn("the store could not be told that this gateway goes; others take its deliveries over when its time has run out",
			zap.Duration("within", store.TTL), zap.Error(err))
	}
}
