package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/callgate/callgate/bench/report"
)

// result is a whole comparison.
type result struct {
	Machine     machine   `json:"machine"`
	Connections int       `json:"connections"`
	BodyBytes   int       `json:"body_bytes"`
	Rounds      int       `json:"rounds"`
	Seconds     float64   `json:"seconds_per_round"`
	Policy      string    `json:"policy,omitempty"`
	Proxy       string    `json:"gateway_proxy,omitempty"`
	Subjects    []summary `json:"subjects"`
	// Ratios are the gateway's figures divided by plain Caddy's of the same round.
	Ratios ratios `json:"gateway_to_plain"`
	// Runs has every single run, by subject.
	Runs map[string][]*report.Run `json:"runs"`
}

// machine is what the figures were measured on.
type machine struct {
	CPUs int    `json:"cpus"`
	OS   string `json:"os"`
	Arch string `json:"arch"`
	Go   string `json:"go"`
	CPU  string `json:"cpu,omitempty"`
}

// spread is the median of several rounds, and the least and the most of them.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// summary is what the rounds of one subject say. Latencies and CPU times are in microseconds.
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
func cpu(r *report.Run) float64 {
	if len(r.Processes) == 0 {
		return 0
	}
	return r.Processes[0].CPUMicrosPerReq
}
func generatorCPU(r *report.Run) float64 { return r.Generator.CPUMicrosPerReq }

// summarize fills in what follows from the runs.
func (r *result) summarize() {
	for _, name := range []string{direct, plain, gateway} {
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
			if len(run.Processes) > 0 {
				s.PeakRSSBytes = max(s.PeakRSSBytes, run.Processes[0].PeakRSSBytes)
			}
		}
		r.Subjects = append(r.Subjects, s)
	}
	g, p := r.Runs[gateway], r.Runs[plain]
	r.Ratios = ratios{paired(g, p, rps), paired(g, p, p50), paired(g, p, p99), paired(g, p, cpu)}
}

// failed is how many requests got no good answer.
func (r *result) failed() (n int64) {
	for _, s := range r.Subjects {
		n += s.Failed
	}
	return n
}

// print writes the table.
func (r *result) print(w io.Writer) error {
	fmt.Fprintf(w, "%d connections, %d byte bodies, %d rounds of %gs each, %s/%s, %d CPUs, %s\n",
		r.Connections, r.BodyBytes, r.Rounds, r.Seconds, r.Machine.OS, r.Machine.Arch, r.Machine.CPUs, r.Machine.Go)
	fmt.Fprintf(w, "median (least to most) of the rounds\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\trequests/s\tp50 ms\tp99 ms\tCPU µs a request\tpeak RSS MiB\tfailed")
	for _, s := range r.Subjects {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\n", s.Name, s.RequestsPerSecond.text(1, "%.0f"), s.P50.text(1e3, "%.2f"),
			s.P99.text(1e3, "%.2f"), s.CPU.text(1, "%.1f"), s.PeakRSSBytes>>20, s.Failed)
	}
	q := r.Ratios
	fmt.Fprintf(t, "gateway / plain, by round\t%s\t%s\t%s\t%s\t\t\n", q.RequestsPerSecond.text(1, "%.2f"), q.P50.text(1, "%.2f"),
		q.P99.text(1, "%.2f"), q.CPU.text(1, "%.2f"))
	return t.Flush()
}

func (s spread) text(unit float64, format string) string {
	return fmt.Sprintf(format+" ("+format+" to "+format+")", s.Median/unit, s.Min/unit, s.Max/unit)
}
