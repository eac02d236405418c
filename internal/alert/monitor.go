package alert

import (
	"container/list"
	"math"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Options set up a Monitor.
type Options struct {
	// Transport posts the alerts; required with a URL. Redirects are not followed.
	Transport http.RoundTripper
	// Sign, if set, adds a signature over the body to each request, anew for each try.
	Sign func(r *http.Request, body []byte) error
	// Notify, if set, is told every alert besides. It must not block, and must not call the monitor.
	Notify func(Alert)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Log is where failures to post go; nil means nowhere.
	Log *zap.Logger
}

// Monitor counts what deliveries do and posts alerts. All methods are safe for concurrent use and never block on
// the network.
type Monitor struct {
	s    Settings
	o    Options
	slot time.Duration
	post *poster
	stop chan struct{}
	done chan struct{}

	mu           sync.Mutex
	destinations map[string]*list.Element // of *watched, the one heard of last in front
	recent       *list.List
	closed       bool
}

// watched is what is known of one destination.
type watched struct {
	name   string
	ring   ring
	states map[Kind]*condition
}

// condition is one kind of alert for one destination.
type condition struct {
	// active tells that it holds, posted that this was said.
	active, posted bool
	last           time.Time
	value          float64
}

// Attempt is one attempt at a delivery.
type Attempt struct {
	Destination string
	// Number counts from 1; those after the first are retries.
	Number    int
	Delivered bool
	Took      time.Duration
}

// New returns a monitor that runs until Close.
func New(s Settings, o Options) *Monitor {
	s = s.WithDefaults()
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	m := &Monitor{
		s: s, o: o, slot: s.Window / slots, stop: make(chan struct{}), done: make(chan struct{}),
		destinations: map[string]*list.Element{}, recent: list.New(),
	}
	if s.URL != "" && o.Transport != nil {
		m.post = newPoster(s.URL, o)
	}
	go m.run()
	return m
}

// Attempt counts an attempt.
func (m *Monitor) Attempt(a Attempt) {
	t := tally{attempts: 1, took: a.Took}
	if a.Delivered {
		t.delivered = 1
	}
	if a.Number > 1 {
		t.retries = 1
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.of(a.Destination).ring.add(m.slotOf(m.o.Now()), t)
}

// DeadLetter counts a delivery that was given up.
func (m *Monitor) DeadLetter(destination string) {
	if m.s.DeadLetter {
		m.count(destination, DeadLetter)
	}
}

// Failing counts a delivery that failed five times and is tried on.
func (m *Monitor) Failing(destination string) {
	if m.s.DeadLetter {
		m.count(destination, Failing)
	}
}

// Breaker tells that a destination's breaker opened, or closed again.
func (m *Monitor) Breaker(destination string, open bool) {
	switch {
	case !m.s.BreakerOpen:
	case open:
		m.count(destination, BreakerOpen)
	default:
		m.end(destination, BreakerOpen)
	}
}

// Paused tells that a destination was paused or resumed.
func (m *Monitor) Paused(destination string, paused bool) {
	switch {
	case !m.s.Paused:
	case paused:
		m.count(destination, Paused)
	default:
		m.end(destination, Paused)
	}
}

func (m *Monitor) count(destination string, k Kind) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.of(destination)
	c := w.state(k)
	c.active = true
	if c.value++; k == Paused {
		c.value = 1
	}
	m.judge(w, k, c, m.o.Now())
}

func (m *Monitor) end(destination string, k Kind) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.of(destination)
	c := w.state(k)
	c.active = false
	m.judge(w, k, c, m.o.Now())
}

// of finds or makes what is known of a destination.
func (m *Monitor) of(name string) *watched {
	if e, ok := m.destinations[name]; ok {
		m.recent.MoveToFront(e)
		return e.Value.(*watched)
	}
	if m.recent.Len() >= m.s.MaxDestinations {
		oldest := m.recent.Back()
		delete(m.destinations, oldest.Value.(*watched).name)
		m.recent.Remove(oldest)
	}
	w := &watched{name: name, states: map[Kind]*condition{}}
	m.destinations[name] = m.recent.PushFront(w)
	return w
}

func (w *watched) state(k Kind) *condition {
	if w.states[k] == nil {
		w.states[k] = &condition{}
	}
	return w.states[k]
}

func (m *Monitor) slotOf(t time.Time) int64 { return t.UnixNano() / int64(m.slot) }

// maxTick bounds how late an alert on a rate can be.
const maxTick = 10 * time.Second

func (m *Monitor) run() {
	defer close(m.done)
	ticker := time.NewTicker(min(m.slot, maxTick))
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			m.look()
		case <-m.stop:
			return
		}
	}
}

// look compares every destination with the thresholds.
func (m *Monitor) look() {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.o.Now()
	for e := m.recent.Front(); e != nil; e = e.Next() {
		w := e.Value.(*watched)
		m.measure(w, now)
		for k, c := range w.states {
			m.judge(w, k, c, now)
		}
	}
}

const (
	// usualRetries is the least share of retries that a spike is a multiple of: two retries among a hundred attempts
	// are none, even where there were none before.
	usualRetries = 0.01
	// minRetries is the least number of retries that can be a spike.
	minRetries = 5
)

func (m *Monitor) measure(w *watched, now time.Time) {
	current, before := w.ring.sums(m.slotOf(now))
	if current.attempts > 0 && current.attempts < int64(m.s.MinAttempts) {
		return // too few to say that anything changed
	}
	some := current.attempts > 0
	share := func(part, whole int64) float64 { return float64(part) / float64(max(whole, 1)) }
	if m.s.SuccessRate > 0 {
		c := w.state(SuccessRate)
		c.value = round(100 * share(current.delivered, current.attempts))
		c.active = some && c.value < m.s.SuccessRate
	}
	if m.s.Latency > 0 {
		c := w.state(Latency)
		mean := current.took / time.Duration(max(current.attempts, 1))
		c.value = round(mean.Seconds())
		c.active = some && mean > m.s.Latency
	}
	if m.s.Retries > 0 {
		c := w.state(Retries)
		usual := max(share(before.retries, before.attempts), usualRetries)
		c.value = round(share(current.retries, current.attempts) / usual)
		c.active = some && current.retries >= minRetries && c.value >= m.s.Retries
	}
}

func round(x float64) float64 { return math.Round(x*100) / 100 }

// judge posts what there is to say about one condition.
func (m *Monitor) judge(w *watched, k Kind, c *condition, now time.Time) {
	switch {
	case c.active && (c.last.IsZero() || now.Sub(c.last) >= m.s.Cooldown):
		c.posted, c.last = true, now
		m.say(w, k, Firing, c.value, now)
		switch k {
		case DeadLetter, Failing:
			c.active, c.posted, c.value = false, false, 0
		case BreakerOpen:
			c.value = 0
		}
	case !c.active && c.posted:
		c.posted = false
		m.say(w, k, Resolved, c.value, now)
	}
}

func (m *Monitor) say(w *watched, k Kind, s State, value float64, now time.Time) {
	if m.closed {
		return
	}
	a := Alert{Alert: k, State: s, Destination: w.name, Value: value, Threshold: 1, At: now.UTC()}
	switch k {
	case SuccessRate:
		a.Threshold = m.s.SuccessRate
	case Latency:
		a.Threshold = m.s.Latency.Seconds()
	case Retries:
		a.Threshold = m.s.Retries
	}
	if k == SuccessRate || k == Latency || k == Retries {
		a.Window = m.s.Window.String()
	}
	a.Text = sentence(&a)
	if m.o.Notify != nil {
		m.o.Notify(a)
	}
	if m.post != nil {
		m.post.add(a)
	}
}

// Close ends the monitor. An alert that is on its way is cut short. It and those behind it go to the monitor that has
// taken over, and without one are dropped and counted in the log.
func (m *Monitor) Close() {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		<-m.done
		return
	}
	m.closed = true
	m.mu.Unlock()
	close(m.stop)
	<-m.done
	if m.post != nil {
		m.post.close()
	}
}
