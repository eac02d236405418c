package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/callgate/callgate/bench/machine"
)

// figures are those of one subject in one round. Times are in milliseconds.
type figures struct {
	Subject string `json:"subject"`
	Round   int    `json:"round"`
	Load    string `json:"load,omitempty"` // the load average over a minute, afterwards
	// Acks are answers of calls that were sent for a while, each connection sending its next call when it has the last answer,
	// while deliveries went on. Failed are those of another class than 2xx.
	Acks          int64   `json:"acks"`
	AcksPerSecond float64 `json:"acks_per_second"`
	P50           float64 `json:"p50_ms"`
	P99           float64 `json:"p99_ms"`
	Failed        int64   `json:"failed"`
	// Delivered are arrivals, copies included, and their rate is that from the first to the last, or to when the time was up.
	Delivered          int64   `json:"delivered"`
	DeliveredPerSecond float64 `json:"delivered_per_second"`
	Missing            int64   `json:"missing"` // when the time was up
	// CPUMicros is what all processes of the subject have used for each delivered call, RSSBytes what they hold afterwards.
	CPUMicros float64 `json:"cpu_us"`
	RSSBytes  int64   `json:"rss_bytes"`
}

// result is a whole comparison.
type result struct {
	Machine     machine.Info `json:"machine"`
	Connections int          `json:"connections"`
	BodyBytes   int          `json:"body_bytes"`
	Rounds      int          `json:"rounds"`
	Seconds     float64      `json:"seconds"`
	Order       []string     `json:"subjects"`
	Runs        []*figures   `json:"runs"`
}

// of are the runs of a subject, by round.
func (r *result) of(name string) (runs []*figures) {
	for _, f := range r.Runs {
		if f.Subject == name {
			runs = append(runs, f)
		}
	}
	return runs
}

// spread is the median of some values, and the least and the most of them.
type spread struct{ median, least, most float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return spread{(v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1]}
}

func (s spread) text(format string) string {
	return fmt.Sprintf(format+" ("+format+" to "+format+")", s.median, s.least, s.most)
}

// ratio is the spread of a figure of one subject divided by that of another in the same round.
func (r *result) ratio(of, to string, figure func(*figures) float64) spread {
	var values []float64
	others := r.of(to)
	for _, f := range r.of(of) {
		i := slices.IndexFunc(others, func(g *figures) bool { return g.Round == f.Round })
		if i >= 0 && figure(others[i]) > 0 {
			values = append(values, figure(f)/figure(others[i]))
		}
	}
	return spreadOf(values)
}

func (r *result) over(name string, figure func(*figures) float64) spread {
	var values []float64
	for _, f := range r.of(name) {
		values = append(values, figure(f))
	}
	return spreadOf(values)
}

func acks(f *figures) float64      { return f.AcksPerSecond }
func delivered(f *figures) float64 { return f.DeliveredPerSecond }
func cpu(f *figures) float64       { return f.CPUMicros }

// Print writes what was measured, and Callgate on SQLite beside each of the others, as Markdown's tables.
func (r *result) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d connections, %d byte bodies, %d rounds of %gs each, %s/%s, %d CPUs, %s %s\nmedian (least to most) of the rounds\n\n",
		r.Connections, r.BodyBytes, r.Rounds, r.Seconds, r.Machine.OS, r.Machine.Arch, r.Machine.CPUs, r.Machine.Go, r.Machine.CPU)
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	for _, of := range []string{onSQLite, onPostgres} {
		if len(r.of(of)) == 0 {
			continue
		}
		fmt.Fprintf(t, "| %s, divided by\t| acks/s\t| delivered/s\t| CPU each\t|\n|---\t|---\t|---\t|---\t|\n", of)
		for _, to := range r.Order {
			if to != of {
				fmt.Fprintf(t, "| %s\t| %s\t| %s\t| %s\t|\n", to, r.ratio(of, to, acks).text("%.2f"), r.ratio(of, to, delivered).text("%.2f"), r.ratio(of, to, cpu).text("%.2f"))
			}
		}
		fmt.Fprintln(t)
	}
	fmt.Fprintf(t, "| \t| acks/s\t| p99 ms\t| delivered/s\t| CPU µs each\t| RSS MiB\t| not 2xx\t| missing\t|\n|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|\n")
	for _, name := range r.Order {
		var failed, missing int64
		for _, f := range r.of(name) {
			failed, missing = failed+f.Failed, missing+f.Missing
		}
		fmt.Fprintf(t, "| %s\t| %s\t| %s\t| %s\t| %s\t| %s\t| %d\t| %d\t|\n", name, r.over(name, acks).text("%.0f"),
			r.over(name, func(f *figures) float64 { return f.P99 }).text("%.0f"), r.over(name, delivered).text("%.0f"), r.over(name, cpu).text("%.0f"),
			r.over(name, func(f *figures) float64 { return float64(f.RSSBytes >> 20) }).text("%.0f"), failed, missing)
	}
	return t.Flush()
}
