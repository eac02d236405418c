package delivery

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// What was accepted before the machine's clock was set back is due all the same, and so is what is to be tried again.
func TestClockThatIsSetBack(t *testing.T) {
	in(t, func(t *testing.T) {
		var back atomic.Int64
		f := newFake(always(ok))
		flaky := newFake(always(failing))
		r := newRig(t, Options{Now: func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }}, map[string]Config{
			"crm":  {Destination: f},
			"slow": {Destination: flaky, Schedule: ListSchedule(durations(0, 10)...), Breaker: noBreaker},
		})
		defer r.close()
		if err := r.engine.Pause(t.Context(), "crm", ""); err != nil {
			t.Fatal(err)
		}
		r.accept("", "", "crm", "slow")
		after(time.Second)
		back.Store(int64(3 * time.Hour))
		if err := r.engine.Resume(t.Context(), "crm"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.want("crm", 0, 1, 0)
		after(12 * time.Second)
		r.want("slow", 0, 0, 1)
		// One that is set forward is followed.
		back.Store(0)
		r.accept("", "", "crm")
		after(time.Second)
		r.want("crm", 0, 2, 0)
	})
}

func TestSteadyClock(t *testing.T) {
	in(t, func(t *testing.T) {
		set := time.Duration(0)
		clock := steady(func() time.Time { return time.Now().Add(set) })
		last := clock()
		for _, set = range []time.Duration{0, -time.Hour, -2 * time.Hour, time.Hour, -time.Hour, 0} {
			time.Sleep(time.Minute)
			now, wall := clock(), time.Now().Add(set)
			if now.Before(last) || now.Round(0).Before(wall.Round(0)) {
				t.Errorf("set by %v: it is %v after %v, and the machine says %v", set, now, last, wall)
			}
			last = now
		}
	})
}

// A clock that was far ahead for a while deletes nothing once it is set right.
func TestRetentionGoesByTheMachinesClock(t *testing.T) {
	in(t, func(t *testing.T) {
		var ahead atomic.Int64
		ahead.Store(int64(1000 * 24 * time.Hour))
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		r := newRig(t, Options{Now: now}, nil)
		defer r.close()
		r.engine.Attach(&Snapshot{Destinations: map[string]Config{"crm": {Destination: newFake(always(ok))}}, Retention: 24 * time.Hour})
		synctest.Wait()
		ahead.Store(0)
		id := r.accept("", "") // for nobody, so that its age is that since it came
		after(2 * time.Hour)
		if _, err := r.store.Event(t.Context(), id); err != nil {
			t.Errorf("two hours later, of 24: %v", err)
		}
	})
}
