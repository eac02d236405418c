// Package report is what one run of the load generator says, as JSON. Times are wall clock, CPU times are user and
// system together.
package report

// Run is the outcome of one run. Only what was answered within the measured time is counted, unless it says
// otherwise.
type Run struct {
	URL         string `json:"url"`
	Scheme      string `json:"scheme"`
	Connections int    `json:"connections"`
	// BodyBytes is the length of each request's body.
	BodyBytes int `json:"body_bytes"`
	// DuplicateRatio is the share of requests that were to repeat an earlier one; Duplicates is how many did.
	DuplicateRatio float64 `json:"duplicate_ratio"`
	Duplicates     int64   `json:"duplicates"`

	// Seconds is the measured time, after the warm-up.
	Seconds           float64 `json:"seconds"`
	Requests          int64   `json:"requests"`
	RequestsPerSecond float64 `json:"requests_per_second"`
	Latency           Latency `json:"latency_us"`

	// Statuses counts answers by status code, Errors requests without an answer by what failed: dial, write, read,
	// timeout or answer (it was not HTTP).
	Statuses map[string]int64 `json:"statuses"`
	Errors   map[string]int64 `json:"errors"`

	// Sent counts all requests, those of the warm-up included. SignedLate is how many of them had to be signed while
	// the clock was running, because there were more than were signed ahead.
	Sent       int64 `json:"sent"`
	SignedLate int64 `json:"signed_late"`

	// Generator is the load generator itself, Processes are those that it was asked to watch.
	Generator Process   `json:"generator"`
	Processes []Process `json:"processes,omitempty"`
}

// Latency is the time from a request's first byte going out to its answer's last byte coming in, in microseconds.
// Percentiles are exact to one part in 128.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

// Process is what a process used during the measured time.
type Process struct {
	PID             int     `json:"pid"`
	CPUSeconds      float64 `json:"cpu_seconds"`
	CPUMicrosPerReq float64 `json:"cpu_us_per_request"`
	// RSSBytes is the memory it held at the end, PeakRSSBytes the most it ever held.
	RSSBytes     int64 `json:"rss_bytes"`
	PeakRSSBytes int64 `json:"peak_rss_bytes"`
}

// Failed is how many requests got no answer or one that is not of the 2xx class.
func (r *Run) Failed() (n int64) {
	for status, count := range r.Statuses {
		if status[0] != '2' {
			n += count
		}
	}
	for _, count := range r.Errors {
		n += count
	}
	return n
}
