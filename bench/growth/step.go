package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime/pprof"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/callgate/callgate/bench/machine"
)

// step fills the store to a number of events and measures there. If the events of a step are not settled, their
// deliveries wait, and each round delivers for the measured time only instead of all that it has accepted.
func (s *subject) step(ctx context.Context, rows int64, settled bool, profile string) (_ *step, err error) {
	r := &step{Rows: max(rows, s.events.Load())}
	what := "events"
	if !settled {
		what, r.Waiting = "waiting deliveries", rows
	}
	fmt.Fprintf(s.o.progress, "filling the store to %s %s\n", humanize.Comma(rows), what)
	if r.FillPerSecond, err = s.fill(ctx, rows, settled); err != nil {
		return nil, err
	}
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return nil, err
		}
		defer pprof.StopCPUProfile()
	}
	for n := range s.o.rounds {
		if rows == 0 && n > 0 { // empty again
			s.remove()
			if err := s.open(); err != nil {
				return nil, err
			}
		}
		round, err := s.round(ctx, settled)
		if err != nil {
			return nil, err
		}
		r.Measured = append(r.Measured, round)
		fmt.Fprintf(s.o.progress, "%s %s, round %d: ", humanize.Comma(rows), what, n+1)
		for i, a := range round.Accepts {
			fmt.Fprintf(s.o.progress, "%.0f accepts/s at %d producers, %.2f of an empty store, ", a.PerSecond, a.Producers, a.PerSecond/round.Empty.Accepts[i].PerSecond)
		}
		fmt.Fprintf(s.o.progress, "%.0f deliveries/s, opened in %.0f ms, load %s\n", round.DeliveriesPerSecond, round.OpenMillis, round.Load)
	}
	return r, nil
}

// round measures everything once. An empty store of its own is measured in turns with this one.
func (s *subject) round(ctx context.Context, settled bool) (*round, error) {
	r := new(round)
	if err := s.restart(ctx, r); err != nil {
		return nil, err
	}
	var err error
	if r.StatsMillis, err = s.stats(ctx); err != nil {
		return nil, err
	}
	empty, err := newSubject(s.o, "empty")
	if err != nil {
		return nil, err
	}
	defer empty.remove()
	for _, producers := range s.o.producers {
		var own, other tally
		if err := s.o.inTurns(
			func(d time.Duration) error { return s.accepts(ctx, producers, d, &own) },
			func(d time.Duration) error { return empty.accepts(ctx, producers, d, &other) },
		); err != nil {
			return nil, err
		}
		r.Accepts = append(r.Accepts, own.accepts(producers))
		r.Empty.Accepts = append(r.Empty.Accepts, other.accepts(producers))
	}
	var own, other tally
	if err := s.o.inTurns(
		func(d time.Duration) error { return s.deliver(ctx, d, &own) },
		func(d time.Duration) error { return empty.deliver(ctx, d, &other) },
	); err != nil {
		return nil, err
	}
	r.DeliveriesPerSecond, r.Empty.DeliveriesPerSecond = own.perSecond(), other.perSecond()
	if settled {
		if err := s.deliver(ctx, 0, new(tally)); err != nil {
			return nil, err
		}
	}
	if r.StatsAgainMillis, err = s.stats(ctx); err != nil {
		return nil, err
	}
	if err := s.singles(ctx, r, empty); err != nil {
		return nil, err
	}
	r.FileBytes, r.Load = s.fileBytes(), machine.LoadAverage()
	return r, nil
}

// stats is how long the store takes to summarise itself.
func (s *subject) stats(ctx context.Context) (float64, error) {
	began := time.Now()
	_, err := s.store.Stats(ctx)
	return millis(time.Since(began)), err
}

// restart closes and opens the store, also in a process of its own, whose memory is the store's alone, and after one that
// was killed.
func (s *subject) restart(ctx context.Context, r *round) error {
	began := time.Now()
	if err := s.close(); err != nil {
		return err
	}
	r.CloseMillis = millis(time.Since(began))
	o, err := s.o.openElsewhere(ctx, s.path, s.o.beforeKill)
	if err != nil {
		return err
	}
	r.OpenMillis, r.FirstMillis, r.OpenedRSSBytes, r.BusyRSSBytes = o.Millis, o.FirstMillis, o.RSSBytes, o.BusyRSSBytes
	if info, err := os.Stat(s.path + "-wal"); err == nil {
		r.LogAtKillBytes = info.Size()
	}
	if o, err = s.o.openElsewhere(ctx, s.path, 0); err != nil {
		return err
	}
	r.OpenAfterKillMillis = o.Millis
	return s.open()
}

// singles accepts one event after the other: old duplicates, fresh ones, and fresh ones in the empty store in turn.
func (s *subject) singles(ctx context.Context, r *round, empty *subject) error {
	body, record := payload(s.o.size)
	var duplicates, fresh, other []time.Duration
	for range s.o.singles {
		if old := s.filled / 2; old > 0 {
			took, err := timed(func() error { return s.oldDuplicate(ctx, rand.Int64N(old), body, record) })
			if err != nil {
				return err
			}
			duplicates = append(duplicates, took)
		}
		for _, f := range []struct {
			s    *subject
			took *[]time.Duration
		}{{s, &fresh}, {empty, &other}} {
			took, err := timed(func() error {
				_, err := f.s.accept(ctx, f.s.events.Add(1)-1, body, record)
				return err
			})
			if err != nil {
				return err
			}
			*f.took = append(*f.took, took)
		}
	}
	if len(duplicates) > 0 {
		d := summary(duplicates)
		r.Duplicate = &d
	}
	r.Fresh, r.Empty.Fresh = summary(fresh), summary(other)
	return nil
}

func timed(f func() error) (time.Duration, error) {
	began := time.Now()
	err := f()
	return time.Since(began), err
}
