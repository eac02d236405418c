package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"github.com/callgate/callgate/bench/machine"
)

// manyResult is what was measured of whole gateways.
type manyResult struct {
	Machine       machine.Info `json:"machine"`
	BodyBytes     int          `json:"body_bytes"`
	Tenants       int          `json:"tenants"`
	Destinations  int          `json:"destinations_each"`
	Rows          int64        `json:"rows"`
	Rounds        int          `json:"rounds"`
	FillPerSecond float64      `json:"fill_per_second,omitempty"`
	Sites         []*manySite  `json:"gateways"`
	// AskedGrown is what the gateway with the filled store takes to answer at the end, and AskedGrownOther what the other build
	// takes with the same file.
	AskedGrown      manyAsked `json:"asked_at_the_end,omitempty"`
	AskedGrownOther manyAsked `json:"asked_at_the_end_of_the_other_build,omitempty"`
	// Load is the machine's load average over a minute, afterwards.
	Load string `json:"load,omitempty"`
}

// manySite is a gateway with its rounds.
type manySite struct {
	Name   string       `json:"name"`
	Rounds []*manyRound `json:"rounds"`
}

// manyRound is everything that is measured once of a gateway.
type manyRound struct {
	// StartMillis is how long each start took until the gateway was ready, StartCPU the milliseconds of CPU time until then,
	// and StartRSSBytes its memory then.
	StartMillis   []float64 `json:"start_ms"`
	StartCPU      []float64 `json:"start_cpu_ms"`
	StartRSSBytes []int64   `json:"start_rss_bytes"`
	// IdleCPU is milliseconds of CPU time a second while nothing comes.
	IdleCPU   float64       `json:"idle_cpu_ms_per_second"`
	Acks      manyAcks      `json:"acks"`
	Delivered manyDelivered `json:"delivered"`
	// ToAck and ToArrival are of events at a steady rate: from sending to the acknowledgement, and from there to the arrival at
	// the first destination.
	ToAck     times     `json:"send_to_ack"`
	ToArrival times     `json:"ack_to_arrival"`
	Duplicate times     `json:"old_duplicate"`
	Fresh     times     `json:"fresh"`
	Asked     manyAsked `json:"asked"`
	FileBytes int64     `json:"file_bytes"`
}

// manyAcks is acknowledging while nothing is delivered. CPU is microseconds of the gateway for each.
type manyAcks struct {
	PerSecond float64 `json:"per_second"`
	CPU       float64 `json:"cpu_us_each"`
	times
}

// manyDelivered is acknowledging and delivering. DeliveriesPerSecond is from the first event sent to the last delivery arrived.
// CPUEvent is microseconds of the gateway for an event with its deliveries, CPU for one of the deliveries with its part of that.
type manyDelivered struct {
	PerSecond           float64 `json:"per_second"`
	DeliveriesPerSecond float64 `json:"deliveries_per_second"`
	CPUEvent            float64 `json:"cpu_us_each_event"`
	CPU                 float64 `json:"cpu_us_each_delivery"`
}

// manyAsked is by question what its answer takes.
type manyAsked map[string]asked

// asked is milliseconds, of time and of the gateway's CPU time.
type asked struct {
	Millis float64 `json:"ms"`
	CPU    float64 `json:"cpu_ms"`
}

// add adds the round that begins for a gateway.
func (r *manyResult) add(s *site) {
	i := slices.IndexFunc(r.Sites, func(m *manySite) bool { return m.Name == s.name })
	if i < 0 {
		i = len(r.Sites)
		r.Sites = append(r.Sites, &manySite{Name: s.name})
	}
	r.Sites[i].Rounds = append(r.Sites[i].Rounds, s.round)
}

// Print writes the table: a column for each gateway with the figures of every round, and in parentheses the ratio of the
// rounds' sums to those of the column after it.
func (r *manyResult) Print(w io.Writer) error {
	fmt.Fprintf(w, "%s events of %d tenants with %d destinations each, %d byte bodies, %d rounds, %s/%s, %d CPUs, %s %s, load %s\n",
		humanize.Comma(r.Rows), r.Tenants, r.Destinations, r.BodyBytes, r.Rounds, r.Machine.OS, r.Machine.Arch, r.Machine.CPUs, r.Machine.Go, r.Machine.CPU, r.Load)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "gateway\t")
	for _, s := range r.Sites {
		fmt.Fprint(t, s.Name, "\t")
	}
	fmt.Fprintln(t)
	line := func(name, format string, of func(*manyRound) float64) { r.line(t, name, format, of) }
	line("acks/s", "%.0f", func(m *manyRound) float64 { return m.Acks.PerSecond })
	line("CPU µs an ack", "%.0f", func(m *manyRound) float64 { return m.Acks.CPU })
	line("ack p50 ms", "%.1f", func(m *manyRound) float64 { return m.Acks.P50 })
	line("ack p99 ms", "%.0f", func(m *manyRound) float64 { return m.Acks.P99 })
	line("with delivery, acks/s", "%.0f", func(m *manyRound) float64 { return m.Delivered.PerSecond })
	line("delivered/s", "%.0f", func(m *manyRound) float64 { return m.Delivered.DeliveriesPerSecond })
	line("CPU µs an event with its deliveries", "%.0f", func(m *manyRound) float64 { return m.Delivered.CPUEvent })
	line("CPU µs a delivery with its part of the ack", "%.0f", func(m *manyRound) float64 { return m.Delivered.CPU })
	line("ack to arrival p50 ms", "%.2f", func(m *manyRound) float64 { return m.ToArrival.P50 })
	line("ack to arrival p99 ms", "%.1f", func(m *manyRound) float64 { return m.ToArrival.P99 })
	line("old duplicate p50 ms", "%.2f", func(m *manyRound) float64 { return m.Duplicate.P50 })
	line("fresh event p50 ms", "%.2f", func(m *manyRound) float64 { return m.Fresh.P50 })
	for _, q := range questions {
		line(q.name+", ms", "%.1f", func(m *manyRound) float64 { return m.Asked[q.name].Millis })
		line(q.name+", CPU ms", "%.1f", func(m *manyRound) float64 { return m.Asked[q.name].CPU })
	}
	line("idle, CPU ms a second", "%.2f", func(m *manyRound) float64 { return m.IdleCPU })
	line("start to ready, ms", "%.0f", func(m *manyRound) float64 { return slices.Min(m.StartMillis) })
	line("start to ready, CPU ms", "%.0f", func(m *manyRound) float64 { return slices.Min(m.StartCPU) })
	line("memory when ready, MiB", "%.0f", func(m *manyRound) float64 { return float64(m.StartRSSBytes[0]) / (1 << 20) })
	line("files, MiB", "%.0f", func(m *manyRound) float64 { return float64(m.FileBytes) / (1 << 20) })
	if err := t.Flush(); err != nil || r.AskedGrown == nil {
		return err
	}
	for _, q := range questions {
		a, b := r.AskedGrown[q.name], r.AskedGrownOther[q.name]
		fmt.Fprintf(w, "at the end the filled store, %s: %.1f ms and %.1f ms of CPU, the other build %.1f and %.1f\n", q.name, a.Millis, a.CPU, b.Millis, b.CPU)
	}
	return nil
}

func (r *manyResult) line(w io.Writer, name, format string, of func(*manyRound) float64) {
	sum := func(i int) (sum float64) {
		for _, m := range r.Sites[i].Rounds {
			sum += of(m)
		}
		return sum
	}
	fmt.Fprint(w, name, "\t")
	for i, s := range r.Sites {
		var all []string
		for _, m := range s.Rounds {
			all = append(all, fmt.Sprintf(format, of(m)))
		}
		text := strings.Join(all, ", ")
		if i+1 < len(r.Sites) && sum(i+1) > 0 {
			text += fmt.Sprintf(" (%.2f)", sum(i)/sum(i+1))
		}
		fmt.Fprint(w, text, "\t")
	}
	fmt.Fprintln(w)
}
