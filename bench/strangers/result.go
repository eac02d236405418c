package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/callgate/callgate/bench/machine"
	"github.com/callgate/callgate/bench/report"
)

// What signed requests are to keep, of what they have when nobody attacks.
const (
	leastThroughput = 0.7
	mostP99         = 3.0
)

// garbage is how far the gateway's memory may grow besides what bodies hold: it lets so much become garbage between two
// collections.
const garbage = 128 << 20

// result is everything that was measured.
type result struct {
	Machine     machine.Info `json:"machine"`
	Load        string       `json:"load,omitempty"` // the load average over a minute, afterwards
	Connections int          `json:"connections"`
	Strangers   int          `json:"strangers"`
	BodyBytes   int          `json:"body_bytes"`
	Rounds      int          `json:"rounds"`
	Seconds     float64      `json:"seconds"`
	BudgetBytes int64        `json:"unverified_memory_bytes"`
	Pairs       []*pair      `json:"pairs"`
	Flood       *flooded     `json:"flood,omitempty"`
}

// pair is a round of an attack: without strangers, and then with them.
type pair struct {
	Attack   string      `json:"attack"`
	Quiet    *report.Run `json:"quiet"`
	Attacked *report.Run `json:"attacked"`
	// QuietRSS and AttackedRSS are the most of the gateway's memory, Held that of bodies not yet verified.
	QuietRSS    int64 `json:"quiet_rss_bytes"`
	AttackedRSS int64 `json:"attacked_rss_bytes"`
	Held        int64 `json:"held_bytes"`
	// Sent is how many requests the strangers began, Statuses what they were answered with, Failures how many of their
	// connections broke; StrangersCPUs is how many processors they themselves kept busy.
	Sent          int64            `json:"strangers_sent"`
	Statuses      map[string]int64 `json:"strangers_statuses"`
	Failures      int64            `json:"strangers_failures"`
	StrangersCPUs float64          `json:"strangers_cpus"`
}

// throughput and p99 are what became of signed requests.
func (p *pair) throughput() float64 {
	return ratio(p.Attacked.RequestsPerSecond, p.Quiet.RequestsPerSecond)
}

func (p *pair) p99() float64 { return ratio(p.Attacked.Latency.P99, p.Quiet.Latency.P99) }

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// row is what all rounds of an attack say.
type row struct {
	attack                       string
	quiet, throughput, p99ms     []float64
	p99, refused, strangers      []float64
	quietRSS, attackedRSS, held  int64
	failed, requests             int64
	missedThroughput, missedTail bool
}

// rows are the attacks in the order in which they were made.
func (r *result) rows() (rows []*row) {
	for _, p := range r.Pairs {
		i := slices.IndexFunc(rows, func(w *row) bool { return w.attack == p.Attack })
		if i < 0 {
			i = len(rows)
			rows = append(rows, &row{attack: p.Attack})
		}
		w := rows[i]
		refused := int64(0)
		for _, n := range p.Statuses {
			refused += n
		}
		w.quiet = append(w.quiet, p.Quiet.RequestsPerSecond)
		w.throughput = append(w.throughput, p.throughput())
		w.p99ms = append(w.p99ms, p.Attacked.Latency.P99/1e3)
		w.p99 = append(w.p99, p.p99())
		w.refused = append(w.refused, float64(refused)/(p.Attacked.Seconds))
		w.strangers = append(w.strangers, p.StrangersCPUs)
		w.quietRSS, w.attackedRSS, w.held = max(w.quietRSS, p.QuietRSS), max(w.attackedRSS, p.AttackedRSS), max(w.held, p.Held)
		w.failed += p.Attacked.Failed() + p.Quiet.Failed()
		w.requests += p.Attacked.Requests + p.Quiet.Requests
	}
	for _, w := range rows {
		w.missedThroughput, w.missedTail = median(w.throughput) < leastThroughput, median(w.p99) >= mostP99
	}
	return rows
}

// median is that of at least one value.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

func spread(values []float64, format string) string {
	if len(values) == 1 {
		return fmt.Sprintf(format, values[0])
	}
	return fmt.Sprintf(format+" ("+format+" to "+format+")", median(values), slices.Min(values), slices.Max(values))
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// Print writes the tables.
func (r *result) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d connections that sign, %d byte bodies; %d strangers; unverified_memory %.0f MiB; %d rounds of %gs and %gs, %s/%s, %d CPUs, %s %s\n",
		r.Connections, r.BodyBytes, r.Strangers, mib(r.BudgetBytes), r.Rounds, r.Seconds, r.Seconds, r.Machine.OS, r.Machine.Arch,
		r.Machine.CPUs, r.Machine.Go, r.Machine.CPU)
	fmt.Fprintf(w, "attacked / quiet of the same round; median (least to most) of the rounds\n\n")
	rows := r.rows()
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tquiet requests/s\tthroughput\tp99\tp99 ms\trefused/s\tstrangers' CPUs\theld MiB\tRSS MiB, quiet\tattacked\tfailed")
	for _, a := range rows {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%.1f\t%.0f\t%.0f\t%d\n", a.attack, spread(a.quiet, "%.0f"), spread(a.throughput, "%.2f"),
			spread(a.p99, "%.2f"), spread(a.p99ms, "%.1f"), spread(a.refused, "%.0f"), spread(a.strangers, "%.2f"), mib(a.held), mib(a.quietRSS),
			mib(a.attackedRSS), a.failed)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, a := range rows {
		if a.missedThroughput || a.missedTail {
			fmt.Fprintf(w, "%s misses the target, a throughput of at least %.1f and a p99 under %.0f times the quiet one\n", a.attack, leastThroughput, mostP99)
		}
	}
	if f := r.Flood; f != nil {
		fmt.Fprintf(w, "wrong signatures at %.0f/s: %.0f refused/s, %.1f µs of CPU each, %.2f CPUs; %.1f lines of log/s, %.0f bytes/s\n",
			f.Wanted, f.PerSecond, f.CPUMicros, f.CPUs, f.LinesPerSecond, f.BytesPerSecond)
	}
	return nil
}

// verdict is an error if the gateway held more than it may, or refused or lost what was signed. How fast it was is for the
// reader to judge: it depends on what else the machine did.
func (r *result) verdict() error {
	var problems []error
	for _, a := range r.rows() {
		if a.held > r.BudgetBytes {
			problems = append(problems, fmt.Errorf("%s: bodies not yet verified held %d bytes, and %d were allowed", a.attack, a.held, r.BudgetBytes))
		}
		if grown := a.attackedRSS - a.quietRSS; grown > r.BudgetBytes+garbage {
			problems = append(problems, fmt.Errorf("%s: the gateway's memory grew by %.0f MiB, and %.0f were allowed", a.attack, mib(grown), mib(r.BudgetBytes+garbage)))
		}
		if a.failed > 0 {
			problems = append(problems, fmt.Errorf("%s: %d of %d signed requests got no answer of the 2xx class", a.attack, a.failed, a.requests))
		}
	}
	return errors.Join(problems...)
}
