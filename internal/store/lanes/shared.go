package lanes

import (
	"context"
	"math"
	"slices"
	"time"
)

// What others add to a shared store has to be looked for. How often, is said here; being told of it is quicker.
const (
	// lookEvery is how often it is asked what others have added.
	lookEvery = time.Second
	// behind is how far behind the last row that was claimed reading begins: entries of an index whose rows are gone stay
	// until nobody could see the rows, and would be walked over each time. What others add belongs further ahead, but for
	// the difference of clocks.
	behind = time.Minute
	// fullEvery is how often reading begins at the beginning all the same.
	fullEvery = time.Minute
)

// Stale says that others may have added deliveries for destinations, or for all with nil.
func (ls *Lanes) Stale(destinations []string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, list := range ls.lanes {
		for _, l := range list {
			if destinations == nil || slices.Contains(destinations, l.Name) {
				l.looked = time.Time{}
			}
		}
	}
}

// look asks which tenants there are, if it was not asked for a while, and forgets when their deliveries are due.
func (ls *Lanes) look(ctx context.Context, src Source, l *Lane) error {
	if !ls.shared {
		return nil
	}
	l.looking.Lock()
	defer l.looking.Unlock()
	now := time.Now()
	due := false
	ls.Locked(func() {
		if due = now.Sub(l.looked) >= lookEvery; due {
			l.looked = now // so that what is told from now on is looked for once more
		}
	})
	if !due {
		return nil
	}
	tenants, err := src.Tenants(ctx, l.Destination)
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if err != nil {
		l.looked = time.Time{}
		return err
	}
	for _, t := range tenants {
		l.queue(ls.names, t)
	}
	for _, q := range l.order {
		q.headKnown = false
		q.version++
		if now.Sub(q.fullAt) >= fullEvery {
			q.from, q.fullAt = math.MinInt64, now
		}
	}
	return nil
}
