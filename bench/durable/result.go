package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/callgate/callgate/bench/machine"
)

// The subjects, as they are named in the result.
const (
	gatewayAccepting  = "gateway over HTTP"
	gatewayDelivering = "gateway over HTTP, and delivering"
	storeAlone        = "its store alone"

	gatewayAcceptingOther  = "gateway over HTTP, the other build"
	gatewayDeliveringOther = "gateway over HTTP, and delivering, the other build"

	gatewayAudited           = "gateway over HTTP, audited"
	gatewayDeliveringAudited = "gateway over HTTP, and delivering, audited"

	gatewayPostgres           = "gateway over HTTP, on PostgreSQL"
	gatewayDeliveringPostgres = "gateway over HTTP, and delivering, on PostgreSQL"

	appendLog    = "append log with group commit, the limit"
	transactions = "a transaction for each call"
)

// result is everything that was measured.
type result struct {
	Machine   machine.Info `json:"machine"`
	BodyBytes int          `json:"body_bytes"`
	Rounds    int          `json:"rounds"`
	Seconds   float64      `json:"seconds_each"`
	Runs      []*figures   `json:"runs"`
	EndToEnd  []*endToEnd  `json:"end_to_end,omitempty"`
	Failed    int64        `json:"failed"`
}

// figures are those of one subject in one round. Times are in milliseconds, CPU times in microseconds.
type figures struct {
	Subject     string  `json:"subject"`
	Connections int     `json:"connections"`
	Round       int     `json:"round"`
	PerSecond   float64 `json:"acks_per_second"`
	P50         float64 `json:"p50_ms"`
	P99         float64 `json:"p99_ms"`
	Acks        int64   `json:"acks"`
	Failed      int64   `json:"failed"`
	// Load is the machine's load average over a minute, afterwards.
	Load string `json:"load,omitempty"`

	// The rest is told of the gateway only. CommitSize is how many requests, those of deliveries included, share a
	// commit; CommitMillis is how long one takes.
	CPU          float64 `json:"cpu_us_per_request,omitempty"`
	GeneratorCPU float64 `json:"generator_cpu_us_per_request,omitempty"`
	PeakRSSBytes int64   `json:"peak_rss_bytes,omitempty"`
	CommitSize   float64 `json:"requests_per_commit,omitempty"`
	CommitMillis float64 `json:"commit_ms,omitempty"`
	// EventCPU is what an event took until it was delivered, the warm-up's included: at the end of the load deliveries lag
	// behind, of the one build more than of the other.
	EventCPU float64 `json:"cpu_us_per_delivered_event,omitempty"`
	// Delivered is how many had been delivered at the end, the warm-up included.
	Delivered int64 `json:"delivered,omitempty"`
	// WrittenBytes is what the system wrote to disks for the gateway, its end included, and KeptBytes by how much its database
	// has grown: for each call that it has stored, the warm-up included.
	WrittenBytes float64 `json:"written_bytes_each,omitempty"`
	KeptBytes    float64 `json:"kept_bytes_each,omitempty"`
}

// endToEnd is what became of calls that came at a steady rate. Times start when a call was to go out.
type endToEnd struct {
	Round         int         `json:"round"`
	On            string      `json:"on"` // which store, and how many gateways
	Rate          int         `json:"calls_per_second"`
	Calls         int         `json:"calls"`
	Failed        int64       `json:"failed"`
	SendToAck     percentiles `json:"send_to_ack_ms"`
	SendToArrival percentiles `json:"send_to_arrival_ms"`
	// AckToArrival is 0 where a call arrived before its sender had the answer.
	AckToArrival percentiles `json:"ack_to_arrival_ms"`
	Load         string      `json:"load,omitempty"`
}

type percentiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Print writes the tables: a line for each subject and number of connections, with the figures of every round.
func (r *result) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d byte bodies, %d rounds of %gs each, %s/%s, %d CPUs, %s %s\n", r.BodyBytes, r.Rounds, r.Seconds,
		r.Machine.OS, r.Machine.Arch, r.Machine.CPUs, r.Machine.Go, r.Machine.CPU)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "connections\tsubject\tacks/s\tp50 ms\tp99 ms\tCPU µs\tuntil delivered\tin a commit\tcommit ms\tKiB written\tKiB kept\tload\t")
	type key struct {
		connections int
		subject     string
	}
	var order []key
	groups := map[key][]*figures{}
	for _, f := range r.Runs {
		k := key{f.Connections, f.Subject}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], f)
	}
	for _, k := range order {
		column := func(format string, of func(*figures) float64) string {
			var values []string
			for _, f := range groups[k] {
				if v := of(f); v != 0 {
					values = append(values, fmt.Sprintf(format, v))
				}
			}
			return strings.Join(values, ", ")
		}
		var load []string
		for _, f := range groups[k] {
			load = append(load, f.Load)
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", k.connections, k.subject,
			column("%.0f", func(f *figures) float64 { return f.PerSecond }), column("%.2f", func(f *figures) float64 { return f.P50 }),
			column("%.2f", func(f *figures) float64 { return f.P99 }), column("%.0f", func(f *figures) float64 { return f.CPU }),
			column("%.0f", func(f *figures) float64 { return f.EventCPU }),
			column("%.1f", func(f *figures) float64 { return f.CommitSize }), column("%.2f", func(f *figures) float64 { return f.CommitMillis }),
			column("%.1f", func(f *figures) float64 { return f.WrittenBytes / 1024 }), column("%.2f", func(f *figures) float64 { return f.KeptBytes / 1024 }),
			strings.Join(load, ", "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, c := range r.connections() {
		g, l, s := r.mean(c, gatewayAccepting), r.mean(c, appendLog), r.mean(c, transactions)
		if l > 0 && s > 0 {
			fmt.Fprintf(w, "%d connections: the gateway does %.2f of the append log, and %.1f times a transaction for each call\n", c, g/l, g/s)
		}
	}
	for _, c := range r.connections() {
		for _, pair := range [][2]string{{gatewayPostgres, gatewayAccepting}, {gatewayDeliveringPostgres, gatewayDelivering}} {
			if p, s := r.mean(c, pair[0]), r.mean(c, pair[1]); p > 0 && s > 0 {
				fmt.Fprintf(w, "%d connections, %s: PostgreSQL does %.2f of SQLite\n", c, pair[1], p/s)
			}
		}
	}
	for _, c := range r.connections() {
		for _, pair := range [][2]string{{gatewayAccepting, gatewayAcceptingOther}, {gatewayDelivering, gatewayDeliveringOther}} {
			r.printAgainst(w, c, pair[0], pair[1])
		}
	}
	for _, e := range r.EndToEnd {
		fmt.Fprintf(w, "round %d, %d calls a second, %s: sent to acknowledged p50 %.2f ms, p99 %.2f ms; acknowledged to arrived p50 %.2f ms, p99 %.2f ms, at most %.2f ms; load %s\n",
			e.Round, e.Rate, e.On, e.SendToAck.P50, e.SendToAck.P99, e.AckToArrival.P50, e.AckToArrival.P99, e.AckToArrival.Max, e.Load)
	}
	return nil
}

// printAgainst writes the ratios of each round of a subject to another one, and their median.
func (r *result) printAgainst(w io.Writer, connections int, subject, other string) {
	ratios := func(of func(*figures) float64) (list []float64) {
		for _, f := range r.Runs {
			for _, g := range r.Runs {
				if f.Connections == connections && g.Connections == connections && f.Round == g.Round && f.Subject == subject && g.Subject == other && of(g) > 0 {
					list = append(list, of(f)/of(g))
				}
			}
		}
		return list
	}
	columns := []struct {
		name string
		of   func(*figures) float64
	}{
		{"CPU", func(f *figures) float64 { return f.CPU }}, {"CPU of an event until it is delivered", func(f *figures) float64 { return f.EventCPU }},
		{"acks/s", func(f *figures) float64 { return f.PerSecond }},
		{"p50", func(f *figures) float64 { return f.P50 }}, {"p99", func(f *figures) float64 { return f.P99 }},
		{"delivered", func(f *figures) float64 { return float64(f.Delivered) }},
	}
	for _, c := range columns {
		list := ratios(c.of)
		if len(list) == 0 {
			continue
		}
		slices.Sort(list)
		fmt.Fprintf(w, "%d connections, %s, of the other build: %s %.2f (%.2f to %.2f)\n", connections, subject, c.name, medianOf(list), list[0], list[len(list)-1])
	}
}

// medianOf is the median of sorted values.
func medianOf(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func (r *result) connections() (list []int) {
	for _, f := range r.Runs {
		if !slices.Contains(list, f.Connections) {
			list = append(list, f.Connections)
		}
	}
	return list
}

// mean is that of the rounds of a subject.
func (r *result) mean(connections int, subject string) float64 {
	sum, n := 0.0, 0
	for _, f := range r.Runs {
		if f.Connections == connections && f.Subject == subject {
			sum += f.PerSecond
			n++
		}
	}
	return sum / float64(max(n, 1))
}
