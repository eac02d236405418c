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
	// behind is how far behind the last row that was claimed reading begins then. What others add belongs further ahead, but
	// for the difference of clocks. In between it begins where the last reading ended, or at what was told of: entries of an
	// index whose rows are gone stay until nobody could see the rows, and are walked over each time.
	behind = time.Minute
	// fullEvery is how often reading begins at the beginning all the same, unless that takes more than a hundredth of it.
	fullEvery = time.Minute
	// fullLatest is how often it does in any case: a reading that once waited for a server that was away says nothing of the next.
	fullLatest = 10 * time.Minute
)

// Stale says that others may have added deliveries for destinations, or for all with nil, none of which is due before a time; 0
// if that is not known.
func (ls *Lanes) Stale(destinations []string, from int64) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, list := range ls.lanes {
		for _, l := range list {
			switch {
			case destinations != nil && !slices.Contains(destinations, l.Name):
			case from == 0:
				l.looked = time.Time{}
			default:
				l.told, l.toldFrom = true, min(l.toldFrom, from)
			}
		}
	}
}

// look asks which tenants there are, if it was not asked for a while or there is something new, and forgets when their
// deliveries are due.
func (ls *Lanes) look(ctx context.Context, src Source, l *Lane) error {
	if !ls.shared {
		return nil
	}
	l.looking.Lock()
	defer l.looking.Unlock()
	now := time.Now()
	var due, told bool
	var from int64
	ls.Locked(func() {
		due, told, from = now.Sub(l.looked) >= lookEvery, l.told, l.toldFrom
		if l.told, l.toldFrom = false, Never; due { // so that what is told from now on is looked for once more
			l.looked = now
		}
	})
	if !due && !told {
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
		q.begin(from)
		if due {
			q.begin(q.reach - int64(behind))
		}
		if due && now.Sub(q.fullAt) >= max(fullEvery, min(100*q.fullTook, fullLatest)) {
			q.begin(math.MinInt64)
			q.fullAt = now
		}
	}
	return nil
}

// begin has the next reading begin at a time, unless it begins before. The caller holds the lock.
func (q *Queue) begin(at int64) {
	q.from, q.news = min(q.from, at), min(q.news, at)
}
