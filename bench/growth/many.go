package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/callgate/callgate/bench/machine"
)

// shape is how many tenants a gateway has, and how many destinations each of them.
type shape struct{ tenants, destinations int }

// desk is what tells to which destinations an event goes: all to the first one of its tenant, and those of a desk that is not 0
// to that one too.
func (s shape) desk(n int64) int { return int(n / int64(s.tenants) % int64(s.destinations)) }

// tenant is whose an event is.
func (s shape) tenant(n int64) string { return tenantName(int(n % int64(s.tenants))) }

// deliveries is how many destinations the events before number n have, all together.
func (s shape) deliveries(n int64) int64 {
	round := int64(s.tenants * s.destinations)
	all := n / round * (2*round - int64(s.tenants))
	for i := n / round * round; i < n; i++ {
		all++
		if s.desk(i) > 0 {
			all++
		}
	}
	return all
}

func tenantName(i int) string      { return "t" + strconv.Itoa(i) }
func destinationName(i int) string { return "d" + strconv.Itoa(i) }

// measureMany measures whole gateways: one with many tenants and a filled store, one with as many tenants and nothing stored,
// and one with a tenant and a destination. Their ratios tell what the stored events cost, and what the tenants cost.
func (o *options) measureMany(ctx context.Context) (_ *manyResult, err error) {
	if o.callgate == "" {
		o.callgate = filepath.Join(o.scratch, "callgate")
		fmt.Fprintln(o.progress, "building cmd/callgate")
		cmd := exec.CommandContext(ctx, "go", "build", "-o", o.callgate, "github.com/callgate/callgate/cmd/callgate")
		cmd.Stderr = o.progress
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("the gateway cannot be built; run this inside the module: %w", err)
		}
	}
	many, stored := shape{o.tenants, o.destinations}, o.rows[len(o.rows)-1]
	r := &manyResult{Machine: machine.This(), BodyBytes: o.size, Tenants: o.tenants, Destinations: o.destinations, Rows: stored, Rounds: o.rounds}
	all := []*site{
		newSite(o, "grown", o.callgate, many), newSite(o, "many, empty", o.callgate, many), newSite(o, "one, empty", o.callgate, shape{1, 1}),
	}
	if o.against != "" {
		all = append(all, newSite(o, "many, empty, the other build", o.against, many))
	}
	defer func() {
		for _, s := range all {
			err = errors.Join(err, s.close())
		}
	}()
	if o.keep != "" {
		if all[0].path, err = filepath.Abs(o.keep); err != nil {
			return nil, err
		}
	}
	for _, s := range all {
		if err := s.listen(); err != nil {
			return nil, err
		}
	}
	if r.FillPerSecond, err = all[0].fill(ctx, stored); err != nil {
		return nil, err
	}
	for n := range o.rounds {
		for _, s := range all {
			s.round = &manyRound{}
			r.add(s)
		}
		if err := o.roundOfMany(ctx, all); err != nil {
			return nil, err
		}
		for _, s := range all {
			fmt.Fprintf(o.progress, "round %d, %s: %.0f acks/s, %.0f µs each; delivered %.0f/s\n", n+1, s.name, s.round.Acks.PerSecond, s.round.Acks.CPU, s.round.Delivered.DeliveriesPerSecond)
		}
	}
	if o.against != "" {
		// The same file with either build, one after the other.
		for _, binary := range []struct {
			path  string
			asked *manyAsked
		}{{o.callgate, &r.AskedGrown}, {o.against, &r.AskedGrownOther}} {
			all[0].binary, all[0].round = binary.path, &manyRound{}
			err := all[0].start(ctx, slowPace)
			if err == nil {
				err = all[0].ask(ctx)
			}
			if err != nil {
				return nil, err
			}
			*binary.asked = all[0].round.Asked
			all[0].stop()
		}
	}
	r.Load = machine.LoadAverage()
	if o.keep == "" {
		return r, nil
	}
	// Another run is to find nothing to deliver.
	all[0].binary, all[0].round = o.callgate, &manyRound{}
	if err := all[0].start(ctx, freePace); err != nil {
		return nil, err
	}
	if err := all[0].await(ctx); err != nil {
		return nil, err
	}
	time.Sleep(recording)
	return r, nil
}

// roundOfMany measures every gateway once, in turns of a second.
func (o *options) roundOfMany(ctx context.Context, all []*site) error {
	each := func(f func(*site) error) error {
		for _, s := range all {
			if err := f(s); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		slices.Reverse(all)
		return nil
	}
	turns := func(f func(s *site, d time.Duration) error) error {
		for rest := o.seconds; rest > 0; rest -= slice {
			if err := each(func(s *site) error { return f(s, min(rest, slice)) }); err != nil {
				return err
			}
		}
		return nil
	}
	all = slices.Clone(all)
	if err := each(func(s *site) error { return s.start(ctx, freePace) }); err != nil {
		return err
	}
	if err := each(func(s *site) error { return s.await(ctx) }); err != nil { // what the round before has left waiting
		return err
	}
	if err := o.idle(ctx, all); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error {
			return turns(func(s *site, d time.Duration) error { return s.load(ctx, d, &s.delivered, true) })
		},
		func() error { return turns(func(s *site, d time.Duration) error { return s.steadily(ctx, d) }) },
		func() error { return each(func(s *site) error { return s.ask(ctx) }) },
		func() error { return each(func(s *site) error { s.stop(); return s.start(ctx, slowPace) }) },
		func() error { return each(func(s *site) error { return s.spend(ctx) }) },
		func() error {
			return turns(func(s *site, d time.Duration) error { return s.load(ctx, d, &s.acks, false) })
		},
		func() error { return each(func(s *site) error { return s.singles(ctx) }) },
		func() error { return each(func(s *site) error { s.sum(); s.stop(); return nil }) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// idle is what the gateways use while nothing comes, all at the same time.
func (o *options) idle(ctx context.Context, all []*site) error {
	for _, s := range all {
		if err := s.mark(); err != nil {
			return err
		}
	}
	select {
	case <-time.After(o.seconds):
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, s := range all {
		used, err := s.since()
		if err != nil {
			return err
		}
		s.round.IdleCPU = millis(used) / o.seconds.Seconds()
	}
	return nil
}

// fileBytes is the size of a store's files.
func fileBytes(path string) (sum int64) {
	for _, suffix := range []string{"", "-wal"} {
		if info, err := os.Stat(path + suffix); err == nil {
			sum += info.Size()
		}
	}
	return sum
}

// checkMany checks the flags that are about whole gateways.
func (o *options) checkMany() error {
	switch many := o.tenants != 0; {
	case !many && (o.callgate != "" || o.against != "" || o.keep != ""):
		return errors.New("-callgate, -against and -keep are for -tenants")
	case !many:
		return nil
	case o.postgres:
		return errors.New("-tenants measures gateways on SQLite")
	case o.tenants < 1 || o.tenants > 10_000 || o.destinations < 1 || o.destinations > 100:
		return errors.New("-tenants must be from 1 to 10000, with -destinations from 1 to 100 each")
	case o.size < 256 || o.rate < 1:
		return errors.New("-size must be at least 256 and -rate at least 1 with -tenants")
	}
	return nil
}
