// Command compare shows what the gateway costs: plain Caddy with reverse_proxy, and the same Caddy with Callgate's
// whole pipeline in front of it, before the same upstream, in one run and in turns, so that whatever else the machine
// does meets both of them. The gateway that hands on itself, with forward, takes its turns too, and so does nginx where there
// is one, as a proxy that checks nothing.
//
//	go run ./bench/compare
//
// It also sends to the upstream itself, which shows how much the load generator and the upstream can do at all.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/machine"
	"github.com/callgate/callgate/bench/report"
	"github.com/callgate/callgate/bench/upstream"
)

// options are what the flags say.
type options struct {
	command.Options
	connections, rounds int
	seconds, warmup     float64
	policy, proxy       string
	nginx, against      string
	direct, forward     bool
}

func main() {
	if !command.Helper(upstreamHelper, upstream.Run) {
		command.Main("compare", run)
	}
}

func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fl := o.Flags("compare", stderr)
	fl.IntVar(&o.connections, "connections", 64, "keep-alive connections of the load generator")
	fl.IntVar(&o.rounds, "rounds", 5, "rounds of each subject")
	fl.Float64Var(&o.seconds, "seconds", 3, "measured seconds of each round")
	fl.Float64Var(&o.warmup, "warmup", 0.5, "seconds before that, in each round")
	fl.BoolVar(&o.direct, "direct", true, "send to the upstream itself too")
	fl.BoolVar(&o.forward, "forward", true, "measure the gateway with forward in place of reverse_proxy too; not with builds that do not know it")
	fl.StringVar(&o.policy, "policy", "", `more lines for the callgate directive, separated with semicolons, such as "require phone"`)
	fl.StringVar(&o.proxy, "gateway-proxy", "transport callgate",
		"lines for the gateway's reverse_proxy block, separated with semicolons; empty: none, and so Caddy's standard transport")
	fl.StringVar(&o.nginx, "nginx", defaultNginx, `the nginx binary, measured if there is one; "off" or empty: not`)
	fl.StringVar(&o.against, "against", "", "another callgate binary, whose gateway takes its turns too")
	if err := command.Parse(fl, args); err != nil {
		return nil, err
	}
	if o.connections < 1 || o.rounds < 1 || o.seconds <= 0 || o.warmup < 0 {
		return nil, errors.New("-connections, -rounds and -seconds must be more than 0, and -warmup not less")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	if o.nginx, err = findNginx(o.nginx, stderr); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "callgate-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := o.Build(ctx, dir, stderr); err != nil {
		return err
	}
	subjects, stop, err := startSubjects(ctx, o, dir)
	defer stop()
	if err != nil {
		return err
	}
	r, err := o.measure(ctx, subjects, stderr)
	if err != nil {
		return err
	}
	if err := command.Publish(r, o.Out, stdout); err != nil {
		return err
	}
	if n := r.failed(); n > 0 {
		return fmt.Errorf("%d requests got no answer of the 2xx class, so the figures mean little; -o FILE tells which", n)
	}
	return nil
}

// measure runs the rounds. Every other round has the order turned, so that being first favours nobody.
func (o *options) measure(ctx context.Context, subjects []*subject, stderr io.Writer) (*result, error) {
	r := &result{
		Machine:     machine.This(),
		Connections: o.connections, BodyBytes: o.Size, Rounds: o.rounds, Seconds: o.seconds, Policy: o.policy, Proxy: o.proxy,
		Runs: make(map[string][]*report.Run),
	}
	for i := range o.rounds {
		order := slices.Clone(subjects)
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, s := range order {
			run, err := o.round(ctx, s)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			fmt.Fprintf(stderr, "round %d: %-16s %8.0f requests/s  p99 %7.2f ms  %6.1f µs CPU a request\n",
				i+1, s.name, rps(run), p99(run)/1e3, cpu(run))
			r.Runs[s.name] = append(r.Runs[s.name], run)
		}
	}
	r.Load = machine.LoadAverage()
	r.summarize()
	return r, nil
}

// round sends to one subject for a while.
func (o *options) round(ctx context.Context, s *subject) (*report.Run, error) {
	duration := func(seconds float64) string { return time.Duration(seconds * float64(time.Second)).String() }
	ahead := 0 // the load generator's own guess
	if s.sent > 0 {
		ahead = int(s.sent + s.sent/2)
	}
	run, err := o.Load(ctx, s.target(), "-ahead", strconv.Itoa(ahead), "-connections", strconv.Itoa(o.connections),
		"-duration", duration(o.seconds), "-warmup", duration(o.warmup))
	if err != nil {
		return nil, err
	}
	s.sent = run.Sent
	return run, nil
}
