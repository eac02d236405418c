package delivery

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// waits lists all waits of a schedule, the middle of their jitter.
func waits(s Schedule) (all []time.Duration) {
	for made := 1; ; made++ {
		wait, ok := s.Next(made, 0.5)
		if !ok {
			return all
		}
		all = append(all, wait)
	}
}

// defaultWaits are the guide's steps, and then up to an hour until 72 hours are over.
func defaultWaits() []time.Duration {
	waits := durations(10, 30, 60, 300, 600, 1200, 2400)
	for range 70 { // 4600 s before them, and 72 h are 259200 s
		waits = append(waits, time.Hour)
	}
	return waits
}

func TestScheduleWaits(t *testing.T) {
	tests := []struct {
		name string
		s    Schedule
		want []time.Duration
	}{
		{"the default", DefaultSchedule(), defaultWaits()},
		{"a list without 0", ListSchedule(durations(1, 2)...), durations(1, 2)},
		{"a list with 0", ListSchedule(durations(0, 1, 2)...), durations(1, 2)},
		{"an empty list", ListSchedule(), nil},
		{"exponential", ExponentialSchedule(time.Second, 5*time.Second, 6, 0), durations(1, 2, 4, 5, 5)},
		{"exponential with an age", ExponentialSchedule(time.Second, time.Hour, 0, 8*time.Second), durations(1, 2, 4)},
		{"a factor", Schedule{First: time.Second, Factor: 3, MaxAttempts: 4}, durations(1, 3, 9)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.s.Validate(); err != nil {
				t.Fatal(err)
			}
			if got := waits(tt.s); !slices.Equal(got, tt.want) {
				t.Errorf("waits %v, want %v", got, tt.want)
			}
		})
	}
}

// Whatever the numbers, a schedule ends.
func TestScheduleEnds(t *testing.T) {
	s := Schedule{First: 1, Factor: 1e300, MaxAttempts: 1 << 40}
	all := waits(s)
	if len(all) != maxAttempts-1 || all[len(all)-1] != time.Hour {
		t.Errorf("%d waits, the last %v", len(all), all[len(all)-1])
	}
}

func TestJitterStaysInBounds(t *testing.T) {
	s := DefaultSchedule()
	for made, want := range []float64{1: 10, 2: 30, 3: 60, 4: 300} {
		if made == 0 {
			continue
		}
		low, _ := s.Next(made, 0)
		high, _ := s.Next(made, 0.999999)
		if low.Seconds() != want*0.9 || high.Seconds() > want*1.1 || high.Seconds() < want*1.0999 {
			t.Errorf("after %d attempts between %v and %v, want %v s ± 10 %%", made, low, high, want)
		}
	}
	s.Jitter = -1
	if low, _ := s.Next(1, 0); low != 10*time.Second {
		t.Errorf("%v without jitter", low)
	}
}

func TestScheduleValidate(t *testing.T) {
	tests := map[string]Schedule{
		"must be 0":          {Delays: durations(1)},
		"negative":           {Delays: durations(0, -1)},
		"too many":           {Delays: make([]time.Duration, maxAttempts+1)},
		"needs an end":       {First: time.Second},
		"shorter":            {First: time.Second, Factor: 0.5, MaxAttempts: 3},
		"no negative":        {First: -1, MaxAttempts: 3},
		"more than the wait": {Delays: durations(0), Jitter: 1.5},
	}
	for want, s := range tests {
		if err := s.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", s, err, want)
		}
	}
	if err := (Schedule{}).Validate(); err != nil {
		t.Error(err)
	}
}
