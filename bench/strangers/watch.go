package main

import (
	"context"
	"errors"
	"time"

	"github.com/callgate/callgate/bench/gateway"
	"github.com/callgate/callgate/bench/process"
	"github.com/callgate/callgate/bench/report"
)

// look is how often the gateway's memory is looked at.
const look = 100 * time.Millisecond

// heldMetric is what bodies hold that are not verified.
const heldMetric = "caddy_callgate_unverified_bytes"

// watched sends signed requests, and gives the most that the gateway held meanwhile: resident memory, and that of bodies
// not yet verified.
func (o *options) watched(ctx context.Context, g *gateway.Server) (run *report.Run, rss, held int64, err error) {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		var err error
		rss, held, err = watch(watching, g)
		ended <- err
	}()
	run, err = o.load(ctx, g)
	stop()
	return run, rss, held, errors.Join(err, <-ended)
}

// watch looks until ctx ends.
func watch(ctx context.Context, g *gateway.Server) (rss, held int64, err error) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return rss, held, nil
		case <-tick.C:
		}
		now, _ := process.Memory(g.PID())
		rss = max(rss, now)
		m, err := g.Metrics(ctx)
		if ctx.Err() != nil {
			return rss, held, nil
		}
		if err != nil {
			return rss, held, err
		}
		value, ok := m[heldMetric]
		if !ok {
			return rss, held, errors.New("the gateway's metrics have no " + heldMetric + "; is -callgate another version?")
		}
		held = max(held, int64(value))
	}
}
