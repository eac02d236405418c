package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/callgate/callgate/bench/commandtest"
	"github.com/callgate/callgate/bench/machine"
	"github.com/callgate/callgate/internal/pgtest"
)

// TestSoak soaks for a moment.
func TestSoak(t *testing.T) {
	if os.Getenv("CALLGATE_HEAVY") != "1" {
		t.Skip("starts a PostgreSQL server; set CALLGATE_HEAVY=1")
	}
	dir := t.TempDir()
	if machine.InMemory(dir) != "" {
		t.Skip("the directory for temporary files is in memory, where the program rightly refuses to measure")
	}
	server := pgtest.Start(t)
	t.Setenv(databaseVariable, fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", pgtest.User, server.Addr(), pgtest.Database))
	var r soaked
	// So few calls that they cannot be far behind, however busy the machine is.
	stdout, _ := commandtest.Run(t, run, &r, "-store", "postgres", "-dir", dir, "-soak", "4s", "-rate", "25")
	if r.Calls != 100 || r.Failed != 0 || r.Missing != 0 || len(r.Intervals) != 10 || r.Intervals[0].Held || !r.Intervals[5].Held || r.Intervals[9].Held {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(stdout, "100 calls, 0 not acknowledged, 0 missing") {
		t.Errorf("it prints\n%s", stdout)
	}
	if left := server.SQL("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'callgate%'"); left != "0" {
		t.Errorf("it leaves %s schemas behind", left)
	}
}

func TestSoakIsJudgedByItsEnd(t *testing.T) {
	soak := func(change func(n int, i *interval)) *soaked {
		r := &soaked{Rate: 100}
		for n := range 20 {
			i := &interval{PerSecond: 100, Arrivals: 100, Behind: 5}
			change(n, i)
			r.Intervals = append(r.Intervals, i)
		}
		return r
	}
	for _, c := range []struct {
		name, want string
		r          *soaked
	}{
		{"as it began", "", soak(func(int, *interval) {})},
		{"a dip in the middle", "", soak(func(n int, i *interval) {
			if n == 9 {
				i.PerSecond, i.Arrivals, i.Behind = 0, 0, 99999
			}
		})},
		{"fewer acknowledgements", "40 acknowledgements", soak(func(n int, i *interval) {
			if n > 10 {
				i.PerSecond = 40
			}
		})},
		{"fewer arrivals", "and 30 arrivals", soak(func(n int, i *interval) {
			if n > 10 {
				i.Arrivals = 30
			}
		})},
		{"further and further behind", "18000 calls were waiting", soak(func(n int, i *interval) { i.Behind = 1000 * n })},
		{"too short", "", &soaked{Rate: 100, Intervals: []*interval{{}, {}, {}}}},
		{"lost", "1 calls were acknowledged and have not arrived", &soaked{Rate: 100, Missing: 1}},
	} {
		if c.r.judge(); c.want == "" && c.r.Collapsed != "" || !strings.Contains(c.r.Collapsed, c.want) {
			t.Errorf("%s: %q, want %q", c.name, c.r.Collapsed, c.want)
		}
	}
}

func TestSummarizeInterval(t *testing.T) {
	const ms = time.Millisecond
	calls := []passage{
		{due: 1 * ms, acked: 2 * ms, arrived: 1003 * ms}, // before, and arrives within
		{due: 1000 * ms, acked: 1010 * ms, arrived: 1040 * ms},
		{due: 1001 * ms, acked: 1005 * ms},                     // waits
		{due: 1002 * ms, acked: 1004 * ms, arrived: 5000 * ms}, // waits at the end
		{due: 1003 * ms, acked: 2500 * ms},                     // acknowledged too late to count
		{due: 1004 * ms, acked: 1005 * ms, failed: true},
		{due: 2000 * ms},
	}
	i := summarizeInterval(calls, 1000*ms, 2000*ms)
	want := interval{PerSecond: 3, Arrivals: 2, SendToAck: percentiles{4, 10, 10}, AckToArrival: percentiles{1001, 1001, 1001}, Behind: 2}
	if *i != want {
		t.Errorf("%+v, want %+v", *i, want)
	}
}
