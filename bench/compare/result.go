package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/callgate/callgate/bench/machine"
	"github.com/callgate/callgate/bench/report"
)

// result is a whole comparison.
type result struct {
	Machine     machine.Info `json:"machine"`
	Load        string       `json:"load,omitempty"` // the load average over a minute, afterwards
	Connections int          `json:"connections"`
	BodyBytes   int          `json:"body_bytes"`
	Rounds      int          `json:"rounds"`
	Seconds     float64      `json:"seconds_per_round"`
	Policy      string       `json:"policy,omitempty"`
	Proxy       string       `json:"gateway_proxy,omitempty"`
	Subjects    []summary    `json:"subjects"`
	// ToPlain, ToNginx and ToOther are the gateway's figures divided by those of the other in the same round.
	ToPlain ratios  `json:"gateway_to_plain"`
	ToNginx *ratios `json:"gateway_to_nginx,omitempty"`
	ToOther *ratios `json:"gateway_to_another_build,omitempty"`
	// ForwardToPlain and ForwardToGateway are those of the gateway with forward.
	ForwardToPlain   *ratios `json:"forward_to_plain,omitempty"`
	ForwardToGateway *ratios `json:"forward_to_gateway,omitempty"`
	// Runs has every single run, by subject.
	Runs map[string][]*report.Run `json:"runs"`
}

// spread is the median of several rounds, and the least and the most of them.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// summary is what the rounds of one subject say. Latencies and CPU times are in microseconds. Where a subject has several
// processes, memory that they share counts for each of them.
type summary struct {
	Name              string `json:"name"`
	RequestsPerSecond spread `json:"requests_per_second"`
	P50               spread `json:"p50_us"`
	P99               spread `json:"p99_us"`
	CPU               spread `json:"cpu_us_per_request"`
	Generator         spread `json:"generator_cpu_us_per_request"`
	PeakRSSBytes      int64  `json:"peak_rss_bytes"`
	Requests          int64  `json:"requests"`
	Failed            int64  `json:"failed"`
}

type ratios struct {
	RequestsPerSecond spread `json:"requests_per_second"`
	P50               spread `json:"p50"`
	P99               spread `json:"p99"`
	CPU               spread `json:"cpu_per_request"`
}

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return spread{(v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1]}
}

// over is the spread of one figure of several runs.
func over(runs []*report.Run, figure func(*report.Run) float64) spread {
	values := make([]float64, len(runs))
	for i, r := range runs {
		values[i] = figure(r)
	}
	return spreadOf(values)
}

// paired is the spread of a figure of each run divided by that of the run of the same round.
func paired(a, b []*report.Run, figure func(*report.Run) float64) spread {
	var values []float64
	for i := range min(len(a), len(b)) {
		if d := figure(b[i]); d > 0 {
			values = append(values, figure(a[i])/d)
		}
	}
	return spreadOf(values)
}

// The figures of a run.
func rps(r *report.Run) float64 { return r.RequestsPerSecond }
func p50(r *report.Run) float64 { return r.Latency.P50 }
func p99(r *report.Run) float64 { return r.Latency.P99 }
func cpu(r *report.Run) (sum float64) {
	for _, p := range r.Processes {
		sum += p.CPUMicrosPerReq
	}
	return sum
}
func peakRSS(r *report.Run) (sum int64) {
	for _, p := range r.Processes {
		sum += p.PeakRSSBytes
	}
	return sum
}
func generatorCPU(r *report.Run) float64 { return r.Generator.CPUMicrosPerReq }

// summarize fills in what follows from the runs.
func (r *result) summarize() {
	for _, name := range []string{direct, nginx, plain, withGateway, forwarding, other} {
		runs := r.Runs[name]
		if len(runs) == 0 {
			continue
		}
		s := summary{
			Name: name, RequestsPerSecond: over(runs, rps), P50: over(runs, p50), P99: over(runs, p99),
			CPU: over(runs, cpu), Generator: over(runs, generatorCPU),
		}
		for _, run := range runs {
			s.Requests += run.Requests
			s.Failed += run.Failed()
			s.PeakRSSBytes = max(s.PeakRSSBytes, peakRSS(run))
		}
		r.Subjects = append(r.Subjects, s)
	}
	r.ToPlain = r.between(withGateway, plain)
	for _, q := range []struct {
		to   **ratios
		a, b string
	}{
		{&r.ToNginx, withGateway, nginx}, {&r.ToOther, withGateway, other},
		{&r.ForwardToPlain, forwarding, plain}, {&r.ForwardToGateway, forwarding, withGateway},
	} {
		if len(r.Runs[q.a]) > 0 && len(r.Runs[q.b]) > 0 {
			between := r.between(q.a, q.b)
			*q.to = &between
		}
	}
}

// between has the figures of one subject divided by those of another in the same round.
func (r *result) between(one, another string) ratios {
	a, b := r.Runs[one], r.Runs[another]
	return ratios{paired(a, b, rps), paired(a, b, p50), paired(a, b, p99), paired(a, b, cpu)}
}

// failed is how many requests got no good answer.
func (r *result) failed() (n int64) {
	for _, s := range r.Subjects {
		n += s.Failed
	}
	return n
}

// Print writes the table.
func (r *result) Print(w io.Writer) error {
	fmt.Fprintf(w, "%d connections, %d byte bodies, %d rounds of %gs each, %s/%s, %d CPUs, %s %s\n",
		r.Connections, r.BodyBytes, r.Rounds, r.Seconds, r.Machine.OS, r.Machine.Arch, r.Machine.CPUs, r.Machine.Go, r.Machine.CPU)
	fmt.Fprintf(w, "median (least to most) of the rounds\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\trequests/s\tp50 ms\tp99 ms\tCPU µs a request\tpeak RSS MiB\tfailed")
	for _, s := range r.Subjects {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\n", s.Name, s.RequestsPerSecond.text(1, "%.0f"), s.P50.text(1e3, "%.2f"),
			s.P99.text(1e3, "%.2f"), s.CPU.text(1, "%.1f"), s.PeakRSSBytes>>20, s.Failed)
	}
	row := func(name string, q ratios) {
		fmt.Fprintf(t, "%s, by round\t%s\t%s\t%s\t%s\t\t\n", name, q.RequestsPerSecond.text(1, "%.2f"),
			q.P50.text(1, "%.2f"), q.P99.text(1, "%.2f"), q.CPU.text(1, "%.2f"))
	}
	row("gateway / plain", r.ToPlain)
	if r.ToNginx != nil {
		row("gateway / nginx", *r.ToNginx)
	}
	if r.ForwardToPlain != nil {
		row("forward / plain", *r.ForwardToPlain)
	}
	if r.ForwardToGateway != nil {
		row("forward / gateway", *r.ForwardToGateway)
	}
	if r.ToOther != nil {
		row("gateway / "+other, *r.ToOther)
	}
	return t.Flush()
}

func (s spread) text(unit float64, format string) string {
	return fmt.Sprintf(format+" ("+format+" to "+format+")", s.Median/unit, s.Min/unit, s.Max/unit)
}
