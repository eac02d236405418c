package main

import (
	"context"
	"fmt"
	"time"

	"github.com/callgate/callgate/bench/process"
)

// countDeliveries begins to count what the gateway takes for events and their deliveries. delivered waits until all that it has
// stored is delivered, and adds what each took. Where the system does not tell, it does nothing.
func (s *subject) countDeliveries() (delivered func(context.Context, *figures) error) {
	before, err := process.CPUTime(s.Process.PID())
	if err != nil {
		return func(context.Context, *figures) error { return nil }
	}
	return func(ctx context.Context, f *figures) error {
		for late := time.After(time.Minute); ; {
			v, err := s.Metrics(ctx)
			if err != nil {
				return err
			}
			stored, done := v[acceptedMetric], v[deliveredMetric]
			if done >= stored {
				now, err := process.CPUTime(s.Process.PID())
				f.EventCPU = float64((now - before).Microseconds()) / done
				return err
			}
			select {
			case <-late:
				return fmt.Errorf("a minute after the load %.0f of %.0f events are delivered", done, stored)
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}
