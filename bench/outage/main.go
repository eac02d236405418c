// Command outage measures what becomes of calls when a receiver has trouble:
//
//   - poison: calls come in steadily, and the receiver, which is well, answers 500 to one in a hundred. How long the good
//     ones take to arrive, beside the same without poison, tells what they suffer from the others.
//   - herd: many calls wait while nothing listens, and then the receiver is back. All of them have to arrive, once and in
//     their order, at a pace that begins slowly.
//
// The delivery engine and its store are called directly, without HTTP before them.
//
//	go run ./bench/outage
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/machine"
)

// options are what the flags say.
type options struct {
	rate, poison int
	seconds      time.Duration
	latency      time.Duration
	waiting      int
	down         time.Duration
	concurrency  int
	dir, out     string
	progress     io.Writer
}

// result is what was found.
type result struct {
	Machine machine.Info `json:"machine"`
	// Without and With are the good calls' times from being accepted to their arrival.
	Without figures `json:"without_poison"`
	With    figures `json:"with_poison"`
	// Ratio is that of the 99th percentiles, with poison to without.
	Ratio float64 `json:"p99_ratio"`
	Herd  *herd   `json:"herd"`
}

// figures are of one run, in milliseconds.
type figures struct {
	Good    int     `json:"good"`
	Missing int     `json:"missing"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Longest float64 `json:"longest_ms"`
}

// herd is what became of those that waited. Seconds count from the receiver's return.
type herd struct {
	Waiting      int     `json:"waiting"`
	FirstSeconds float64 `json:"first_s"`
	DoneSeconds  float64 `json:"done_s"`
	FirstSecond  int     `json:"in_first_second"`
	Missing      int     `json:"missing"`
	Copies       int     `json:"copies"`
	OutOfOrder   int     `json:"out_of_order"`
	Dead         int64   `json:"dead"`
}

func main() { command.Main("outage", run) }

func parseFlags(args []string, stderr io.Writer) (*options, error) {
	o := new(options)
	fl := flag.NewFlagSet("outage", flag.ContinueOnError)
	fl.SetOutput(stderr)
	fl.IntVar(&o.rate, "rate", 200, "calls a second")
	fl.IntVar(&o.poison, "poison", 100, "one in so many is poison")
	fl.DurationVar(&o.seconds, "seconds", 20*time.Second, "for how long calls come in, without poison and with it")
	fl.DurationVar(&o.latency, "latency", 2*time.Millisecond, "how long the receiver takes for each")
	fl.IntVar(&o.waiting, "waiting", 10_000, "calls that wait for the receiver; 0: no herd")
	fl.DurationVar(&o.down, "down", 15*time.Second, "how long it is down")
	fl.IntVar(&o.concurrency, "concurrency", 4, "requests at once while there is poison; the herd goes one by one, so that its order can be seen")
	fl.StringVar(&o.dir, "dir", "", "directory for the store; default: that for temporary files")
	fl.StringVar(&o.out, "o", "", "file for the result as JSON")
	if err := command.Parse(fl, args); err != nil {
		return nil, err
	}
	if o.rate < 1 || o.poison < 2 || o.seconds <= 0 || o.latency < 0 || o.waiting < 0 || o.down < 0 || o.concurrency < 1 {
		return nil, errors.New("-rate, -seconds and -concurrency must be more than 0, -poison more than 1, and nothing less than 0")
	}
	return o, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o, err := parseFlags(args, stderr)
	if err != nil {
		return err
	}
	o.progress = stderr
	if o.dir, err = os.MkdirTemp(o.dir, "callgate-outage-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	r := &result{Machine: machine.This()}
	for _, x := range []struct {
		every int
		into  *figures
	}{{0, &r.Without}, {o.poison, &r.With}} {
		f, err := o.steadily(ctx, x.every)
		if err != nil {
			return err
		}
		*x.into = *f
		fmt.Fprintf(o.progress, "poison %d: p50 %.2f ms, p99 %.2f ms\n", x.every, f.P50, f.P99)
	}
	r.Ratio = r.With.P99 / r.Without.P99
	if o.waiting > 0 {
		if r.Herd, err = o.herd(ctx); err != nil {
			return err
		}
	}
	if err := command.Publish(r, o.out, stdout); err != nil {
		return err
	}
	if h := r.Herd; r.With.Missing+r.Without.Missing > 0 || h != nil && (h.Missing > 0 || h.Copies > 0 || h.OutOfOrder > 0) {
		return errors.New("calls are missing, came twice or came out of order")
	}
	return nil
}

// Print writes the tables.
func (r *result) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "good calls\tarrived\tmissing\tp50 ms\tp99 ms\tlongest ms")
	for _, x := range []struct {
		name string
		f    figures
	}{{"without poison", r.Without}, {"with poison", r.With}} {
		fmt.Fprintf(t, "%s\t%d\t%d\t%.2f\t%.2f\t%.2f\n", x.name, x.f.Good, x.f.Missing, x.f.P50, x.f.P99, x.f.Longest)
	}
	fmt.Fprintf(t, "ratio of p99\t\t\t\t%.2f\t\n", r.Ratio)
	if h := r.Herd; h != nil {
		fmt.Fprintf(t, "\nherd of %d\tfirst after\tall after\tin its first second\tmissing\tcopies\tout of order\tdead\n", h.Waiting)
		fmt.Fprintf(t, "\t%.1f s\t%.1f s\t%d\t%d\t%d\t%d\t%d\n", h.FirstSeconds, h.DoneSeconds, h.FirstSecond, h.Missing, h.Copies, h.OutOfOrder, h.Dead)
	}
	return t.Flush()
}
