package delivery

import (
	"sync/atomic"
	"time"
)

// steady is a clock that never goes back. A machine's does when it is set right, by seconds or, after a start with a wrong
// one, by hours: what was accepted before would be due that much later, and wait for nothing. What is deleted by age goes by
// the machine's all the same.
func steady(wall func() time.Time) func() time.Time {
	began := time.Now()
	start := wall().Round(0) // without the reading of the monotonic clock, which knows nothing of such a change
	var ahead atomic.Int64   // how far the machine's clock was set forward at most
	return func() time.Time {
		now := wall()
		set := now.Round(0).Sub(start.Add(time.Since(began)))
		for most := ahead.Load(); ; most = ahead.Load() {
			if back := time.Duration(most) - set; back > 0 {
				return now.Add(back)
			}
			if ahead.CompareAndSwap(most, int64(set)) {
				return now
			}
		}
	}
}
