package delivery

import (
	"fmt"
	"math"
	"time"
)

// Schedule says when a failed delivery is tried again, and when it is given up.
type Schedule struct {
	// Delays are the waits before each attempt, the first of them 0: the first attempt is made at once. A
	// delivery that has failed as many times as there are delays is dead. Empty means that the fields below count.
	Delays []time.Duration

	// First is the wait before the second attempt; each later one is Factor times longer (default 2), up to Max
	// (default 1 h). MaxAttempts bounds the attempts and MaxAge the sum of the waits; one of them must be set.
	First       time.Duration
	Factor      float64
	Max         time.Duration
	MaxAttempts int
	// MaxAge is counted along the schedule and not by the clock, so that a delivery that waited for a paused
	// destination, or was replayed a week later, still has all its attempts.
	MaxAge time.Duration

	// Jitter moves each wait by up to this fraction of it either way, so that what failed together does not come
	// back together. Default 0.1; negative: none.
	Jitter float64
}

const (
	defaultJitter = 0.1
	defaultMax    = time.Hour
	// maxAttempts bounds the work that one delivery can be.
	maxAttempts = 1000
)

// failingAfter is how many failures make a delivery that is tried again one that somebody is told of: the guide's steps.
const failingAfter = 5

// DefaultSchedule begins with the guide's five steps, at once and after 10 s, 30 s, 1 min and 5 min. Then the waits double
// up to an hour, until they come to 72 hours, as long as senders themselves try at most.
func DefaultSchedule() Schedule {
	const longest, age = defaultMax, 72 * time.Hour
	delays := []time.Duration{0, 10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}
	var sum time.Duration
	for _, d := range delays {
		sum += d
	}
	for wait := delays[len(delays)-1]; ; {
		wait = min(2*wait, longest)
		if sum += wait; sum > age {
			return Schedule{Delays: delays}
		}
		delays = append(delays, wait)
	}
}

// ListSchedule is a schedule with the waits given. The first attempt is made at once even where the list does not
// begin with 0.
func ListSchedule(delays ...time.Duration) Schedule {
	if len(delays) == 0 || delays[0] != 0 {
		delays = append([]time.Duration{0}, delays...)
	}
	return Schedule{Delays: delays}
}

// ExponentialSchedule doubles the wait from first up to longest. attempts or age may be 0, not both.
func ExponentialSchedule(first, longest time.Duration, attempts int, age time.Duration) Schedule {
	return Schedule{First: first, Max: longest, MaxAttempts: attempts, MaxAge: age}
}

func (s Schedule) isZero() bool { return len(s.Delays) == 0 && s.First == 0 }

// Validate reports what is wrong with a schedule. The zero schedule stands for the default one.
func (s Schedule) Validate() error {
	if s.isZero() {
		return nil
	}
	if s.Jitter > 1 {
		return fmt.Errorf("a jitter of %v is more than the wait itself: give a fraction such as 0.1", s.Jitter)
	}
	if len(s.Delays) > 0 {
		if len(s.Delays) > maxAttempts {
			return fmt.Errorf("%d attempts are too many: at most %d are made", len(s.Delays), maxAttempts)
		}
		for i, d := range s.Delays {
			if d < 0 {
				return fmt.Errorf("retry delay %d is negative: give the wait before each attempt", i+1)
			}
		}
		if s.Delays[0] != 0 {
			return fmt.Errorf("the first retry delay must be 0: it stands for the first attempt, which is made at once")
		}
		return nil
	}
	switch {
	case s.First < 0, s.Max < 0, s.MaxAge < 0, s.MaxAttempts < 0:
		return fmt.Errorf("an exponential schedule has no negative values")
	case s.MaxAttempts == 0 && s.MaxAge == 0:
		return fmt.Errorf("an exponential schedule needs an end: give it max attempts or a max age")
	case s.Factor != 0 && s.Factor < 1:
		return fmt.Errorf("a factor of %v makes the waits shorter: give 1 or more", s.Factor)
	}
	return nil
}

// Next is the wait after the given number of attempts have failed; ok is false when that was the last. random is in
// [0, 1).
func (s Schedule) Next(made int, random float64) (wait time.Duration, ok bool) {
	if made < 1 || made >= maxAttempts {
		return 0, made < 1
	}
	if len(s.Delays) > 0 {
		if made >= len(s.Delays) {
			return 0, false
		}
		wait = s.Delays[made]
	} else if wait, ok = s.exponential(made); !ok {
		return 0, false
	}
	jitter := s.Jitter
	switch {
	case jitter == 0:
		jitter = defaultJitter
	case jitter < 0:
		jitter = 0
	}
	return wait + time.Duration(float64(wait)*jitter*(2*random-1)), true
}

func (s Schedule) exponential(made int) (time.Duration, bool) {
	if s.MaxAttempts > 0 && made >= s.MaxAttempts {
		return 0, false
	}
	factor, longest := s.Factor, s.Max
	if factor == 0 {
		factor = 2
	}
	if longest == 0 {
		longest = defaultMax
	}
	var wait, sum float64
	for i := range made {
		wait = min(float64(s.First)*math.Pow(factor, float64(i)), float64(longest))
		sum += wait
	}
	if s.MaxAge > 0 && sum > float64(s.MaxAge) {
		return 0, false
	}
	return time.Duration(wait), true
}
