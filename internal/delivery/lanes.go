package delivery

import (
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/internal/store"
	"golang.org/x/time/rate"
)

// all yields every lane. The caller holds e.mu.
func (e *Engine) all(yield func(*lane) bool) {
	for _, lanes := range e.lanes {
		for _, l := range lanes {
			if !yield(l) {
				return
			}
		}
	}
}

// listLanes lists every lane.
func (e *Engine) listLanes() []*lane {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Collect(e.all)
}

// lane finds a lane, or gives nil.
func (e *Engine) lane(of store.Lane) *lane {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range e.lanes[of.Destination] {
		if l.lane == of {
			return l
		}
	}
	return nil
}

// shards is how many lanes a destination has by its configuration. Where the store is not shared one is enough for it.
func (e *Engine) shards(c *Config) int {
	if e.keeper == nil {
		return 1
	}
	return min(max(1, c.Shards), store.MaxShards)
}

// ensureLanes makes a destination's lanes as its configuration in force says, or one if there is none of them. The caller
// holds e.mu.
func (e *Engine) ensureLanes(name string, current *attached) {
	shards := 1
	if current == nil {
		if len(e.lanes[name]) > 0 {
			return
		}
	} else if c, ok := current.config(name); ok {
		shards = e.shards(&c)
	} else if len(e.lanes[name]) > 0 {
		return
	}
	for i := range shards {
		of := store.Lane{Destination: name, Shard: i, Shards: shards}
		if slices.ContainsFunc(e.lanes[name], func(l *lane) bool { return l.lane == of }) {
			continue
		}
		l := newLane(e, of)
		e.lanes[name] = append(e.lanes[name], l)
		e.laneCount.Add(1)
		e.background.Go(l.run)
	}
}

// applyTo gives a destination's lanes their configuration. Those of another number of shards have none, and end. The caller
// holds e.mu.
func (e *Engine) applyTo(name string, current *attached, known bool) {
	var b *terms
	shards := 0
	if current != nil {
		if c, ok := current.config(name); ok {
			shards = e.shards(&c)
			b = &terms{Config: c.withDefaults().divided(shards), snapshot: current, pace: e.paces[c.RateGroup]}
		}
	}
	reason, paused := e.paused[name]
	for _, l := range e.lanes[name] {
		if b != nil && l.lane.Shards != shards {
			l.configure(nil, false, paused, reason)
		} else {
			l.configure(b, known, paused, reason)
		}
	}
}

// divided is what a shard may do of what the destination may.
func (c Config) divided(shards int) Config {
	if shards > 1 {
		c.Rate /= float64(shards)
		c.Burst = max(1, c.Burst/shards)
	}
	return c
}

// checkEvery is how often is looked for what nobody told of. Where other gateways do things a hint of theirs may be lost.
func (e *Engine) checkEvery() time.Duration {
	if e.keeper != nil {
		return sharedCheck
	}
	return idleCheck
}

// idle is how long a lane waits before it looks for work that nobody told it of.
func (e *Engine) idle() time.Duration {
	many := int64(manyLanes)
	if e.keeper != nil {
		many = manyShared
	}
	return e.checkEvery() * time.Duration(max(1, e.laneCount.Load()/many))
}

// serves is what this gateway can deliver to by the configuration in force, in the order of names. One that is about to end
// can do nothing.
func (e *Engine) serves() []store.Served {
	list := []store.Served{}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closing.Load() || len(e.snapshots) == 0 {
		return list
	}
	current := e.snapshots[len(e.snapshots)-1]
	list = append(list, store.Served{Destination: store.Maintenance, Shards: 1})
	for name := range e.lanes {
		if c, ok := current.config(name); ok {
			list = append(list, store.Served{Destination: name, Shards: e.shards(&c), Group: c.RateGroup})
		}
	}
	slices.SortFunc(list, func(a, b store.Served) int { return strings.Compare(a.Destination, b.Destination) })
	return list
}

// pace is what destinations of a group share: receivers count what is sent with one account, whichever destination it is
// of.
type pace struct {
	// limiter is nil when none of them has a rate.
	limiter *rate.Limiter
	limit   rate.Limit
	burst   int
	members []string // in order
	// whole tells that all of them are this gateway's. Before that it delivers to none.
	whole atomic.Bool
}

// regroup works out the groups of the configuration in force. The lowest rate and the lowest burst of its destinations
// hold for all of a group together. It returns the destinations of groups that are others now. The caller holds e.mu.
func (e *Engine) regroup(current *attached) (changed []string) {
	next := map[string]*pace{}
	if current != nil {
		names := map[string]bool{}
		for name := range current.Destinations {
			names[name] = true
		}
		for name := range current.changed {
			names[name] = true
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			c, ok := current.config(name)
			if !ok || c.RateGroup == "" {
				continue
			}
			p := next[c.RateGroup]
			if p == nil {
				p = &pace{}
				next[c.RateGroup] = p
			}
			p.members = append(p.members, name)
			if c = c.withDefaults(); c.Rate > 0 && (p.limit == 0 || rate.Limit(c.Rate) < p.limit) {
				p.limit = rate.Limit(c.Rate)
			}
			if c.Rate > 0 && (p.burst == 0 || c.Burst < p.burst) {
				p.burst = c.Burst
			}
		}
	}
	now := e.o.Now()
	for group, p := range next {
		before := e.paces[group]
		switch {
		case before != nil && before.limit == p.limit && before.burst == p.burst && slices.Equal(before.members, p.members):
			next[group] = before
			continue
		case p.limit == 0:
		case before != nil && before.limiter != nil:
			p.limiter = before.limiter
			p.limiter.SetLimitAt(now, p.limit)
			p.limiter.SetBurstAt(now, p.burst)
		default:
			p.limiter = rate.NewLimiter(p.limit, p.burst)
			if len(e.lanes) > 0 {
				empty(p.limiter, now) // they may have spent as much just now, each for itself
			}
		}
		p.whole.Store(e.keeper == nil)
		changed = append(changed, p.members...)
	}
	e.paces = next
	if e.keeper != nil {
		e.joinGroupsLocked(e.keeper.held())
	}
	return changed
}

// joinGroups says which groups this gateway holds as a whole, and so may deliver to.
func (e *Engine) joinGroups(held map[store.Lane]store.Hold) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.joinGroupsLocked(held)
}

func (e *Engine) joinGroupsLocked(held map[store.Lane]store.Hold) {
	for _, p := range e.paces {
		whole := true
		for _, name := range p.members {
			if _, ok := held[store.Lane{Destination: name, Shards: 1}]; !ok {
				whole = false
			}
		}
		if p.whole.Swap(whole) != whole {
			for _, name := range p.members {
				for _, l := range e.lanes[name] {
					l.wakeUp()
				}
			}
		}
	}
}
