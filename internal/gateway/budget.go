package gateway

import "sync/atomic"

// Budget bounds the memory of bodies whose sender is not known yet. It is safe for concurrent use; nil is without a bound.
type Budget struct{ used, most atomic.Int64 }

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
