// Command growth measures how the gateway's store does as it grows: how many events it accepts and delivers in a second,
// how long a duplicate takes to be found, how long it takes to close and open, and what it takes of disk and memory, with
// nothing stored, with a million events and with ten million, whose unique ids are random.
//
//	go run ./bench/growth -dir DIRECTORY
//
// After that, the same with a million deliveries waiting for a destination that takes none. An empty store is measured in
// turns with each, second by second, so that whatever else the machine does meets both: their ratio tells what growth does.
//
// The store has its default options and is called directly, without HTTP. It is filled by as many goroutines as it takes,
// with small events that have one destination, were delivered and have one attempt recorded: that is what a store holds
// most of, and makes every table and index grow. What is measured has larger bodies. With -store postgres the store is in the
// database that DATABASE_URL names, in schemas that are taken away again, and is filled there by copies of one event.
//
//	go run ./bench/growth -tenants 100 -destinations 10 -rows 1000000 -dir DIRECTORY
//
// measures whole gateways over HTTP instead: one whose store has a million events of a hundred tenants with ten destinations
// each, most of them delivered; one with as many tenants and nothing stored; and one with a tenant and a destination.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/machine"
)

// options are what the flags say.
type options struct {
	rows            []int64
	waiting         int64
	producers       []int
	size, fillSize  int
	rounds          int
	seconds, warmup time.Duration
	singles         int
	beforeKill      int
	dir, out        string
	profile         string
	postgres        bool
	scratch         string
	program         string // this program, which opens the store in a process of its own
	// tenants and destinations are of whole gateways, which are measured if there are any.
	tenants, destinations, rate int
	callgate, against           string // binaries
	keep                        string // file of the filled store
	progress                    io.Writer
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == openFlag { // what it starts itself as
		if err := openAndReport(os.Args[2], os.Args[3], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	command.Main("growth", run)
}

func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fl := flag.NewFlagSet("growth", flag.ContinueOnError)
	fl.SetOutput(stderr)
	rows := fl.String("rows", "0,1000000,10000000", "numbers of stored events to measure at, rising, separated by commas; ten million need about 10 GB")
	fl.Int64Var(&o.waiting, "waiting", 1_000_000, "number of waiting deliveries to measure at, in a store of their own; 0: not at all")
	producers := fl.String("producers", "64,256", "numbers of goroutines that accept, separated by commas")
	fl.IntVar(&o.size, "size", 2048, "bytes in the body of each event that is measured")
	fl.IntVar(&o.fillSize, "fill-size", 100, "bytes in the body of each event that the store is filled with")
	fl.IntVar(&o.rounds, "rounds", 2, "rounds at each number of events")
	fl.DurationVar(&o.seconds, "seconds", 5*time.Second, "measured time of each, in each round")
	fl.DurationVar(&o.warmup, "warmup", 200*time.Millisecond, "time before each second of that")
	fl.IntVar(&o.singles, "singles", 1000, "duplicates and fresh events that are accepted one by one in each round")
	fl.IntVar(&o.beforeKill, "before-kill", 10_000, "events that a process accepts before it is killed, after which opening the store is measured again")
	fl.StringVar(&o.dir, "dir", "", "directory on the disk to measure; default: that for temporary files")
	fl.IntVar(&o.tenants, "tenants", 0, "measure whole gateways with so many tenants instead, the last of -rows being spread over them; 0: not")
	fl.IntVar(&o.destinations, "destinations", 10, "destinations of each tenant, with -tenants")
	fl.IntVar(&o.rate, "rate", 100, "events a second from which the time to their arrival is taken, with -tenants")
	fl.StringVar(&o.callgate, "callgate", "", "the callgate binary, with -tenants; default: built from this module")
	fl.StringVar(&o.against, "against", "", "another callgate binary to measure in turns, with -tenants")
	fl.StringVar(&o.keep, "keep", "", "file of the filled store, which is kept, and measured again as it is if it is there, with -tenants; default: one that is removed")
	kind := fl.String("store", "sqlite", "sqlite, or postgres for schemas in the database of DATABASE_URL, which its server fills")
	fl.StringVar(&o.profile, "profile", "", "file for a CPU profile of the rounds at the largest number of events, the empty store included")
	fl.StringVar(&o.out, "o", "", "file for the whole result as JSON")
	if err := command.Parse(fl, args); err != nil {
		return nil, err
	}
	var err error
	if o.rows, err = numbers[int64](*rows, 0, 1_000_000_000); err != nil {
		return nil, fmt.Errorf("-rows: %w", err)
	}
	if o.producers, err = numbers[int](*producers, 1, 10_000); err != nil {
		return nil, fmt.Errorf("-producers: %w", err)
	}
	switch o.postgres = *kind == "postgres"; {
	case !o.postgres && *kind != "sqlite":
		return nil, fmt.Errorf("-store: %q is neither sqlite nor postgres", *kind)
	case o.postgres && os.Getenv(databaseVariable) == "":
		return nil, errors.New("-store postgres needs the address of a database in DATABASE_URL, such as postgres://bench@127.0.0.1/bench?sslmode=disable")
	case !slices.IsSortedFunc(o.rows, func(a, b int64) int { return cmp.Or(cmp.Compare(a, b), -1) }):
		return nil, errors.New("-rows must rise: the store is filled further from one to the next")
	case o.rounds < 1 || o.seconds <= 0 || o.singles < 1:
		return nil, errors.New("-rounds, -seconds and -singles must be more than 0")
	case o.warmup < 0 || o.waiting < 0 || o.size < 0 || o.fillSize < 0 || o.beforeKill < 0:
		return nil, errors.New("-warmup, -waiting, -size, -fill-size and -before-kill must not be negative")
	}
	return o, o.checkMany()
}

// numbers reads a list of numbers.
func numbers[N int | int64](list string, least, most int64) (all []N, err error) {
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err != nil || n < least || n > most {
			return nil, fmt.Errorf("%q is not a number from %d to %d", s, least, most)
		}
		all = append(all, N(n))
	}
	return all, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	o.progress = stderr
	if o.program, err = os.Executable(); err != nil {
		return err
	}
	if o.scratch, err = os.MkdirTemp(o.dir, "callgate-growth-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.scratch)) }()
	if kind := machine.InMemory(o.scratch); kind != "" {
		return fmt.Errorf("%s is on %s, where an fsync does nothing: give a directory on a disk with -dir", o.scratch, kind)
	}
	if o.tenants > 0 {
		r, err := o.measureMany(ctx)
		if err != nil {
			return err
		}
		return command.Publish(r, o.out, stdout)
	}
	r, err := o.measure(ctx)
	if err != nil {
		return err
	}
	return command.Publish(r, o.out, stdout)
}

// measure goes through the numbers of events, and then through the waiting deliveries.
func (o *options) measure(ctx context.Context) (*result, error) {
	r := &result{
		Machine: machine.This(), BodyBytes: o.size, FillBytes: o.fillSize, Rounds: o.rounds, Seconds: o.seconds.Seconds(), BaseRSSBytes: rss(),
	}
	grown, err := newSubject(o, "grown")
	if err != nil {
		return nil, err
	}
	defer func() { grown.remove() }()
	for i, rows := range o.rows {
		profile := ""
		if i == len(o.rows)-1 {
			profile = o.profile
		}
		s, err := grown.step(ctx, rows, true, profile)
		if err != nil {
			return nil, fmt.Errorf("with %d events: %w", rows, err)
		}
		r.Steps = append(r.Steps, s)
		if rows == 0 {
			// What was measured is not to count among the events of the next step.
			grown.remove()
			if grown, err = newSubject(o, "grown"); err != nil {
				return nil, err
			}
		}
	}
	grown.remove()
	if o.waiting == 0 {
		return r, nil
	}
	waiting, err := newSubject(o, "waiting")
	if err != nil {
		return nil, err
	}
	defer waiting.remove()
	s, err := waiting.step(ctx, o.waiting, false, "")
	if err != nil {
		return nil, fmt.Errorf("with %d waiting deliveries: %w", o.waiting, err)
	}
	r.Steps = append(r.Steps, s)
	return r, nil
}
