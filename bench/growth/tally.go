package main

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// slice is for how long one store is measured before the other one has its turn. Other work on the machine comes and goes
// within seconds, and should meet both of them.
const slice = time.Second

// inTurns measures two stores in slices of the measured time, and turns the order from one to the next.
func (o *options) inTurns(a, b func(time.Duration) error) error {
	for rest := o.seconds; rest > 0; rest -= slice {
		for _, f := range []func(time.Duration) error{a, b} {
			if err := f(min(rest, slice)); err != nil {
				return err
			}
		}
		a, b = b, a
	}
	return nil
}

// tally adds up the slices. took and measured are of what lies within the measured time, the rest of all.
type tally struct {
	took     []time.Duration
	measured time.Duration
	count    int64
	cpu      time.Duration
	written  int64
	kept     int64
}

func (t *tally) perSecond() float64 {
	if t.measured <= 0 {
		return 0
	}
	return float64(t.count) / t.measured.Seconds()
}

func (t *tally) accepts(producers int) *accepts {
	n := float64(max(t.count, 1))
	return &accepts{
		Producers: producers, PerSecond: float64(len(t.took)) / t.measured.Seconds(), times: summary(t.took), Accepted: t.count,
		CPU: float64(t.cpu.Microseconds()) / n, WrittenBytes: float64(t.written) / n, KeptBytes: float64(t.kept) / n,
	}
}

// accepts has a number of goroutines accept, each again when it has the answer, and takes the time of each call that lies
// within the slice.
func (s *subject) accepts(ctx context.Context, producers int, d time.Duration, t *tally) error {
	body, record := payload(s.o.size)
	took := make([][]time.Duration, producers)
	var count atomic.Int64
	kept, err := s.kept(ctx)
	if err != nil {
		return err
	}
	cpu, written := used()
	began := time.Now()
	from, to := began.Add(s.o.warmup), began.Add(s.o.warmup+d)
	g, during := errgroup.WithContext(ctx)
	for p := range producers {
		g.Go(func() error {
			for {
				start := time.Now()
				if start.After(to) {
					return nil
				}
				if _, err := s.accept(during, s.events.Add(1)-1, body, record); err != nil {
					return err
				}
				if end := time.Now(); start.After(from) && end.Before(to) {
					took[p] = append(took[p], end.Sub(start))
				}
				count.Add(1)
			}
		})
	}
	err = g.Wait()
	cpuAfter, writtenAfter := used()
	keptAfter, keptErr := s.kept(ctx)
	t.took = append(t.took, slices.Concat(took...)...)
	t.measured += d
	t.count += count.Load()
	t.cpu += cpuAfter - cpu
	t.written += writtenAfter - written
	t.kept += keptAfter - kept
	return errors.Join(err, keptErr)
}

// summary sorts the times.
func summary(took []time.Duration) times {
	slices.Sort(took)
	at := func(q float64) float64 {
		if len(took) == 0 {
			return 0
		}
		return millis(took[min(int(q*float64(len(took))), len(took)-1)])
	}
	return times{P50: at(.5), P99: at(.99)}
}

func millis(d time.Duration) float64 { return float64(d) / 1e6 }
