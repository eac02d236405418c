package delivery

import (
	"runtime"
	"testing"
	"time"
)

// TestWorkersAreKeptForAWhile, no more of them than attempts at once, and end when there is nothing to do.
func TestWorkersAreKeptForAWhile(t *testing.T) {
	in(t, func(t *testing.T) {
		crm := newFake(takes(workerIdle/4, ok))
		r := newRig(t, Options{}, map[string]Config{"crm": {Destination: crm, Concurrency: 4}})
		defer r.close()
		after(time.Second)
		before := runtime.NumGoroutine()
		for range 40 {
			r.accept("", "", "crm")
		}
		after(10*workerIdle/4 + workerIdle/8)
		if n := runtime.NumGoroutine() - before; len(crm.calls()) != 40 || n != 4 {
			t.Errorf("%d workers after %d attempts, want 4 after 40", n, len(crm.calls()))
		}
		after(2 * workerIdle)
		if n := runtime.NumGoroutine() - before; n != 0 {
			t.Errorf("%d workers are left", n)
		}
		r.accept("", "", "crm")
		after(time.Second)
		r.want("crm", 0, 41, 0)
	})
}
