package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"github.com/callgate/callgate/bench/machine"
)

// result is everything that was measured.
type result struct {
	Machine   machine.Info `json:"machine"`
	BodyBytes int          `json:"body_bytes"`
	FillBytes int          `json:"fill_body_bytes"`
	Rounds    int          `json:"rounds"`
	Seconds   float64      `json:"seconds_each"`
	// BaseRSSBytes is the memory of the program before it has a store.
	BaseRSSBytes int64   `json:"base_rss_bytes"`
	Steps        []*step `json:"steps"`
}

// step is what was measured at one number of events.
type step struct {
	// Rows is how many events the store had at first. Waiting is how many of them had a delivery that waits.
	Rows          int64    `json:"rows"`
	Waiting       int64    `json:"waiting"`
	FillPerSecond float64  `json:"fill_per_second,omitempty"`
	Measured      []*round `json:"measured"`
}

// round is everything measured once.
type round struct {
	CloseMillis float64 `json:"close_ms"`
	// OpenMillis and the memory are those of a process that does nothing else: when it had opened the store, and when it
	// had then accepted some events, the first of which took FirstMillis. LogAtKillBytes is how long the write-ahead log
	// was when it was killed after that.
	OpenMillis          float64 `json:"open_ms"`
	FirstMillis         float64 `json:"first_accept_ms"`
	OpenedRSSBytes      int64   `json:"opened_rss_bytes"`
	BusyRSSBytes        int64   `json:"busy_rss_bytes"`
	OpenAfterKillMillis float64 `json:"open_after_kill_ms"`
	LogAtKillBytes      int64   `json:"log_at_kill_bytes"`
	// StatsMillis is how long a summary takes after opening, StatsAgainMillis after delivering, when it has to find out which
	// delivery is the oldest now.
	StatsMillis      float64 `json:"stats_ms"`
	StatsAgainMillis float64 `json:"stats_again_ms"`
	Duplicate        *times  `json:"old_duplicate,omitempty"`
	FileBytes        int64   `json:"file_bytes"`
	rates
	// Empty is what an empty store did in turns with this one.
	Empty rates `json:"empty"`
	// Load is the machine's load average over a minute, afterwards.
	Load string `json:"load,omitempty"`
}

// rates are what a store is compared by with an empty one. Fresh is the time to accept one event at a time.
type rates struct {
	Accepts             []*accepts `json:"accepts"`
	DeliveriesPerSecond float64    `json:"deliveries_per_second"`
	Fresh               times      `json:"fresh"`
}

// times are in milliseconds.
type times struct {
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
}

// accepts is what a number of producers did. Accepted is all of it, the warm-up included. CPU and WrittenBytes are those
// of the whole program for each of them; other work on the machine changes them less than it changes the rest.
type accepts struct {
	Producers int     `json:"producers"`
	PerSecond float64 `json:"per_second"`
	times
	Accepted     int64   `json:"accepted"`
	CPU          float64 `json:"cpu_us_each"`
	WrittenBytes float64 `json:"written_bytes_each"`
	// KeptBytes is by how much the database has grown for each of them.
	KeptBytes float64 `json:"kept_bytes_each"`
}

// Print writes the table: a column for each step, with the figures of every round.
func (r *result) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d byte bodies, filled with %d byte bodies, %d rounds of %gs each, %s/%s, %d CPUs, %s %s\n",
		r.BodyBytes, r.FillBytes, r.Rounds, r.Seconds, r.Machine.OS, r.Machine.Arch, r.Machine.CPUs, r.Machine.Go, r.Machine.CPU)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	r.line(t, "events stored", func(s *step) string { return humanize.Comma(s.Rows) })
	r.line(t, "deliveries waiting", func(s *step) string { return humanize.Comma(s.Waiting) })
	r.line(t, "filled with, events/s", func(s *step) string { return fmt.Sprintf("%.0f", s.FillPerSecond) })
	for i, a := range r.Steps[0].Measured[0].Accepts {
		name := fmt.Sprintf("%d producers, ", a.Producers)
		r.rounds(t, name+"accepts/s", "%.0f", func(m *round) float64 { return m.Accepts[i].PerSecond })
		r.rounds(t, name+"of an empty store", "%.2f", func(m *round) float64 {
			return m.Accepts[i].PerSecond / max(m.Empty.Accepts[i].PerSecond, 1)
		})
		r.rounds(t, name+"p50 ms", "%.1f", func(m *round) float64 { return m.Accepts[i].P50 })
		r.rounds(t, name+"p99 ms", "%.0f", func(m *round) float64 { return m.Accepts[i].P99 })
		r.rounds(t, name+"CPU µs each", "%.0f", func(m *round) float64 { return m.Accepts[i].CPU })
		r.rounds(t, name+"in an empty store", "%.0f", func(m *round) float64 { return m.Empty.Accepts[i].CPU })
		r.rounds(t, name+"KiB written each", "%.1f", func(m *round) float64 { return m.Accepts[i].WrittenBytes / 1024 })
		r.rounds(t, name+"in an empty store", "%.1f", func(m *round) float64 { return m.Empty.Accepts[i].WrittenBytes / 1024 })
		r.rounds(t, name+"KiB kept each", "%.2f", func(m *round) float64 { return m.Accepts[i].KeptBytes / 1024 })
	}
	r.rounds(t, "claimed and finished, deliveries/s", "%.0f", func(m *round) float64 { return m.DeliveriesPerSecond })
	r.rounds(t, "claimed and finished, of an empty store", "%.2f", func(m *round) float64 { return m.DeliveriesPerSecond / max(m.Empty.DeliveriesPerSecond, 1) })
	duplicate := func(of func(times) float64) func(*round) float64 {
		return func(m *round) float64 {
			if m.Duplicate == nil {
				return 0
			}
			return of(*m.Duplicate)
		}
	}
	r.rounds(t, "duplicate of an old event, p50 ms", "%.3f", duplicate(func(t times) float64 { return t.P50 }))
	r.rounds(t, "duplicate of an old event, p99 ms", "%.3f", duplicate(func(t times) float64 { return t.P99 }))
	r.rounds(t, "fresh event, p50 ms", "%.3f", func(m *round) float64 { return m.Fresh.P50 })
	r.rounds(t, "fresh event, p99 ms", "%.3f", func(m *round) float64 { return m.Fresh.P99 })
	r.rounds(t, "fresh event in an empty store, p50 ms", "%.3f", func(m *round) float64 { return m.Empty.Fresh.P50 })
	r.rounds(t, "summary after opening, ms", "%.1f", func(m *round) float64 { return m.StatsMillis })
	r.rounds(t, "summary after delivering, ms", "%.1f", func(m *round) float64 { return m.StatsAgainMillis })
	r.rounds(t, "closing, ms", "%.0f", func(m *round) float64 { return m.CloseMillis })
	r.rounds(t, "opening, ms", "%.0f", func(m *round) float64 { return m.OpenMillis })
	r.rounds(t, "first event after opening, ms", "%.0f", func(m *round) float64 { return m.FirstMillis })
	r.rounds(t, "opening after a kill, ms", "%.0f", func(m *round) float64 { return m.OpenAfterKillMillis })
	r.rounds(t, "memory when opened, MiB", "%.0f", func(m *round) float64 { return float64(m.OpenedRSSBytes) / (1 << 20) })
	r.rounds(t, "memory when busy, MiB", "%.0f", func(m *round) float64 { return float64(m.BusyRSSBytes) / (1 << 20) })
	r.rounds(t, "files, MiB", "%.0f", func(m *round) float64 { return float64(m.FileBytes) / (1 << 20) })
	r.line(t, "load average", func(s *step) string {
		var all []string
		for _, m := range s.Measured {
			all = append(all, m.Load)
		}
		return strings.Join(all, ", ")
	})
	return t.Flush()
}

func (r *result) line(w io.Writer, name string, of func(*step) string) {
	fmt.Fprint(w, name, "\t")
	for _, s := range r.Steps {
		fmt.Fprint(w, of(s), "\t")
	}
	fmt.Fprintln(w)
}

// rounds writes a figure of every round. What is 0 was not measured.
func (r *result) rounds(w io.Writer, name, format string, of func(*round) float64) {
	r.line(w, name, func(s *step) string {
		var all []string
		for _, m := range s.Measured {
			if v := of(m); v != 0 {
				all = append(all, fmt.Sprintf(format, v))
			}
		}
		return strings.Join(all, ", ")
	})
}
