package main

import (
	"math"
	"runtime"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name  string
		alive uint64
		limit int64
		want  int
	}{
		{"nothing yet, no limit", 0, math.MaxInt64, 12800},
		{"a small heap", 32 * mib, math.MaxInt64, 400},
		{"as large as the headroom", 128 * mib, math.MaxInt64, 100},
		{"larger than the headroom", 4096 * mib, math.MaxInt64, 100},
		{"a container of 512 MiB", 16 * mib, 512 * mib, 200},
		{"a container that is nearly full", 400 * mib, 512 * mib, 100},
	} {
		if got := percent(c.alive, c.limit); got != c.want {
			t.Errorf("%s: %d percent, want %d", c.name, got, c.want)
		}
	}
}

func TestEachCollectionIsFollowed(t *testing.T) {
	calls := make(chan struct{}, 1)
	stop := make(chan struct{})
	defer close(stop)
	afterCollection(func() {
		select {
		case calls <- struct{}{}:
		case <-stop:
		}
	})
	<-calls // at once
	late := time.After(time.Minute)
	for n := 0; n < 3; {
		runtime.GC() // which may come before the last call is followed by another one
		select {
		case <-calls:
			n++
		case <-late:
			t.Fatalf("%d collections were followed", n)
		case <-time.After(time.Millisecond):
		}
	}
}
