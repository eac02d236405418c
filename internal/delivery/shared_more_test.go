package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/callgate/callgate/internal/destination"
	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// What was delivered is taken down however late, and what failed in a lane that was lost changes nothing.
func TestLateOutcomes(t *testing.T) {
	in(t, func(t *testing.T) {
		stubborn := newFake(func(_ context.Context, items []destination.Item) []destination.Result {
			time.Sleep(40 * time.Second) // whatever its context says
			if items[0].Call.FirstName == "caller 2" {
				return same(1, refusing)
			}
			return same(1, ok)
		})
		slow := newFake(takes(10*time.Minute, ok))
		g := newGang(t, 0, Options{}, nil)
		defer g.close()
		first := g.join(Options{}, map[string]Config{"crm": {Destination: stubborn, Timeout: time.Hour}})
		after(time.Second)
		first.accept("", "", "crm")
		first.accept("", "", "crm")
		synctest.Wait()
		second := g.join(Options{}, map[string]Config{"crm": {Destination: slow, Timeout: time.Hour}})
		first.shared.Cut(true)
		after(20 * time.Second)
		if !second.holds("crm") || len(slow.calls()) != 2 {
			t.Fatalf("the second gateway has begun %d attempts", len(slow.calls()))
		}
		first.shared.Cut(false)
		after(30 * time.Second)
		second.want("crm", 1, 1, 0)
		after(10 * time.Minute)
		second.want("crm", 0, 2, 0)
	})
}

func TestPauseAndResumeReachTheHolder(t *testing.T) {
	in(t, func(t *testing.T) {
		var broken atomic.Bool
		f := newFake(func(_ context.Context, items []destination.Item) []destination.Result {
			if broken.Load() {
				return same(len(items), destination.Result{Outcome: destination.Retry, Status: 401, Reason: "401", Astray: true})
			}
			return same(len(items), ok)
		})
		g := newGang(t, 2, Options{}, map[string]Config{"crm": {Destination: f, Breaker: noBreaker}})
		defer g.close()
		holder, other := g.holder("crm")
		if err := other.engine.Pause(context.Background(), "crm", "by hand"); err != nil {
			t.Fatal(err)
		}
		after(100 * time.Millisecond)
		holder.accept("", "", "crm")
		after(time.Minute)
		if len(f.calls()) != 0 || !holder.status("crm").Paused {
			t.Errorf("%d requests though it is paused", len(f.calls()))
		}
		if err := other.engine.Resume(context.Background(), "crm"); err != nil {
			t.Fatal(err)
		}
		after(100 * time.Millisecond)
		holder.want("crm", 0, 1, 0)

		broken.Store(true)
		for range 5 {
			other.accept("", "", "crm")
		}
		after(time.Minute)
		if holder.status("crm").Held == "" {
			t.Fatal("the destination is not held")
		}
		if other.status("crm").Held == "" {
			t.Error("the other gateway does not know that it is held")
		}
		broken.Store(false)
		if err := other.engine.Resume(context.Background(), "crm"); err != nil {
			t.Fatal(err)
		}
		after(100 * time.Millisecond)
		if s := holder.status("crm"); s.Held != "" {
			t.Errorf("still held: %s", s.Held)
		}
	})
}

// What was cancelled at one gateway is not sent by the other that had claimed it.
func TestCancelReachesTheHolder(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(takes(10*time.Second, ok))
		g := newGang(t, 2, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1}})
		defer g.close()
		holder, other := g.holder("crm")
		holder.accept("", "call", "crm")
		synctest.Wait()
		later := holder.accept("", "call", "crm") // claimed, and held until the first has ended
		after(2 * time.Second)
		if n, err := other.engine.Cancel(context.Background(), store.Filter{EventID: later}, false); n != 1 || err != nil {
			t.Fatalf("cancelled %d, %v", n, err)
		}
		after(time.Minute)
		if n := len(f.calls()); n != 1 {
			t.Errorf("%d requests", n)
		}
		holder.want("crm", 0, 1, 1)
	})
}

// A machine whose clock is wrong plans by the database's, and says so.
func TestClockSkew(t *testing.T) {
	for _, off := range []time.Duration{-time.Hour, time.Hour} {
		in(t, func(t *testing.T) {
			f := newFake(always(failing))
			g := newGang(t, 0, Options{}, nil)
			core, logs := observer.New(zap.WarnLevel)
			m := g.join(Options{Log: zap.New(core), Now: func() time.Time { return time.Now().Add(off) }}, map[string]Config{"crm": {Destination: f, Breaker: noBreaker,
				Schedule: Schedule{Delays: durations(0, 60, 60, 60), Jitter: -1}}})
			defer g.close()
			after(time.Second)
			m.accept("", "", "crm")
			synctest.Wait()
			if n, d := len(f.calls()), m.only("crm"); n != 1 || !d.NextAt.Equal(time.Now().Add(time.Minute)) {
				t.Errorf("%d requests, the next at %s, and it is %s", n, d.NextAt, time.Now())
			}
			after(59 * time.Second)
			if n := len(f.calls()); n != 1 {
				t.Errorf("%d requests after 59 s", n)
			}
			after(2 * time.Second)
			if n := len(f.calls()); n != 2 {
				t.Errorf("%d requests after 61 s", n)
			}
			if n := logs.FilterMessageSnippet("clock").Len(); n != 1 {
				t.Errorf("told %d times of the clock", n)
			}
			if s := m.engine.Skew(); s != -off {
				t.Errorf("the store's clock is %s ahead", s)
			}
		})
	}
}

func TestShardsWorkAtSeveralGateways(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &spans{}
		g := newGang(t, 0, Options{}, nil)
		defer g.close()
		for i := range 2 {
			g.join(Options{}, map[string]Config{"big": {Destination: s.at(i, 100*time.Millisecond), Shards: 4, Rate: 40, Burst: 8}})
		}
		after(4 * time.Second)
		for i := range 400 {
			g.members[i%2].accept("acme", fmt.Sprint("call", i/4), "big")
		}
		start := time.Now()
		after(4 * time.Second)
		by, of := map[int]int{}, map[string]map[int]bool{}
		s.mu.Lock()
		for _, x := range s.all {
			by[x.gateway]++
		}
		if n := len(s.all); n > 40*4+8+1 || n < 100 {
			t.Errorf("%d requests in %s at 40/s and a burst of 8", n, time.Since(start))
		}
		s.mu.Unlock()
		if by[0] < 30 || by[1] < 30 {
			t.Errorf("requests by gateway: %v", by)
		}
		after(time.Minute)
		g.members[0].want("big", 0, 400, 0)
		for _, x := range s.all {
			d, err := g.members[0].store.Event(context.Background(), x.id[:26])
			if err != nil {
				t.Fatal(err)
			}
			if of[d.CallID] == nil {
				of[d.CallID] = map[int]bool{}
			}
			of[d.CallID][x.gateway] = true
		}
		for call, at := range of {
			if len(at) != 1 {
				t.Errorf("%s went through %d gateways", call, len(at))
			}
		}
	})
}

// A rolling change of the number of shards, and back.
func TestShardsChange(t *testing.T) {
	in(t, func(t *testing.T) {
		s := &spans{}
		g := newGang(t, 0, Options{}, nil)
		defer g.close()
		fakes := []*fake{s.at(0, 50*time.Millisecond), s.at(1, 50*time.Millisecond)}
		for i := range 2 {
			g.join(Options{}, map[string]Config{"big": {Destination: fakes[i]}})
		}
		after(3 * time.Second)
		sent := 0
		send := func(n int) {
			for i := range n {
				g.members[i%2].accept("", fmt.Sprint("call", i), "big")
				sent++
			}
		}
		attach := func(i, shards int) {
			m := g.members[i]
			detach := m.engine.Attach(&Snapshot{Destinations: map[string]Config{"big": {Destination: fakes[i], Shards: shards}}})
			m.detach()
			m.detach = detach
		}
		for _, shards := range []int{4, 2, 1} {
			send(100)
			attach(0, shards)
			send(20)
			after(2 * time.Second)
			attach(1, shards)
			after(15 * time.Second)
			for _, m := range g.members {
				for lane := range m.engine.keeper.held() {
					if lane.Destination == "big" && lane.Shards != shards {
						t.Errorf("with %d shards %+v is held", shards, lane)
					}
				}
			}
			g.members[0].want("big", 0, sent, 0)
		}
		if len(s.all) != sent {
			t.Errorf("%d requests for %d deliveries", len(s.all), sent)
		}
		for _, m := range g.members {
			if n := len(m.engine.listLanes()); n != 1 {
				t.Errorf("%d lanes are left", n)
			}
		}
	})
}

// The answer to taking a lane is lost: the store has the gateway down for it, which does not know.
func TestALaneIsNotStrandedByALostAnswer(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		db := storetest.NewDatabase(storetest.Options{})
		lossy := &lossyTake{SharedMemory: db.Open()}
		lossy.lose.Store(1)
		r := newRig(t, Options{Store: lossy}, map[string]Config{"crm": {Destination: f}})
		defer r.close()
		after(5 * time.Second)
		r.accept("", "", "crm")
		synctest.Wait()
		r.want("crm", 0, 1, 0)
	})
}

type lossyTake struct {
	*storetest.SharedMemory
	lose atomic.Int64
}

func (s *lossyTake) Take(ctx context.Context, lanes []store.Lane) ([]store.Hold, error) {
	holds, err := s.SharedMemory.Take(ctx, lanes)
	if s.lose.Add(-1) >= 0 {
		return nil, errors.Join(store.ErrUnavailable, errors.New("the answer was lost"))
	}
	return holds, err
}

// A gateway gives a lane up, and the database loses that: it was promoted in that moment, and had not got it yet. The lane is not
// nobody's for that, with the database saying that it is the gateway's.
func TestALaneIsNotStrandedByALostRelease(t *testing.T) {
	in(t, func(t *testing.T) {
		f := newFake(always(ok))
		config := map[string]Config{}
		for i := range 8 { // of which another gateway gets some
			config[fmt.Sprint("crm", i)] = Config{Destination: f}
		}
		db := storetest.NewDatabase(storetest.Options{})
		lossy := &lossyRelease{SharedMemory: db.Open()}
		r := newRig(t, Options{Store: lossy, Name: "gw0"}, config)
		defer r.close()
		after(5 * time.Second)
		other := newRig(t, Options{Store: db.Open(), Name: "gw1"}, config)
		defer other.close()
		after(store.TTL)
		if lossy.lost.Load() == 0 {
			t.Fatal("nothing was given up")
		}
		for name := range config {
			r.accept("", "", name)
		}
		after(5 * time.Second)
		for name := range config {
			r.want(name, 0, 1, 0)
		}
	})
}

// lossyRelease forgets the first lanes that are given up.
type lossyRelease struct {
	*storetest.SharedMemory
	lost atomic.Int64
}

func (s *lossyRelease) Release(ctx context.Context, holds []store.Hold) error {
	if s.lost.CompareAndSwap(0, int64(len(holds))) {
		return nil
	}
	return s.SharedMemory.Release(ctx, holds)
}

// Where order is promised it holds over a change of hands: what came in later in a call waits on for what is to be tried
// again.
func TestOrderIsKeptOverATakeover(t *testing.T) {
	in(t, func(t *testing.T) {
		var taken []string
		f := newFake(func(_ context.Context, items []destination.Item) []destination.Result {
			if items[0].Call.FirstName == "caller 1" && items[0].Attempt == 1 {
				return same(1, failing)
			}
			taken = append(taken, items[0].Call.FirstName)
			return same(1, ok)
		})
		g := newGang(t, 2, Options{}, map[string]Config{"crm": {Destination: f, Concurrency: 1, Breaker: noBreaker, Schedule: Schedule{Delays: durations(0, 60, 60), Jitter: -1}}})
		defer g.close()
		holder, other := g.holder("crm")
		holder.events = 0
		for _, call := range []string{"x", "x", "y", "x"} {
			holder.accept("acme", call, "crm")
			after(time.Millisecond)
		}
		after(time.Second)
		holder.stop()
		after(3 * time.Second)
		if !other.holds("crm") {
			t.Fatal("nobody has the lane")
		}
		after(2 * time.Minute)
		if want := []string{"caller 3", "caller 1", "caller 2", "caller 4"}; !slices.Equal(taken, want) {
			t.Errorf("taken in the order %v, want %v", taken, want)
		}
	})
}
