package keylock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestLocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Locks
		release, err := l.Acquire(t.Context(), []string{"b", "a", "b"})
		if err != nil {
			t.Fatal(err)
		}
		other, err := l.Acquire(t.Context(), []string{"c"})
		if err != nil {
			t.Fatal(err)
		}
		other()

		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error)
		go func() { _, err := l.Acquire(ctx, []string{"c", "a"}); got <- err }()
		synctest.Wait()
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Errorf("gave up with %v", err)
		}

		entered := false
		go func() {
			release, err := l.Acquire(t.Context(), []string{"a"})
			if err == nil {
				entered = true
				release()
			}
		}()
		synctest.Wait()
		if entered {
			t.Error("two hold one key")
		}
		release()
		synctest.Wait()
		if !entered || l.Held() != 0 {
			t.Errorf("entered %v, %d keys are left", entered, l.Held())
		}
	})
}
