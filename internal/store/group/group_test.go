package group

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/store"
)

// serve carries batches out one after the other, each of which takes a second.
func serve(g *Group[int], batches *[][]int) {
	defer g.End()
	for {
		var rs []*Request[int]
		select {
		case r := <-g.Requests:
			rs = Take(g.Gather(append(rs, r)))
		case <-g.Closing:
			return
		}
		if len(rs) == 0 {
			continue
		}
		var batch []int
		for _, r := range rs {
			batch = append(batch, r.Do)
			if r.Do < 0 {
				r.Err = Refuse(errors.ErrUnsupported)
			}
		}
		*batches = append(*batches, batch)
		time.Sleep(time.Second)
		for _, r := range rs {
			r.Answer()
		}
	}
}

func TestWhatArrivesDuringACommitSharesTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, batches := New[int](3, 0, 0), [][]int(nil)
		go serve(g, &batches)
		answers := make(chan error, 5)
		for i := range 5 {
			go func() { answers <- g.Do(t.Context(), i) }()
			synctest.Wait()
		}
		for range 5 {
			if err := <-answers; err != nil {
				t.Error(err)
			}
		}
		if len(batches) != 3 || len(batches[0]) != 1 || len(batches[1]) != 3 || len(batches[2]) != 1 {
			t.Errorf("batches: %v", batches)
		}
		if err := g.Do(t.Context(), -1); !errors.Is(err, errors.ErrUnsupported) || Refused(err) {
			t.Errorf("refused: %v", err)
		}
		g.Close()
		g.Wait()
		if err := g.Do(t.Context(), 1); !errors.Is(err, store.ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

func TestWhoseContextEndsIsLeftOutUnlessItWasTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, batches := New[int](3, 0, 0), [][]int(nil)
		go serve(g, &batches)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- g.Do(ctx, 1) }()
		synctest.Wait()
		go func() { second <- g.Do(ctx, 2) }()
		if err := <-second; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second: %v", err)
		}
		if err := <-first; err != nil {
			t.Errorf("the first, which was begun: %v", err)
		}
		if err := g.Do(t.Context(), 3); err != nil || len(batches) != 2 || batches[1][0] != 3 {
			t.Errorf("batches: %v, %v", batches, err)
		}
		g.Close()
		g.Wait()
	})
}

func TestPatienceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, batches := New[int](3, 0, time.Second/2), [][]int(nil)
		go serve(g, &batches)
		answers := make(chan error, 2)
		go func() { answers <- g.Do(t.Context(), 1) }()
		synctest.Wait()
		go func() { answers <- g.Do(t.Context(), 2) }()
		a, b := <-answers, <-answers
		if errors.Is(a, errNotTaken) {
			a, b = b, a
		}
		if !errors.Is(a, errMaybe) || !errors.Is(b, errNotTaken) || !errors.Is(a, store.ErrUnavailable) {
			t.Errorf("%v, %v", a, b)
		}
		time.Sleep(2 * time.Second)
		if len(batches) != 1 {
			t.Errorf("batches: %v", batches)
		}
		g.Close()
		g.Wait()
	})
}

// Time passes here only while somebody waits for it, so how long a batch was waited for is exact.
func TestABatchWaitsForThreeQuartersOfThoseWhoAreThere(t *testing.T) {
	const each, soon = 100 * time.Microsecond, 150 * time.Microsecond
	for name, c := range map[string]struct {
		company, crowd int // in the batch before, and at most at once since
		waiting, later int // now, and soon
		size           int
		took           time.Duration
	}{
		"alone":                            {1, 1, 1, 1, 1, 0},
		"the first one ever":               {0, 1, 1, 1, 1, 0},
		"two by turns":                     {1, 2, 1, 1, 1, 0},
		"two together":                     {2, 2, 1, 1, 2, soon},
		"both are there":                   {2, 2, 2, 1, 2, 0},
		"one of two goes":                  {2, 2, 1, 0, 1, 2 * each},
		"half of those who are there":      {32, 64, 32, 16, 48, soon},
		"as many as before are not enough": {6, 12, 6, 3, 9, soon},
		"most are there":                   {10, 40, 30, 1, 30, 0},
		"nobody comes again":               {6, 8, 2, 0, 2, 8 * each},
		"a large crowd goes":               {90, 200, 2, 0, 2, longestWait},
		"a flock begins":                   {1, 6, 5, 3, 8, 6 * each},
		"no more than may be":              {60, 90, 64, 9, 64, 0},
		"up to what may be":                {60, 90, 60, 9, 64, soon},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := New[int](64, each, 0)
				g.company = c.company
				g.crowd.Store(int64(c.crowd))
				come := func(n int) {
					for range n {
						g.Requests <- &Request[int]{done: make(chan struct{})}
					}
				}
				come(c.waiting)
				time.AfterFunc(soon, func() { come(c.later) })
				began := time.Now()
				rs := g.Gather([]*Request[int]{<-g.Requests})
				if took := time.Since(began); len(rs) != c.size || took != c.took || g.company != c.size {
					t.Errorf("%d after %v, remembered as %d; want %d after %v", len(rs), took, g.company, c.size, c.took)
				}
				time.Sleep(time.Second) // who comes later comes before the test ends
			})
		})
	}
}

// Those who came together, of whom all but one go away, cost that one a sixteenth of a millisecond for each, once, and whoever
// calls alone nothing.
func TestNobodyWaitsLongForWhoHasGone(t *testing.T) {
	for callers, lost := range map[int]time.Duration{1: 0, 2: time.Millisecond / 8, 64: 4 * time.Millisecond, 200: longestWait} {
		t.Run(strconv.Itoa(callers), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g, batches := New[int](512, time.Millisecond/16, 0), [][]int(nil)
				go serve(g, &batches)
				var wg sync.WaitGroup
				call := func(n int) {
					for range n {
						wg.Go(func() {
							if err := g.Do(t.Context(), 1); err != nil {
								t.Error(err)
							}
						})
					}
				}
				call(1)
				synctest.Wait() // so that the others wait behind it, and share a commit
				call(callers)
				wg.Wait()
				took := func(n int) time.Duration {
					began := time.Now()
					call(n)
					wg.Wait()
					return time.Since(began) - time.Second // which is that of a commit
				}
				if all, one, again := took(callers), took(1), took(1); all != 0 || one != lost || again != 0 {
					t.Errorf("together they lost %v, one of them %v when it came alone, and then %v; want 0, %v and 0", all, one, again, lost)
				}
				if len(batches) != 5 || len(batches[2]) != callers {
					t.Errorf("%d batches", len(batches))
				}
				g.Close()
				g.Wait()
			})
		})
	}
}

// Those who are there are counted while the batch before is committed: its own callers and who waits behind them.
func TestWhoIsThereIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, batches := New[int](64, 0, 0), [][]int(nil)
		go serve(g, &batches)
		for i := range 5 {
			go func() { _ = g.Do(t.Context(), i) }()
			synctest.Wait()
		}
		if n := g.crowd.Load(); n != 5 {
			t.Errorf("with one in a commit and four behind it: %d", n)
		}
		time.Sleep(time.Second) // the four are taken, and the first one is gone
		synctest.Wait()
		if n := g.inside.Load(); n != 4 {
			t.Errorf("when the first has gone: %d", n)
		}
		time.Sleep(2 * time.Second)
		if err := g.Do(t.Context(), 5); err != nil {
			t.Error(err)
		}
		if n := g.crowd.Load(); n != 1 {
			t.Errorf("when one has come alone: %d", n)
		}
		g.Close()
		g.Wait()
		synctest.Wait()
		if n := g.inside.Load(); n != 0 {
			t.Errorf("when all have gone: %d", n)
		}
	})
}

func TestWhoeverClosesDoesNotWaitForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New[int](64, time.Hour, 0)
		g.company = 20
		g.Requests <- &Request[int]{done: make(chan struct{})}
		time.AfterFunc(time.Millisecond, g.Close)
		began := time.Now()
		if rs := g.Gather(nil); len(rs) != 1 || time.Since(began) != time.Millisecond {
			t.Errorf("%d after %v", len(rs), time.Since(began))
		}
		g.Requests <- &Request[int]{done: make(chan struct{})}
		began = time.Now()
		if rs := g.Gather(nil); len(rs) != 1 || time.Since(began) != 0 {
			t.Errorf("when it was closed: %d after %v", len(rs), time.Since(began))
		}
	})
}
