package main

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/bench/commandtest"
)

// TestRun measures two gateways with little to remember, for a moment each.
func TestRun(t *testing.T) {
	var r result
	stdout, _ := commandtest.Run(t, run, &r, "-n", "500", "-every", "200", "-connections", "4", "-answer", "1000", "-caches", "100/10MiB,1000/200KiB")
	if len(r.Courses) != 2 {
		t.Fatalf("%+v", r)
	}
	for _, c := range r.Courses {
		var requests []int64
		for _, s := range c.Samples {
			requests = append(requests, s.Requests)
			if s.RSSBytes < 1<<20 || s.PeakRSSBytes < s.RSSBytes || s.HeapBytes < 1<<20 || s.Requests > 0 && (s.PerSecond <= 0 || s.Entries < 10) {
				t.Errorf("%+v", s)
			}
		}
		if !slices.Equal(requests, []int64{0, 200, 400, 500}) || c.Failed != 0 || len(c.full()) != 3 {
			t.Errorf("%+v", c)
		}
	}
	if first, second := r.Courses[0].Samples[3], r.Courses[1].Samples[3]; first.Entries != 100 || first.CacheBytes < 100*1000 ||
		second.Entries >= 200 || second.CacheBytes > 200<<10 {
		t.Errorf("one is bounded by entries and the other by memory: %+v, %+v", first, second)
	}
	if !strings.Contains(stdout, "idempotency cache of 1,000 entries, 200 KiB") || !strings.Contains(stdout, "full at 200 requests") {
		t.Error(stdout)
	}
}

func TestSummary(t *testing.T) {
	const mib = 1 << 20
	c := &course{Bounds: bounds{Entries: 100, Bytes: 10 * mib}, Samples: []sample{
		{Requests: 0, RSSBytes: 50 * mib, PeakRSSBytes: 50 * mib},
		{Requests: 90, Entries: 90, CacheBytes: mib, RSSBytes: 60 * mib, PeakRSSBytes: 65 * mib},
		{Requests: 180, Entries: 100, CacheBytes: mib, RSSBytes: 70 * mib, PeakRSSBytes: 72 * mib},
		{Requests: 270, Entries: 100, CacheBytes: mib, RSSBytes: 69 * mib, PeakRSSBytes: 72.5 * mib},
	}}
	if got, want := c.summary(), "full at 180 requests, and from then on RSS 69.0 to 70.0 MiB; its peak grew by 0.5 MiB over the last 90 requests"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	r := &result{Courses: []*course{c}}
	if err := r.verdict(); err != nil {
		t.Error(err)
	}
	if c.Samples = c.Samples[:2]; !strings.Contains(c.summary(), "never full") {
		t.Error(c.summary())
	}
	for name, change := range map[string]func(){
		"too many entries": func() { c.Samples[1].Entries = 101 },
		"too many bytes":   func() { c.Samples[1].CacheBytes = 11 * mib },
		"failures":         func() { c.Failed = 1 },
	} {
		was, failed := c.Samples[1], c.Failed
		change()
		if r.verdict() == nil {
			t.Errorf("%s: no error", name)
		}
		c.Samples[1], c.Failed = was, failed
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{
		{"-n", "0"}, {"-every", "0"}, {"-connections", "0"}, {"-answer", "16"}, {"more"}, {"-caches", ""}, {"-caches", "10"},
		{"-caches", "0/1MiB"}, {"-caches", "10/0"}, {"-caches", "10/1MiB,"}, {"-caches", "x/1MiB"}, {"-caches", "1/2/3"},
	} {
		if _, err := parseFlags(args, io.Discard); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	o, err := parseFlags(nil, io.Discard)
	if err != nil || o.requests != 1_000_000 || !slices.Equal(o.bounds, []bounds{{100_000, 64 << 20}, {10_000, 4 << 20}}) {
		t.Errorf("%+v %v", o, err)
	}
}
