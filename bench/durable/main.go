// Command durable measures what it costs to answer a call only when it is on disk: acknowledged calls a second over
// HTTP, with an fsync before every answer, beside what the same disk does without a gateway.
//
//	go run ./bench/durable
//
// In each round these take turns at each number of connections, so that whatever else the machine does meets all of
// them:
//
//   - the gateway, over HTTP, with signatures, idempotency and all: first with a destination that is paced so slowly
//     that everything waits, then with one that takes everything,
//   - the gateway's store by itself, called by as many goroutines as there are connections,
//   - the limit: a file that the same bytes are appended to, in groups, with an fsync for each group,
//   - one transaction for each call, with the same SQLite driver, as programs are usually written.
//
// With -against it is the gateway alone, in turns with another build of it, and the ratios of each round are printed.
//
// With -audit it is the gateway alone, without and with an audit log. With -store postgres it is the gateway alone, on SQLite
// and on the PostgreSQL database that DATABASE_URL names, where it makes a schema for each run and takes it away again; and
// the last part is measured with SQLite, and with one and with two gateways on PostgreSQL. With -store postgres -soak 1h it is
// one long run instead, with a transaction held open: see soak.go.
//
// After that 500 calls a second go through the gateway to a receiver, and the time from the acknowledgement to the
// arrival is taken.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/machine"
)

// options are what the flags say.
type options struct {
	command.Options
	connections     []int
	rounds          int
	seconds, warmup time.Duration
	rate            int
	rateTime        time.Duration
	dir, profile    string
	delivering      string // file for another profile
	against         string
	scratch         string
	audit           bool
	postgres        bool
	soakTime        time.Duration
	schemas         int // that were made
	progress        io.Writer
}

func main() {
	if !command.Helper(receiverHelper, runReceiver) {
		command.Main("durable", run)
	}
}

func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fl := o.Flags("durable", stderr)
	connections := fl.String("connections", "16,64,256", "numbers of connections, separated by commas")
	fl.IntVar(&o.rounds, "rounds", 2, "rounds of each")
	fl.DurationVar(&o.seconds, "seconds", 5*time.Second, "measured time of each")
	fl.DurationVar(&o.warmup, "warmup", time.Second, "time before that, in each round")
	fl.IntVar(&o.rate, "rate", 500, "calls a second from which the time to their arrival is taken; 0: not at all")
	fl.DurationVar(&o.rateTime, "rate-seconds", 20*time.Second, "for how long")
	fl.StringVar(&o.dir, "dir", "", "directory on the disk to measure; default: that for temporary files")
	fl.StringVar(&o.profile, "profile", "", "file for a CPU profile of the gateway while it only accepts, at the last number of connections")
	fl.StringVar(&o.delivering, "profile-delivering", "", "file for one while it delivers too")
	fl.StringVar(&o.against, "against", "", "another callgate binary, to measure the gateway alone in turns with it")
	fl.BoolVar(&o.audit, "audit", false, "measure the gateway alone, without and with an audit log")
	fl.DurationVar(&o.soakTime, "soak", 0, "with -store postgres: send -rate calls a second to two gateways for so long while a transaction is held open, and measure nothing else")
	store := fl.String("store", "sqlite", "sqlite, or postgres to measure the gateway alone on both, with the database of DATABASE_URL")
	if err := command.Parse(fl, args); err != nil {
		return nil, err
	}
	switch o.postgres = *store == "postgres"; {
	case !o.postgres && *store != "sqlite":
		return nil, fmt.Errorf("-store: %q is neither sqlite nor postgres", *store)
	case o.soakTime != 0 && (!o.postgres || o.rate == 0 || o.soakTime < time.Second):
		return nil, errors.New("-soak needs -store postgres, a -rate, and a second at least")
	case o.postgres && o.audit:
		return nil, errors.New("-audit and -store postgres are measured one after the other")
	case o.against != "" && (o.postgres || o.audit):
		return nil, errors.New("-against is measured by itself: without -audit and -store postgres")
	case o.postgres && os.Getenv(databaseVariable) == "":
		return nil, errors.New("-store postgres needs the address of a database in DATABASE_URL, such as postgres://bench@127.0.0.1/bench?sslmode=disable")
	}
	for s := range strings.SplitSeq(*connections, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(s))
		if err != nil || n < 1 || n > 10_000 {
			return nil, fmt.Errorf("-connections: %q is not a number from 1 to 10000", s)
		}
		o.connections = append(o.connections, n)
	}
	if o.rounds < 1 || o.seconds <= 0 || o.warmup < 0 || o.rate < 0 || o.rateTime <= 0 || o.Size < 512 {
		return nil, errors.New("-rounds and -seconds must be more than 0, -size at least 512, and nothing less than 0")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	o.progress = stderr
	if o.scratch, err = os.MkdirTemp(o.dir, "callgate-durable-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.scratch)) }()
	if kind := machine.InMemory(o.scratch); kind != "" {
		return fmt.Errorf("%s is on %s, where an fsync does nothing: give a directory on a disk with -dir", o.scratch, kind)
	}
	if err := o.Build(ctx, o.scratch, stderr); err != nil {
		return err
	}
	if o.soakTime > 0 {
		r, err := o.soak(ctx)
		if err == nil {
			err = command.Publish(r, o.Out, stdout)
		}
		if err == nil && r.Collapsed != "" {
			err = errors.New(r.Collapsed)
		}
		return err
	}
	r, err := o.measure(ctx)
	if err != nil {
		return err
	}
	if err := command.Publish(r, o.Out, stdout); err != nil {
		return err
	}
	if r.Failed > 0 {
		return fmt.Errorf("%d requests were not acknowledged, so the figures mean little", r.Failed)
	}
	return nil
}

// measure runs the rounds. Every other round has the order turned, so that being first favours nobody.
func (o *options) measure(ctx context.Context) (*result, error) {
	r := &result{Machine: machine.This(), BodyBytes: o.Size, Rounds: o.rounds, Seconds: o.seconds.Seconds()}
	type measured struct {
		name string
		run  func(ctx context.Context, connections int) (*figures, error)
	}
	gateway := func(name string, delivering bool, s setup) measured {
		return measured{name, func(ctx context.Context, n int) (*figures, error) { return o.gateway(ctx, n, delivering, s) }}
	}
	subjects := []measured{
		gateway(gatewayAccepting, false, setup{}), gateway(gatewayDelivering, true, setup{}),
		{storeAlone, o.store}, {appendLog, o.appendLog}, {transactions, o.transactions},
	}
	if o.audit {
		subjects = []measured{
			gateway(gatewayAccepting, false, setup{}), gateway(gatewayAudited, false, setup{audited: true}),
			gateway(gatewayDelivering, true, setup{}), gateway(gatewayDeliveringAudited, true, setup{audited: true}),
		}
	}
	ends := []setup{{audited: o.audit}}
	if o.against != "" {
		other := setup{binary: o.against}
		subjects = []measured{
			gateway(gatewayAccepting, false, setup{}), gateway(gatewayAcceptingOther, false, other),
			gateway(gatewayDelivering, true, setup{}), gateway(gatewayDeliveringOther, true, other),
		}
		ends = append(ends, other)
	}
	if o.postgres {
		subjects = []measured{
			gateway(gatewayAccepting, false, setup{}), gateway(gatewayPostgres, false, setup{shared: 1}),
			gateway(gatewayDelivering, true, setup{}), gateway(gatewayDeliveringPostgres, true, setup{shared: 1}),
		}
		ends = []setup{{}, {shared: 1}, {shared: 2}}
	}
	for round := range o.rounds {
		for _, n := range o.connections {
			for i := range subjects {
				s := subjects[i]
				if round%2 == 1 {
					s = subjects[len(subjects)-1-i]
				}
				f, err := s.run(ctx, n)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", s.name, err)
				}
				f.Subject, f.Connections, f.Round = s.name, n, round+1
				f.Load = machine.LoadAverage()
				r.Runs = append(r.Runs, f)
				r.Failed += f.Failed
				fmt.Fprintf(o.progress, "round %d, %3d connections: %-40s %8.0f acks/s  p50 %6.2f ms  p99 %6.2f ms\n",
					f.Round, n, s.name, f.PerSecond, f.P50, f.P99)
			}
		}
		for _, s := range ends {
			if o.rate == 0 {
				break
			}
			e, err := o.endToEnd(ctx, s)
			if err != nil {
				return nil, fmt.Errorf("from acknowledgement to arrival: %w", err)
			}
			e.Round, e.Load, e.On = round+1, machine.LoadAverage(), s.String()
			r.EndToEnd = append(r.EndToEnd, e)
			r.Failed += e.Failed
			fmt.Fprintf(o.progress, "round %d, %d calls a second, %s: ack to arrival p50 %.2f ms, p99 %.2f ms\n", e.Round, o.rate, e.On, e.AckToArrival.P50, e.AckToArrival.P99)
		}
	}
	return r, nil
}
