package sqlite

import (
	"cmp"
	"sync/atomic"
	"time"
)

// Tuning is what can be changed while a store is open. Its fields are those of Options, with the same defaults.
type Tuning struct {
	Window   time.Duration
	MaxBytes int64
	MinFree  int64
}

const defaultWindow = 72 * time.Hour

// tuning is the Tuning in force, which the writer reads while others change it.
type tuning struct {
	window, maxBytes, minFree atomic.Int64
}

// Tune changes what can be changed while the store is open. It holds from the next commit on.
func (s *Store) Tune(t Tuning) {
	s.tuning.window.Store(int64(cmp.Or(t.Window, defaultWindow)))
	s.tuning.maxBytes.Store(t.MaxBytes)
	s.tuning.minFree.Store(cmp.Or(t.MinFree, defaultMinFree))
}
