// Command pages measures how long what the dashboard's pages ask takes with a million events in the store: every listing with
// each filter, the counts before something is done to all that match, the facets and the overview.
//
//	go run ./bench/pages -dir DIRECTORY
//
// The store has its default options, with a key. It is filled with events of a month that have two deliveries each, of which
// most are delivered; it asks through the service that pages ask through, and prints what each question took, the slowest
// first. With -store a file is kept, and measured again as it is if it is there.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/machine"
)

type options struct {
	events int64
	rounds int
	most   time.Duration
	dir    string
	store  string
	out    string
}

// result is what was measured.
type result struct {
	Machine   machine.Info `json:"machine"`
	Events    int64        `json:"events"`
	Bytes     int64        `json:"bytes"`
	Filled    float64      `json:"filled_per_second,omitempty"`
	Questions []question   `json:"questions"`
}

// question is what was asked, and how long the answer took.
type question struct {
	Name string `json:"name"`
	// FirstMS is the first time, and MedianMS and MostMS those of all rounds.
	FirstMS  float64 `json:"first_ms"`
	MedianMS float64 `json:"median_ms"`
	MostMS   float64 `json:"most_ms"`
	// Rows is how many rows, or what count, the answer had.
	Rows int `json:"rows"`
}

// Print prints the questions, the slowest first.
func (r *result) Print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s events in %s; %s\n%10s %10s %10s %10s  question\n", humanize.Comma(r.Events), humanize.IBytes(uint64(r.Bytes)),
		filledText(r.Filled), "median ms", "first ms", "most ms", "rows")
	for _, q := range r.Questions {
		if err == nil {
			_, err = fmt.Fprintf(w, "%10.1f %10.1f %10.1f %10d  %s\n", q.MedianMS, q.FirstMS, q.MostMS, q.Rows, q.Name)
		}
	}
	return err
}

func filledText(perSecond float64) string {
	if perSecond == 0 {
		return "filled before"
	}
	return fmt.Sprintf("filled with %.0f a second", perSecond)
}

func main() { command.Main("pages", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	o := new(options)
	fl := flag.NewFlagSet("pages", flag.ContinueOnError)
	fl.SetOutput(stderr)
	fl.Int64Var(&o.events, "events", 1_000_000, "events in the store")
	fl.IntVar(&o.rounds, "rounds", 5, "how often everything is asked")
	fl.DurationVar(&o.most, "most", 0, "how long the median of an answer may take at most, such as 200ms; default: any time")
	fl.StringVar(&o.dir, "dir", "", "directory on the disk to measure; default: that for temporary files")
	fl.StringVar(&o.store, "store", "", "file of the store, which is kept; default: one that is removed")
	fl.StringVar(&o.out, "o", "", "file for the whole result as JSON")
	if err := command.Parse(fl, args); err != nil {
		return err
	}
	if o.events < 1 || o.rounds < 1 {
		return errors.New("-events and -rounds must be more than 0")
	}
	if o.store == "" {
		scratch, err := os.MkdirTemp(o.dir, "callgate-pages-")
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
		o.store = filepath.Join(scratch, "store.db")
	}
	r, err := o.measure(ctx, stderr)
	if err != nil {
		return err
	}
	if err := command.Publish(r, o.out, stdout); err != nil {
		return err
	}
	for _, q := range r.Questions {
		if o.most > 0 && q.MedianMS > float64(o.most.Milliseconds()) {
			return fmt.Errorf("%s takes %.0f ms", q.Name, q.MedianMS)
		}
	}
	return nil
}

func (o *options) measure(ctx context.Context, progress io.Writer) (r *result, err error) {
	s, err := openSubject(o.store)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	r = &result{Machine: machine.This(), Events: o.events}
	if r.Filled, err = s.fill(ctx, o.events, progress); err != nil {
		return nil, err
	}
	if stats, err := s.store.Stats(ctx); err != nil {
		return nil, err
	} else if r.Bytes = stats.Bytes; stats.Events < o.events {
		return nil, fmt.Errorf("the store has %d events only", stats.Events)
	}
	list, err := s.questions(ctx)
	if err != nil {
		return nil, err
	}
	for _, ask := range list {
		q := question{Name: ask.name}
		var all []float64
		for range o.rounds {
			began := time.Now()
			if q.Rows, err = ask.ask(ctx); err != nil {
				return nil, fmt.Errorf("%s: %w", ask.name, err)
			}
			all = append(all, float64(time.Since(began).Microseconds())/1000)
		}
		q.FirstMS = all[0]
		slices.Sort(all)
		q.MedianMS, q.MostMS = all[len(all)/2], all[len(all)-1]
		r.Questions = append(r.Questions, q)
	}
	slices.SortStableFunc(r.Questions, func(a, b question) int { return cmp.Compare(b.MedianMS, a.MedianMS) })
	return r, nil
}
