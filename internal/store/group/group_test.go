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
