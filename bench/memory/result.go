package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"github.com/callgate/callgate/bench/machine"
)

// result is everything that was measured.
type result struct {
	Machine     machine.Info `json:"machine"`
	Connections int          `json:"connections"`
	BodyBytes   int          `json:"body_bytes"`
	AnswerBytes int          `json:"answer_bytes"`
	Courses     []*course    `json:"courses"`
}

// course is how the memory of one gateway went.
type course struct {
	Bounds  bounds   `json:"bounds"`
	Samples []sample `json:"samples"`
	Failed  int64    `json:"failed"`

	// The requests that were sent since the last look, and how fast.
	sent      int64
	perSecond float64
}

// sample is what a gateway holds after a number of requests.
type sample struct {
	Requests   int64 `json:"requests"`
	Entries    int64 `json:"entries"`
	CacheBytes int64 `json:"cache_bytes"`
	// RSSBytes is the memory of the process, PeakRSSBytes the most it ever was, HeapBytes the part of it that holds
	// values of the program, those that are garbage and were not collected yet included.
	RSSBytes     int64 `json:"rss_bytes"`
	PeakRSSBytes int64 `json:"peak_rss_bytes"`
	HeapBytes    int64 `json:"heap_in_use_bytes"`
	// PerSecond is how fast the requests since the sample before were answered.
	PerSecond float64 `json:"requests_per_second,omitempty"`
}

// full are the samples from the first one on at which the cache was full; none if it never was. Full is what has no more
// than a twentieth of one of its bounds left: an answer that is larger than what is left does not fit.
func (c *course) full() []sample {
	for i, s := range c.Samples {
		if s.Entries >= c.Bounds.Entries-c.Bounds.Entries/20 || s.CacheBytes >= c.Bounds.Bytes-c.Bounds.Bytes/20 {
			return c.Samples[i:]
		}
	}
	return nil
}

// Print writes a table for each course, and what it comes to.
func (r *result) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d connections, %d byte bodies, answers of %d bytes, %s/%s, %d CPUs, %s %s\n",
		r.Connections, r.BodyBytes, r.AnswerBytes, r.Machine.OS, r.Machine.Arch, r.Machine.CPUs, r.Machine.Go, r.Machine.CPU)
	for _, c := range r.Courses {
		fmt.Fprintf(w, "\nidempotency cache of %s\n", c.Bounds)
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintln(t, "requests\tentries\tcache MiB\tRSS MiB\tpeak RSS MiB\theap in use MiB\trequests/s\t")
		for _, s := range c.Samples {
			fmt.Fprintf(t, "%s\t%d\t%s\t%s\t%s\t%s\t%.0f\t\n", humanize.Comma(s.Requests), s.Entries, mib(s.CacheBytes), mib(s.RSSBytes),
				mib(s.PeakRSSBytes), mib(s.HeapBytes), s.PerSecond)
		}
		if err := t.Flush(); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(w, c.summary()); err != nil {
			return err
		}
	}
	return nil
}

// summary says in a sentence what became of the memory.
func (c *course) summary() string {
	full := c.full()
	if len(full) == 0 {
		return "the cache was never full: send more with -n, or give it smaller bounds with -caches"
	}
	least, most := full[0].RSSBytes, full[0].RSSBytes
	for _, s := range full {
		least, most = min(least, s.RSSBytes), max(most, s.RSSBytes)
	}
	return fmt.Sprintf("full at %s requests, and from then on RSS %s to %s MiB; its peak grew by %s MiB over the last %s requests",
		humanize.Comma(full[0].Requests), mib(least), mib(most), mib(full[len(full)-1].PeakRSSBytes-full[0].PeakRSSBytes),
		humanize.Comma(full[len(full)-1].Requests-full[0].Requests))
}

func mib(bytes int64) string { return fmt.Sprintf("%.1f", float64(bytes)/(1<<20)) }

// verdict is an error if the gateway has kept more than it was to, or requests failed.
func (r *result) verdict() error {
	var problems []error
	for _, c := range r.Courses {
		if c.Failed > 0 {
			problems = append(problems, fmt.Errorf("%d requests got no answer of the 2xx class, so the figures mean little", c.Failed))
		}
		for _, s := range c.Samples {
			if s.Entries > c.Bounds.Entries || s.CacheBytes > c.Bounds.Bytes && s.Entries > 1 {
				problems = append(problems, fmt.Errorf("after %d requests a cache of %s holds %d entries, %d bytes", s.Requests, c.Bounds, s.Entries, s.CacheBytes))
			}
		}
	}
	return errors.Join(problems...)
}
