package alert

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hook is the receiver of alerts.
type hook struct {
	mu     sync.Mutex
	alerts []Alert
	bodies []string
	header http.Header
	tries  []time.Time
	// answer decides about a try, counted from 1; nil accepts all.
	answer func(try int) (int, error)
}

func (h *hook) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tries = append(h.tries, time.Now())
	status := http.StatusOK
	if h.answer != nil {
		var err error
		if status, err = h.answer(len(h.tries)); err != nil {
			return nil, err
		}
	}
	if status == http.StatusOK {
		var a Alert
		if err := json.Unmarshal(body, &a); err != nil {
			return nil, err
		}
		h.alerts, h.bodies, h.header = append(h.alerts, a), append(h.bodies, string(body)), r.Header
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(strings.Repeat("x", 10_000)))}, nil
}

// said lists the alerts as "kind state value".
func (h *hook) said() (all []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.alerts {
		all = append(all, fmt.Sprintf("%s %s %v", a.Alert, a.State, a.Value))
	}
	return all
}

func (h *hook) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	got := h.said()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("alerts %q, want %q", got, want)
	}
}

func watch(t *testing.T, s Settings, f func(m *Monitor, h *hook)) {
	synctest.Test(t, func(t *testing.T) {
		h := &hook{}
		s.URL = "https://hooks.example/secret-token"
		m := New(s, Options{Transport: h})
		defer m.Close()
		f(m, h)
	})
}

func attempts(m *Monitor, n int, a Attempt) {
	a.Destination = "crm"
	for range n {
		m.Attempt(a)
	}
}

var good = Attempt{Number: 1, Delivered: true, Took: time.Second}

func TestDeadLetters(t *testing.T) {
	watch(t, Settings{DeadLetter: true}, func(m *Monitor, h *hook) {
		m.DeadLetter("crm")
		h.want(t, "dead_letter firing 1") // at once
		for range 7 {
			m.DeadLetter("crm")
		}
		time.Sleep(14 * time.Minute)
		h.want(t, "dead_letter firing 1")
		time.Sleep(2 * time.Minute)
		h.want(t, "dead_letter firing 1", "dead_letter firing 7")
		time.Sleep(24 * time.Hour)
		h.want(t, "dead_letter firing 1", "dead_letter firing 7")
		m.DeadLetter("other")
		h.want(t, "dead_letter firing 1", "dead_letter firing 7", "dead_letter firing 1")
	})
}

func TestSuccessRate(t *testing.T) {
	watch(t, Settings{SuccessRate: 95}, func(m *Monitor, h *hook) {
		attempts(m, 19, Attempt{Number: 1}) // too few to say anything
		time.Sleep(20 * time.Second)
		h.want(t)
		attempts(m, 361, good) // exactly 95 %
		time.Sleep(20 * time.Second)
		h.want(t)
		attempts(m, 20, Attempt{Number: 1})
		time.Sleep(10 * time.Second)
		h.want(t, "success_rate firing 90.25")
		time.Sleep(4 * time.Minute)
		h.want(t, "success_rate firing 90.25")
		attempts(m, 400, good)
		time.Sleep(10 * time.Second)
		h.want(t, "success_rate firing 90.25", "success_rate resolved 95.24")
		attempts(m, 400, Attempt{Number: 1}) // bad again within the cool-down
		time.Sleep(4 * time.Minute)
		h.want(t, "success_rate firing 90.25", "success_rate resolved 95.24")
		if a := h.alerts[0]; a.Threshold != 95 || a.Window != "5m0s" || a.Destination != "crm" || !strings.Contains(a.Text, "90.25 %") {
			t.Errorf("%+v", a)
		}
	})
}

// What still holds after the cool-down is said again, and what no longer happens is over.
func TestRepeatsAndEnds(t *testing.T) {
	watch(t, Settings{SuccessRate: 95}, func(m *Monitor, h *hook) {
		for range 40 { // 40 min
			attempts(m, 30, Attempt{Number: 1})
			time.Sleep(time.Minute)
		}
		time.Sleep(time.Hour) // no traffic
		h.want(t, "success_rate firing 0", "success_rate firing 0", "success_rate firing 0", "success_rate resolved 0")
	})
}

func TestLatency(t *testing.T) {
	watch(t, Settings{Latency: 5 * time.Second}, func(m *Monitor, h *hook) {
		attempts(m, 50, Attempt{Number: 1, Delivered: true, Took: 5 * time.Second})
		time.Sleep(time.Minute)
		h.want(t)
		attempts(m, 50, Attempt{Number: 1, Delivered: true, Took: 7 * time.Second})
		time.Sleep(time.Minute)
		h.want(t, "latency firing 6")
		attempts(m, 300, good)
		time.Sleep(time.Minute)
		h.want(t, "latency firing 6", "latency resolved 2.25")
	})
}

func TestRetriesSpike(t *testing.T) {
	watch(t, Settings{Retries: 3}, func(m *Monitor, h *hook) {
		for range 12 { // an hour with 2 % of retries
			attempts(m, 98, good)
			attempts(m, 2, Attempt{Number: 2, Delivered: true})
			time.Sleep(5 * time.Minute)
		}
		h.want(t)
		attempts(m, 95, good)
		attempts(m, 5, Attempt{Number: 3, Delivered: true}) // 2.5 times
		time.Sleep(30 * time.Second)
		h.want(t)
		attempts(m, 3, Attempt{Number: 2})
		time.Sleep(30 * time.Second)
		h.want(t, "retries firing 3.88")
	})
}

// A destination that never retried may retry a little.
func TestFewRetriesAreNoSpike(t *testing.T) {
	watch(t, Settings{Retries: 3}, func(m *Monitor, h *hook) {
		attempts(m, 96, good)
		attempts(m, 4, Attempt{Number: 2})
		time.Sleep(time.Minute)
		h.want(t)
	})
}

func TestBreakerAndPause(t *testing.T) {
	watch(t, Settings{BreakerOpen: true, Paused: true}, func(m *Monitor, h *hook) {
		m.Breaker("crm", true)
		m.Breaker("crm", false)
		h.want(t, "breaker_open firing 1", "breaker_open resolved 0")
		for range 20 { // it flaps
			m.Breaker("crm", true)
			time.Sleep(10 * time.Second)
			m.Breaker("crm", false)
			time.Sleep(10 * time.Second)
		}
		h.want(t, "breaker_open firing 1", "breaker_open resolved 0")
		m.Paused("ehr", true)
		m.Paused("ehr", true)
		m.Paused("ehr", false)
		h.want(t, "breaker_open firing 1", "breaker_open resolved 0", "paused firing 1", "paused resolved 1")
	})
}

func TestNothingIsWatchedUnasked(t *testing.T) {
	watch(t, Settings{}, func(m *Monitor, h *hook) {
		m.DeadLetter("crm")
		m.Breaker("crm", true)
		m.Paused("crm", true)
		attempts(m, 100, Attempt{Number: 5, Took: time.Hour})
		time.Sleep(time.Hour)
		h.want(t)
	})
}

func TestMemoryIsBounded(t *testing.T) {
	watch(t, Settings{DeadLetter: true, SuccessRate: 95, MaxDestinations: 10}, func(m *Monitor, h *hook) {
		for i := range 1000 {
			m.Attempt(Attempt{Destination: fmt.Sprint("d", i), Number: 1, Delivered: true})
			m.Attempt(Attempt{Destination: "busy", Number: 1, Delivered: true})
		}
		if len(m.destinations) != 10 || m.recent.Len() != 10 || m.destinations["busy"] == nil {
			t.Errorf("%d destinations are kept", len(m.destinations))
		}
	})
}

func TestRingForgets(t *testing.T) {
	var r ring
	r.add(1000, tally{attempts: 1})
	for _, tt := range []struct{ at, current, before int64 }{
		{1000, 1, 0}, {1009, 1, 0}, {1010, 0, 1}, {1000 + ringSize - 1, 0, 1}, {1000 + ringSize, 0, 0}, {1 << 40, 0, 0},
	} {
		c, b := r.sums(tt.at)
		if c.attempts != tt.current || b.attempts != tt.before {
			t.Errorf("at %d: %d and %d, want %d and %d", tt.at, c.attempts, b.attempts, tt.current, tt.before)
		}
	}
	// A clock that goes back loses nothing.
	r.add(5, tally{attempts: 1})
	if c, _ := r.sums(6); c.attempts != 1 {
		t.Error("an attempt was lost when the clock went back")
	}
	// And the window moves on after it, as it did before.
	if c, _ := r.sums(20); c.attempts != 0 {
		t.Errorf("%d attempts are still counted two windows after the clock went back", c.attempts)
	}
}

func TestValidate(t *testing.T) {
	bad := map[string]Settings{
		"not an http": {URL: "ftp://secret-token"},
		"URL is not":  {URL: "https://ho st/secret-token"},
		"percentage":  {SuccessRate: 195},
		"must not be": {Latency: -1},
		"no spike":    {Retries: 0.5},
		"too short":   {Window: time.Second},
	}
	for want, s := range bad {
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret-token") {
			t.Errorf("%+v: %v, want %q", s, err, want)
		}
	}
	if err := (Settings{URL: "https://hooks.example/x", SuccessRate: 95, Latency: 5 * time.Second, Retries: 3}).Validate(); err != nil {
		t.Error(err)
	}
}
