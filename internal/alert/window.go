package alert

import "time"

const (
	// slots is how finely a window moves on, and baseline how many windows the usual share of retries is taken over.
	slots    = 10
	baseline = 12
	ringSize = slots * (baseline + 1)
)

// tally sums attempts up.
type tally struct {
	attempts, delivered, retries int64
	took                         time.Duration
}

func (t *tally) add(o tally) {
	t.attempts += o.attempts
	t.delivered += o.delivered
	t.retries += o.retries
	t.took += o.took
}

// ring is the recent past of one destination in slots of equal length. Time is counted in slots.
type ring struct {
	slots [ringSize]tally
	last  int64 // the newest slot
}

// move makes now the newest slot and empties those that were passed over. A clock that is far behind the newest slot was
// wrong when that was written: the past is forgotten, or no window would move on until the clock is there again.
func (r *ring) move(now int64) {
	if now-r.last >= ringSize || r.last-now >= ringSize {
		*r = ring{last: now}
		return
	}
	for r.last < now {
		r.last++
		r.slots[r.last%ringSize] = tally{}
	}
}

func (r *ring) add(now int64, t tally) {
	r.move(now)
	// A clock that was set back a little counts for the newest slot.
	r.slots[r.last%ringSize].add(t)
}

// sums are the tallies of the window that ends now and of the windows before it.
func (r *ring) sums(now int64) (current, before tally) {
	r.move(now)
	for i := range int64(ringSize) {
		at := r.last - i
		if at < 0 {
			break
		}
		if i < slots {
			current.add(r.slots[at%ringSize])
		} else {
			before.add(r.slots[at%ringSize])
		}
	}
	return current, before
}
