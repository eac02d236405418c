package gateway

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Budget bounds what is spent on bodies whose sender is not known yet: their memory, and the time that large ones take.
// It is safe for concurrent use; nil is without a bound.
type Budget struct {
	used, most atomic.Int64

	mu   sync.Mutex
	paid time.Time // until when the time for large bodies is taken
}

// NewBudget returns a budget of so many bytes.
func NewBudget(most int64) *Budget {
	b := new(Budget)
	b.most.Store(most)
	return b
}

// Resize changes the bound. What is held stays held.
func (b *Budget) Resize(most int64) { b.most.Store(most) }

// Used is how many bytes are held.
func (b *Budget) Used() int64 { return b.used.Load() }

// light is up to how many bytes a body is of the usual size.
const light = 64 << 10

// take holds n bytes more for a body that will then have size, or none if there are not so many. The last quarter is for
// bodies of the usual size: whoever announces large ones and never ends them uses up no more than the rest, and calls go on.
func (b *Budget) take(n, size int64) bool {
	if b == nil {
		return true
	}
	most := b.most.Load()
	if size > light {
		most -= most / 4
	}
	if b.used.Add(n) > most {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *Budget) give(n int64) {
	if b != nil && n != 0 {
		b.used.Add(-n)
	}
}

// pace is how many bytes of large bodies are read in a second for each processor. To read, copy and hash that much takes
// about a twentieth of the processor; over a fast network strangers could keep all of them busy with it.
const pace = 32 << 20

// headStart is what may come at once after a while without large bodies, and patience how long one waits until it is
// refused.
const headStart, patience = 250 * time.Millisecond, 2 * time.Second

// wait is how long a large body has to wait until n bytes more of it are read; false if that is too long.
func (b *Budget) wait(n int64) (time.Duration, bool) {
	if b == nil {
		return 0, true
	}
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if earliest := now.Add(-headStart); b.paid.Before(earliest) {
		b.paid = earliest
	}
	wait := b.paid.Sub(now)
	if wait > patience {
		return 0, false
	}
	b.paid = b.paid.Add(time.Duration(float64(n) / float64(pace*runtime.GOMAXPROCS(0)) * float64(time.Second)))
	return max(wait, 0), true
}
