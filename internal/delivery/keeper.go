package delivery

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/callgate/callgate/internal/store"
)

const (
	// beatTimeout bounds a call to the store about lanes. It is less than the time between heartbeats, so that two of three
	// may fail before anything is lost.
	beatTimeout = 4 * time.Second
	// soon is how long the keeper waits before it looks again, when lanes are to change hands or the store is away.
	soon = time.Second
	// maxSkew is how far a machine's clock may be from the store's before somebody is told, and skewTold how often.
	maxSkew, skewTold = 2 * time.Second, 10 * time.Minute
	// settled is how long after a change of lanes it is looked whether the store has it still: such a change is not waited for
	// until a standby has it, and a database that is promoted in that moment has gone back to before it.
	settled = 2 * store.HeartbeatEvery
)

// keeper keeps this gateway on the list of those that share a store, and takes and gives up lanes as the plan says.
//
// A lane is used only while it is held beyond doubt: until so long after the last heartbeat was sent as it lasts, less a
// margin. Then the attempts under way are cancelled, because another gateway may take the lane any moment now.
type keeper struct {
	e      *Engine
	shared store.Shared
	name   string
	begun  time.Time
	wall   func() time.Time // this machine's clock
	waker  chan struct{}

	// What follows is the run goroutine's own.
	self     string
	said     []store.Served // what the store was told last; nil if it knows nothing
	others   time.Time      // when the first of the others would be gone, by this machine's clock
	known    []store.Gateway
	skewTold time.Time
	failing  bool
	changed  time.Time // when lanes were taken or given up last

	deaf func() // ends the hints

	// lapse ends all tenures when they may be held no longer, also while the keeper waits for the store.
	lapse *time.Timer
	// unsure tells that the store may have this gateway down for lanes that it does not use.
	unsure atomic.Bool
	// until is when what is held is held no longer.
	until atomic.Pointer[time.Time]
	// offset is how far the store's clock is before the machine's, in nanoseconds.
	offset atomic.Int64
	// live is how many gateways there were when that was last known; at least 1.
	live atomic.Int64

	mu    sync.Mutex
	skew  time.Duration
	holds map[store.Lane]store.Hold
}

func newKeeper(e *Engine, s store.Shared, name string, wall func() time.Time) *keeper {
	k := &keeper{e: e, shared: s, name: name, wall: wall, begun: wall(), waker: make(chan struct{}, 1), holds: map[store.Lane]store.Hold{}}
	k.live.Store(1)
	k.lapse = time.AfterFunc(store.TTL, func() {
		if k.lapsed() {
			k.loseAll()
		}
	})
	k.lapse.Stop()
	return k
}

// clock is the store's, as far as it is known: that of this machine, and how far it is behind. From the first heartbeat on,
// before which no lane is held, it never goes back.
func (k *keeper) clock(local func() time.Time) func() time.Time {
	var last atomic.Int64
	return func() time.Time {
		now := local().Add(time.Duration(k.offset.Load()))
		if k.until.Load() == nil {
			return now
		}
		n := now.UnixNano()
		for {
			before := last.Load()
			if n <= before {
				return now.Add(time.Duration(before - n))
			}
			if last.CompareAndSwap(before, n) {
				return now
			}
		}
	}
}

func (k *keeper) wakeUp() {
	select {
	case k.waker <- struct{}{}:
	default:
	}
}

// lapsed tells whether what is held may be held no longer. Both of the machine's clocks have a say: the monotonic one
// stands still while the machine is suspended, and the other one can be set back.
func (k *keeper) lapsed() bool {
	until := k.until.Load()
	if until == nil {
		return true
	}
	now := time.Now()
	return !now.Before(*until) || !now.Round(0).Before(until.Round(0))
}

// run is the keeper's goroutine.
func (k *keeper) run() {
	defer k.deaf()
	timer := time.NewTimer(0)
	defer timer.Stop()
	defer k.lapse.Stop()
	for {
		select {
		case <-timer.C:
		case <-k.waker:
		case <-k.e.stop:
			return
		}
		timer.Reset(k.step())
	}
}

// step sends a heartbeat and puts the plan into effect. It returns how long the next one may wait.
func (k *keeper) step() time.Duration {
	if k.lapsed() {
		k.loseAll()
	}
	wait := store.HeartbeatEvery
	err := k.beat()
	if err == nil {
		err = k.settle()
	}
	if err != nil {
		k.failed(err)
		return soon
	}
	k.failing = false
	if k.change() {
		wait = soon
	}
	if left := time.Until(k.others); left > 0 && !k.others.IsZero() {
		wait = min(wait, left)
	}
	return wait
}

func (k *keeper) failed(err error) {
	k.unsure.Store(true) // what the store has when it is back may be of a moment ago
	if k.failing || k.e.ctx.Err() != nil {
		return
	}
	k.failing = true
	k.e.log.Error("the store could not be told that this gateway is there; if that goes on, other gateways take its deliveries over, and until then nothing is delivered twice",
		zap.Duration("lanes_held_for", k.left()), zap.Error(err))
}

// left is for how long lanes are held yet.
func (k *keeper) left() time.Duration {
	if until := k.until.Load(); until != nil {
		return max(time.Until(*until), 0)
	}
	return 0
}

// beat sends a heartbeat, twice if the store does not know what is served here.
func (k *keeper) beat() error {
	serves := k.e.serves()
	for range 2 {
		p := store.Presence{Name: k.name, Version: k.e.o.Version, Started: k.begun, TTL: store.TTL}
		if k.said == nil || !slices.Equal(k.said, serves) {
			p.Serves = serves
		}
		ctx, cancel := context.WithTimeout(k.e.ctx, beatTimeout)
		sent, at := time.Now(), k.wall()
		m, err := k.shared.Heartbeat(ctx, p)
		took := time.Since(sent)
		cancel()
		if err != nil {
			return err
		}
		if m.Self != k.self {
			if k.self != "" && len(k.held()) > 0 {
				k.e.log.Warn("this gateway was not heard of for so long that others may have taken its deliveries over")
			}
			k.loseAll()
			k.self = m.Self
		}
		k.learn(&m, sent, at, took)
		until := sent.Add(store.TTL - store.HoldMargin)
		k.until.Store(&until)
		k.lapse.Reset(time.Until(until))
		if k.said = serves; !m.Unknown {
			return nil
		}
		k.said = nil
	}
	return nil
}

// learn takes up who else is there, and what the store's clock says. at is when it was asked by the machine's.
func (k *keeper) learn(m *store.Meeting, sent, at time.Time, took time.Duration) {
	k.others = time.Time{}
	for _, g := range m.Gateways {
		if g.ID == k.self {
			continue
		}
		// A moment later, for the store's clock to have got there.
		if at := sent.Add(took + g.Until.Sub(m.Now) + 50*time.Millisecond); k.others.IsZero() || at.Before(k.others) {
			k.others = at
		}
	}
	if n := int64(max(1, len(m.Gateways))); k.live.Swap(n) != n {
		k.e.o.Observer.Gateways(int(n))
	}
	k.known = m.Gateways
	if m.Now.IsZero() {
		return
	}
	skew := m.Now.Sub(at.Add(took / 2).Round(0))
	k.mu.Lock()
	k.skew = skew
	k.mu.Unlock()
	// What is within the time that the answer took tells nothing.
	if off := skew - time.Duration(k.offset.Load()); off.Abs() > took/2+10*time.Millisecond {
		k.offset.Store(int64(skew))
	}
	if skew.Abs()-took/2 > maxSkew && time.Since(k.skewTold) > skewTold {
		k.skewTold = time.Now()
		k.e.log.Warn("this machine's clock differs from the database's; deliveries go by the database's, but times in logs, signatures and tokens do not: set the machine's clock right, as with NTP",
			zap.Duration("ahead", -skew))
	}
}
