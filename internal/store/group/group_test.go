package group

import (
	"context"
	"errors"
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
	const delay = 100 * time.Millisecond
	for name, c := range map[string]struct {
		company, crowd int // in the batch before, and at most at once since
		waiting, later int // now, and after 10 ms
		size           int
		took           time.Duration
	}{
		"alone":                            {1, 1, 1, 1, 1, 0},
		"the first one ever":               {0, 1, 1, 1, 1, 0},
		"two by turns":                     {1, 2, 1, 1, 1, 0},
		"two together":                     {2, 2, 1, 1, 2, 10 * time.Millisecond},
		"both are there":                   {2, 2, 2, 1, 2, 0},
		"half of those who are there":      {32, 64, 32, 16, 48, 10 * time.Millisecond},
		"as many as before are not enough": {6, 12, 6, 3, 9, 10 * time.Millisecond},
		"most are there":                   {10, 40, 30, 1, 30, 0},
		"nobody comes again":               {6, 8, 2, 0, 2, delay},
		"a flock begins":                   {1, 6, 5, 3, 8, delay},
		"no more than may be":              {60, 90, 64, 9, 64, 0},
		"up to what may be":                {60, 90, 60, 9, 64, 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := New[int](64, delay, 0)
				g.company = c.company
				g.crowd.Store(int64(c.crowd))
				come := func(n int) {
					for range n {
						g.Requests <- &Request[int]{done: make(chan struct{})}
					}
				}
				come(c.waiting)
				time.AfterFunc(10*time.Millisecond, func() { come(c.later) })
				began := time.Now()
				rs := g.Gather([]*Request[int]{<-g.Requests})
				if took := time.Since(began); len(rs) != c.size || took != c.took || g.company != c.size {
					t.Errorf("%d after %v, remembered as %d; want %d after %v", len(rs), took, g.company, c.size, c.took)
				}
				time.Sleep(delay) // who comes later comes before the test ends
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
		time.AfterFunc(time.Second, g.Close)
		began := time.Now()
		if rs := g.Gather(nil); len(rs) != 1 || time.Since(began) != time.Second {
			t.Errorf("%d after %v", len(rs), time.Since(began))
		}
		g.Requests <- &Request[int]{done: make(chan struct{})}
		began = time.Now()
		if rs := g.Gather(nil); len(rs) != 1 || time.Since(began) != 0 {
			t.Errorf("when it was closed: %d after %v", len(rs), time.Since(began))
		}
	})
}
