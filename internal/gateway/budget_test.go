package gateway

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// readWith reads a body as a stranger's whose end does not matter.
func readWith(rt *Route, size int, announced bool) *refusal {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", size)))
	if !announced {
		r.ContentLength = -1
	}
	rq := rt.NewRequest(r)
	rq.plan = &Plan{MaxBody: 1 << 20}
	defer rq.release()
	return rq.readBody(httptest.NewRecorder())
}

// TestLargeBodiesComeAtAPace: many strangers with large bodies are read no faster than the pace, with a length or without,
// and nobody of the usual size waits for them.
func TestLargeBodiesComeAtAPace(t *testing.T) {
	for name, announced := range map[string]bool{"announced": true, "of unknown length": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rt := testRoute(t)
				rt.State.Unverified = NewBudget(1 << 30)
				const each = 1 << 20
				n := pace * runtime.GOMAXPROCS(0) / each // the bodies of a second
				began := time.Now()
				var all sync.WaitGroup
				for range n {
					all.Go(func() {
						if refused := readWith(rt, each, announced); refused != nil {
							t.Errorf("%+v", refused)
						}
					})
				}
				synctest.Wait()
				if refused := readWith(rt, light/2, announced); refused != nil || time.Since(began) > 0 {
					t.Errorf("a body of the usual size waits for %s: %+v", time.Since(began), refused)
				}
				all.Wait()
				if took := time.Since(began); took < 700*time.Millisecond || took > time.Second {
					t.Errorf("%d MiB were read in %s", n, took)
				}
			})
		})
	}
}

// TestWhoeverIsRefusedHasWaited: where there is no room, or no time, strangers cannot come again and again at once.
func TestWhoeverIsRefusedHasWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := testRoute(t)
		rt.State.Unverified = NewBudget(4 << 20)
		if !rt.State.Unverified.take(3<<20, 3<<20) {
			t.Fatal("there is no room for the bodies that others withhold")
		}
		n := pace * runtime.GOMAXPROCS(0) >> 20
		began := time.Now()
		for range 2 * n {
			if refused := readWith(rt, 1<<20, true); refused == nil || refused.outcome != overloaded {
				t.Fatalf("%+v", refused)
			}
		}
		if took := time.Since(began); took < 1700*time.Millisecond || took > 2*time.Second {
			t.Errorf("%d refusals came within %s", 2*n, took)
		}
		// A backlog does not grow without end.
		var all sync.WaitGroup
		began = time.Now()
		for range 10 * n {
			all.Go(func() { readWith(rt, 1<<20, true) })
		}
		all.Wait()
		if took := time.Since(began); took > patience+100*time.Millisecond {
			t.Errorf("somebody has waited for %s", took)
		}
	})
}

// TestALoneLargeBodyDoesNotWait, whatever its size.
func TestALoneLargeBodyDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := testRoute(t)
		rt.State.Unverified = NewBudget(8 << 20)
		for range 3 {
			time.Sleep(time.Second)
			for range 10 {
				began := time.Now()
				if refused := readWith(rt, 1<<20, true); refused != nil || time.Since(began) > 0 {
					t.Errorf("%+v after %s", refused, time.Since(began))
				}
			}
		}
	})
}
