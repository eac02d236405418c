package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/callgate/callgate/bench/gateway"
	"github.com/callgate/callgate/bench/process"
)

// flooded is what requests cost that come at a rate and are all refused.
type flooded struct {
	Wanted    float64 `json:"wanted_per_second"`
	PerSecond float64 `json:"refused_per_second"`
	Seconds   float64 `json:"seconds"`
	// CPUMicros is the gateway's CPU time for a request, CPUs how many processors that keeps busy.
	CPUMicros float64 `json:"cpu_us_per_request"`
	CPUs      float64 `json:"cpus"`
	// LinesPerSecond and BytesPerSecond are what it wrote to its log.
	LinesPerSecond float64          `json:"log_lines_per_second"`
	BytesPerSecond float64          `json:"log_bytes_per_second"`
	Statuses       map[string]int64 `json:"statuses"`
}

// burst is how often some of the requests of a second are due.
const burst = 10 * time.Millisecond

// flood sends small bodies with a wrong signature at a rate, and nothing else. Those that cannot be sent in time are left
// out, so that a gateway that cannot keep up is not asked faster later.
func (o *options) flood(ctx context.Context, g *gateway.Server) (*flooded, error) {
	u, err := url.Parse(g.URL)
	if err != nil {
		return nil, err
	}
	sending, cancel := context.WithCancel(ctx)
	s := &strangers{address: u.Host, cancel: cancel, statuses: make(map[string]int64)}
	defer s.stop()
	r := request{body: []byte(`{"event":"call.completed"}`)}
	ticks := make(chan time.Time, o.strangers)
	for range o.strangers {
		s.all.Go(func() { s.run(sending, r, r.bytes(u.Host, gateway.Path), ticks) })
	}
	s.all.Go(func() { pace(sending, ticks, o.rate) })
	if err := sleep(ctx, o.warmup); err != nil {
		return nil, err
	}
	before, err := count(s, g)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := sleep(ctx, o.seconds); err != nil {
		return nil, err
	}
	after, err := count(s, g)
	if err != nil {
		return nil, err
	}
	f := &flooded{Wanted: float64(o.rate), Seconds: time.Since(began).Seconds(), Statuses: make(map[string]int64)}
	n := float64(0)
	for status, count := range after.statuses {
		if d := count - before.statuses[status]; d > 0 {
			f.Statuses[status] = d
			n += float64(d)
		}
	}
	if n == 0 {
		return nil, fmt.Errorf("not one of the requests with a wrong signature was answered; %d connections broke", after.failures)
	}
	cpu := (after.cpu - before.cpu).Seconds()
	f.PerSecond, f.CPUMicros, f.CPUs = n/f.Seconds, cpu*1e6/n, cpu/f.Seconds
	f.LinesPerSecond, f.BytesPerSecond = float64(after.lines-before.lines)/f.Seconds, float64(after.size-before.size)/f.Seconds
	return f, nil
}

// pace makes so many requests due in a second.
func pace(ctx context.Context, ticks chan<- time.Time, rate int) {
	every := time.NewTicker(burst)
	defer every.Stop()
	began, due := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-every.C:
			for n := int(now.Sub(began).Seconds() * float64(rate)); due < n; due++ {
				select {
				case ticks <- now:
				case <-ctx.Done():
					return
				case <-time.After(burst):
				}
			}
		}
	}
}

// counted is how far the gateway and the strangers have come.
type counted struct {
	cpu      time.Duration
	lines    int
	size     int
	statuses map[string]int64
	failures int64
}

func count(s *strangers, g *gateway.Server) (c counted, err error) {
	if c.cpu, err = process.CPUTime(g.PID()); err != nil {
		return c, err
	}
	text, err := os.ReadFile(g.Log())
	if err != nil {
		return c, err
	}
	c.lines, c.size = bytes.Count(text, []byte("\n")), len(text)
	_, c.statuses, c.failures = s.total()
	return c, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
