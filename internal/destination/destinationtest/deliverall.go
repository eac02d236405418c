// Package destinationtest is what the tests of destinations have in common.
package destinationtest

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/callgate/callgate/internal/destination"
)

const (
	workers = 4
	// troubled is for how many tries of a batch there is trouble, and enough how many it may need.
	troubled, enough = 5, 30
)

// DeliverAll delivers items in any order and in batches of any size, several at a time, and tries each again until it is
// delivered; one that is given up fails the test. Before the first tries of each batch it calls trouble, which may prepare
// what goes wrong; rnd is not used by others meanwhile. look, unless it is nil, sees every result.
func DeliverAll(t *testing.T, rnd *rand.Rand, d destination.Destination, items []destination.Item, trouble func(), look func(destination.Result)) {
	t.Helper()
	rnd.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	var mu sync.Mutex // of rnd and items
	take := func() []destination.Item {
		mu.Lock()
		defer mu.Unlock()
		n := min(len(items), 1+rnd.IntN(min(4, d.MaxBatch())))
		b := items[:n:n]
		items = items[n:]
		return b
	}
	deliver := func(b []destination.Item) (left []destination.Item) {
		for i, r := range d.Deliver(context.Background(), b) {
			if look != nil {
				look(r)
			}
			switch r.Outcome {
			case destination.Dead:
				t.Errorf("dead: %s", r.Reason)
			case destination.Retry:
				left = append(left, b[i])
			}
		}
		return left
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for b := take(); len(b) > 0; b = take() {
				for try := 0; len(b) > 0; try++ {
					if try > enough {
						t.Error("never delivered")
						return
					}
					if try < troubled {
						mu.Lock()
						trouble()
						mu.Unlock()
					}
					b = deliver(b)
				}
			}
		})
	}
	wg.Wait()
}
