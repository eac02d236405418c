package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/callgate/callgate/bench/command"
	"github.com/callgate/callgate/bench/commandtest"
	"github.com/callgate/callgate/bench/process"
	"github.com/callgate/callgate/bench/report"
	"github.com/callgate/callgate/bench/upstream"
)

// TestMain lets the test be its own upstream, as the program is.
func TestMain(m *testing.M) {
	if !command.Helper(upstreamHelper, upstream.Run) {
		os.Exit(m.Run())
	}
}

// TestRun measures everything, for a moment each; nginx where there is one.
func TestRun(t *testing.T) {
	var r result
	var stdout, stderr string
	for _, seconds := range []string{"0.1", "1", "5"} { // a busy machine may get through nothing in a moment
		r = result{}
		stdout, stderr = commandtest.Run(t, run, &r, "-connections", "4", "-rounds", "2", "-seconds", seconds, "-warmup", "0.05")
		if !slices.ContainsFunc(slices.Concat(slices.Collect(maps.Values(r.Runs))...), func(r *report.Run) bool { return r.Requests == 0 }) {
			break
		}
	}
	want := []string{direct, nginx, plain, withGateway, forwarding}
	if strings.Contains(stderr, "nginx was not found") {
		want = slices.Delete(want, 1, 2)
	}
	if len(r.Subjects) != len(want) || (r.ToNginx != nil) != slices.Contains(want, nginx) || r.ToPlain.RequestsPerSecond.Median <= 0 {
		t.Errorf("want %v, got %s", want, stdout)
	}
	for i, s := range r.Subjects {
		if s.Name != want[i] || s.Requests < 1 || s.Failed != 0 || s.PeakRSSBytes <= 0 || len(r.Runs[s.Name]) != 2 {
			t.Errorf("%+v", s)
		}
	}
	if r.Proxy != "transport callgate" {
		t.Errorf("the gateway's proxy was measured with %q, and is shipped with transport callgate", r.Proxy)
	}
}

func TestNginx(t *testing.T) {
	path, err := findNginx(defaultNginx, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if path == "" {
		t.Skip("there is no nginx on this machine")
	}
	dir := t.TempDir()
	up, address, err := command.StartHelper(t.Context(), upstreamHelper, dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Kill)
	o := &options{nginx: path, connections: 4}
	o.Size = 100_000
	p, listen, err := startNginx(t.Context(), o, dir, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	workers := process.Children(p.PID())
	if len(workers) < 1 {
		t.Error("nginx has no workers, whose CPU time is to be measured")
	}
	res, err := http.Post("http://"+listen+"/webhooks/bench", "text/plain", strings.NewReader(strings.Repeat("a", o.Size)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK || !json.Valid(body) || len(body) == 0 {
		t.Errorf("%d %q %v", res.StatusCode, body, err)
	}
	p.Stop()
	for _, pid := range workers {
		if _, err := process.CPUTime(pid); err == nil {
			t.Errorf("worker %d outlives nginx", pid)
		}
	}
	if log, err := os.ReadFile(filepath.Join(dir, "nginx.log")); err != nil || strings.Contains(string(log), "buffered to a temporary file") {
		t.Errorf("nginx wrote the body to a file: %s %v", log, err)
	}
}

func TestFindNginx(t *testing.T) {
	for _, flag := range []string{"", "off"} {
		if path, err := findNginx(flag, io.Discard); path != "" || err != nil {
			t.Errorf("%q: %q %v", flag, path, err)
		}
	}
	if _, err := findNginx("no-such-nginx", io.Discard); err == nil {
		t.Error("an nginx that was asked for and is not there is no error")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if path, err := findNginx(self, io.Discard); path != self || err != nil {
		t.Errorf("%q %v", path, err)
	}
}

// TestGarbageCollector holds the two that are compared to what they have outside of this program.
func TestGarbageCollector(t *testing.T) {
	for _, c := range (&options{against: "before"}).caddies("", "") {
		if set := slices.Equal(c.Env, []string{"GOGC=100"}); set != (c.Name == plain) || !set && len(c.Env) > 0 || c.Plain != set {
			t.Errorf("%s is started with %v, plain %v", c.Name, c.Env, c.Plain)
		}
		if (c.Binary == "before") != (c.Name == other) {
			t.Errorf("%s is %q", c.Name, c.Binary)
		}
	}
}

func runOf(rps, p99, cpu float64) *report.Run {
	return &report.Run{
		RequestsPerSecond: rps, Requests: int64(rps), Latency: report.Latency{P50: p99 / 2, P99: p99},
		Statuses: map[string]int64{"200": int64(rps), "503": 1}, Errors: map[string]int64{"read": 2},
		// A master that does nothing much, and a worker.
		Processes: []report.Process{{CPUMicrosPerReq: cpu / 4, PeakRSSBytes: 1 << 20}, {CPUMicrosPerReq: cpu * 3 / 4, PeakRSSBytes: 4 << 20}},
	}
}

func TestSummary(t *testing.T) {
	r := &result{Rounds: 3, Runs: map[string][]*report.Run{
		// The machine is twice as fast in the last round, for both.
		plain:       {runOf(100, 10, 50), runOf(110, 11, 40), runOf(200, 5, 60)},
		withGateway: {runOf(50, 20, 100), runOf(66, 22, 60), runOf(120, 15, 120)},
		forwarding:  {runOf(100, 20, 50), runOf(132, 22, 30), runOf(240, 15, 60)},
		nginx:       {runOf(200, 10, 50), runOf(264, 11, 30), runOf(480, 5, 60)},
		other:       {runOf(100, 10, 200), runOf(132, 11, 120), runOf(240, 5, 240)},
	}}
	r.summarize()
	if len(r.Subjects) != 5 || r.Subjects[0].Name != nginx || r.Subjects[1].Name != plain || r.Subjects[1].RequestsPerSecond != (spread{110, 100, 200}) ||
		r.Subjects[2].CPU != (spread{100, 60, 120}) || r.Subjects[2].Requests != 236 || r.Subjects[2].Failed != 9 ||
		r.Subjects[2].PeakRSSBytes != 5<<20 {
		t.Errorf("%+v", r.Subjects)
	}
	if got := r.ToPlain; got.RequestsPerSecond != (spread{.6, .5, .6}) || got.P99 != (spread{2, 2, 3}) || got.CPU != (spread{2, 1.5, 2}) {
		t.Errorf("%+v", got)
	}
	if got := r.ToNginx; got == nil || got.RequestsPerSecond != (spread{.25, .25, .25}) || got.CPU != (spread{2, 2, 2}) {
		t.Errorf("%+v", got)
	}
	if got := r.ToOther; got == nil || got.RequestsPerSecond != (spread{.5, .5, .5}) || got.CPU != (spread{.5, .5, .5}) {
		t.Errorf("%+v", got)
	}
	if got := r.ForwardToPlain; got == nil || got.RequestsPerSecond != (spread{1.2, 1, 1.2}) || got.CPU != (spread{1, .75, 1}) {
		t.Errorf("%+v", got)
	}
	if got := r.ForwardToGateway; got == nil || got.RequestsPerSecond != (spread{2, 2, 2}) || got.CPU != (spread{.5, .5, .5}) {
		t.Errorf("%+v", got)
	}
	if r.failed() != 45 {
		t.Errorf("%d failed", r.failed())
	}
	var table strings.Builder
	if err := r.Print(&table); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{plain, withGateway, "110 (100 to 200)", "0.60 (0.50 to 0.60)", "gateway / nginx", "0.25 (0.25 to 0.25)", "forward / plain", "forward / gateway", "gateway / another build", "0.50 (0.50 to 0.50)"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &table)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want spread
	}{
		{nil, spread{}},
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{4, 1}, spread{2.5, 1, 4}},
		{[]float64{9, 1, 4}, spread{4, 1, 9}},
	} {
		if got := spreadOf(c.in); got != c.want {
			t.Errorf("%v: %v, want %v", c.in, got, c.want)
		}
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-rounds", "0"}, {"-seconds", "0"}, {"-connections", "-1"}, {"extra"}, {"-nothing"}} {
		if _, err := parseFlags(args, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
	o, err := parseFlags(nil, io.Discard)
	if err != nil || o.connections != 64 || o.Size != 2048 || o.rounds < 5 || o.proxy != "transport callgate" || o.nginx != defaultNginx {
		t.Errorf("%+v %v", o, err)
	}
	if o, err = parseFlags([]string{"-gateway-proxy", "", "-nginx", ""}, io.Discard); err != nil || o.proxy != "" || o.nginx != "" {
		t.Errorf("%+v %v", o, err)
	}
}
