package operate

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callgate/callgate/internal/store"
	"github.com/callgate/callgate/internal/store/storetest"
)

// probed is a store whose disk does as a test says.
type probed struct {
	store.Store
	err    error
	hangs  chan struct{}
	probes atomic.Int32
	stats  store.Stats
}

func (p *probed) Probe(context.Context) error {
	p.probes.Add(1)
	if p.hangs != nil {
		<-p.hangs
	}
	return p.err
}

func (p *probed) Stats(context.Context) (store.Stats, error) { return p.stats, nil }

func TestAGatewayIsReadyWhileItCanStore(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	waiting := store.Stats{DiskFree: 7, Destinations: []store.DestinationStats{
		{Pending: 2, OldestPending: now.Add(-time.Hour)}, {Pending: 1, OldestPending: now.Add(-2 * time.Hour)}, {},
	}}
	for name, tt := range map[string]struct {
		o    Options
		in   ReadyInput
		says string // empty if it is ready
	}{
		"no store":         {Options{}, ReadyInput{}, ""},
		"well":             {Options{Store: &probed{}}, ReadyInput{}, ""},
		"stopping":         {Options{Store: &probed{}, Stopping: func() bool { return true }}, ReadyInput{}, "the gateway is stopping"},
		"running":          {Options{Stopping: func() bool { return false }}, ReadyInput{}, ""},
		"disk":             {Options{Store: &probed{err: store.ErrFull}}, ReadyInput{}, "cannot take an event: store is full"},
		"closed":           {Options{Store: &probed{err: store.ErrClosed}}, ReadyInput{}, "being closed"},
		"max_size":         {Options{Store: &probed{stats: store.Stats{Bytes: 100, MaxBytes: 100}}}, ReadyInput{}, "max_size"},
		"waiting":          {Options{Store: &probed{stats: waiting}}, ReadyInput{}, ""},
		"waiting long":     {Options{Store: &probed{stats: waiting}}, ReadyInput{MaxQueueAge: "90m"}, "has waited for 2h0m0s"},
		"waiting not long": {Options{Store: &probed{stats: waiting}}, ReadyInput{MaxQueueAge: "3h"}, ""},
	} {
		tt.o.Now = func() time.Time { return now }
		r, err := New(tt.o).Ready(t.Context(), somebody, tt.in)
		if err != nil || r.Ready != (tt.says == "") || !strings.Contains(r.Error, tt.says) || r.Ready != (r.Error == "") {
			t.Errorf("%s: %+v, %v", name, r, err)
			continue
		}
		if name == "waiting" && (r.Pending != 3 || !r.OldestPending.Equal(now.Add(-2*time.Hour)) || r.DiskFree != 7) {
			t.Errorf("%+v", r)
		}
	}
	for _, age := range []string{"x", "0s", "-1h"} {
		if _, err := New(Options{}).Ready(t.Context(), somebody, ReadyInput{MaxQueueAge: age}); !errors.Is(err, ErrBadRequest) {
			t.Errorf("%s: %v", age, err)
		}
	}
	closed := storetest.NewMemory(storetest.Options{})
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := New(Options{Store: closed}).Ready(t.Context(), somebody, ReadyInput{}); err != nil || r.Ready || !strings.Contains(r.Error, "cannot be read") {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestADiskThatHangsIsAskedOnce: whoever asks has an answer in time, and their number costs nothing.
func TestADiskThatHangsIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &probed{hangs: make(chan struct{})}
		s := New(Options{Store: p})
		began := time.Now()
		answers := make(chan *Readiness, 10)
		for range 10 {
			go func() {
				r, _ := s.Ready(t.Context(), somebody, ReadyInput{})
				answers <- r
			}()
		}
		for range 10 {
			if r := <-answers; r == nil || r.Ready || !strings.Contains(r.Error, "does its disk hang?") {
				t.Errorf("%+v", r)
			}
		}
		if d := time.Since(began); d != probeTimeout || p.probes.Load() != 1 {
			t.Errorf("%d probes, answered after %s", p.probes.Load(), d)
		}
		close(p.hangs)
		synctest.Wait()
		if r, err := s.Ready(t.Context(), somebody, ReadyInput{}); err != nil || !r.Ready || p.probes.Load() != 2 {
			t.Errorf("%+v, %v, %d probes", r, err, p.probes.Load())
		}
	})
}
