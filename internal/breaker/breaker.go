// Package breaker puts gobreaker around a receiver: it says when to stop asking, and how long to wait before the next
// try.
package breaker

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Settings say when a breaker opens and closes. Zero fields take the defaults.
type Settings struct {
	// ConsecutiveFailures in a row open the breaker. Default 5; negative: never by this rule.
	ConsecutiveFailures int
	// FailureRatio of at least MinRequests within Window opens it too. Default 0.5; negative: never by this rule.
	FailureRatio float64
	// MinRequests is how many requests the ratio needs to mean anything. Default 20.
	MinRequests int
	// Window is what FailureRatio looks back on. Default 10 s.
	Window time.Duration
	// OpenFor is how long it stays open before probes are let through. Default 10 s.
	OpenFor time.Duration
	// Probes is how many requests may try at once when it is half open, and how many must succeed in a row to
	// close it. Default 1.
	Probes int
}

// WithDefaults fills the fields that are zero.
func (s Settings) WithDefaults() Settings {
	if s.ConsecutiveFailures == 0 {
		s.ConsecutiveFailures = 5
	}
	if s.FailureRatio == 0 {
		s.FailureRatio = 0.5
	}
	if s.MinRequests == 0 {
		s.MinRequests = 20
	}
	if s.Window == 0 {
		s.Window = 10 * time.Second
	}
	if s.OpenFor == 0 {
		s.OpenFor = 10 * time.Second
	}
	if s.Probes == 0 {
		s.Probes = 1
	}
	return s
}

// State is where a breaker stands.
type State = gobreaker.State

// The states.
const (
	Closed   = gobreaker.StateClosed
	HalfOpen = gobreaker.StateHalfOpen
	Open     = gobreaker.StateOpen
)

// Outcome is what became of a request that was let through.
type Outcome uint8

// The outcomes. Neither says that the request proved nothing about the receiver, as when the client went away.
const (
	Success Outcome = iota
	Failure
	Neither
)

var errFailure, errNeither = errors.New("failure"), errors.New("neither")

// buckets is how finely the window moves on.
const buckets = 10

// Breaker is safe for concurrent use.
type Breaker struct {
	settings Settings
	stays    time.Duration // how long a request stays in the window
	cb       *gobreaker.TwoStepCircuitBreaker[struct{}]
	// opensUntil is when an open breaker lets the next probe through, in Unix nanoseconds. gobreaker does not tell.
	opensUntil atomic.Int64
}

// New returns a closed breaker. onChange may be nil; it is called with the breaker's lock held, so it must not call
// the breaker and must not block.
func New(s Settings, onChange func(from, to State)) *Breaker {
	b := &Breaker{settings: s}
	s = s.WithDefaults()
	b.stays = s.Window - s.Window/buckets
	b.cb = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:  uint32(s.Probes),
		Interval:     s.Window,
		BucketPeriod: s.Window / buckets,
		Timeout:      s.OpenFor,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			if s.ConsecutiveFailures > 0 && int(c.ConsecutiveFailures) >= s.ConsecutiveFailures {
				return true
			}
			finished := c.TotalFailures + c.TotalSuccesses
			return s.FailureRatio > 0 && int(finished) >= s.MinRequests &&
				float64(c.TotalFailures) >= s.FailureRatio*float64(finished)
		},
		IsExcluded: func(err error) bool { return err == errNeither },
		OnStateChange: func(_ string, from, to gobreaker.State) {
			if to == gobreaker.StateOpen {
				b.opensUntil.Store(time.Now().Add(s.OpenFor).UnixNano())
			}
			if onChange != nil {
				onChange(from, to)
			}
		},
	})
	return b
}

// Settings returns what the breaker was made with.
func (b *Breaker) Settings() Settings { return b.settings }

// State tells where the breaker stands now.
func (b *Breaker) State() State { return b.cb.State() }

// Allow asks to let a request through. If it is, done must be called once with what became of it; if not, done is nil
// and wait says how long the caller had better stay away (1 s or more).
func (b *Breaker) Allow() (done func(Outcome), wait time.Duration) {
	report, err := b.cb.Allow()
	if err != nil {
		left := time.Until(time.Unix(0, b.opensUntil.Load()))
		return nil, max(left, time.Second)
	}
	began := time.Now()
	return func(o Outcome) { b.finished(report, began, o) }, 0
}

// finished reports what became of a request.
func (b *Breaker) finished(report func(error), began time.Time, o Outcome) {
	if time.Since(began) >= b.stays {
		// gobreaker counts a request at the time of its beginning. One that took as long as the window would not count at all,
		// and a receiver that hangs would never be found out; so it counts as one of now.
		report(errNeither)
		var err error
		if report, err = b.cb.Allow(); err != nil {
			return
		}
	}
	switch o {
	case Success:
		report(nil)
	case Failure:
		report(errFailure)
	default:
		report(errNeither)
	}
}
