package main

import (
	"context"

	"github.com/callgate/callgate/bench/process"
)

// countBytes begins to count the bytes that a gateway on SQLite writes and keeps. counted ends the gateway, which writes what
// stands only in its log into the database, and adds the figures for each stored call.
func (s *subject) countBytes(ctx context.Context) (counted func(*figures) error, err error) {
	const inUse = "caddy_callgate_store_bytes"
	before, err := s.Metrics(ctx)
	if err != nil {
		return nil, err
	}
	written := process.Written(s.Process.PID())
	return func(f *figures) error {
		after, err := s.Metrics(ctx)
		if err != nil {
			return err
		}
		s.Process.Stop()
		if n := after[acceptedMetric]; n > 0 {
			f.WrittenBytes = float64(max(0, s.Process.Written()-written)) / n
			f.KeptBytes = (after[inUse] - before[inUse]) / n
		}
		return nil
	}, nil
}
