package operate

import (
	"math"
	"slices"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// A series counts the attempts at a destination in slots of time: short ones for the last hour, and hours for the last week.
const (
	shortSlot, shortSlots = 5 * time.Minute, 12
	longSlot, longSlots   = time.Hour, 7 * 24
)

// Times are counted in bins, each √2 times as wide as the one before. SlowAttempt is the edge of two of them, so that it can be
// told exactly how many took longer.
const (
	bins, slowBin = 37, 24
)

// binOf is the bin of a time.
func binOf(took time.Duration) int {
	if took <= 0 {
		return 0
	}
	return min(max(int(math.Ceil(2*math.Log2(float64(took)/float64(SlowAttempt))))+slowBin, 0), bins-1)
}

// edge is the longest time that a bin counts.
func edge(bin int) float64 { return float64(SlowAttempt) * math.Pow(2, float64(bin-slowBin)/2) }

// counts are what was counted in a time.
type counts struct {
	attempts, delivered, dead uint32
	// firsts are attempts that were the first of their delivery, and retries the others.
	firsts, firstDelivered uint32
	// accepted are events that were taken in, and copies those that were there already.
	accepted, copies uint32
	// refused are requests that were refused, by the code of their answer, of which there are some twenty.
	refused []refusals
	// took counts by bins, as many as there is something in.
	took []uint32
}

func (c *counts) retries() uint32 { return c.attempts - c.firsts }

// count adds an attempt.
func (c *counts) count(a *store.AttemptInfo) {
	delivered := a.State == store.Delivered
	c.attempts++
	if delivered {
		c.delivered++
	}
	if a.State == store.Dead {
		c.dead++
	}
	if a.Number <= 1 {
		c.firsts++
		if delivered {
			c.firstDelivered++
		}
	}
	bin := binOf(a.Took)
	for len(c.took) <= bin {
		c.took = append(c.took, 0)
	}
	c.took[bin]++
}

// add adds what was counted elsewhere.
func (c *counts) add(o *counts) {
	c.attempts, c.delivered, c.dead = c.attempts+o.attempts, c.delivered+o.delivered, c.dead+o.dead
	c.firsts, c.firstDelivered = c.firsts+o.firsts, c.firstDelivered+o.firstDelivered
	c.accepted, c.copies = c.accepted+o.accepted, c.copies+o.copies
	for _, r := range o.refused {
		c.refuse(r.code, r.n)
	}
	for len(c.took) < len(o.took) {
		c.took = append(c.took, 0)
	}
	for i, n := range o.took {
		c.took[i] += n
	}
}

// refuse adds requests that were refused.
func (c *counts) refuse(code string, n uint32) {
	for i := range c.refused {
		if c.refused[i].code == code {
			c.refused[i].n += n
			return
		}
	}
	c.refused = append(c.refused, refusals{code, n})
}

// refusals are how many requests were refused with a code.
type refusals struct {
	code string
	n    uint32
}

// quantile is the time that a share of the attempts took at most, about: within a bin it is taken to grow evenly.
func (c *counts) quantile(share float64) time.Duration {
	rank := share * float64(c.attempts)
	seen := 0.0
	for bin, n := range c.took {
		if n == 0 {
			continue
		}
		if seen+float64(n) >= rank {
			into := max(rank-seen, 0) / float64(n)
			return time.Duration(edge(bin-1) * math.Pow(2, into/2))
		}
		seen += float64(n)
	}
	return 0
}

// slots are the last slots of a length, each under its number since 1970.
type slots struct {
	length time.Duration
	at     []slot
}

type slot struct {
	number int64
	*counts
}

func newSlots(length time.Duration, n int) slots { return slots{length, make([]slot, n)} }

// of is the slot of a time; nil if it is over for so long that it is not counted.
func (s *slots) of(at time.Time) *counts {
	number := at.UnixNano() / int64(s.length)
	if number < 0 {
		return nil
	}
	place := &s.at[number%int64(len(s.at))]
	switch {
	case place.counts == nil || place.number < number:
		*place = slot{number, new(counts)}
	case place.number > number:
		return nil
	}
	return place.counts
}

// each gives the slots of a window that ends with that of now, the first first; nil where nothing was counted.
func (s *slots) each(now time.Time, window int, f func(i int, c *counts)) {
	last := now.UnixNano() / int64(s.length)
	for i := range window {
		number := last - int64(window) + 1 + int64(i)
		if place := s.at[number%int64(len(s.at))]; place.number == number {
			f(i, place.counts)
		} else {
			f(i, nil)
		}
	}
}

// maxWarnings is how many different warnings of a destination are remembered, each while the last deliveries had it.
const maxWarnings, currentWarning = 8, 20

// warned is a warning that deliveries came back with.
type warned struct {
	text        string
	first, last time.Time
	count       int64
	missed      int64 // deliveries since then
}

// failing is since when nothing was delivered, though it was tried.
type failing struct {
	since  time.Time
	count  int64
	status int
	reason string
}

// series is what is known of the attempts at a destination.
type series struct {
	short, long slots
	failing     failing
	// taken tells that something was delivered: before that it does not matter whether it failed.
	taken     bool
	delivered int64
	warnings  []warned
}

func newSeries() *series {
	return &series{short: newSlots(shortSlot, shortSlots), long: newSlots(longSlot, longSlots)}
}

// count counts an attempt. Those of before the process began come later than the others, the last of them first.
func (s *series) count(a *store.AttemptInfo, before bool) {
	for _, c := range []*counts{s.short.of(a.At), s.long.of(a.At)} {
		if c != nil {
			c.count(a)
		}
	}
	f := &s.failing
	switch delivered := a.State == store.Delivered; {
	case before && delivered:
		s.taken = true
	case before && !s.taken:
		if f.since, f.count = a.At, f.count+1; f.status == 0 && f.reason == "" {
			f.status, f.reason = a.Status, a.Reason
		}
	case before:
	case delivered:
		s.taken, *f = true, failing{}
	default:
		if f.count++; f.count == 1 {
			f.since = a.At
		}
		f.status, f.reason = a.Status, a.Reason
	}
	if a.State == store.Delivered {
		s.warn(a, before)
	}
}

// warn takes over the warnings of a delivery.
func (s *series) warn(a *store.AttemptInfo, before bool) {
	if s.delivered++; !before {
		for i := range s.warnings {
			s.warnings[i].missed++
		}
	}
	for _, text := range a.Warnings {
		i := slices.IndexFunc(s.warnings, func(w warned) bool { return w.text == text })
		if i < 0 {
			fresh := warned{text: text, first: a.At, last: a.At}
			if before {
				fresh.missed = s.delivered - 1
			}
			if i = len(s.warnings); i < maxWarnings {
				s.warnings = append(s.warnings, fresh)
			} else if i = s.overWarning(); i >= 0 {
				s.warnings[i] = fresh
			} else {
				continue
			}
		}
		w := &s.warnings[i]
		w.count++
		if before {
			w.first = a.At
		} else {
			w.last, w.missed = a.At, 0
		}
	}
}

// overWarning finds a warning that the last deliveries did not have; -1 if they had them all.
func (s *series) overWarning() int {
	return slices.IndexFunc(s.warnings, func(w warned) bool { return w.missed >= currentWarning })
}
