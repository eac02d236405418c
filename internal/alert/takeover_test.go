package alert

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// reload is what a new configuration does: the next monitor takes over, and the one before is closed.
func reload(m *Monitor, s Settings, h *hook) *Monitor {
	s.URL = "https://hooks.example/secret-token"
	next := New(s, Options{Transport: h})
	next.TakeOver(m)
	m.Close()
	return next
}

// What was said is not said again after a reload, the cool-down goes on, and the end is said.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hook{}
		s := Settings{DeadLetter: true, BreakerOpen: true, Paused: true, SuccessRate: 95, Cooldown: time.Hour}
		m := reload(New(s, Options{}), s, h)
		m.Paused("crm", true)
		m.DeadLetter("crm")
		m.Breaker("ehr", true)
		attempts(m, 30, Attempt{Number: 1})
		time.Sleep(maxTick)
		said := []string{"paused firing 1", "dead_letter firing 1", "breaker_open firing 1", "success_rate firing 0"}
		h.want(t, said...)
		for range 5 {
			m = reload(m, s, h)
			m.DeadLetter("crm")
			m.Breaker("ehr", true)
			time.Sleep(maxTick)
		}
		h.want(t, said...)
		m = reload(m, s, h)
		m.Paused("crm", false)
		m.Breaker("ehr", false)
		said = append(said, "paused resolved 1", "breaker_open resolved 5")
		h.want(t, said...)
		attempts(m, 2000, good)
		time.Sleep(maxTick)
		said = append(said, "success_rate resolved 98.52")
		h.want(t, said...)
		m = reload(m, s, h)
		time.Sleep(time.Hour)
		h.want(t, append(said, "dead_letter firing 5")...)
		m.Close()
	})
}

// Settings that do not watch for a thing forget it; another window begins anew.
func TestTakeOverWithOtherSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hook{}
		m := New(Settings{URL: "https://hooks.example/", Paused: true, SuccessRate: 95, MinAttempts: 10}, Options{Transport: h})
		m.Paused("crm", true)
		attempts(m, 9, Attempt{Number: 1})
		h.want(t, "paused firing 1")
		m = reload(m, Settings{SuccessRate: 95, MinAttempts: 10, Window: time.Minute}, h)
		m.Paused("crm", false)
		attempts(m, 9, Attempt{Number: 1})
		time.Sleep(maxTick)
		h.want(t, "paused firing 1")
		m.Close()
	})
}

// A configuration that could not be loaded gives back what it took over.
func TestTakeOverAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hook{}
		s := Settings{URL: "https://hooks.example/", Paused: true, BreakerOpen: true}
		old := New(s, Options{Transport: h})
		old.Paused("crm", true)
		h.want(t, "paused firing 1")
		next := New(s, Options{Transport: h})
		next.TakeOver(old)
		next.Paused("crm", false)
		next.Paused("ehr", true)
		old.TakeOver(next)
		next.Close()
		h.want(t, "paused firing 1", "paused resolved 1", "paused firing 1")
		old.Paused("ehr", false)
		h.want(t, "paused firing 1", "paused resolved 1", "paused firing 1", "paused resolved 1")
		old.Close()
		late := New(s, Options{Transport: h})
		late.TakeOver(old) // closed already
		late.Close()
	})
}

// What happened between the making of a monitor and its taking over counts.
func TestTakeOverLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hook{}
		s := Settings{URL: "https://hooks.example/", Paused: true, DeadLetter: true}
		old := New(s, Options{Transport: h})
		old.Paused("crm", true)
		old.DeadLetter("crm")
		old.DeadLetter("crm") // within the cool-down
		h.want(t, "paused firing 1", "dead_letter firing 1")
		next := New(s, Options{Transport: h})
		next.Paused("crm", false)
		next.TakeOver(old)
		old.Close()
		h.want(t, "paused firing 1", "dead_letter firing 1", "paused resolved 0")
		next.DeadLetter("crm")
		time.Sleep(time.Hour)
		h.want(t, "paused firing 1", "dead_letter firing 1", "paused resolved 0", "dead_letter firing 2")
		next.Close()
	})
}

// Alerts that could not be posted before a reload are posted after it.
func TestTakeOverPostsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		h := &hook{answer: func(int) (int, error) {
			if down.Load() {
				return 0, errors.New("down")
			}
			return 200, nil
		}}
		s := Settings{URL: "https://hooks.example/", DeadLetter: true}
		m := New(s, Options{Transport: h})
		m.DeadLetter("crm")
		synctest.Wait() // it is on its way
		m.DeadLetter("ehr")
		m.Failing("ehr")
		down.Store(false)
		m = reload(m, s, h)
		h.want(t, "dead_letter firing 1", "dead_letter firing 1", "failing firing 1")
		m.Close()
	})
}
