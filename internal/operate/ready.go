package operate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// prober is implemented by stores that can tell whether they would take an event now.
type prober interface {
	Probe(ctx context.Context) error
}

// ReadyInput says what readiness depends on besides the store.
type ReadyInput struct {
	// MaxQueueAge is how long the oldest delivery may wait, such as 30m. Default: as long as it takes, because a
	// gateway whose receivers are down is there to take calls for them.
	MaxQueueAge string `json:"max_queue_age,omitempty"`
}

// Readiness is whether calls should be sent to the gateway.
type Readiness struct {
	Ready bool `json:"ready"`
	// Error says why not.
	Error string `json:"error,omitempty"`
	// Draining tells that the process is about to end.
	Draining bool `json:"draining,omitempty"`
	// FaultyTenants are those that the gateway runs without because of a mistake in their settings. The others' calls come
	// in, so it is ready all the same.
	FaultyTenants []string `json:"faulty_tenants,omitempty"`
	// Pending is how many deliveries wait, the oldest since OldestPending.
	Pending       int64     `json:"pending"`
	OldestPending time.Time `json:"oldest_pending,omitzero"`
	// DiskFree is what is free on the store's disk, in bytes, if that is known.
	DiskFree int64 `json:"disk_free,omitempty"`
}

// probeTimeout is how long the store may take for a write before it counts as unable to.
const probeTimeout = 2 * time.Second

// Ready finds out whether calls should be sent to the gateway: it is not about to end, its store can write, and there is
// room for an event. A gateway without a store is ready as long as it runs.
func (s *Service) Ready(ctx context.Context, a Actor, in ReadyInput) (*Readiness, error) {
	sc, err := s.permit(ctx, a, Record{Operation: "Ready"})
	if err != nil {
		return nil, err
	}
	if sc.bound && in.MaxQueueAge != "" { // whose answer would tell how long others' deliveries wait
		return nil, s.deny(ctx, a, Record{Operation: "Ready"}, &Error{Kind: ErrForbidden, text: "you may not do that: max_queue_age is of the whole gateway, and you are bound to tenants; leave it out"})
	}
	var oldest time.Duration
	if in.MaxQueueAge != "" {
		var ok bool
		if oldest, ok = readAgo(in.MaxQueueAge); !ok || oldest == 0 {
			return nil, badRequest("max_queue_age must be a time such as 30m or 2h")
		}
	}
	r := new(Readiness)
	var reasons []string
	if r.Draining = s.o.Stopping != nil && s.o.Stopping(); r.Draining {
		reasons = append(reasons, "the gateway is stopping")
	}
	if s.o.Unready != nil {
		if why := s.o.Unready(); why != "" {
			reasons = append(reasons, why)
		}
	}
	if s.o.Faulty != nil {
		r.FaultyTenants = s.o.Faulty()
	}
	if s.o.Store != nil {
		reasons = append(reasons, s.storeReasons(ctx, r, oldest)...)
	}
	r.Ready, r.Error = len(reasons) == 0, strings.Join(reasons, "; ")
	if sc.bound { // how much waits is of everybody
		return &Readiness{
			Ready: r.Ready, Error: r.Error, Draining: r.Draining,
			FaultyTenants: slices.DeleteFunc(slices.Clone(r.FaultyTenants), func(t string) bool { return !sc.has(t) }),
		}, nil
	}
	return r, nil
}

// storeReasons says why the store would take no event now, and notes what is asked for.
func (s *Service) storeReasons(ctx context.Context, r *Readiness, oldest time.Duration) (reasons []string) {
	if p, ok := s.o.Store.(prober); ok {
		if err := s.probe.ask(ctx, p); err != nil {
			reasons = append(reasons, "the store cannot take an event: "+stored(err).Error())
		}
	}
	stats, err := s.o.Store.Stats(ctx)
	if err != nil {
		if len(reasons) == 0 {
			reasons = append(reasons, "the store cannot be read: "+stored(err).Error())
		}
		return reasons
	}
	r.DiskFree = stats.DiskFree
	for _, d := range stats.Destinations {
		r.Pending += d.Pending
		if !d.OldestPending.IsZero() && (r.OldestPending.IsZero() || d.OldestPending.Before(r.OldestPending)) {
			r.OldestPending = d.OldestPending
		}
	}
	if stats.MaxBytes > 0 && stats.Bytes >= stats.MaxBytes {
		reasons = append(reasons, "the store has reached its max_size")
	}
	if age := s.o.Now().Sub(r.OldestPending); oldest > 0 && !r.OldestPending.IsZero() && age > oldest {
		reasons = append(reasons, "the oldest delivery has waited for "+age.Truncate(time.Second).String())
	}
	return reasons
}

// probing asks the store once for all who ask at the same time: a disk that hangs must not gather goroutines.
type probing struct {
	mu      sync.Mutex
	running *probeRun
}

type probeRun struct {
	done chan struct{}
	err  error
}

var errProbeSlow = errors.New("it has not answered a write for 2s; does its disk hang?")

// ask gives the store's answer, or an error if it takes too long.
func (p *probing) ask(ctx context.Context, s prober) error {
	p.mu.Lock()
	run := p.running
	if run == nil {
		run = &probeRun{done: make(chan struct{})}
		p.running = run
		go func() {
			run.err = s.Probe(context.WithoutCancel(ctx))
			p.mu.Lock()
			p.running = nil
			p.mu.Unlock()
			close(run.done)
		}()
	}
	p.mu.Unlock()
	timer := time.NewTimer(probeTimeout)
	defer timer.Stop()
	select {
	case <-run.done:
		return run.err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return errProbeSlow
	}
}
