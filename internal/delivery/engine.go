// Package delivery brings what was acknowledged to its destinations: it claims what is due from the store, keeps each
// destination's pace, order and breaker, tries again on a schedule, and says what became of everything.
//
// Every destination has a lane of its own: one goroutine that decides, and one for each attempt under way. So a slow
// receiver holds up nobody else. A lane sleeps until it is woken by an accepted event or an ended attempt, or until
// the store's next delivery falls due. It looks by itself only every quarter of a minute, for what another process
// left behind.
//
// Delivery is at least once. A delivery is attempted again if its outcome could not be recorded: after a crash, or
// when the store cannot write for longer than the lease.
package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callgate/callgate/internal/call"
	"github.com/callgate/callgate/internal/seal"
	"github.com/callgate/callgate/internal/store"
	"go.uber.org/zap"
)

// Options set up an Engine. Only Store is required.
type Options struct {
	Store store.Store
	// Now is the clock; nil means time.Now. Where it goes back the engine does not follow. Timers and breakers use the
	// runtime's clock.
	Now func() time.Time
	// Rand returns a number in [0, 1) for the jitter; nil means math/rand.
	Rand func() float64
	// Log is where errors go; nil means nowhere. No values of calls are logged.
	Log *zap.Logger
	// Observer is told what happens; nil means nobody.
	Observer Observer
	// Keys key the hashes of what was sent; nil makes a key that ends with the process.
	Keys *seal.Ring
	// DrainTimeout is how long Close lets attempts under way run on. Default 10 s; negative: not at all.
	DrainTimeout time.Duration
	// ExpireEvery is the time between two looks for events past their retention. Default 10 min.
	ExpireEvery time.Duration
	// ExpireBatch is how many events one transaction deletes. Default 500.
	ExpireBatch int
	// Name is this machine's, and Version the program's, for those who look at the gateways of a shared store.
	Name, Version string
}

// ErrClosed means that the engine was closed: the process ends, or a configuration without it was loaded.
var ErrClosed = errors.New("the delivery engine is closed: send the event again")

// Engine delivers. It outlives configurations; they are attached to it one after the other.
type Engine struct {
	o     Options
	wall  func() time.Time // the machine's clock, which may be set back; o.Now is not
	log   *zap.Logger
	store store.Store

	// ctx ends when attempts are cancelled at Close; closing is set before, and ends all claiming.
	ctx     context.Context
	cancel  context.CancelFunc
	closing atomic.Bool
	// stop ends the background loops, and last of all the recorder.
	stop         chan struct{}
	recorderStop chan struct{}
	background   sync.WaitGroup
	attempts     sync.WaitGroup
	handover     chan *attempt // to a worker that waits
	recorder     *recorder
	hashes       sentHash
	// flags orders the writes of pauses and resumptions, so that the last one is what the store keeps. It is taken
	// before mu.
	flags sync.Mutex
	// keeper takes lanes and gives them up; nil where the store is not shared, so that all lanes are this gateway's.
	keeper     *keeper
	lookPaused chan struct{}
	// pausedAsked tells that the store was asked in vain which destinations are paused.
	pausedAsked atomic.Bool

	mu        sync.Mutex
	snapshots []*attached        // the last one is in force
	lanes     map[string][]*lane // by destination, a lane for each shard
	paces     map[string]*pace   // by group
	paused    map[string]string
	// pausedVersion counts the changes of paused, so that an older reading of the store does not undo one.
	pausedVersion int
	// laneCount is how many lanes there are, for those who have no lock.
	laneCount atomic.Int64
	// unsaved counts, by destination, the pauses that attempts asked for and that the store does not know yet.
	unsaved map[string]int
	closed  chan struct{}
}

// attached is a snapshot in use.
type attached struct {
	*Snapshot
	// changed are destinations by name that were given or taken since it was attached, nil for one that was taken. Under
	// the engine's mu.
	changed map[string]*Config
	// uses counts the attempts under way and, until it is detached, the attachment itself.
	uses atomic.Int64
}

// config is what is said of a destination. The caller holds the engine's mu.
func (a *attached) config(name string) (Config, bool) {
	if c, ok := a.changed[name]; ok {
		if c == nil {
			return Config{}, false
		}
		return *c, true
	}
	c, ok := a.Destinations[name]
	return c, ok
}

func (a *attached) release() {
	if a.uses.Add(-1) == 0 && a.Released != nil {
		a.Released()
	}
}

// New returns an engine that runs until Close. It delivers nothing before a snapshot is attached.
func New(o Options) *Engine {
	if o.Now == nil {
		o.Now = time.Now
	}
	wall := o.Now
	o.Now = steady(wall)
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Observer == nil {
		o.Observer = NopObserver{}
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = 10 * time.Second
	}
	if o.ExpireEvery <= 0 {
		o.ExpireEvery = 10 * time.Minute
	}
	if o.ExpireBatch <= 0 {
		o.ExpireBatch = 500
	}
	e := &Engine{
		o: o, wall: wall, log: o.Log, store: o.Store, hashes: newSentHash(o.Keys),
		stop: make(chan struct{}), recorderStop: make(chan struct{}), handover: make(chan *attempt),
		lanes: map[string][]*lane{}, paces: map[string]*pace{}, paused: map[string]string{}, unsaved: map[string]int{}, lookPaused: make(chan struct{}, 1),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	if s, ok := o.Store.(store.Shared); ok {
		e.keeper = newKeeper(e, s, o.Name, wall)
		e.o.Now = e.keeper.clock(e.o.Now)
		e.wall = func() time.Time { return wall().Add(time.Duration(e.keeper.offset.Load())) }
		e.keeper.deaf = s.Wake(e.keeper.hinted) // from now on, so that nothing is missed between here and the first look
		e.background.Go(e.keeper.run)
	}
	e.recorder = newRecorder(e)
	e.background.Go(e.expireLoop)
	e.background.Go(e.pausedLoop)
	go e.recorder.run()
	return e
}

// Attach puts a snapshot in force. detach takes it away again; if it was in force, the one attached before it is in
// force again, and with none left nothing is claimed. Attempts under way end with the snapshot they began with. An
// attached snapshot that is not valid is the caller's mistake: see Config.Validate.
//
// Limiters, breakers and the order of calls belong to the destination's name and survive the change.
func (e *Engine) Attach(s *Snapshot) (detach func()) {
	a := &attached{Snapshot: s}
	a.uses.Store(1)
	e.mu.Lock()
	e.snapshots = append(e.snapshots, a)
	e.apply()
	e.mu.Unlock()
	return sync.OnceFunc(func() {
		e.mu.Lock()
		e.snapshots = slices.DeleteFunc(e.snapshots, func(x *attached) bool { return x == a })
		e.apply()
		e.mu.Unlock()
		a.release()
	})
}

// apply gives every lane its configuration in the snapshot in force. The caller holds e.mu.
func (e *Engine) apply() {
	if e.closing.Load() {
		return
	}
	var current *attached
	if n := len(e.snapshots); n > 0 {
		current = e.snapshots[n-1]
	}
	known := map[string]bool{}
	for _, s := range e.snapshots {
		for name := range s.Destinations {
			known[name] = true
		}
		for name, c := range s.changed {
			if c != nil {
				known[name] = true
			}
		}
	}
	e.regroup(current)
	for name := range known {
		e.ensureLanes(name, current)
	}
	for name := range e.lanes {
		e.applyTo(name, current, known[name])
	}
	if e.keeper != nil {
		e.keeper.wakeUp()
	}
}

// Change gives one destination of an attached snapshot another configuration, or none with nil, so that its deliveries wait.
// Every other lane goes on undisturbed, and attempts under way end as they began. It reports whether the snapshot is
// attached.
func (e *Engine) Change(s *Snapshot, name string, c *Config) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	i := slices.IndexFunc(e.snapshots, func(a *attached) bool { return a.Snapshot == s })
	if i < 0 || e.closing.Load() {
		return false
	}
	if e.snapshots[i].changed == nil {
		e.snapshots[i].changed = map[string]*Config{}
	}
	e.snapshots[i].changed[name] = c
	if i < len(e.snapshots)-1 {
		return true // another is in force
	}
	current := e.snapshots[i]
	regrouped := e.regroup(current)
	e.ensureLanes(name, current)
	for _, l := range e.lanes[name] {
		l.refresh()
	}
	e.applyTo(name, current, true)
	for _, other := range regrouped { // whose pace is another by this
		if other != name {
			e.applyTo(other, current, true)
		}
	}
	if e.keeper != nil {
		e.keeper.wakeUp()
	}
	return true
}

// configs are what the snapshot in force says of destinations with filters, nil for others; nil without any.
func (e *Engine) configs(names []string) []*Config {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.snapshots) == 0 {
		return nil
	}
	current := e.snapshots[len(e.snapshots)-1]
	var all []*Config
	for i, name := range names {
		if c, ok := current.config(name); ok && (len(c.EventTypes) > 0 || c.Condition != nil) {
			if all == nil {
				all = make([]*Config, len(names))
			}
			all[i] = new(c)
		}
	}
	return all
}

// current is the snapshot in force, or nil.
func (e *Engine) current() *attached {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.snapshots); n > 0 {
		return e.snapshots[n-1]
	}
	return nil
}

// Accept makes an event durable with a delivery for each destination, and wakes their lanes. A destination whose
// filters turn the event away is left out; one that no snapshot knows is kept, and waits. Without any destination
// the event is stored all the same. The errors are the store's, and ErrClosed.
func (e *Engine) Accept(ctx context.Context, ev *store.Event, destinations []string) (store.Accepted, error) {
	all, err := e.AcceptAll(ctx, []*store.Event{ev}, [][]string{destinations})
	if err != nil {
		return store.Accepted{}, err
	}
	return all[0], nil
}

// AcceptAll is Accept for the events of one request: either all of them are durable, or none is. What filters leave out is
// taken out of destinations too.
func (e *Engine) AcceptAll(ctx context.Context, events []*store.Event, destinations [][]string) ([]store.Accepted, error) {
	if e.closing.Load() {
		return nil, fmt.Errorf("%w (%w)", ErrClosed, store.ErrUnavailable)
	}
	for i, ev := range events {
		destinations[i] = e.choose(ctx, ev, destinations[i])
	}
	all, err := e.store.AcceptAll(ctx, events, destinations)
	if err != nil {
		return nil, err
	}
	for i, ev := range events {
		if !all[i].Duplicate {
			e.wake(destinations[i])
		}
		e.o.Observer.Accepted(ctx, ev, all[i], destinations[i])
	}
	return all, nil
}

// choose leaves out the destinations that do not take the event.
func (e *Engine) choose(ctx context.Context, ev *store.Event, destinations []string) []string {
	configs := e.configs(destinations)
	if configs == nil {
		return destinations
	}
	var record *call.Call
	var readErr error
	read := func() (*call.Call, error) {
		if record == nil && readErr == nil {
			record, readErr = readRecord(ev)
		}
		return record, readErr
	}
	chosen := make([]string, 0, len(destinations))
	for i, name := range destinations {
		c := configs[i]
		takes := true
		if c != nil {
			var err error
			if takes, err = c.takes(ctx, ev, read); err != nil {
				e.log.Warn("a condition failed, so the event is delivered",
					zap.String("destination", name), zap.String("event", ev.ID), zap.Error(err))
			}
		}
		if takes {
			chosen = append(chosen, name)
		}
	}
	return chosen
}

// wake makes the lanes of the destinations look for work; all of them without names.
func (e *Engine) wake(destinations []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if destinations == nil {
		for l := range e.all {
			l.wakeUp()
		}
		return
	}
	for _, name := range destinations {
		for _, l := range e.lanes[name] {
			l.wakeUp()
		}
	}
}
