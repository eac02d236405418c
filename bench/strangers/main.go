// Command strangers shows what becomes of signed requests while others send what is dear to refuse: it measures a gateway
// that is left alone and, in turns with that, the same process under the worst bodies that are known, and says which
// share of throughput and latency is left and what the strangers held in memory.
//
//	go run ./bench/strangers
//
// After that it sends requests with a wrong signature at a given rate, and counts what they cost and the lines of log.
//
// Strangers come from loopback, to which the default limit on refused addresses does not apply: each request of theirs is
// read and checked. Over a network, an address that is refused again and again is not.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/gateway"
	"github.com/callgate/callgate/bench/machine"
	"github.com/callgate/callgate/bench/process"
	"github.com/callgate/callgate/bench/report"
	"github.com/callgate/callgate/bench/upstream"
)

// upstreamHelper is what this program starts itself as, for the upstream.
const upstreamHelper = "-upstream"

// options are what the flags say.
type options struct {
	command.Options
	connections, strangers, rounds int
	seconds, warmup                time.Duration
	attacks                        []attack
	budget                         int64
	rate                           int
	profile                        string
	progress                       io.Writer

	ahead int // requests that the load generator signs before it starts; 0: its own guess
}

func main() {
	if !command.Helper(upstreamHelper, upstream.Run) {
		command.Main("strangers", run)
	}
}

func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := &options{progress: stderr}
	fl := o.Flags("strangers", stderr)
	fl.IntVar(&o.connections, "connections", 64, "keep-alive connections of the load generator, which signs its requests")
	fl.IntVar(&o.strangers, "strangers", 64, "connections of strangers")
	fl.IntVar(&o.rounds, "rounds", 2, "rounds of each attack")
	fl.DurationVar(&o.seconds, "seconds", 3*time.Second, "measured time, quiet and attacked, of each round")
	fl.DurationVar(&o.warmup, "warmup", 500*time.Millisecond, "time before that")
	budget := fl.String("unverified", "32MiB", "unverified_memory of the gateway")
	fl.IntVar(&o.rate, "rate", 10_000, "requests a second with a wrong signature, in the last part; 0: leave it out")
	fl.StringVar(&o.profile, "profile", "", "file for a CPU profile of the gateway under the last attack of the first round")
	names := fl.String("attacks", "", "attacks, separated by commas; default: all of "+strings.Join(attackNames(), ", "))
	if err := command.Parse(fl, args); err != nil {
		return nil, err
	}
	size, err := humanize.ParseBytes(*budget)
	if err != nil || size < 1 || size > 1<<40 {
		return nil, fmt.Errorf("-unverified: %q is not a size, such as 32MiB", *budget)
	}
	o.budget = int64(size)
	if o.connections < 1 || o.strangers < 1 || o.rounds < 1 || o.seconds <= 0 || o.warmup < 0 || o.rate < 0 {
		return nil, errors.New("-connections, -strangers, -rounds and -seconds must be more than 0, and nothing less than 0")
	}
	if o.attacks = attacks(); *names != "" {
		o.attacks = nil
		for name := range strings.SplitSeq(*names, ",") {
			i := slices.IndexFunc(attacks(), func(a attack) bool { return a.name == strings.TrimSpace(name) })
			if i < 0 {
				return nil, fmt.Errorf("-attacks: %q is none of %s", name, strings.Join(attackNames(), ", "))
			}
			o.attacks = append(o.attacks, attacks()[i])
		}
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "callgate-strangers-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := o.Build(ctx, dir, stderr); err != nil {
		return err
	}
	up, address, err := command.StartHelper(ctx, upstreamHelper, dir)
	if err != nil {
		return err
	}
	defer up.Stop()
	g, err := gateway.Start(ctx, gateway.Program{
		Name: "gateway", Binary: o.Callgate, Dir: dir,
		Config: func(listen, admin string) string {
			return gateway.Config{
				Upstream: address, Admin: admin, Proxy: "transport callgate",
				Global: fmt.Sprintf("unverified_memory %dB", o.budget),
			}.Text(listen)
		},
	})
	if err != nil {
		return err
	}
	defer g.Stop()
	r, err := o.measure(ctx, g)
	if err != nil {
		return err
	}
	if err := command.Publish(r, o.Out, stdout); err != nil {
		return err
	}
	return r.verdict()
}

// measure runs all rounds, and the refusals at a rate.
func (o *options) measure(ctx context.Context, g *gateway.Server) (*result, error) {
	r := &result{
		Machine: machine.This(), Connections: o.connections, Strangers: o.strangers, BodyBytes: o.Size, Rounds: o.rounds,
		Seconds: o.seconds.Seconds(), BudgetBytes: o.budget,
	}
	if _, err := o.load(ctx, g); err != nil { // what is made once is made now, and it is known how much to sign ahead
		return nil, err
	}
	for round := range o.rounds {
		for i, a := range o.attacks {
			p, err := o.pair(ctx, g, a, round == 0 && i == len(o.attacks)-1)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", a.name, err)
			}
			r.Pairs = append(r.Pairs, p)
			fmt.Fprintf(o.progress, "round %d: %-10s %8.0f of %8.0f requests/s  p99 %7.2f, quiet %7.2f ms  held %5.1f MiB\n", round+1, a.name,
				p.Attacked.RequestsPerSecond, p.Quiet.RequestsPerSecond, p.Attacked.Latency.P99/1e3, p.Quiet.Latency.P99/1e3, mib(p.Held))
		}
	}
	if o.rate > 0 {
		f, err := o.flood(ctx, g)
		if err != nil {
			return nil, err
		}
		r.Flood = f
	}
	r.Load = machine.LoadAverage()
	return r, nil
}

// pair measures without strangers, and right after it with them.
func (o *options) pair(ctx context.Context, g *gateway.Server, a attack, profiled bool) (*pair, error) {
	p := &pair{Attack: a.name}
	var err error
	if p.Quiet, p.QuietRSS, _, err = o.watched(ctx, g); err != nil {
		return nil, err
	}
	s, err := o.send(ctx, g, a)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	saved := make(chan error, 1)
	if saved <- nil; profiled && o.profile != "" {
		<-saved
		go func() { saved <- o.profileGateway(ctx, g) }()
	}
	before, err := process.CPUTime(os.Getpid())
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if p.Attacked, p.AttackedRSS, p.Held, err = o.watched(ctx, g); err != nil {
		return nil, err
	}
	after, err := process.CPUTime(os.Getpid())
	if err != nil {
		return nil, err
	}
	p.StrangersCPUs = (after - before).Seconds() / time.Since(began).Seconds()
	s.stop()
	p.Sent, p.Statuses, p.Failures = s.total()
	return p, <-saved
}

// load sends signed requests.
func (o *options) load(ctx context.Context, g *gateway.Server) (*report.Run, error) {
	run, err := o.Load(ctx, command.Target{URL: g.URL + gateway.Path, Secret: gateway.Secret, Process: g.Process},
		"-ahead", strconv.Itoa(o.ahead), "-connections", strconv.Itoa(o.connections),
		"-duration", o.seconds.String(), "-warmup", o.warmup.String())
	if err == nil {
		o.ahead = int(max(int64(o.ahead), run.Sent+run.Sent/2))
	}
	return run, err
}

// profileGateway writes a CPU profile of the gateway while it is measured.
func (o *options) profileGateway(ctx context.Context, g *gateway.Server) error {
	text, err := g.Admin(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(o.seconds.Seconds()))))
	if err != nil {
		return err
	}
	return os.WriteFile(o.profile, text, 0o644)
}
